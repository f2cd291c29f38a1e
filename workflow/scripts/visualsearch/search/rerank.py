"""Reranking: sorts the neighbours that the index found anew, by their full-length vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualsearch.data.person_order import vectors_of_rows
from visualsearch.data.tables import read_table, vectors_of
from visualsearch.reduce.reduction import Reduction, l2_normalised


def centred(vectors: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Full-length vectors as the reduction has them before it shortens them, of length 1.

    vectors: float32 [N, D]. mean: float32 [D], of pca/model.npz. Their dot products are cosines.
    """
    return l2_normalised(l2_normalised(vectors) - mean)


@dataclass(frozen=True)
class Reranker:
    """Computes cosines of full-length vectors.

    embeddings: shards of embeddings, in which row n in person order is row n of the index.
    mean: as in `centred`. own_pictures: float32 [P, D], full-length vectors of the queries that are
    the user's own pictures, in the order of the queries.
    """

    embeddings: Sequence[str]
    mean: NDArray[np.float32]
    own_pictures: NDArray[np.float32]

    @classmethod
    def load(cls, embeddings: Sequence[str], model: str, own_pictures: str | None) -> Reranker:
        """Read the PCA model and, if there is one, the table of the user's own pictures."""
        mean = Reduction.load(model).mean
        own = np.empty((0, len(mean)), dtype=np.float32)
        if own_pictures:
            own = vectors_of(read_table(own_pictures, ["vector"]))
        return cls(embeddings, mean, own)

    def cosines(
        self, queries: Sequence[int | None], found: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        """Cosines of each query with the rows found for it.

        queries: each query's row of the index, None for one of the user's own pictures. found:
        int64 [n], rows for each query. Returns float64 [n] for each. Reads the embeddings once, and
        holds the vectors of the wanted rows only.
        """
        own_rows = np.array([row for row in queries if row is not None], dtype=np.int64)
        wanted = np.unique(np.concatenate([own_rows, *found]))
        vectors = centred(vectors_of_rows(self.embeddings, wanted), self.mean)
        own_pictures = iter(centred(self.own_pictures, self.mean))
        result = []
        for query, rows in zip(queries, found, strict=True):
            if query is None:
                vector = next(own_pictures)
            else:
                vector = vectors[np.searchsorted(wanted, query)]
            # One by one and in float64, as the index computes its cosines.
            wide = vector.astype(np.float64)
            near = vectors[np.searchsorted(wanted, rows)].astype(np.float64)
            result.append(np.array([float(np.dot(row, wide)) for row in near]))
        return result
