"""faiss: a scan over a short code of every vector, whose best are compared at full length.

The vectors are rotated at random and cut into pairs of values, and each pair becomes one of 16 it
resembles (product quantisation). A query reads all codes, a sixteenth of the vectors' bytes.
Andre, Kermarrec and Le Scouarnec, "Cache locality is not enough: high-performance nearest neighbor
search with product quantization fast scan" (VLDB 2015). https://github.com/facebookresearch/faiss
"""

from collections.abc import Iterable, Iterator
from typing import Any

import faiss
import numpy as np

from visualsearch.core.errors import InputError
from visualsearch.core.statistics import evenly_spaced
from visualsearch.index.base import Rows, Vector
from visualsearch.index.exact_backend import ExactBackend, ExactFile
from visualsearch.settings import IndexSettings

BITS = 4
# float32 values of 4 bytes for two codes of half a byte.
BYTES_OF_A_CODE = 1 / 16
# Of each 16 centroids; more changed nothing.
MAX_TRAINED_ON = 20_000
ROWS_AT_ONCE = 16_384
MIN_CANDIDATES = 32
MAX_CANDIDATES = 1 << 14

# faiss has threads of its own, and centroids differ in their last bits by their number.
faiss.omp_set_num_threads(1)


class FaissBackend:
    """Builds and opens a file of exact search with the codes of its vectors behind them."""

    name = "faiss"
    effort_name: str | None = "candidates"

    def user_effort(self, settings: IndexSettings) -> int | None:
        return None

    def builds(self, settings: IndexSettings) -> list[dict[str, Any]]:
        """One set of codes serves every recall."""
        return [{}]

    def efforts(self, build: dict[str, Any], n_items: int) -> Iterator[int]:
        """The last compares all vectors at full length, up to a limit."""
        most = min(n_items, MAX_CANDIDATES)
        effort = MIN_CANDIDATES
        while effort < most:
            yield effort
            effort *= 2
        yield most

    def build(
        self, vectors: Iterable[Vector], path: str, shape: tuple[int, int], build: dict[str, Any]
    ) -> dict[str, Any]:
        """One thread and fixed seeds make the bytes the same; memory holds the codes alone."""
        facts = ExactBackend().build(vectors, path, shape, {})
        stored = np.load(path, mmap_mode="r")
        codes = _trained(stored, build["seed"])
        for start in range(0, len(stored), ROWS_AT_ONCE):
            codes.add(stored[start : start + ROWS_AT_ONCE])
        with open(path, "ab") as file:
            file.write(faiss.serialize_index(codes).tobytes())
        return {**facts, "seed": build["seed"]}

    def load(self, path: str, sidecar: dict[str, Any]) -> "CodedFile":
        vectors: Any = ExactBackend().load(path, sidecar).vectors
        try:
            behind = np.fromfile(path, np.uint8, offset=vectors.offset + vectors.nbytes)
            codes = faiss.deserialize_index(behind)
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"{path} has no codes of faiss behind its vectors") from error
        if (codes.ntotal, codes.d) != vectors.shape:
            raise InputError(f"{path} has codes of other vectors: {codes.ntotal} of {codes.d}")
        return CodedFile(vectors, codes)


def _trained(vectors: Vector, seed: int) -> Any:
    """An empty index of codes for vectors like these [N, D]."""
    length = vectors.shape[1]
    # An even number of values, so that each code is of two.
    rotation = faiss.RandomRotationMatrix(length, length + length % 2)
    rotation.init(seed)
    # By squared distance, which orders unit vectors as the cosine does, and loses less to rounding.
    codes = faiss.IndexPQFastScan(rotation.d_out, rotation.d_out // 2, BITS, faiss.METRIC_L2)
    codes.pq.cp.seed = seed
    # It would print warnings of sets that are small.
    codes.pq.cp.min_points_per_centroid = 1
    index = faiss.IndexPreTransform(rotation, codes)
    rows = evenly_spaced(len(vectors), MAX_TRAINED_ON)
    # faiss asks for as many vectors as centroids: a few persons are repeated.
    index.train(np.resize(vectors[rows], (max(len(rows), 1 << BITS), length)))
    return index


class CodedFile(ExactFile):
    """The vectors, mapped, and their codes in memory. codes: faiss.IndexPreTransform."""

    def __init__(self, vectors: Vector, codes: Any) -> None:
        super().__init__(vectors)
        self.codes = codes

    def query(self, vector: Vector, k: int, effort: int = 0) -> tuple[Rows, Vector]:
        candidates = self._candidates(k, effort)
        if candidates == len(self):
            # Codes of few vectors, some of them equal, may be of no use.
            return super().query(vector, k)
        _, found = self.codes.search(vector[None], candidates)
        # Rising, so that of equal cosines the lower rows are taken.
        rows = np.sort(found[0][found[0] >= 0])
        best, vectors = ExactFile(self.vectors[rows]).query(vector, k)
        return rows[best], vectors

    def counted_query(self, vector: Vector, k: int, effort: int = 0) -> tuple[Rows, Vector, int]:
        """Counts the candidates, and each code as the part of a vector that it has in bytes."""
        compared = candidates = self._candidates(k, effort)
        if candidates < len(self):
            compared += round(BYTES_OF_A_CODE * len(self))
            # All is said only of all at full length.
            compared = min(compared, len(self) - 1)
        return *self.query(vector, k, effort), compared

    def _candidates(self, k: int, effort: int) -> int:
        return min(max(effort, k), len(self))
