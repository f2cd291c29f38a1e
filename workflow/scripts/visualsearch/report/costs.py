"""What each stage took, from the benchmarks that Snakemake writes beside the results."""

import csv
from dataclasses import dataclass
from math import inf
from pathlib import Path

# Rules by stage, each with what it does. Drawing the report and making the explorer have no part in
# it: while the report is drawn, their times are not known.
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
    "Reduction": {
        "fit_pca": "fit the reduction",
        "reduce_vectors": "shorten the vectors",
    },
    "Index": {
        "build_index": "build and tune the index",
        "time_index": "time the index",
    },
    "Search": {
        "embed_query_images": "describe own query pictures",
        "select_queries": "choose the queries",
        "search_persons": "search",
    },
    "Evaluation": {
        "evaluate_detections": "measure the detections",
        "evaluate_search": "measure the search",
    },
}

# Snakemake looks at a job's memory every half second: of a shorter one it sees the start, at most.
SEEN_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """One run of a job. seconds: wall time; memory: most bytes resident at once, if known."""

    seconds: float
    memory: float | None


@dataclass(frozen=True)
class Cost:
    """What the jobs of one rule took."""

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
        """Most bytes that one job held; None where that is known of no job."""
        return max((job.memory for job in self.jobs if job.memory is not None), default=None)


def read_costs(folder: str | Path, shards: int) -> list[Cost]:
    """Costs by rule, in the order of the stages; rules without a benchmark are left out.

    folder: holds <rule>.tsv, or <rule>/<shard>.tsv where a rule runs by shard. Files of shards that
    are no longer, from `shards` on, are passed over.
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
    """The last run in a benchmark's file; None where there is none, or none that can be read.

    Nothing but the report depends on these files, and nothing checks them.
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
    # NA where Snakemake could not look.
    try:
        value = float(mebibytes or "")
    except ValueError:
        return None
    return value * 2**20 if 0 < value < inf else None
