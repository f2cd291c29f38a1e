"""Time and memory of all stages after embedding, with as many persons as asked.

The results folder is made as it is once all persons are embedded (see made.py), and the real
workflow runs from there to the report, with --cores 2. What is not run: fetching, detecting,
embedding, the explorer, and what needs annotations.

Seconds are Snakemake's benchmarks. Of memory, `peak` includes the pages of the files that a job has
mapped, which the kernel can drop; `own` does not. `growth` compares the seconds a person with those
of the first size: 1 is linear. indexes.py compares the backends of the index.
"""

import argparse
import tempfile
from pathlib import Path

from made import BY_TIME, made_workspace
from measuring import machine, table
from whole_runs import RULES, STAGES, Workspace

CORES = 2
LIMIT_GB = 8


def stages(workspace: Workspace, persons: int, first: dict[str, float]) -> dict[str, float]:
    """Run the workflow, print its table, and return the seconds a person of each rule.

    first: those of the first size; empty if this is it.
    """
    whole, _ = workspace.run(*BY_TIME, cores=CORES)
    seconds, watch = workspace.seconds(), workspace.watch
    seconds.pop("fetch_weights")
    if strange := {rule for stage in ("fetch", "detect", "embed") for rule in STAGES[stage]} & {
        *seconds
    }:
        raise SystemExit(f"{', '.join(sorted(strange))} ran too: this is no measure")
    rules = [rule for rule in RULES if rule in seconds]
    a_person = {rule: sum(seconds[rule]) / persons for rule in rules}
    rows = [
        (
            rule,
            len(seconds[rule]),
            sum(seconds[rule]),
            max(seconds[rule]),
            watch.peak[rule],
            watch.own[rule],
            a_person[rule] / first[rule] if first else None,
        )
        for rule in rules
    ]
    total = sum(a_person.values())
    growth = total / sum(first.values()) if first else None
    rows.append(("all", None, total * persons, None, max(watch.peak.values()), None, growth))
    print(table(("stage", "jobs", "seconds", "longest", "peak MB", "own MB", "growth"), rows))
    two = sum(sorted(watch.peak.values())[-CORES:]) / 1024
    print(
        f"\nThe run took {whole:.0f} s. The {CORES} largest jobs at once, if they met: "
        f"{two:.2f} GB of {LIMIT_GB}, {two / LIMIT_GB:.0%}.\n",
        flush=True,
    )
    return a_person


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--persons", type=int, nargs="+", default=[45_000, 300_000, 1_000_000])
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="4,000 persons in 8 shards")
    options = parser.parse_args()
    if options.quick:
        options.persons, options.shards = [4_000], 8
    print(machine("numpy", "pyarrow", "annoy", "snakemake"), flush=True)
    first: dict[str, float] = {}
    for persons in options.persons:
        with tempfile.TemporaryDirectory() as name:
            workspace = made_workspace(Path(name) / "run", persons, options.shards)
            print(f"\n{persons:,} made persons\n", flush=True)
            found = stages(workspace, persons, first)
            first = first or found


if __name__ == "__main__":
    main()
