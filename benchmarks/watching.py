"""How much memory processes have, looked at from outside: all of it, and what is no file's page.

A page of a mapped file can be dropped when memory is short, as the file has it; so a process of
little own memory runs on a small machine, however large its peak.
"""

import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.2


class Watch:
    """The most memory that processes have while a block runs, in MB by name.

    name_of: given a process' id and the words of its command, the name to count it under, or None.
    peak: resident at once, by the kernel's own count. own: of it what is no page of a file, at the
    looks taken five times a second.
    """

    def __init__(self, name_of: Callable[[int, list[str]], str | None]) -> None:
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
        self._look()

    def _look_on(self) -> None:
        while not self._done.wait(SECONDS_BETWEEN_LOOKS):
            self._look()

    def _look(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_text().split("\0")
                name = self._name_of(int(process.name), words)
                if name is not None:
                    status = (process / "status").read_text()
                    sizes = dict(line.split(":", 1) for line in status.splitlines())
            except OSError:  # it has ended
                continue
            if name is not None:
                for into, key in ((self.peak, "VmHWM"), (self.own, "RssAnon")):
                    size = int(sizes.get(key, "0 kB").split()[0]) / 1024
                    into[name] = max(into[name], size)
