"""The second look: what the index found, judged anew by full-length vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualsearch.data.person_order import vectors_of_rows
from visualsearch.data.tables import read_table, vectors_of
from visualsearch.reduce.reduction import Reduction, l2_normalised


def centred(vectors: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """Full-length vectors as the reduction sees them before it shortens them, of length 1.

    vectors: float32 [N, D]. mean: float32 [D], of pca/model.npz. Their dot products are cosines.
    """
    return l2_normalised(l2_normalised(vectors) - mean)


@dataclass(frozen=True)
class SecondLook:
    """Where full-length vectors are, and how many of the nearest get a second look.

    embeddings: shards of embeddings, in which row n in person order is row n of the index.
    mean: as in `centred`. own_pictures: float32 [P, D], the full-length vectors of the queries
    that are not of the search set, in the queries' order.
    """

    depth: int
    embeddings: Sequence[str]
    mean: NDArray[np.float32]
    own_pictures: NDArray[np.float32]

    def cosines(
        self, queries: Sequence[int | None], found: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        """Cosines of the full-length vectors of each query and of the rows found for it.

        queries: each query's row of the index, None for a picture of the user's own. found: int64
        [n] rows for each query. Returns float64 [n] for each. Reads the embeddings once and holds
        the vectors of the rows that are wanted.
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
            # One by one and wide, as the index computes its own.
            wide = vector.astype(np.float64)
            near = vectors[np.searchsorted(wanted, rows)].astype(np.float64)
            result.append(np.array([float(np.dot(row, wide)) for row in near]))
        return result


def second_look_of(
    depth: int, embeddings: Sequence[str], model: str, own_pictures: str | None
) -> SecondLook:
    """A second look from files: the PCA model, and the table of the user's own pictures if any."""
    mean = Reduction.load(model).mean
    own = np.empty((0, len(mean)), dtype=np.float32)
    if own_pictures:
        own = vectors_of(read_table(own_pictures, ["vector"]))
    return SecondLook(depth, embeddings, mean, own)
