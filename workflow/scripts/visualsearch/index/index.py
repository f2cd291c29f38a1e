"""An index over unit vectors, whatever its backend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.index import load_backend
from visualsearch.index.base import Backend, IndexFile, Rows, Vector, cosines_with

# How every message about an unusable index ends.
RERUN = "rerun build_index"


@dataclass(frozen=True)
class Index:
    """An index that is open for searching.

    sidecar: the content of its index.json. effort: how far a search goes, in the backend's own
    measure; exact search does not use it.
    """

    sidecar: dict[str, Any]
    backend: Backend
    file: IndexFile
    effort: int = 0

    def __len__(self) -> int:
        return len(self.file)

    def query(self, vector: Vector, k: int) -> tuple[Rows, NDArray[np.float64]]:
        """The k nearest rows to `vector` [D]: rows int64 [min(k, len)], cosines float64, falling.

        Equal cosines come by rising row.
        """
        found = self.file.query(vector, min(k, len(self)), self.effort)
        return _by_falling_cosine(vector, *found)

    def counted_query(self, vector: Vector, k: int) -> tuple[Rows, NDArray[np.float64], int]:
        """What `query` returns, and the number of stored vectors compared with `vector`."""
        rows, vectors, compared = self.file.counted_query(vector, min(k, len(self)), self.effort)
        return *_by_falling_cosine(vector, rows, vectors), compared

    def vector(self, row: int) -> Vector:
        """The stored vector of a row, float32 [D]."""
        return self.file.vector(row)

    def vectors(self, rows: Rows) -> Vector:
        """The stored vectors of some rows, float32 [len(rows), D]."""
        stored = [self.file.vector(int(row)) for row in rows]
        return np.array(stored, dtype=np.float32).reshape(len(rows), self.sidecar["dimension"])

    def at(self, effort: int) -> Index:
        """The same index, searching with another effort."""
        return replace(self, effort=effort)


def _by_falling_cosine(
    vector: Vector, rows: Rows, vectors: Vector
) -> tuple[Rows, NDArray[np.float64]]:
    cosines = cosines_with(vector, vectors)
    order = np.lexsort((rows, -cosines))
    return rows[order], cosines[order]


def load_index(path: str | Path, sidecar: dict[str, Any]) -> Index:
    """Open an index file as its sidecar describes it, without testing it.

    Raises InputError where its size, its number of items, or what the file says about itself is not
    as the sidecar says.
    """
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}; {RERUN}") from error
    if size != sidecar["index_bytes"]:
        raise InputError(
            f"{path} has {size} bytes, its sidecar says {sidecar['index_bytes']}: they belong to "
            f"different runs; {RERUN}"
        )
    backend = load_backend(sidecar["backend"])
    try:
        file = backend.load(str(path), sidecar)
    except InputError as error:
        raise InputError(f"{error}; {RERUN}") from error
    if len(file) != sidecar["n_items"]:
        raise InputError(
            f"{path} holds {len(file)} items, its sidecar says {sidecar['n_items']}; {RERUN}"
        )
    return Index(sidecar, backend, file, sidecar[backend.effort_name] if backend.effort_name else 0)
