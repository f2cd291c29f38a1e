"""The registry of index backends, and opening an index with its self-test.

A backend is a module of a few functions over unit vectors; CONTRIBUTING.md lists them. Importing
this module imports no backend, and no numpy: Snakemake's Python, which reads the registry, need not
have it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from visualsearch.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What the index file of each backend is called after its dot.
SUFFIXES = {"annoy": "ann", "exact": "npy", "hnsw": "usearch"}
# The package each backend needs, and the file of requirements that installs it.
PACKAGES = {
    "annoy": ("annoy", "requirements.txt"),
    "exact": ("numpy", "requirements.txt"),
    "hnsw": ("usearch", "requirements-hnsw.txt"),
}


def check_backend(name: str) -> None:
    """Raise InputError for an unknown backend or one whose package is not installed.

    Cheap: the package is looked for and not imported.
    """
    if name not in SUFFIXES:
        raise InputError(f"index.backend is {name!r}; known are {', '.join(SUFFIXES)}")
    package, requirements = PACKAGES[name]
    if find_spec(package) is None:
        raise InputError(
            f"index.backend is {name} and its package {package} is not installed; "
            f"run pip install -r {requirements}, or set index.backend: exact"
        )


def backend(name: str) -> ModuleType:
    """The module of a backend of the registry; raises what `check_backend` raises."""
    check_backend(name)
    if name == "annoy":
        from visualsearch.index import annoy_backend

        return annoy_backend
    if name == "hnsw":
        from visualsearch.index import hnsw_backend

        return hnsw_backend
    from visualsearch.index import exact_backend

    return exact_backend


@dataclass(frozen=True)
class Index:
    """An opened index over unit vectors, whatever its backend.

    effort: how far a search goes, in the backend's own measure; None for exact search.
    """

    sidecar: dict[str, Any]
    _module: ModuleType
    _handle: Any
    effort: int | None = None

    def __len__(self) -> int:
        return int(self.sidecar["n_items"])

    @property
    def counts_exactly(self) -> bool:
        """Whether `counted_query` counts every vector once, so that n_items means all of them."""
        return bool(self._module.COUNTS_EXACTLY)

    def query(
        self, vector: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The k nearest rows to `vector` [D]: rows int64 [min(k, len)], cosines float64, falling.

        Equal cosines come by rising row.
        """
        found = self._module.query(self._handle, vector, min(k, len(self)), self.effort)
        return _by_cosine(vector, *found)

    def counted_query(
        self, vector: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
        """What `query` returns, and the number of stored vectors compared with `vector`.

        An upper bound, at most len, where not `counts_exactly`.
        """
        *found, compared = self._module.counted_query(
            self._handle, vector, min(k, len(self)), self.effort
        )
        return *_by_cosine(vector, *found), compared

    def at(self, effort: int | None) -> Index:
        """The same index, searching with another effort."""
        return replace(self, effort=effort)

    def vector(self, row: int) -> NDArray[np.float32]:
        """The stored vector of a row, float32 [D]."""
        return self._module.vector(self._handle, row)


def _by_cosine(
    vector: NDArray[np.float32], rows: NDArray[np.int64], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    import numpy as np

    # Every backend's cosines are computed the same way, one row at a time, so that they compare to
    # the last bit.
    wide = vector.astype(np.float64)
    cosines = np.array([float(np.dot(v.astype(np.float64), wide)) for v in vectors])
    order = np.lexsort((rows, -cosines))
    return rows[order], cosines[order]


def load_index(path: str | Path, sidecar: dict[str, Any]) -> Index:
    """Open an index file as its sidecar describes it, without trying it.

    Raises InputError where the size, the number of items or what else the file tells of itself is
    not as the sidecar says.
    """
    module = backend(sidecar["backend"])
    try:
        size = Path(path).stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}; rerun build_index") from error
    if size != sidecar["index_bytes"]:
        raise InputError(
            f"{path} has {size} bytes, its sidecar says {sidecar['index_bytes']}: they are of "
            "different runs; rerun build_index"
        )
    effort = sidecar[module.PARAMETER] if module.PARAMETER else None
    index = Index(sidecar, module, module.load(str(path), sidecar), effort)
    items = module.count(index._handle)
    if items != len(index):
        raise InputError(
            f"{path} holds {items} items, its sidecar says {len(index)}; rerun build_index"
        )
    return index


def open_index(path: str | Path, sidecar: dict[str, Any]) -> Index:
    """Open an index file as its sidecar describes it, and test that it does what was measured.

    Besides what `load_index` checks, it must hold the vectors that the sidecar tells of, give as
    many neighbours as are asked, and find as many of a few rows' exact neighbours as when it was
    built. Costs some tens of queries. Raises InputError that says what failed and what to rerun.
    """
    from visualsearch.index.self_test import run_self_test

    index = load_index(path, sidecar)
    run_self_test(index, path)
    return index
