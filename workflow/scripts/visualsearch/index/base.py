"""The interface of every index backend."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from visualsearch.settings import IndexSettings

Vector = NDArray[np.float32]
Rows = NDArray[np.int64]


class IndexFile(Protocol):
    """An index file that is open for searching."""

    def __len__(self) -> int:
        """Number of vectors in the file."""
        ...

    def query(self, vector: Vector, k: int, effort: int) -> tuple[Rows, Vector]:
        """Rows [k] near `vector` [D] and their vectors [k, D], in any order."""
        ...

    def counted_query(self, vector: Vector, k: int, effort: int) -> tuple[Rows, Vector, int]:
        """What `query` returns, and how many vectors were compared with `vector`.

        Each counts once: a count of all says that nothing was missed.
        """
        ...

    def vector(self, row: int) -> Vector:
        """The stored vector of a row, [D]."""
        ...


class Backend(Protocol):
    """A way to build an index file over unit vectors and to open it.

    name: its key in the registry. effort_name: what the backend calls the setting that says how far
    a search goes, such as search_k; None for exact search, which has no such setting.
    """

    name: str
    effort_name: str | None

    def user_effort(self, settings: IndexSettings) -> int | None:
        """The effort that the user set; None where it is to be chosen."""
        ...

    def builds(self, settings: IndexSettings) -> list[dict[str, Any]]:
        """Settings of `build` to choose from, the cheapest first; one where the user set it."""
        ...

    def efforts(self, build: dict[str, Any], n_items: int) -> Iterator[int]:
        """Efforts to try on such a build of n_items vectors, rising; the last searches furthest."""
        ...

    def build(
        self, vectors: Iterable[Vector], path: str, shape: tuple[int, int], build: dict[str, Any]
    ) -> dict[str, Any]:
        """Write the index file at `path`; return what the sidecar keeps about it.

        vectors: unit vectors in row order, float32 [*, D] at a time. shape: [N, D]. build: one of
        `builds`, with `seed`. Same vectors and settings give the same bytes. Raises NoRoomError
        where the disk is too full.
        """
        ...

    def load(self, path: str, sidecar: dict[str, Any]) -> IndexFile:
        """Map an index file into memory.

        Raises InputError where the file is not of this backend, or not as the sidecar says.
        """
        ...


def cosines_with(vector: Vector, vectors: Iterable[Vector]) -> NDArray[np.float64]:
    """Cosines of a unit vector [D] with each of others [D], float64.

    Every backend's cosines are computed this way, one row at a time, so that they are equal to the
    last bit.
    """
    rows = vectors if isinstance(vectors, np.ndarray) else list(vectors)
    wide = np.asarray(rows, dtype=np.float64).reshape(-1, len(vector))
    # A stack of products of one row: numpy takes a dot product of its own for each.
    return np.matmul(wide[:, None], vector.astype(np.float64)[:, None])[:, 0, 0]
