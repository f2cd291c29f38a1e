"""What this machine has for a run, and whether its Python can start scripts."""

import re
from contextlib import suppress
from pathlib import Path

import psutil

from visualsearch.core.errors import InputError

# Where Linux keeps the limits of a container or a job, in its present and its former way.
CGROUPS = {
    "": (Path("/sys/fs/cgroup"), "memory.max"),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
}


def memory_mb() -> int:
    """Memory of this machine in MB, or of the container or the cluster's job that this runs in."""
    limits = [psutil.virtual_memory().total]
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controller, group = line.split(":", 2)
            if controller in CGROUPS:
                root, name = CGROUPS[controller]
                own = root / group.lstrip("/")
                for level in (own, *own.parents):
                    # No limit is the word "max".
                    with suppress(OSError, ValueError):
                        limits.append(int((level / name).read_text()))
    return min(limits) // 10**6


def check_python(python: str) -> None:
    """Raise InputError if Snakemake could not start scripts with a Python of this path.

    It does not quote the path (https://github.com/snakemake/snakemake/issues/2645).
    """
    if bad := re.search(r"[\s\"'`\\$&|;<>()*?\[\]]", python):
        raise InputError(
            f"Snakemake cannot start scripts with {python!r}, as {bad.group()!r} is in its path; "
            "install into a folder without it"
        )
