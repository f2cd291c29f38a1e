"""Loaded by the Python of every job of a measured run: writes down what the job cost.

One JSON line a job, at its end, into the file that RECORDED_JOBS names: rule, seconds since the
process began, seconds until this file was loaded, seconds in imports (an import within another
counts once), seconds of processor, peak resident memory in MB of the job or of its largest child,
and the packages loaded. Snakemake's own samples of memory miss the peak of short jobs.
"""

import atexit
import builtins
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

_original = builtins.__import__
_importing = {"depth": 0, "seconds": 0.0}


def _timed(*arguments: Any, **named: Any) -> Any:
    if _importing["depth"]:
        return _original(*arguments, **named)
    _importing["depth"] = 1
    start = time.perf_counter()
    try:
        return _original(*arguments, **named)
    finally:
        _importing["seconds"] += time.perf_counter() - start
        _importing["depth"] = 0


def _age() -> float:
    """Seconds since this process began."""
    fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def _record(rule: str, starting: float) -> None:
    line = {
        "rule": rule,
        "seconds": _age(),
        "starting": starting,
        "importing": _importing["seconds"],
        "processor": sum(os.times()[:4]),
        "peak_mb": _peak_mb(),
        "packages": sorted({name.partition(".")[0] for name in sys.modules}),
    }
    with open(os.environ["RECORDED_JOBS"], "a") as file:
        file.write(json.dumps(line) + "\n")


# Snakemake runs a script as .snakemake/scripts/tmp<random>.<rule>.py
_script = Path(next(iter(sys.orig_argv[1:]), ""))
if _script.match(".snakemake/scripts/*.*.py"):
    atexit.register(_record, _script.name.split(".")[1], _age())
    builtins.__import__ = _timed
