"""Reads the shards of a table of persons as one table, sorted by person_id: "person order".

So results do not depend on the number of shards.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from visualsearch.data.tables import open_table, read_table
from visualsearch.data.vectors import stored_lengths, vectors_of


def rows_of_shards(paths: Sequence[str | Path], columns: Sequence[str]) -> pa.Table:
    """Return some columns of all shards as one table in person order; they include person_id."""
    tables = [read_table(path, list(columns)) for path in paths]
    return pa.concat_tables(tables).sort_by("person_id")


def vectors_and_images(
    paths: Sequence[str | Path], rows: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield the vectors of shards in person order, float32 [B, D], and their image_id, int64 [B].

    rows: the batch size B; the last batch may be shorter.
    """
    for table in in_person_order(paths, rows):
        yield vectors_of(table), table["image_id"].to_numpy()


def vectors_of_rows(paths: Sequence[str | Path], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the vectors of some rows, float32 [len(rows), D], read in one pass.

    rows: numbers counted in person order, in any order, also twice.
    """
    wanted, place = np.unique(rows, return_inverse=True)
    lengths = stored_lengths(paths[0])
    vectors = np.empty((len(wanted), sum(lengths.values())), dtype=np.float32)
    start = 0
    for table in in_person_order(paths, 1024, list(lengths), wanted):
        vectors[start : start + len(table)] = vectors_of(table)
        start += len(table)
    # Rows in ascending order need no copy.
    return vectors if np.array_equal(rows, wanted) else vectors[place]


def in_person_order(
    paths: Sequence[str | Path],
    rows: int,
    columns: Sequence[str] | None = None,
    only: NDArray[np.int64] | None = None,
) -> Iterator[pa.Table]:
    """Stream shards, each sorted by person_id, as one table sorted by person_id.

    Yields tables of exactly `rows` rows; the last may be shorter. They are the same for any number
    of shards. Memory holds one row group of each shard. only: ascending numbers of the rows
    wanted, counted in person order; None for all. Row groups without any of them are not read.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(open_table(path, ["person_id"])) for path in paths]
        ids = [file.read(columns=["person_id"])["person_id"].to_numpy() for file in files]
        ends = np.cumsum([len(part) for part in ids])
        order = np.argsort(np.concatenate(ids), kind="stable")
        if only is not None:
            order = order[only]
        wanted = np.zeros(ends[-1], dtype=bool)
        wanted[order] = True
        readers = [
            _Reader(file, part, columns)
            for file, part in zip(files, np.split(wanted, ends[:-1]), strict=True)
        ]
        shard_of_row = np.searchsorted(ends, order, side="right")
        for start in range(0, len(order), rows):
            sequence = shard_of_row[start : start + rows]
            used, counts = np.unique(sequence, return_counts=True)
            parts = [readers[n].take(int(c)) for n, c in zip(used, counts, strict=True)]
            table = pa.concat_tables(parts)
            # The parts are in the order of the shards: bring the rows into person order.
            yield table.take(np.argsort(np.argsort(sequence, kind="stable"), kind="stable"))


class _Reader:
    """Reads the wanted rows of a Parquet file in order, any number at a time.

    wanted: bool, for each row of the file.
    """

    def __init__(
        self, file: pq.ParquetFile, wanted: NDArray[np.bool_], columns: Sequence[str] | None
    ) -> None:
        self._groups = self._wanted_rows(file, wanted, columns)
        self._rest: pa.Table | None = None

    @staticmethod
    def _wanted_rows(
        file: pq.ParquetFile, wanted: NDArray[np.bool_], columns: Sequence[str] | None
    ) -> Iterator[pa.Table]:
        # iter_batches would take several times the memory of a batch.
        start = 0
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            inside = np.flatnonzero(wanted[start:stop])
            if len(inside):
                table = file.read_row_group(group, columns, use_threads=False)
                yield table if len(inside) == len(table) else table.take(inside)
            start = stop

    def take(self, rows: int) -> pa.Table:
        parts = [] if self._rest is None else [self._rest]
        while sum(part.num_rows for part in parts) < rows:
            parts.append(next(self._groups))
        table = pa.concat_tables(parts)
        self._rest = table.slice(rows)
        return table.slice(0, rows)
