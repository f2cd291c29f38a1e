"""Every index backend over the same reduced vectors, of as many made persons as asked.

Each index is built as the workflow builds it: by one thread, tuned to the target recall. `build` is
of the processor, so that other work on the machine counts little, and is all that a user waits for:
the file, the tuning, the exact neighbours of two thousand persons, and the recall of a thousand
searches, which is most of it for exact search. Recall is of a thousand persons
that had no part in the tuning. `peak` has in it the pages of mapped files, which the kernel can
drop. Brute force is exact search over a mapped file, asked in turns with the index, in five rounds:
so the last column, its time over the index's, stands although the machine has other work.

The vectors are made. Their variances fall off as those of reduced vectors of real persons do: to
the power -1.2 of their rank, less the default whitening. They have no look-alikes and no dense
groups: harder to search than real persons, whose neighbours are nearer.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measuring import machine, measured, table

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.files import read_json
from visualsearch.data.tables import PERSONS, write_table
from visualsearch.data.vectors import l2_normalised, vector_column, with_vector
from visualsearch.index import REGISTRY, index_file
from visualsearch.index.building import build_index
from visualsearch.index.timing import time_index
from visualsearch.settings import IndexSettings, ReductionSettings

LENGTH = 256
# Variances of real vectors fall to the power -1.2 of their rank (reduction.py), and whitening
# divides each component by its standard deviation to this power.
DEVIATIONS = np.arange(1, LENGTH + 1) ** (-0.6 * (1 - ReductionSettings().whiten_power))
PERSONS_AN_IMAGE = 3
ROWS_AT_ONCE = 30_000
SHARDS = 8
# What the tuning decides.
CHOSEN = ("n_trees", "search_k", "expansion_search", "candidates")


def person_ids(rows: np.ndarray, seed: int) -> np.ndarray:
    """Ids of persons by their rows in a shard; images lie in the shards in turns."""
    image_id, det_index = np.divmod(rows, PERSONS_AN_IMAGE)
    return (image_id * SHARDS + seed) * 1000 + det_index


def made_tables(persons: int, seed: int) -> Iterator[pa.Table]:
    """Persons of a shard with reduced vectors. seed: the shard's number."""
    rng = np.random.default_rng(seed)
    for start in range(0, persons, ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, persons))
        vectors = rng.standard_normal((len(rows), LENGTH), np.float32) * DEVIATIONS
        ids, ones = person_ids(rows, seed), np.ones(len(rows))
        columns = [ids, *np.divmod(ids, 1000), *[ones] * 5]
        made = pa.table(columns, PERSONS.names).cast(PERSONS)
        yield made.append_column("vector", vector_column(l2_normalised(vectors)))


def write_reduced(folder: Path, persons: int) -> list[str]:
    """Write shards of reduced vectors, as the workflow hands them to the index."""
    schema = with_vector(PERSONS, LENGTH)
    paths = [folder / f"{shard}.parquet" for shard in range(SHARDS)]
    for shard, path in enumerate(paths):
        share = (persons + SHARDS - 1 - shard) // SHARDS
        write_table(path, (part.cast(schema) for part in made_tables(share, shard)), schema)
    return [str(path) for path in paths]


def of_index(reduced: list[str], folder: Path, backend: str) -> list[Any]:
    """Build and time an index; a row of the table."""
    index = str(folder / index_file(backend))
    persons, sidecar, timing = (str(folder / name) for name in ("persons", "sidecar", "timing"))
    settings = IndexSettings(backend=backend)
    spent = folder / "spent"

    def build() -> None:
        build_index(reduced, settings, index, persons, sidecar)
        spent.write_text(str(time.process_time()))

    _, peak = measured(build)
    measured(lambda: time_index(reduced, index, sidecar, timing))
    said, times = read_json(sidecar), read_json(timing)
    Path(index).unlink()
    chosen = said["tuning"]["chosen"]
    low, high = said["recall"]["recall@10_interval"]
    return [
        backend,
        ", ".join(f"{key} {chosen[key]}" for key in CHOSEN if key in chosen),
        float(spent.read_text()),
        peak,
        said["index_bytes"] / 1e6,
        f"{said['recall']['recall@10']:.4f} ({low:.4f} to {high:.4f})",
        times["chosen_milliseconds"],
        times["exact_milliseconds"] / times["chosen_milliseconds"],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--persons", type=int, nargs="+", default=[45_000, 300_000, 1_000_000])
    parser.add_argument("--backends", nargs="+", choices=REGISTRY, default=[*REGISTRY])
    parser.add_argument("--quick", action="store_true", help="10,000 persons")
    options = parser.parse_args()
    persons_asked = [10_000] if options.quick else options.persons
    print(machine("numpy", "annoy", "faiss-cpu"), flush=True)
    header = ("index", "chosen", "build, s", "peak MB", "file MB")
    header = (*header, "recall@10 (95 %)", "ms a query", "brute force / it")
    for persons in persons_asked:
        with tempfile.TemporaryDirectory() as name:
            reduced = write_reduced(Path(name), persons)
            rows = [of_index(reduced, Path(name), backend) for backend in options.backends]
        target = IndexSettings().target_recall
        print(f"\n{persons:,} x {LENGTH}, target recall@10 {target}\n")
        print(table(header, rows), flush=True)


if __name__ == "__main__":
    main()
