"""Time and memory of the whole workflow after embedding, with as many persons as asked.

The results folder is made as it would be once all persons are embedded, and the real workflow runs
from there to the report, with --cores 2. The vectors are made (see made.py), so nothing here says
how good a search is; the pictures are the demo's, each named thousands of times by the manifest.
What is not run: fetching, detecting, embedding, the explorer, which is off by default, and what
needs annotations.

Seconds are Snakemake's benchmarks. Memory is the kernel's count of each process, as Snakemake looks
at a long job only every half minute: `peak` has in it the pages of the files that a job has mapped,
which the kernel can drop; `own`, looked at five times a second, has not. The last column compares
the seconds a person with those of the first size: 1 is linear growth.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine, measured, table
from watching import Watch

ROOT = Path(__file__).parents[1]
CORES = 2
LIMIT_GB = 8
COPIES = 1000
# In the order in which they run.
RULES = (
    "fit_pca",
    "reduce_vectors",
    "build_index",
    "time_index",
    "select_queries",
    "search_persons",
    "evaluate_search",
    "render_report",
)


def rule_of(_: int, words: list[str]) -> str | None:
    """The rule that a process runs, by its script: Snakemake runs a copy, <random>.<rule>.py."""
    names = (Path(word).stem.split(".")[-1] for word in words if word.endswith(".py"))
    return next((name for name in names if name in RULES), None)


def snakemake(folder: Path, *targets: str) -> None:
    """Run the workflow in `folder`; end with what it printed if it fails."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(folder / "config.json")]
    # What was made here has no record of its code and parameters; times alone decide.
    command += ["--rerun-triggers", "mtime", "--cores", str(CORES), *targets]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)


def prepare(folder: Path, persons: int, length: int, shards: int) -> None:
    """Make the results folder with everything up to the embeddings."""
    import openpeople

    pictures = Path(openpeople.__file__).parent / "data/curated"
    config = {
        "pathvars": {"results": "results"},
        "shards": shards,
        "dataset": {"source": "folder", "folder": {"path": str(pictures)}},
        "detector": {"name": "ssdlite_mobilenet_v2_person", "device": "cpu"},
        "evaluation": {"persons": COPIES},
        "report": {"title": f"{persons:,} made persons"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    snakemake(folder, "results/detections/detector.json")

    def make() -> None:
        from made import made_run

        made_run(folder / "results", pictures, persons, length, shards, COPIES)

    seconds, _ = measured(make)
    made = sum(path.stat().st_size for path in (folder / "results/embeddings").iterdir())
    print(f"{persons:,} persons made in {seconds:.0f} s, {made / 1e9:.1f} GB of embeddings\n")


def seconds_of(benchmarks: Path) -> dict[str, list[float]]:
    """Seconds of each job of each rule."""
    found = {}
    for rule in RULES:
        files = [benchmarks / f"{rule}.tsv", *(benchmarks / rule).glob("*.tsv")]
        lines = [path.read_text().splitlines() for path in files if path.exists()]
        found[rule] = [float(next(csv.DictReader(text, delimiter="\t"))["s"]) for text in lines]
    return found


def run(folder: Path, persons: int, first: dict[str, float]) -> dict[str, float]:
    """Run the workflow, print its table, and return the seconds a person of each rule.

    first: those of the first size; empty if this is it.
    """
    benchmarks = folder / "results/benchmarks"
    start = time.perf_counter()
    with Watch(rule_of) as watch:
        snakemake(folder)
    whole = time.perf_counter() - start
    if strange := {path.stem for path in benchmarks.iterdir()} - {"fetch_weights", *RULES}:
        raise SystemExit(f"{', '.join(sorted(strange))} ran too: this is no measure")
    seconds = seconds_of(benchmarks)
    a_person = {rule: sum(seconds[rule]) / persons for rule in RULES}
    header = ("stage", "jobs", "seconds", "longest", "peak MB", "own MB", "growth")
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
        for rule in RULES
    ]
    total = sum(a_person.values())
    growth = total / sum(first.values()) if first else None
    rows.append(("all", None, total * persons, None, max(watch.peak.values()), None, growth))
    print(table(header, rows))
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
    parser.add_argument("--persons", type=int, nargs="+", default=[45_000, 1_000_000])
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--keep", type=Path, help="make it in this folder, and keep it")
    parser.add_argument("--quick", action="store_true", help="10,000 persons in 16 shards")
    options = parser.parse_args()
    if options.quick:
        options.persons, options.shards = [10_000], 16
    print(machine("numpy", "pyarrow", "annoy", "snakemake"), flush=True)
    first: dict[str, float] = {}
    for persons in options.persons:
        with tempfile.TemporaryDirectory() as name:
            folder = (options.keep or Path(name)) / str(persons)
            folder.mkdir(parents=True, exist_ok=True)
            prepare(folder, persons, options.length, options.shards)
            found = run(folder, persons, first)
            first = first or found


if __name__ == "__main__":
    main()
