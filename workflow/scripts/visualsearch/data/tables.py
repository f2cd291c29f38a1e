"""The Parquet tables that stages hand on: schemas, streaming writing, reading in person order."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing

# Rows a row group: small enough that one open group of each of hundreds of shards fits in memory.
ROW_GROUP_ROWS = 256

BOX_COLUMNS = ("x", "y", "w", "h")

# A value of a vector before it is shortened. float16 takes half the disk and changes raw cosines by
# less than 1e-4; a backbone's values are far below its largest, 65,504. What cannot be null is read
# twice as fast.
FULL_LENGTH_VALUE = pa.field("element", pa.float16(), nullable=False)

DETECTIONS = pa.schema(
    [
        ("image_id", pa.int64()),
        ("det_index", pa.int16()),
        ("category_id", pa.int32()),
        ("score", pa.float32()),
        *((name, pa.float32()) for name in BOX_COLUMNS),
    ]
)
PERSONS = pa.schema(
    [
        ("person_id", pa.int64()),
        ("image_id", pa.int64()),
        ("det_index", pa.int16()),
        ("score", pa.float32()),
        *((name, pa.float32()) for name in BOX_COLUMNS),
    ]
)

# One row a query. `role` is what it is to show: typical, rare, small, cut-off, crowd, surest,
# diverse, random, named or own picture. person_id and image_id are null for a picture of the
# user's own; `picture` is null for a person of the search set.
QUERIES = pa.schema(
    [
        ("query", pa.int16()),
        ("role", pa.string()),
        ("reason", pa.string()),
        ("person_id", pa.int64()),
        ("image_id", pa.int64()),
        ("picture", pa.string()),
        ("score", pa.float32()),
        *((name, pa.float32()) for name in BOX_COLUMNS),
    ]
)

# One row a hit. `similarity` is the cosine of the reduced vectors. `index_rank` is the rank that
# the index gives, and `rank` the one after a second look; `full_similarity`, the cosine of the
# full-length vectors, is null where there was none.
HITS = pa.schema(
    [
        ("query", pa.int16()),
        ("rank", pa.int16()),
        *PERSONS,
        ("similarity", pa.float32()),
        ("same_image", pa.bool_()),
        ("near_duplicate", pa.bool_()),
        ("index_rank", pa.int16()),
        ("full_similarity", pa.float32()),
    ]
)


def with_vector(schema: pa.Schema, length: int) -> pa.Schema:
    """`schema` and a last column `vector`: a fixed-size list of `length` float32."""
    return schema.append(pa.field("vector", pa.list_(pa.float32(), length)))


def with_full_length(schema: pa.Schema, length: int) -> pa.Schema:
    """`schema` and a last column `vector` for a backbone's vectors: of `length` float16."""
    return schema.append(pa.field("vector", pa.list_(FULL_LENGTH_VALUE, length)))


def vector_column(vectors: NDArray[np.float32]) -> pa.Array:
    """float32 [N, D] as an Arrow column of fixed-size lists."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def vectors_of(table: pa.Table | pa.RecordBatch, name: str = "vector") -> NDArray[np.float32]:
    """A column of vectors, of whatever precision, as float32 [N, D]."""
    column = table.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    values = column.flatten().to_numpy().astype(np.float32, copy=False)
    return values.reshape(len(column), column.type.list_size)


def write_table(
    path: str | Path,
    batches: Iterable[pa.Table],
    schema: pa.Schema,
    metadata: dict[str, Any] | None = None,
) -> int:
    """Write `batches` as one Parquet file, atomically and in fixed row groups; return its rows.

    metadata: JSON-ready facts kept in the file's schema under the key "visualsearch".
    Row groups do not follow the batches, so that how rows were computed leaves no trace.
    """
    if metadata is not None:
        schema = schema.with_metadata({"visualsearch": json.dumps(metadata, sort_keys=True)})
    rows = 0
    pending: list[pa.Table] = []
    with (
        replacing(path) as temporary,
        # Dictionaries of vectors, which hardly repeat a value, cost much time and even disk.
        pq.ParquetWriter(temporary, schema, use_dictionary=False) as writer,
    ):
        for batch in batches:
            pending.append(batch.cast(schema))
            rows += batch.num_rows
            waiting = sum(table.num_rows for table in pending)
            if waiting >= ROW_GROUP_ROWS:
                table = pa.concat_tables(pending)
                whole = waiting - waiting % ROW_GROUP_ROWS
                writer.write_table(table.slice(0, whole), row_group_size=ROW_GROUP_ROWS)
                pending = [table.slice(whole)]
        rest = pa.concat_tables(pending) if pending else schema.empty_table()
        if rest.num_rows or rows == 0:
            writer.write_table(rest, row_group_size=ROW_GROUP_ROWS)
    return rows


def open_table(path: str | Path, columns: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file that must have `columns`; InputError says what is wrong."""
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
    except OSError as error:
        if error.errno is not None:
            raise InputError(f"{path} cannot be opened: {error.strerror or error}") from error
        raise InputError(f"{path} is no readable table ({error}); delete it and rerun") from error
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is no readable table ({error}); delete it and rerun") from error
    if missing := [name for name in columns if name not in file.schema_arrow.names]:
        file.close()
        raise InputError(f"{path} has no column {missing[0]}; delete it and rerun")
    return file


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a whole table, or some columns of it."""
    with open_table(path, columns or ()) as file:
        return file.read(columns=list(columns) if columns else None)


def metadata_of(path: str | Path) -> dict[str, Any]:
    """The facts that `write_table` kept in the file."""
    with open_table(path) as file:
        return json.loads((file.schema_arrow.metadata or {}).get(b"visualsearch", b"{}"))


def common_metadata(paths: Sequence[str | Path]) -> dict[str, Any]:
    """The metadata all files share; InputError where two files come from different runs."""
    first = metadata_of(paths[0])
    for path in paths[1:]:
        other = metadata_of(path)
        if differing := [k for k in sorted({*first, *other}) if first.get(k) != other.get(k)]:
            raise InputError(
                f"{path} and {paths[0]} were made differently ({differing[0]}); "
                "delete both and rerun the stage that made them"
            )
    return first


def vector_length(path: str | Path) -> int:
    """Length of the vectors in a table."""
    with open_table(path, ["vector"]) as file:
        return file.schema_arrow.field("vector").type.list_size


def count_rows(paths: Sequence[str | Path]) -> int:
    """Rows of all files together, from their footers."""
    total = 0
    for path in paths:
        with open_table(path) as file:
            total += file.metadata.num_rows
    return total


def vectors_and_images(
    paths: Sequence[str | Path], rows: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """The vectors of shards in person order, float32 [B, D] at a time, each with its image [B]."""
    for table in in_person_order(paths, rows):
        yield vectors_of(table), table["image_id"].to_numpy()


def vectors_of_rows(paths: Sequence[str | Path], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Vectors of some rows in person order, float32 [len(rows), D], read in one pass."""
    wanted, place = np.unique(rows, return_inverse=True)
    vectors = np.empty((len(wanted), vector_length(paths[0])), dtype=np.float32)
    start = 0
    for table in in_person_order(paths, 1024, ["vector"], wanted):
        vectors[start : start + len(table)] = vectors_of(table)
        start += len(table)
    # One that is in order already need not be copied.
    return vectors if np.array_equal(rows, wanted) else vectors[place]


def boxes_of(table: pa.Table) -> NDArray[np.float32]:
    """The columns x, y, w and h as float32 [N, 4]."""
    return np.column_stack([table[name].to_numpy() for name in BOX_COLUMNS])


def rows_of_shards(paths: Sequence[str | Path], columns: Sequence[str]) -> pa.Table:
    """Some columns, person_id among them, of all shards together, in person order."""
    tables = [read_table(path, list(columns)) for path in paths]
    return pa.concat_tables(tables).sort_by("person_id")


def in_person_order(
    paths: Sequence[str | Path],
    rows: int,
    columns: Sequence[str] | None = None,
    only: NDArray[np.int64] | None = None,
) -> Iterator[pa.Table]:
    """Stream shards, each sorted by person_id, as one table sorted by person_id.

    Yields tables of exactly `rows` rows, the last one shorter. What comes out is the same however
    many shards the rows lie in. Holds one row group of each shard in memory. only: rising numbers
    of the rows wanted, counted in person order, None for all; row groups without any are not read.
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
            # The parts lie shard after shard: put each row where the sequence wants it.
            yield table.take(np.argsort(np.argsort(sequence, kind="stable"), kind="stable"))


class _Reader:
    """Hands out the wanted rows of a Parquet file in order, any number at a time.

    wanted: bool, of each row of the file.
    """

    def __init__(
        self, file: pq.ParquetFile, wanted: NDArray[np.bool_], columns: Sequence[str] | None
    ) -> None:
        self._groups = self._wanted_of_groups(file, wanted, columns)
        self._rest: pa.Table | None = None

    @staticmethod
    def _wanted_of_groups(
        file: pq.ParquetFile, wanted: NDArray[np.bool_], columns: Sequence[str] | None
    ) -> Iterator[pa.Table]:
        # Not iter_batches: between two batches it keeps several times what it hands out.
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
