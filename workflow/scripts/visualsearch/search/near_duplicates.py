"""Tells near-duplicates of many persons without reading the full-length vectors of most others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualsearch.data.person_order import in_person_order
from visualsearch.data.vectors import stored_lengths, vectors_of
from visualsearch.index.index import Index
from visualsearch.reduce.reduction import Reduction
from visualsearch.search.full_length import BLOCK_ROWS, FullLength, centred

# What rounding may change of a bound, many times over.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class NearDuplicates:
    """Cosines of full-length vectors where they may reach `limit`; elsewhere an upper bound below.

    Let p be the projection of a unit vector u on the reduction's components, and w the direction
    of another's, v. What is left of v is at most along what is left of u, so that u·v is at most
    sqrt((p·w)² + 1 - p²), or without the first term where p·w is negative. w follows from the
    reduced vector of v, and p from the full-length vector of u alone. index: with the reduced
    vectors.
    """

    full_length: FullLength
    reduction: Reduction
    index: Index
    limit: float

    def cosines(
        self, queries: Sequence[int | None], found: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        """As FullLength.cosines, of queries that are rows of the index, ascending."""
        rows = np.array(queries, dtype=np.int64)
        bounds = self._bounds(rows, found)
        may_reach = [bound >= self.limit - TOLERANCE for bound in bounds]
        asked = [n for n, some in enumerate(may_reach) if some.any()]
        exact = self.full_length.cosines(
            [queries[n] for n in asked], [found[n][may_reach[n]] for n in asked]
        )
        for n, cosines in zip(asked, exact, strict=True):
            bounds[n][may_reach[n]] = cosines
        return bounds

    def _bounds(
        self, rows: NDArray[np.int64], found: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float64]]:
        embeddings, mean = self.full_length.embeddings, self.full_length.mean
        unwhitened = (self.reduction.deviations() ** self.reduction.whiten_power).astype(np.float32)
        columns = list(stored_lengths(embeddings[0]))
        bounds: list[NDArray[np.float64]] = []
        for table in in_person_order(embeddings, BLOCK_ROWS, columns, rows):
            unit = centred(vectors_of(table), mean)
            for projected in unit @ self.reduction.components.T:
                others = self.index.vectors(found[len(bounds)]) * unwhitened
                others /= np.linalg.norm(others, axis=1, keepdims=True)
                along = np.maximum(others @ projected, 0).astype(np.float64)
                left = max(1 - float(projected @ projected), 0)
                bounds.append(np.sqrt(along**2 + left))
        return bounds
