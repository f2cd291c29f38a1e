"""The vector database of docs/past-one-machine.md, over as many made persons as asked.

Loads reduced vectors, a few thousand at a time as from shards, into LanceDB, and makes its index
(IVF-PQ) as often as asked. Each search is of some persons of the set, by all cores, and its
recall@10 is against exact search by the library. Training is random: `same hits` is the share of
queries whose ten are those of the index made before. `peak` is of the process that did it. The
vectors are those of indexes.py. Disk: 1.1 KB a person below --folder.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from indexes import LENGTH, made_tables, person_ids
from measuring import machine, measured, table

from visualsearch.core.files import read_json, write_json
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.tables import PERSONS
from visualsearch.data.vectors import vectors_of, with_vector
from visualsearch.index.nearest import Nearest

QUERIES = 200
NEIGHBOURS = 10
# nprobes and refine_factor.
EFFORTS = ((20, 20), (50, 50), (100, 100), (200, 200))


def load(folder: Path, persons: int) -> None:
    """Make the table of all persons."""
    import lancedb

    schema = with_vector(PERSONS, LENGTH)

    def batches() -> Iterator[pa.RecordBatch]:
        for part in made_tables(persons, 0):
            yield from part.cast(schema).to_batches()

    lancedb.connect(folder).create_table("persons", batches(), schema=schema)


def make_index(folder: Path) -> None:
    """Make the index, in place of the one that is there."""
    import lancedb
    from lancedb.index import IvfPq

    persons = lancedb.connect(folder).open_table("persons")
    config = IvfPq(distance_type="cosine", num_sub_vectors=LENGTH // 2, num_bits=4)
    persons.create_index("vector", config=config, replace=True)


def exact(persons: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of some persons, and the rows of each one's nearest, itself the first."""
    rows = evenly_spaced(persons, QUERIES)
    vectors, start = np.empty((QUERIES, LENGTH), np.float32), 0
    for part in made_tables(persons, 0):
        inside = (rows >= start) & (rows < start + len(part))
        vectors[inside] = vectors_of(part)[rows[inside] - start]
        start += len(part)
    nearest = Nearest(vectors, NEIGHBOURS)
    for part in made_tables(persons, 0):
        nearest.add(vectors_of(part))
    return vectors, nearest.neighbours


def search(folder: Path, vectors: np.ndarray, effort: tuple[int, int], found: Path) -> None:
    """Search for all vectors; write the ids found and milliseconds a query."""
    import lancedb

    persons = lancedb.connect(folder).open_table("persons")
    ids, taken = [], []
    for vector in (*vectors[:5], *vectors):
        start = time.perf_counter()
        asked = persons.search(vector).distance_type("cosine").limit(NEIGHBOURS)
        asked = asked.nprobes(effort[0]).refine_factor(effort[1])
        hits = asked.select(["person_id", "_distance"]).to_arrow()
        taken.append(time.perf_counter() - start)
        ids.append(sorted(hits["person_id"].to_pylist()))
    write_json(found, {"ids": ids[5:], "milliseconds": 1000 * float(np.median(taken[5:]))})


def megabytes(folder: Path) -> float:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def rows_of(folder: Path, persons: int, builds: int) -> list[list[Any]]:
    """Load, index and search; the rows of the table."""
    database, found = folder / "database", folder / "found.json"
    seconds, peak = measured(lambda: load(database, persons))
    loaded = megabytes(database)
    rows: list[list[Any]] = [["table loaded", seconds, peak, loaded, None, None, None]]
    vectors, truth = exact(persons)
    truth = person_ids(truth, 0)
    hits: dict[tuple[int, int], list[list[list[int]]]] = {effort: [] for effort in EFFORTS}
    for _ in range(builds):
        seconds, peak = measured(lambda: make_index(database))
        # The index that it replaces stays as an older version.
        size, loaded = megabytes(database) - loaded, megabytes(database)
        rows.append(["IVF-PQ made", seconds, peak, size, None, None, None])
        for effort in EFFORTS:
            # A process of its own, which opens the table too: a query is timed once all is open.
            _, peak = measured(lambda: search(database, vectors, effort, found))  # noqa: B023
            said = read_json(found)
            hits[effort].append(said["ids"])
            pairs = zip(truth.tolist(), said["ids"], strict=True)
            recall = np.mean([len({*one} & {*other}) / NEIGHBOURS for one, other in pairs])
            name = "  nprobes {}, refine_factor {}".format(*effort)
            same = [
                float(np.mean([a == b for a, b in zip(one, other, strict=True)]))
                for one, other in pairwise(hits[effort])
            ]
            share = f"{same[0]:.2f}" if same else None
            milliseconds = said["milliseconds"]
            rows.append([name, None, peak, None, milliseconds, f"{recall:.4f}", share])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--persons", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--builds", type=int, default=2)
    parser.add_argument("--folder", help="a folder on a disk with room; default: the system's")
    options = parser.parse_args()
    print(machine("numpy", "pyarrow", "lancedb"), flush=True)
    header = ("LanceDB", "seconds", "peak MB", "MB", "ms a query", "recall@10", "same hits")
    for persons in options.persons:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            rows = rows_of(Path(name), persons, options.builds)
        print(f"\n{persons:,} x {LENGTH}, {os.cpu_count()} cores\n")
        print(table(header, rows), flush=True)


if __name__ == "__main__":
    main()
