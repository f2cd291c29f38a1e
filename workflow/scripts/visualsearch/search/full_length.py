"""Cosines of full-length vectors, for reranking and to tell near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from visualsearch.data.person_order import in_person_order, vectors_of_rows
from visualsearch.data.tables import read_table
from visualsearch.data.vectors import l2_normalised, stored_lengths, vectors_of
from visualsearch.reduce.reduction import Reduction

BLOCK_ROWS = 1024


def centred(vectors: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Full-length vectors as the reduction has them before it shortens them, of length 1.

    vectors: float32 [N, D]. mean: float32 [D], of pca/model.npz. Their dot products are cosines.
    """
    return l2_normalised(l2_normalised(vectors) - mean)


class FullLengthCosines(Protocol):
    """What tells near-duplicates."""

    def cosines(
        self, queries: Sequence[int | None], found: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        """Cosines of each query with the rows found for it, or what stands for them."""
        ...


@dataclass(frozen=True)
class FullLength:
    """Computes cosines of full-length vectors.

    embeddings: shards of embeddings, in which row n in person order is row n of the index.
    mean: as in `centred`. own_pictures: float32 [P, D], full-length vectors of the queries that are
    the user's own pictures, in the order of the queries.
    """

    embeddings: Sequence[str]
    mean: NDArray[np.float32]
    own_pictures: NDArray[np.float32]

    @classmethod
    def load(
        cls, embeddings: Sequence[str], model: str, own_pictures: str | None = None
    ) -> FullLength:
        """Read the PCA model and, if there is one, the table of the user's own pictures."""
        mean = Reduction.load(model).mean
        own = np.empty((0, len(mean)), dtype=np.float32)
        if own_pictures:
            own = vectors_of(read_table(own_pictures))
        return cls(embeddings, mean, own)

    def cosines(
        self, queries: Sequence[int | None], found: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        """Cosines of each query with the rows found for it, by the centred vectors.

        queries: each query's row of the index, None for one of the user's own pictures. found:
        int64 [n], rows for each query. Returns float64 [n] for each query. Reads the embeddings
        twice, and holds the vectors of the queries and one block of the others.
        """
        if not found:
            return []
        own = np.array([row is None for row in queries])
        asked = np.empty((len(queries), self.own_pictures.shape[1]), dtype=np.float32)
        asked[own] = centred(self.own_pictures[: own.sum()], self.mean)
        in_set = np.array([row for row in queries if row is not None], dtype=np.int64)
        asked[~own] = centred(vectors_of_rows(self.embeddings, in_set), self.mean)

        sizes = [len(rows) for rows in found]
        asking = np.repeat(np.arange(len(found)), sizes)
        wanted, place = np.unique(np.concatenate(found), return_inverse=True)
        order = np.argsort(place, kind="stable")
        by_place = place[order]
        cosines = np.empty(len(place))
        start = 0
        columns = list(stored_lengths(self.embeddings[0]))
        for table in in_person_order(self.embeddings, BLOCK_ROWS, columns, wanted):
            block = centred(vectors_of(table), self.mean).astype(np.float64)
            stop = start + len(block)
            first, last = np.searchsorted(by_place, [start, stop])
            # One by one and in float64, as the index computes its cosines.
            for pair in order[first:last]:
                wide = asked[asking[pair]].astype(np.float64)
                cosines[pair] = np.dot(block[place[pair] - start], wide)
            start = stop
        return np.split(cosines, np.cumsum(sizes)[:-1])
