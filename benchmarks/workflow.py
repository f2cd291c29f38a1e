"""What Snakemake and this workflow's own start cost: a plan, a rerun, a run, and imports in jobs.

Plans are compared with those of a workflow of as many jobs in as many rules that do nothing, in
turns; each is the least of some tries. A run's overhead is its time on one core above the sum of
its jobs' seconds, both of one run. What a cluster or a network file system adds is not measured.
"""

import argparse
import re
import statistics
import sys
import tempfile
from pathlib import Path

from measuring import machine, table
from whole_runs import Workspace, copies_of_pictures, demo_config, timed

PLAN_LIMIT = 4
RERUN_LIMIT = 5
HEAVY = ("torch", "torchvision", "sklearn", "scipy", "pandas", "matplotlib", "pycocotools", "PIL")

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


def empty_workflow(folder: Path, shards: int, sharded: int, single: int) -> list[str | Path]:
    """A workflow that does nothing, and the command that plans it."""
    folder.mkdir()
    path = folder / "Snakefile"
    path.write_text(EMPTY.format(shards=shards, sharded=sharded, single=single, last=sharded - 1))
    return [sys.executable, "-m", "snakemake", "--snakefile", path, "--dry-run"]


def planned(printed: str) -> dict[str, int]:
    """Jobs of each rule that a dry run printed."""
    stats = printed.split("Job stats:")[1].split("\n\n")[0]
    counts = {name: int(count) for name, count in re.findall(r"(?m)^(\w+) +(\d+)$", stats)}
    assert counts.pop("total") == sum(counts.values())
    return counts


def plans(folder: Path, cases: list[tuple[str, int]], tries: int) -> list[list[object]]:
    rows: list[list[object]] = []
    for name, shards in cases:
        config = demo_config(shards=shards) if name == "demo" else {"shards": shards}
        workspace = Workspace(folder / f"{name}-{shards}", config)
        seconds, printed = workspace.run("--dry-run")
        own, other = [seconds], []
        counts = planned(printed)
        jobs = sum(counts.values())
        sharded = sum(count == shards for count in counts.values())
        # The target, which runs nothing, is in both.
        single = jobs - sharded * shards - 1
        nothing = folder / f"empty-{name}-{shards}"
        empty = empty_workflow(nothing, shards, sharded, single)
        for _ in range(tries):
            seconds, printed = timed(empty, nothing, {})
            other.append(seconds)
            if len(own) < tries:
                own.append(workspace.run("--dry-run")[0])
        assert jobs == sum(planned(printed).values())
        ratio = min(own) / min(other)
        rows.append([name, shards, jobs, min(own), PLAN_LIMIT, min(other), ratio])
    return rows


def overhead(name: str, workspace: Workspace) -> list[object]:
    seconds, _ = workspace.run()
    whole = sum(workspace.benchmarks())
    jobs = workspace.jobs()
    before = sum(job.starting + job.importing for job in jobs) / whole
    # What Snakemake still waits for when the last of a job's own code has run.
    after = 1 - sum(job.seconds for job in jobs) / whole
    shares = [f"{share:.0%}" for share in (before, after)]
    return [name, len(jobs), seconds, whole, *shares, f"{seconds / whole - 1:.1%}"]


def rerun(name: str, workspace: Workspace, shards: int, tries: int) -> list[object]:
    seconds = []
    for _ in range(tries):
        again, printed = workspace.run()
        assert "Nothing to be done" in printed
        seconds.append(again)
    return [name, shards, min(seconds), min(seconds) / RERUN_LIMIT]


def pretended(workspace: Workspace) -> None:
    """Have Snakemake believe that all jobs ran: their outputs are empty files."""
    _, printed = workspace.run("--summary")
    for line in printed.splitlines():
        path = Path(line.partition("\t")[0])
        if path.parts[:1] == ("results",):
            file = workspace.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch() if path.suffix else file.mkdir()
    workspace.run("--touch")


def imports(workspace: Workspace) -> list[list[object]]:
    """A row a rule: means over its jobs."""
    rules = {job.rule: [] for job in workspace.jobs()}
    for job in workspace.jobs():
        rules[job.rule].append(job)
    rows: list[list[object]] = []
    for rule, jobs in rules.items():
        seconds = statistics.mean(job.seconds for job in jobs)
        before = statistics.mean(job.starting for job in jobs)
        within = statistics.mean(job.importing for job in jobs)
        loaded = ", ".join(name for name in HEAVY if name in jobs[0].packages)
        rows.append([rule, len(jobs), seconds, before, within, loaded, f"{within / seconds:.0%}"])
    total = sum(job.seconds for job in workspace.jobs())
    before = sum(job.starting for job in workspace.jobs())
    within = sum(job.importing for job in workspace.jobs())
    rows.append(["all", len(workspace.jobs()), total, before, within, "", f"{within / total:.0%}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer sizes and tries")
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
        print(table(header, plans(folder, cases, tries)), flush=True)

        demo = Workspace(folder / "demo", demo_config())
        runs = [overhead("demo, 60 pictures", demo)]
        reruns = [rerun("demo", demo, 2, tries)]
        if not options.quick:
            copies_of_pictures(folder / "pictures", 60, 4)
            source = {"source": "folder", "folder": {"path": str(folder / "pictures")}}
            larger = Workspace(folder / "larger", demo_config(dataset=source))
            runs.append(overhead("the same, 240 pictures", larger))
            many = Workspace(folder / "many", demo_config(shards=256))
            pretended(many)
            reruns.append(rerun("demo", many, 256, tries))
        print("\nA run on one core: its seconds, and the sum of its jobs' (limit: 10 % above)")
        header = ["run", "jobs", "seconds", "jobs' sum", "start, imports", "end", "above"]
        print(table(header, runs))
        print("\nA rerun with nothing to do, limit", RERUN_LIMIT, "s")
        print(table(["configuration", "shards", "seconds", "of the limit"], reruns))
        print("\nA job of the demo: seconds in all, before Python reads a file, in imports")
        header = ["rule", "jobs", "seconds", "start", "imports", "loaded at the end", "of all"]
        print(table(header, imports(demo)))


if __name__ == "__main__":
    main()
