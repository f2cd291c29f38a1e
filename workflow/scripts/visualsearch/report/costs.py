"""Reads time and memory of each stage, as Snakemake measured it."""

import csv
from dataclasses import dataclass
from math import inf
from pathlib import Path

# Rules by stage, each with what it does. The rules of report and explorer are not here: while the
# report is drawn, their times are not known.
STAGES: dict[str, dict[str, str]] = {
    "Dataset": {
        "fetch_annotations": "list the pictures",
        "fetch_images": "fetch and check the pictures",
        "build_manifest": "write the manifest",
    },
    "Detection": {
        "fetch_weights": "prepare the detector",
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
