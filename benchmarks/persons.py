"""Time and memory of all stages after embedding, with as many persons as asked, by each index.

The results folder is made as it is once all persons are embedded (see made.py), and the real
workflow runs from there to the report, with --cores 2. What is not run: fetching, detecting,
embedding, the explorer, and what needs annotations.

Seconds are Snakemake's benchmarks. Of memory, `peak` includes the pages of the files that a job has
mapped, which the kernel can drop; `own` does not. `growth` compares the seconds a person with those
of the first size: 1 is linear.

The second table is of the index with each backend, as the workflow builds and times it: one thread,
tuned to the target recall; recall is of persons that had no part in the tuning. Brute force is one
product of numpy with all vectors, mapped from their file. It and the index are asked in turns, so
the last column, its time over the index's, stands although the machine has other work. --lancedb
adds a table of the vector database of docs/past-one-machine.md over the same vectors.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from made import BY_TIME, made_workspace
from measuring import machine, table
from whole_runs import RULES, STAGES, Workspace

CORES = 2
LIMIT_GB = 8
BACKENDS = ("annoy", "exact", "hnsw")
# What the tuning decides.
CHOSEN = ("n_trees", "search_k", "expansion_search")
QUERIES = 300
NEIGHBOURS = 10
# nprobes and refine_factor of LanceDB's index.
EFFORTS = ((20, 10), (50, 30), (100, 50))


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


def of_index(workspace: Workspace, backend: str) -> list[Any]:
    """Build and time the index with a backend; a row of the table."""
    rule = ("--forcerun", "build_index", "--config", f"index={{backend: {backend}}}")
    workspace.run("index", *BY_TIME, *rule)
    sidecar = json.loads((workspace.results / "index/index.json").read_text())
    timing = json.loads((workspace.results / "index/timing.json").read_text())
    low, high = sidecar["recall"]["recall@10_interval"]
    chosen = sidecar["tuning"]["chosen"]
    return [
        backend,
        ", ".join(f"{key} {chosen[key]}" for key in CHOSEN if key in chosen),
        *workspace.seconds()["build_index"],
        workspace.watch.peak["build_index"],
        workspace.watch.own["build_index"],
        sidecar["index_bytes"] / 1e6,
        f"{sidecar['recall']['recall@10']:.4f} ({low:.4f} to {high:.4f})",
        timing["chosen_milliseconds"],
        timing["exact_milliseconds"] / timing["chosen_milliseconds"],
    ]


def of_lancedb(reduced: Path, folder: Path) -> list[list[Any]]:
    """Load the reduced vectors into LanceDB and search them; a row of the table for each effort."""
    import lancedb
    import pyarrow.dataset as ds
    from lancedb.index import IvfPq

    dataset = ds.dataset(reduced, format="parquet")
    start = time.perf_counter()
    database = lancedb.connect(folder / "database")
    persons = database.create_table("persons", dataset.to_batches(), schema=dataset.schema)
    loaded = time.perf_counter() - start
    loaded_mb = megabytes(folder)
    whole = dataset.to_table(columns=["person_id", "vector"])
    vectors = np.stack(whole["vector"].to_numpy())
    ids = whole["person_id"].to_numpy()
    asked = np.linspace(0, len(vectors) - 1, QUERIES).astype(int)
    truth = [ids[np.argpartition(-(vectors @ vectors[n]), NEIGHBOURS)[:NEIGHBOURS]] for n in asked]

    def row(name: str, seconds: float, size: float, effort: tuple[int, int] | None) -> list[Any]:
        found, taken = [], []
        for n in asked:
            start = time.perf_counter()
            search = persons.search(vectors[n]).distance_type("cosine").limit(NEIGHBOURS)
            if effort:
                search = search.nprobes(effort[0]).refine_factor(effort[1])
            found.append(search.select(["person_id", "_distance"]).to_arrow()["person_id"])
            taken.append(time.perf_counter() - start)
        hits = [np.isin(there, got.to_numpy()) for there, got in zip(truth, found, strict=True)]
        return [name, seconds, size, 1000 * float(np.median(taken)), f"{np.mean(hits):.4f}"]

    rows = [row("table loaded, exact search", loaded, loaded_mb, None)]
    start = time.perf_counter()
    persons.create_index("vector", config=IvfPq(distance_type="cosine"))
    indexed, size = time.perf_counter() - start, megabytes(folder) - loaded_mb
    for effort in EFFORTS:
        name = "IVF_PQ, nprobes {}, refine_factor {}".format(*effort)
        rows.append(row(name, indexed, size, effort))
    return rows


def megabytes(folder: Path) -> float:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--persons", type=int, nargs="+", default=[45_000, 300_000, 1_000_000])
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--backends", nargs="*", choices=BACKENDS, default=["exact", "annoy"])
    parser.add_argument("--lancedb", action="store_true", help="the vector database too")
    parser.add_argument("--quick", action="store_true", help="10,000 persons in 16 shards, Annoy")
    options = parser.parse_args()
    if options.quick:
        options.persons, options.shards, options.backends = [10_000], 16, ["annoy"]
    print(machine("numpy", "pyarrow", "annoy", "usearch", "lancedb", "snakemake"), flush=True)
    first: dict[str, float] = {}
    for persons in options.persons:
        with tempfile.TemporaryDirectory() as name:
            workspace = made_workspace(Path(name) / "run", persons, options.shards)
            print(f"\n{persons:,} made persons\n", flush=True)
            found = stages(workspace, persons, first)
            first = first or found
            rows = [of_index(workspace, backend) for backend in options.backends]
            header = ("index", "chosen", "build, s", "peak MB", "own MB", "file MB")
            header = (*header, "recall@10 (95 %)", "ms a query", "brute force / it")
            print(table(header, rows), flush=True)
            if options.lancedb:
                rows = of_lancedb(workspace.results / "reduced", Path(name) / "lancedb")
                header = ("LanceDB", "seconds to make", "MB", "ms a query", f"recall@{NEIGHBOURS}")
                print(f"\n{table(header, rows)}", flush=True)


if __name__ == "__main__":
    main()
