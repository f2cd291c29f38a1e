"""Exact search: compares every vector. Other backends are measured against it."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from visualsearch.core.errors import InputError
from visualsearch.index.base import Rows, Vector, cosines_with
from visualsearch.settings import IndexSettings


class ExactBackend:
    """Keeps the vectors as one array."""

    name = "exact"
    effort_name: str | None = None

    def user_effort(self, settings: IndexSettings) -> int | None:
        return None

    def builds(self, settings: IndexSettings) -> list[dict[str, Any]]:
        return [{}]

    def efforts(self, build: dict[str, Any], n_items: int) -> Iterator[int]:
        return iter(())

    def build(
        self, vectors: Iterable[Vector], path: str, shape: tuple[int, int], build: dict[str, Any]
    ) -> dict[str, Any]:
        """Write one float32 .npy array of `shape`, a batch at a time."""
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        with open(path, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for batch in vectors:
                file.write(batch.astype("<f4").tobytes())
        return {"metric": "cosine"}

    def load(self, path: str, sidecar: dict[str, Any]) -> "ExactFile":
        try:
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} is not an array of vectors ({error})") from error
        if vectors.ndim != 2 or vectors.shape[1] != sidecar["dimension"]:
            raise InputError(f"{path} has shape {vectors.shape}, not [N, {sidecar['dimension']}]")
        return ExactFile(vectors)


class ExactFile:
    """An array that is searched by comparing every row. vectors: float32 [N, D]."""

    def __init__(self, vectors: Vector) -> None:
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def query(self, vector: Vector, k: int, effort: int = 0) -> tuple[Rows, Vector]:
        """The k nearest rows; of equal cosines the lower rows. `effort` is not used."""
        cosines = self.vectors @ vector
        rows = np.arange(len(cosines))
        if k < len(cosines):
            # A product's last bits depend on where a row lies. All rows that may be among the k
            # nearest are compared again, so that the same ones are chosen wherever they lie.
            threshold = np.partition(cosines, -k)[-k]
            rows = np.flatnonzero(cosines >= threshold - 2 * rounding(len(vector)))
            again = cosines_with(vector, (self.vectors[row] for row in rows))
            rows = rows[np.lexsort((rows, -again))][:k]
        return rows.astype(np.int64), np.asarray(self.vectors[rows])

    def counted_query(self, vector: Vector, k: int, effort: int = 0) -> tuple[Rows, Vector, int]:
        return *self.query(vector, k), len(self)

    def vector(self, row: int) -> Vector:
        return np.array(self.vectors[row])


def rounding(length: int) -> float:
    """The largest error of the float32 product of two unit vectors of this length.

    Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.1, for any order of
    the sum; twice that, as the vectors' own lengths are rounded too.
    """
    return length * float(np.finfo(np.float32).eps)
