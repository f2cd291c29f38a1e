"""Recall and time of every index backend against exact search, on made vectors or real ones.

The made vectors are those of after_embedding.py, non-negative with 64 strong directions, reduced by
the workflow's own PCA and partial whitening. They have no identities, no look-alikes from one
picture and no dense groups, so real persons, whose neighbours are nearer, tend to be easier to
find. They show what a size costs; for the recall on a set of your own, give its results folder.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from after_embedding import PERSONS_AN_IMAGE, made_vectors
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.fitting import fit_reduction
from visualsearch.index import SUFFIXES, open_index
from visualsearch.index.building import build_index, vectors_in_order
from visualsearch.index.timing import timed
from visualsearch.tables import PERSONS, vector_column, with_vector, write_table

LENGTH = 2048
COMPONENTS = 256
PART = 3000
PARTS_TO_FIT = 4


def made_reduced(path: Path, persons: int) -> None:
    """Write a shard of made persons with reduced vectors of COMPONENTS values."""
    with threadpool_limits(1):
        fitted = PARTS_TO_FIT * PART
        parts = (_made(number) for number in range(PARTS_TO_FIT))
        reduction = fit_reduction(parts, fitted, LENGTH, COMPONENTS, 0.5)

    def tables() -> Iterator[pa.Table]:
        for start in range(0, persons, PART):
            row = np.arange(start, min(start + PART, persons))
            image_id = row // PERSONS_AN_IMAGE
            columns = {
                "person_id": image_id * 1000 + row % PERSONS_AN_IMAGE,
                "image_id": image_id,
                "det_index": row % PERSONS_AN_IMAGE,
                **{name: np.ones(len(row)) for name in ("score", "x", "y", "w", "h")},
                "vector": vector_column(reduction.transform(_made(start // PART)[: len(row)])),
            }
            yield pa.table(columns).cast(with_vector(PERSONS, COMPONENTS))

    write_table(path, tables(), with_vector(PERSONS, COMPONENTS))


def _made(number: int) -> np.ndarray:
    return made_vectors(np.random.default_rng([1, number]), PART, LENGTH)


def row_of_table(backend: str, shards: list[str], settings: dict, folder: Path) -> str:
    """Build and time one backend; its row as text."""
    index = folder / f"persons.{SUFFIXES[backend]}"
    start = time.process_time()
    build_index(
        shards,
        settings | {"backend": backend},
        str(index),
        str(folder / "persons.parquet"),
        str(folder / "index.json"),
    )
    seconds = time.process_time() - start
    sidecar = json.loads((folder / "index.json").read_text())
    found = timed(open_index(index, sidecar), np.concatenate(list(vectors_in_order(shards))))
    (folder / "timing.json").write_text(json.dumps(found, indent=2))
    low, high = sidecar["recall"]["recall@10_interval"]
    chosen = " ".join(f"{key} {value}" for key, value in sidecar["tuning"]["chosen"].items())
    cells = (
        backend,
        f"{seconds:.0f}",
        f"{sidecar['index_bytes'] / 1e6:.0f}",
        chosen or "-",
        f"{sidecar['recall']['recall@10']:.4f} ({low:.4f} to {high:.4f})",
        "yes" if sidecar["target_reached"] else "no",
        f"{found['chosen_milliseconds']:.3g}",
        f"{found['exact_milliseconds']:.3g}",
        found["advice"] or "-",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, nargs="+", default=[45_000, 300_000])
    parser.add_argument("--results", type=Path, help="a results folder, for its reduced vectors")
    parser.add_argument("--backends", nargs="+", choices=SUFFIXES, default=list(SUFFIXES))
    parser.add_argument("--target", type=float, default=0.99)
    parser.add_argument("--keep", type=Path, help="keep the sidecars and timings here")
    options = parser.parse_args()
    settings = {
        "target_recall": options.target,
        "n_trees": None,
        "search_k": None,
        "seed": 0,
    }
    names = (
        "backend",
        "build, CPU s",
        "MB",
        "chosen",
        "recall@10, held out (95 %)",
        "target reached",
        "ms a query",
        "exact ms",
        "advice",
    )
    for persons in [None] if options.results else options.persons:
        with tempfile.TemporaryDirectory() as name:
            if persons is None:
                shards = sorted(map(str, (options.results / "reduced").glob("*.parquet")))
                title = str(options.results)
            else:
                shards = [str(Path(name) / "reduced.parquet")]
                made_reduced(Path(shards[0]), persons)
                title = f"{persons:,} made persons"
            print(f"{title}, target {options.target}\n")
            print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|", flush=True)
            for backend in options.backends:
                folder = (options.keep or Path(name)) / f"{persons or 'results'}-{backend}"
                folder.mkdir(parents=True, exist_ok=True)
                print(row_of_table(backend, shards, settings, folder), flush=True)
            print()


if __name__ == "__main__":
    main()
