"""What the benchmarks share: time and memory in a process of its own, tables, the machine.

Imports nothing heavy, so that what is forked or started from here is as light as a job's process.
"""

import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# A process starts with the peak of the one that started it, whatever it runs then (Linux carries it
# over exec). Between the two stands this one, which is small, and passes on what it measured.
_LAUNCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[2:])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
with open(sys.argv[1], "w") as file:
    file.write(f"{code} {seconds} {peak}")
"""


def measured(stage: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and peak resident memory in MB, of a stage run in a forked process.

    The peak is that of the largest process, the stage's own children among them, and has in it what
    the caller has in memory: import heavy modules in the stage. A caller that has computed with
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


def measured_command(
    arguments: Sequence[str | Path],
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[float, float]:
    """Seconds of a command, and peak resident memory in MB of its largest process.

    Children that the command waits for count. What it prints is shown only if it fails.

    Raises SystemExit if the command fails.
    """
    with tempfile.TemporaryDirectory() as name:
        answer = Path(name) / "answer"
        with (Path(name) / "printed").open("w+b") as printed:
            subprocess.run(
                [sys.executable, "-I", "-c", _LAUNCHER, answer, *map(str, arguments)],
                cwd=cwd,
                env=env,
                stdout=printed,
                stderr=subprocess.STDOUT,
                check=True,
            )
            code, seconds, peak = answer.read_text().split()
            if code != "0":
                printed.seek(0)
                tail = printed.read().decode(errors="replace").splitlines()[-30:]
                command = " ".join(map(str, arguments))
                raise SystemExit("\n".join([*tail, f"failed with {code}: {command}"]))
    return float(seconds), float(peak)


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
