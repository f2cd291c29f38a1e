"""Vectors of persons as columns of tables: `vector`, and `before` where the search uses it too."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.data.tables import open_table

# A value of a backbone's vector. float16 takes half the disk of float32 and changes raw cosines by
# less than 1e-4; the values are far below its limit, 65,504. Values that cannot be null are read
# twice as fast.
FULL_LENGTH_VALUE = pa.field("element", pa.float16(), nullable=False)

# The columns of a full-length vector: the backbone's last map, pooled; and the map before it,
# pooled in stripes, if embedding.maps is "both".
FULL_LENGTH = ("vector", "before")


def with_vector(schema: pa.Schema, length: int) -> pa.Schema:
    """Return `schema` with a last column `vector`: a fixed-size list of `length` float32."""
    return schema.append(pa.field("vector", pa.list_(pa.float32(), length)))


def with_full_length(schema: pa.Schema, lengths: Mapping[str, int], suffix: str = "") -> pa.Schema:
    """Return `schema` with further columns for a backbone's vectors: fixed-size lists of float16.

    lengths: by names of FULL_LENGTH, as embed.persons.vector_lengths gives them. suffix: of the
    columns' names.
    """
    for name, length in lengths.items():
        schema = schema.append(pa.field(name + suffix, pa.list_(FULL_LENGTH_VALUE, length)))
    return schema


def vector_column(vectors: NDArray[np.float32]) -> pa.Array:
    """Return vectors, float32 [N, D], as an Arrow column of fixed-size lists."""
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def full_length_columns(
    vectors: NDArray[np.float32], lengths: Mapping[str, int], suffix: str = ""
) -> dict[str, pa.Array]:
    """Return vectors, float32 [N, sum of lengths], as the columns of `with_full_length`."""
    parts = np.split(vectors, np.cumsum(list(lengths.values()))[:-1], axis=1)
    return {name + suffix: vector_column(part) for name, part in zip(lengths, parts, strict=True)}


def vectors_of(table: pa.Table | pa.RecordBatch, suffix: str = "") -> NDArray[np.float32]:
    """Return the vectors of a table, of any precision, as float32 [N, D].

    With the column `before` too, each of the two vectors is scaled to length 1, and they are
    joined, `vector` first. suffix: of the columns' names.
    """
    names = [name + suffix for name in FULL_LENGTH if name + suffix in table.schema.names]
    parts = [_values_of(table.column(name)) for name in names]
    return parts[0] if len(parts) == 1 else np.hstack([l2_normalised(part) for part in parts])


def _values_of(column: pa.Array | pa.ChunkedArray) -> NDArray[np.float32]:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    values = column.flatten().to_numpy().astype(np.float32, copy=False)
    return values.reshape(len(column), column.type.list_size)


def stored_lengths(path: str | Path) -> dict[str, int]:
    """Return the columns of vectors in a table, as `vectors_of` joins them, and their lengths."""
    with open_table(path, FULL_LENGTH[:1]) as file:
        schema = file.schema_arrow
        return {n: schema.field(n).type.list_size for n in FULL_LENGTH if n in schema.names}


def l2_normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide rows [N, D] by their length; rows of zeros stay zeros.

    Raises InputError if a value is not finite; float16 stores values above 65,504 as infinity.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise InputError(
            "a person's vector has values that are not finite or above 65,504; check that "
            "detector.weights belong to detector.name"
        )
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
