"""What the main process and the jobs noted of a run, in the folder of the logs."""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from visualsearch.core.environment import STARTED, environment
from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json
from visualsearch.report.costs import STAGES

LOCK = Path(__file__).parents[4] / "requirements-lock.txt"
MACHINE = ("python", "platform", "processor", "gpu")
# A value, such as a version, and the stages whose jobs had it.
ByValue = dict[str, list[str]]


def run_facts(logs: Path, shards: int) -> dict[str, Any]:
    """What the main process noted, if it made this report, and what the jobs noted, by stage."""
    run = _read(logs / STARTED)
    if "render_report" not in run.get("rules", ()):
        run = {}
    if run:
        passed = datetime.now(UTC) - datetime.fromisoformat(run["started"])
        run["seconds"] = round(passed.total_seconds(), 1)
    jobs = []
    for stage, steps in STAGES.items():
        for rule in steps:
            files = [logs / f"{rule}.json", *(logs / rule / f"{n}.json" for n in range(shards))]
            jobs += [(stage, job) for file in files if (job := _read(file))]
    jobs.append(("Report", environment()))
    run |= {name: _by_value((stage, job[name]) for stage, job in jobs) for name in MACHINE}
    names = sorted({name for _, job in jobs for name in job["packages"]})
    run["packages"] = {
        name: _by_value((stage, job["packages"].get(name)) for stage, job in jobs) for name in names
    }
    return run | {"not_as_locked": _not_as_locked(run["packages"])}


def _read(path: Path) -> dict[str, Any]:
    with suppress(InputError):
        return dict(read_json(path))
    return {}


def _by_value(values: Iterable[tuple[str, str | None]]) -> ByValue:
    """Return each value with the stages that had it."""
    found: ByValue = {}
    for stage, value in values:
        if value and stage not in found.setdefault(value, []):
            found[value].append(stage)
    return found


def _not_as_locked(packages: dict[str, ByValue]) -> list[str] | None:
    """Return the packages of other versions than those of the lock; None without a lock."""
    if not LOCK.is_file():
        return None
    locked = re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    # PyTorch's own builds have a version such as 2.8.0+cpu.
    return [
        name
        for name, versions in packages.items()
        if any((name, version.partition("+")[0]) not in locked for version in versions)
    ]
