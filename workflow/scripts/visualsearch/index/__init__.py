"""The registry of index backends, and opening an index with its self-test.

A backend is a module of three functions, `build`, `load` and `query`; see CONTRIBUTING.md.
Importing this module imports no backend.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.errors import InputError

# What the index file of each backend is called after its dot.
SUFFIXES = {"annoy": "ann", "exact": "npy"}
SELF_TEST_ROWS = 5


def backend(name: str) -> ModuleType:
    """The module of a backend of the registry."""
    if name == "annoy":
        from visualsearch.index import annoy_backend

        return annoy_backend
    if name == "exact":
        from visualsearch.index import exact_backend

        return exact_backend
    raise InputError(f"index.backend is {name!r}; known are {', '.join(SUFFIXES)}")


@dataclass(frozen=True)
class Index:
    """An opened index over unit vectors, whatever its backend."""

    sidecar: dict[str, Any]
    _module: ModuleType
    _handle: Any

    def __len__(self) -> int:
        return int(self.sidecar["n_items"])

    def query(
        self, vector: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The k nearest rows to `vector` [D]: rows int64 [min(k, len)], cosines float64, falling.

        Equal cosines come by rising row.
        """
        rows, vectors = self._module.query(self._handle, vector, min(k, len(self)))
        # Every backend's cosines are computed the same way, one row at a time, so that they
        # compare to the last bit.
        wide = vector.astype(np.float64)
        cosines = np.array([float(np.dot(v.astype(np.float64), wide)) for v in vectors])
        order = np.lexsort((rows, -cosines))
        return rows[order], cosines[order]

    def vector(self, row: int) -> NDArray[np.float32]:
        """The stored vector of a row, float32 [D]."""
        return self._module.vector(self._handle, row)


def open_index(path: str | Path, sidecar: dict[str, Any]) -> Index:
    """Open an index file as its sidecar describes it, and test it.

    The file has no header that tells a wrong metric or dimension, and some builds of Annoy answer
    with a single neighbour whatever is asked (annoy issues 679 and 682). So: the items must be as
    many as the sidecar says, a stored vector must find itself, and k asked must give k.
    Raises InputError that says what failed and what to rerun.
    """
    module = backend(sidecar["backend"])
    index = Index(sidecar, module, module.load(str(path), sidecar))
    items = module.count(index._handle)
    if items != len(index):
        raise InputError(
            f"{path} holds {items} items, its sidecar says {len(index)}; rerun build_index"
        )
    for row in np.unique(np.linspace(0, items - 1, SELF_TEST_ROWS).astype(int)):
        vector = index.vector(int(row))
        asked = min(10, items)
        _, cosines = index.query(vector, asked)
        if len(cosines) != asked:
            raise InputError(
                f"{path} gives {len(cosines)} neighbours where {asked} were asked: this build of "
                f"{sidecar['backend']} is broken; reinstall it, or set index.backend: exact"
            )
        if not 0.999 < cosines[0] < 1.001:
            raise InputError(f"row {row} of {path} does not find itself; rerun build_index")
    return index
