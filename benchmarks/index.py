"""Indexes against brute force: time to build, size, recall, time a query, memory.

Each index is built as the workflow builds it, tuned to the target recall, by one thread; recall is
of persons that had no part in the tuning. Brute force is the backend `exact`: one product of numpy
and BLAS by one thread with all vectors, mapped from their file. It and the index are asked in
turns, so the last column, its time over the index's, stands although the machine has other work.

Of memory, `peak` has in it the pages of mapped files, which the kernel can drop; `own` has not.
`build` is wall time with the tuning, which is most of it for a small set.

The second table grows one Annoy forest in memory and in its file: what on-disk building costs where
memory is not short. The bytes must be the same.

The vectors are made (see made.py), with 64 strong directions, reduced by the workflow's own PCA to
256 values; --results takes those of a run instead.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from made import made_reduced
from measuring import machine, measured, table
from watching import Watch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from threadpoolctl import threadpool_limits

from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json
from visualsearch.core.hashing import sha256_file
from visualsearch.data.tables import count_rows, vector_length
from visualsearch.index import REGISTRY, annoy_backend, check_backend
from visualsearch.index.building import build_index, vectors_in_order
from visualsearch.index.exact_backend import ExactBackend
from visualsearch.index.index import load_index
from visualsearch.index.timing import timed
from visualsearch.settings import IndexSettings

LENGTH = 2048
COMPONENTS = 256
SIZES = [45_000, 300_000, 1_000_000]
QUICK = 20_000
TREES_TO_COMPARE = 25
# What the tuning decides.
CHOSEN = ("n_trees", "search_k", "expansion_search")


def with_memory(stage: Callable[[], Any], folder: Path) -> tuple[float, float, float]:
    """Seconds, peak and own memory in MB of a stage in a process of its own."""
    note = folder / "own"

    def watched() -> None:
        with Watch(lambda process, _: "stage" if process == os.getpid() else None) as watch:
            stage()
        note.write_text(str(watch.own["stage"]))

    seconds, peak = measured(watched)
    return seconds, peak, float(note.read_text())


def compare(shards: list[str], backends: list[str], target: float, folder: Path) -> list[tuple]:
    """Build and time each backend; a row of the table for each, brute force first."""
    rows = []
    for backend in ("exact", *backends):
        paths = [folder / f"{backend}.{name}" for name in ("index", "persons.parquet", "json")]
        settings = IndexSettings(backend=backend, target_recall=target)

        def build(settings: IndexSettings = settings, paths: list[Path] = paths) -> None:
            build_index(shards, settings, *map(str, paths))

        seconds, peak, own = with_memory(build, folder)
        sidecar = read_json(paths[2])
        index = load_index(paths[0], sidecar)
        vectors = ExactBackend().load(str(folder / "exact.index"), sidecar)
        # Of the index as it was chosen alone, and not of the curve around it.
        alone = replace(index, sidecar=sidecar | {"tuning": sidecar["tuning"] | {"curve": []}})
        clock = timed(alone, vectors)
        low, high = sidecar["recall"]["recall@10_interval"]
        chosen = sidecar["tuning"]["chosen"]
        rows.append(
            (
                backend,
                ", ".join(f"{key} {chosen[key]}" for key in CHOSEN if key in chosen),
                seconds,
                peak,
                own,
                sidecar["index_bytes"] / 1e6,
                f"{sidecar['recall']['recall@10']:.4f} ({low:.4f} to {high:.4f})",
                clock["chosen_milliseconds"],
                clock["exact_milliseconds"] / clock["chosen_milliseconds"],
            )
        )
    return rows


def on_disk(shards: list[str], folder: Path) -> list[tuple]:
    """Grow a forest in memory and in its file; a row of the table for each."""
    shape = count_rows(shards), vector_length(shards[0])
    rows: list[tuple] = []
    digests = set()
    for where, most in (("in memory", sys.maxsize), ("in its file", 0)):
        path = folder / "forest.ann"

        def grow(most: int = most, path: Path = path) -> None:
            annoy_backend.MAX_BYTES_IN_MEMORY = most
            settings = {"n_trees": TREES_TO_COMPARE, "seed": 0}
            with threadpool_limits(1):
                backend = annoy_backend.AnnoyBackend()
                backend.build(vectors_in_order(shards), str(path), shape, settings)

        seconds, peak, own = with_memory(grow, folder)
        digests.add(sha256_file(path))
        rows.append((where, seconds, peak, own, seconds / (rows[0][1] if rows else seconds)))
        path.unlink()
    if len(digests) > 1:
        raise SystemExit("the forests differ: growing in the file has changed the result")
    return rows


def installed(backends: list[str]) -> list[str]:
    """Those whose package is there; says which are left out."""
    there = []
    for backend in backends:
        try:
            check_backend(backend)
            there.append(backend)
        except InputError as error:
            print(f"left out: {error}")
    return there


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    others = [backend for backend in REGISTRY if backend != "exact"]
    parser.add_argument("--persons", type=int, nargs="+", default=SIZES)
    parser.add_argument("--results", type=Path, help="a results folder, for its reduced vectors")
    parser.add_argument("--backends", nargs="+", choices=others, default=others)
    parser.add_argument("--target", type=float, default=0.99)
    parser.add_argument("--quick", action="store_true", help=f"Annoy alone, {QUICK:,} persons")
    options = parser.parse_args()
    sizes = [QUICK] if options.quick else [None] if options.results else options.persons
    backends = installed(["annoy"] if options.quick else options.backends)
    print(machine("numpy", "annoy", "usearch"))
    header = ("index", "chosen", "build, s", "peak MB", "own MB", "file MB")
    header = (*header, "recall@10 (95 %)", "ms a query", "brute force / it")
    for persons in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if persons is None:
                shards = sorted(map(str, (options.results / "reduced").glob("*.parquet")))
                persons = count_rows(shards)
            else:
                shards = [str(folder / "reduced.parquet")]
                made = (folder / "reduced.parquet", persons, LENGTH, COMPONENTS)
                measured(lambda made=made: made_reduced(*made))
            title = f"{persons:,} x {vector_length(shards[0])}"
            print(f"\n{title}, target recall@10 {options.target}\n", flush=True)
            print(table(header, compare(shards, backends, options.target, folder)), flush=True)
            if "annoy" in backends and not options.quick:
                grown = (f"{title}, {TREES_TO_COMPARE} trees", "seconds", "peak MB", "own MB")
                print(f"\n{table((*grown, 'time / in memory'), on_disk(shards, folder))}")


if __name__ == "__main__":
    main()
