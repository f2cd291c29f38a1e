"""Time and memory of each stage, as Snakemake measured it: read, and as a table."""

import csv
from dataclasses import dataclass
from itertools import groupby
from math import inf
from pathlib import Path
from typing import NamedTuple

from visualsearch.report.numbers import DASH, count, duration, percent, size

# Rules by stage, each with what it does. The rules of report and explorer are not here: while the
# report is drawn, their times are not known.
STAGES: dict[str, dict[str, str]] = {
    "Dataset": {
        "fetch_annotations": "list the pictures",
        "fetch_images": "fetch and check the pictures",
        "build_manifest": "write the manifest",
    },
    "Detection": {
        "fetch_weights": "fetch the detector's weights",
        "detect_persons": "detect",
        "gather_detections": "gather the detections",
    },
    "Embedding": {
        "embed_persons": "describe the detections",
        "embed_distorted": "describe moved and mirrored copies",
    },
    "Reduction": {"fit_pca": "fit the reduction", "reduce_vectors": "shorten the vectors"},
    "Index": {"build_index": "build and tune the index", "time_index": "time the index"},
    "Search": {
        "embed_query_images": "describe own query pictures",
        "select_queries": "choose the queries",
        "search_persons": "search",
    },
    "Evaluation": {
        "evaluate_detections": "measure the detections",
        "evaluate_search": "measure the search",
        "evaluate_galleries": "measure the galleries",
    },
}

# Snakemake reads a job's memory every half second, so it has one reading of a shorter job at most.
SEEN_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """One job. seconds: wall time. memory: peak resident bytes, None if not measured."""

    seconds: float
    memory: float | None


@dataclass(frozen=True)
class Cost:
    """All jobs of one rule."""

    stage: str
    step: str
    jobs: list[Job]

    @property
    def seconds(self) -> float:
        """Wall time of all jobs together."""
        return sum(job.seconds for job in self.jobs)

    @property
    def longest(self) -> float:
        """Wall time of the longest job."""
        return max(job.seconds for job in self.jobs)

    @property
    def memory(self) -> float | None:
        """Peak memory of the largest job, in bytes; None if no job was measured."""
        return max((job.memory for job in self.jobs if job.memory is not None), default=None)


def read_costs(folder: str | Path, shards: int) -> list[Cost]:
    """Read the costs by rule, in the order of STAGES, without rules that have no benchmark.

    folder: holds <rule>.tsv, or <rule>/<shard>.tsv if a rule runs by shard. Shards from `shards` on
    are left over from an earlier configuration and are not read.
    """
    folder = Path(folder)
    costs = []
    for stage, steps in STAGES.items():
        for rule, step in steps.items():
            files = [folder / f"{rule}.tsv"]
            files += [folder / rule / f"{shard}.tsv" for shard in range(shards)]
            jobs = [job for file in files if (job := _read_job(file)) is not None]
            if jobs:
                costs.append(Cost(stage, step, jobs))
    return costs


def _read_job(path: Path) -> Job | None:
    """Read the last run in a benchmark's file; None if it is missing or not valid.

    Nothing but the report depends on these files, so a damaged one is no error.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            *_, row = csv.DictReader(file, delimiter="\t")
        seconds = float(row["s"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not 0 <= seconds < inf:
        return None
    return Job(seconds, _bytes(row.get("max_rss")) if seconds >= SEEN_SECONDS else None)


def _bytes(mebibytes: str | None) -> float | None:
    try:
        value = float(mebibytes or "")
    except ValueError:  # NA, if Snakemake could not read the memory
        return None
    return value * 2**20 if 0 < value < inf else None


class Row(NamedTuple):
    """A line of the table. share: its part of the time of all jobs, 0 to 1."""

    step: str
    jobs: str
    seconds: str
    share: float
    longest: str
    memory: str


def table(costs: list[Cost]) -> list[tuple[str, list[Row]]]:
    """Return each stage with its lines, one a rule."""
    seconds = _together(costs).seconds
    return [
        (stage, [_row(cost, seconds) for cost in steps])
        for stage, steps in groupby(costs, key=lambda cost: cost.stage)
    ]


def total(costs: list[Cost]) -> Row:
    """Return the last line of the table: all jobs together."""
    together = _together(costs)
    return _row(together, together.seconds)


def paragraphs(costs: list[Cost]) -> list[str]:
    """Say which step took longest, and how exact the numbers are."""
    together = _together(costs)
    most = max(costs, key=lambda cost: cost.seconds)
    share = most.seconds / together.seconds if together.seconds else 0
    return [
        f"{count(len(together.jobs), 'job')} took {duration(together.seconds)} one after "
        f"another, less by the clock where several ran at once. {percent(share)} of it went into "
        f"one step: {most.step}.",
        "Time is from a job's start to its end, with the loading of its libraries; memory is the "
        "most that it and the processes it started were seen to hold at once. Snakemake looks "
        "every half second at first and every half minute later. So a job of under two seconds is "
        "hardly seen, one of under a second is shown without memory, and short peaks of any job "
        "may be missed. Each job's last run counts, whenever that was; drawing this report and "
        "making the explorer have no part in it.",
    ]


def _together(costs: list[Cost]) -> Cost:
    return Cost("", "all together", [job for cost in costs for job in cost.jobs])


def _row(cost: Cost, all_seconds: float) -> Row:
    return Row(
        cost.step,
        f"{len(cost.jobs):,}",
        duration(cost.seconds),
        cost.seconds / all_seconds if all_seconds else 0.0,
        duration(cost.longest),
        DASH if cost.memory is None else size(cost.memory),
    )
