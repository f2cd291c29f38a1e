"""What Snakemake and this workflow cost beside the work: a plan, a rerun, a run, and its growth.

Plans are compared with those of a workflow of as many jobs in as many rules that do nothing, in
turns; each is the least of some tries. The overhead of a run is its time on one core above the sum
of its jobs' seconds. Growth is that of whole runs on 2 cores with 1, 2, 4 and 8 times as many
pictures in 4 shards: the time of the largest is compared with the straight line through the smaller
ones, its memory with the smallest run's. Pictures are the demo's, from the second copy on cropped
by some pixels. What a cluster or a network file system adds is not measured.
"""

import argparse
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measuring import machine, table
from whole_runs import STAGES, Workspace, copies_of_pictures, demo_config, timed

PLAN_LIMIT = 4
RERUN_LIMIT = 5
SHARDS = 4
CORES = 2
TIMES = (1, 2, 4, 8)
PICTURES = 60

# {sharded} rules of {shards} jobs and {single} rules of one.
EMPTY = """
rule all:
    input:
        expand("{last}/{{shard}}", shard=range({shards})),
        "one{single}",

for number in range({sharded}):
    rule:
        name: f"sharded{{number}}"
        input: [f"{{number - 1}}/{{{{shard}}}}"] if number else []
        output: f"{{number}}/{{{{shard}}}}"
        shell: "touch {{output}}"

for number in range(1, {single} + 1):
    rule:
        name: f"single{{number}}"
        input: [f"one{{number - 1}}"] if number > 1 else []
        output: f"one{{number}}"
        shell: "touch {{output}}"
"""


def empty_workflow(folder: Path, shards: int, sharded: int, single: int) -> list[str]:
    """A workflow that does nothing, and the command that plans it."""
    folder.mkdir()
    path = folder / "Snakefile"
    path.write_text(EMPTY.format(shards=shards, sharded=sharded, single=single, last=sharded - 1))
    return [sys.executable, "-m", "snakemake", "--snakefile", str(path), "--dry-run"]


def planned(printed: str) -> dict[str, int]:
    """Jobs of each rule that a dry run printed."""
    stats = printed.split("Job stats:")[1].split("\n\n")[0]
    counts = {name: int(count) for name, count in re.findall(r"(?m)^(\w+) +(\d+)$", stats)}
    assert counts.pop("total") == sum(counts.values())
    return counts


def plan(folder: Path, name: str, shards: int, tries: int) -> list[object]:
    """Seconds of a dry run, and of one of a workflow as large that does nothing."""
    config = demo_config(shards=shards) if name == "demo" else {"shards": shards}
    workspace = Workspace(folder / f"{name}-{shards}", config)
    seconds, printed = workspace.run("--dry-run")
    own, other = [seconds], []
    counts = planned(printed)
    jobs = sum(counts.values())
    sharded = sum(count == shards for count in counts.values())
    nothing = folder / f"empty-{name}-{shards}"
    # The target, which runs nothing, is in both.
    empty = empty_workflow(nothing, shards, sharded, jobs - sharded * shards - 1)
    for _ in range(tries):
        seconds, printed = timed(empty, nothing)
        other.append(seconds)
        if len(own) < tries:
            own.append(workspace.run("--dry-run")[0])
    assert jobs == sum(planned(printed).values())
    return [name, shards, jobs, min(own), PLAN_LIMIT, min(other), min(own) / min(other)]


def overhead(name: str, workspace: Workspace) -> list[object]:
    """Seconds of a run on one core, and of all its jobs."""
    seconds, _ = workspace.run()
    jobs = [job for of_rule in workspace.seconds().values() for job in of_rule]
    return [name, len(jobs), seconds, sum(jobs), f"{seconds / sum(jobs) - 1:.1%}"]


def rerun(name: str, workspace: Workspace, shards: int, tries: int) -> list[object]:
    """Least seconds of a run that has nothing to do."""
    seconds = []
    for _ in range(tries):
        again, printed = workspace.run()
        assert "Nothing to be done" in printed
        seconds.append(again)
    return [name, shards, min(seconds), min(seconds) / RERUN_LIMIT]


def pretended(workspace: Workspace) -> None:
    """Make Snakemake believe that all jobs ran: their outputs are empty files."""
    _, printed = workspace.run("--summary")
    for line in printed.splitlines():
        path = Path(line.partition("\t")[0])
        if path.parts[:1] == ("results",):
            file = workspace.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch() if path.suffix else file.mkdir()
    workspace.run("--touch")


@dataclass(frozen=True)
class Grown:
    """One run: pictures, wall seconds; by stage the seconds of its jobs and its peak MB."""

    pictures: int
    seconds: float
    stages: dict[str, float]
    peaks: dict[str, float]


def grown(folder: Path, pictures: int, copies: int) -> Grown:
    """Run the workflow on copies of some pictures."""
    copies_of_pictures(folder / "pictures", pictures, copies)
    source = {"source": "folder", "folder": {"path": str(folder / "pictures")}}
    workspace = Workspace(folder / "run", demo_config(dataset=source, shards=SHARDS))
    seconds, _ = workspace.run(cores=CORES)
    jobs, peak = workspace.seconds(), workspace.watch.peak
    return Grown(
        pictures * copies,
        seconds,
        {stage: sum(sum(jobs.get(rule, [])) for rule in rules) for stage, rules in STAGES.items()},
        {stage: max(peak[rule] for rule in rules) for stage, rules in STAGES.items()},
    )


def of_line(pictures: list[int], seconds: list[float]) -> str:
    """The last time over what a straight line through those before it foretells.

    The line is that of least squared relative error.
    """
    if len(seconds) < 3:
        return "needs 3 sizes"
    weights = 1 / np.array(seconds[:-1])
    slope, start = np.polyfit(pictures[:-1], seconds[:-1], 1, w=weights)
    return f"{seconds[-1] / (start + slope * pictures[-1]):.2f}"


def print_growth(several: tuple[int, ...], pictures: int) -> None:
    """Run the workflow with `pictures` times each of `several`; print seconds and memory."""
    runs = []
    for copies in several:
        with tempfile.TemporaryDirectory() as name:
            runs.append(grown(Path(name), pictures, copies))
    counts = [run.pictures for run in runs]
    wholes = {"whole run": [run.seconds for run in runs]}
    stages = {stage: [run.stages[stage] for run in runs] for stage in STAGES}
    rows = [
        [name, *took, (took[-1] - took[0]) / (counts[-1] - counts[0]), of_line(counts, took)]
        for name, took in (wholes | stages).items()
    ]
    print(f"\nThe whole run by its wall time on {CORES} cores; a stage by the sum of its jobs'")
    header = ["seconds, by pictures", *map(str, counts), "a picture more", "of linear"]
    print(table(header, rows))
    print("\nThe largest process of each stage")
    peaks = {stage: [run.peaks[stage] for run in runs] for stage in STAGES}
    rows = [[stage, *peak, f"{peak[-1] / peak[0]:.2f}"] for stage, peak in peaks.items()]
    print(table(["peak MB, by pictures", *map(str, counts), "last / first"], rows))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes, tries and pictures")
    options = parser.parse_args()
    print(machine("snakemake", "torch", "torchvision", "scikit-learn", "pyarrow"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tries = 2 if options.quick else 5
        cases = [("real", 8), ("real", 64), ("real", 256), ("demo", 256)]
        if options.quick:
            cases = [("real", 8), ("real", 256)]
        print("\nA plan: snakemake --dry-run, least of", tries)
        header = ["configuration", "shards", "jobs", "seconds", "limit", "empty", "of empty"]
        print(table(header, [plan(folder, *case, tries) for case in cases]), flush=True)

        demo = Workspace(folder / "demo", demo_config())
        runs = [overhead("demo, 60 pictures", demo)]
        reruns = [rerun("demo", demo, 2, tries)]
        if not options.quick:
            copies_of_pictures(folder / "pictures", PICTURES, 4)
            source = {"source": "folder", "folder": {"path": str(folder / "pictures")}}
            larger = Workspace(folder / "larger", demo_config(dataset=source))
            runs.append(overhead("the same, 240 pictures", larger))
            many = Workspace(folder / "many", demo_config(shards=256))
            pretended(many)
            reruns.append(rerun("demo", many, 256, tries))
        print("\nA run on one core: its seconds, and the sum of its jobs' (limit: 10 % above)")
        print(table(["run", "jobs", "seconds", "jobs' sum", "above"], runs))
        print("\nA rerun with nothing to do, limit", RERUN_LIMIT, "s")
        print(table(["configuration", "shards", "seconds", "of the limit"], reruns), flush=True)
    print_growth(TIMES[:2] if options.quick else TIMES, 12 if options.quick else PICTURES)


if __name__ == "__main__":
    main()
