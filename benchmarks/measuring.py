"""What the benchmarks share: time and memory of processes, tables, a line about the machine.

Imports nothing heavy, so that what is forked or started from here is as light as a job's process.
"""

import multiprocessing
import os
import platform
import resource
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.2


def measured(stage: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and peak resident memory in MB, of a stage run in a forked process.

    The peak is that of the largest process, the stage's own children included. It contains what
    the caller has in memory, so import heavy modules in the stage. A caller that has computed with
    torch must not fork, as its threads do not come along.

    Raises SystemExit if the stage fails.
    """
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def run() -> None:
        start = time.perf_counter()
        stage()
        seconds = time.perf_counter() - start
        peaks = [
            resource.getrusage(who).ru_maxrss / 1024
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ]
        queue.put((seconds, max(peaks)))

    sys.stdout.flush()
    process = context.Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{getattr(stage, '__name__', 'the stage')} failed")
    return queue.get()


class Watch:
    """The most memory that processes have while a block runs, in MB by name.

    name_of: the name under which the process with these words in its command is counted, or None.
    peak: resident memory, by the kernel's own count. own: the part that is no page of a file,
    looked at five times a second. The kernel can drop the pages of a mapped file when memory is
    short, so a process with little own memory runs on a small machine, however large its peak.
    """

    def __init__(self, name_of: Callable[[list[str]], str | None]) -> None:
        self.peak: dict[str, float] = defaultdict(float)
        self.own: dict[str, float] = defaultdict(float)
        self._name_of = name_of
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            for process in Path("/proc").glob("[0-9]*"):
                self._look_at(process)

    def _look_at(self, process: Path) -> None:
        try:
            name = self._name_of((process / "cmdline").read_text().split("\0"))
            if name is None:
                return
            lines = (process / "status").read_text().splitlines()
        except OSError:  # it has ended
            return
        sizes = dict(line.split(":", 1) for line in lines)
        for into, key in ((self.peak, "VmHWM"), (self.own, "RssAnon")):
            into[name] = max(into[name], int(sizes.get(key, "0 kB").split()[0]) / 1024)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as plain text: the first column to the left, all others to the right.

    Numbers get three significant digits, None is an empty cell.
    """
    cells = [list(header), *([_shown(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    lines = []
    for line in cells:
        first, *others = zip(line, widths, strict=True)
        text = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        lines.append("  ".join(text).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        size = abs(value)
        digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def machine(*packages: str) -> str:
    """The processor, its cores and memory, Python, and versions of the packages named; one line."""
    parts = [
        _processor(),
        f"{len(os.sched_getaffinity(0))} cores",
        f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        f"Python {platform.python_version()}",
    ]
    for package in packages:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    return ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = dict(line.split("\t", 1) for line in lines if line.startswith(("model name", "flags")))
    name = named.get("model name", platform.machine()).strip("\t: ")
    bf16 = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in named.get("flags", "").split()]
    return " ".join([name, *bf16])
