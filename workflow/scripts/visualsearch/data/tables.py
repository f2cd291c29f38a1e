"""The Parquet tables that stages hand on: their columns, writing and reading them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing

# Rows of a row group: few enough that one group of each of hundreds of shards fits in memory.
ROW_GROUP_ROWS = 256

BOX_COLUMNS = ("x", "y", "w", "h")

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

# One row for each query. `role` is why it was chosen: typical, rare, small, cut-off, crowd, surest,
# diverse, random, named or own picture. In a query from the user's own picture, `picture` is its
# path, person_id is null, image_id is null unless the set has a picture of the same content, and
# score is null for a box that the user gave. In all others `picture` is null.
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

# One row for each hit. `similarity` is the cosine of the reduced vectors, and `index_rank` the rank
# by it, that of its image if search.hits_per_image limits these. `rank` is the rank after
# re-ranking by `full_similarity`, the cosine of the full-length vectors, which is null when
# search.rerank is 0.
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


def write_table(
    path: str | Path,
    batches: Iterable[pa.Table],
    schema: pa.Schema,
    metadata: dict[str, Any] | None = None,
) -> int:
    """Write `batches` as one Parquet file, atomically; return its number of rows.

    metadata: facts that JSON can hold, kept in the file's schema under the key "visualsearch". Row
    groups have a fixed size, so the bytes do not depend on how the rows were batched.
    """
    if metadata is not None:
        schema = schema.with_metadata({"visualsearch": json.dumps(metadata, sort_keys=True)})
    rows = 0
    pending: list[pa.Table] = []
    with (
        replacing(path) as temporary,
        # Vectors hardly repeat a value: dictionaries of them would take more time and disk.
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
    """Open a Parquet file. Raises InputError when it is broken or lacks one of `columns`."""
    try:
        file = pq.ParquetFile(path, pre_buffer=False)
    except OSError as error:
        if error.errno is not None:
            raise InputError(f"{path} cannot be opened: {error.strerror or error}") from error
        raise InputError(
            f"{path} is not a readable table ({error}); delete it and rerun"
        ) from error
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{path} is not a readable table ({error}); delete it and rerun"
        ) from error
    if missing := [name for name in columns if name not in file.schema_arrow.names]:
        file.close()
        raise InputError(f"{path} has no column {missing[0]}; delete it and rerun")
    return file


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a whole table, or some of its columns. Raises InputError, as `open_table` does."""
    with open_table(path, columns or ()) as file:
        return file.read(columns=list(columns) if columns else None)


def metadata_of(path: str | Path) -> dict[str, Any]:
    """Return the metadata that `write_table` kept in the file."""
    with open_table(path) as file:
        return json.loads((file.schema_arrow.metadata or {}).get(b"visualsearch", b"{}"))


def common_metadata(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Return the metadata of all files. Raises InputError when they differ."""
    first = metadata_of(paths[0])
    for path in paths[1:]:
        other = metadata_of(path)
        if differing := [k for k in sorted({*first, *other}) if first.get(k) != other.get(k)]:
            raise InputError(
                f"{path} and {paths[0]} were made differently ({differing[0]}); "
                "delete both and rerun the stage that made them"
            )
    return first


def count_rows(paths: Sequence[str | Path]) -> int:
    """Return the number of rows of all files together, from their footers."""
    total = 0
    for path in paths:
        with open_table(path) as file:
            total += file.metadata.num_rows
    return total


def boxes_of(table: pa.Table) -> NDArray[np.float32]:
    """Return the columns x, y, w and h as float32 [N, 4]."""
    return np.column_stack([table[name].to_numpy() for name in BOX_COLUMNS])
