"""Exact neighbours and ranks of many queries, in one pass over a set that need not fit in memory.

Each class here takes every batch of the set's vectors, in row order, through `add`, and holds only
the best so far.
"""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

# Bounds the memory of a comparison, whatever the number of queries.
QUERIES_AT_ONCE = 1024
# Rows of a batch where the caller is free to choose: with 1,024, 4,096, 8,192 and 16,384 rows, the
# thirty nearest of each of 20,000 persons took 5.2, 3.5, 3.1 and 3.3 s of a core. Costs 32 MB.
BATCH_ROWS = 8192


class Nearest:
    """The k rows most like each query.

    queries: unit vectors, float32 [Q, D]. rows: int64 [Q], each query's own row, which is left
    out; None where the queries are not in the set. images: int64 [Q], each query's image, whose
    rows are left out; None to allow them. After all batches, `neighbours` int64 [Q, k] holds rows
    by falling cosine, equal cosines by rising row, and -1 where the set has no more; `cosines`
    float32 [Q, k] holds their cosines, and -inf there.
    """

    def __init__(
        self,
        queries: Vectors,
        k: int,
        rows: NDArray[np.int64] | None = None,
        images: NDArray[np.int64] | None = None,
    ) -> None:
        self.queries = queries
        self.rows = rows
        self.images = images
        self.neighbours = np.full((len(queries), k), -1, dtype=np.int64)
        self.cosines = np.full((len(queries), k), -np.inf, dtype=np.float32)
        self._seen = 0

    def add(self, batch: Vectors, images: NDArray[np.int64] | None = None) -> None:
        """Compare every query with the next rows: unit vectors float32 [B, D].

        images: int64 [B], needed where the queries' images are given.
        """
        for start in range(0, len(self.queries), QUERIES_AT_ONCE):
            self._compare(slice(start, start + QUERIES_AT_ONCE), batch, images)
        self._seen += len(batch)

    def _compare(self, part: slice, batch: Vectors, images: NDArray[np.int64] | None) -> None:
        k = self.neighbours.shape[1]
        best, neighbours = self.cosines[part], self.neighbours[part]
        cosines = self.queries[part] @ batch.T
        if self.rows is not None:
            seen = np.arange(self._seen, self._seen + len(batch))
            cosines[self.rows[part, None] == seen] = -np.inf
        if self.images is not None:
            if images is None:
                raise ValueError("the rows' images are needed to leave out the queries' own")
            cosines[self.images[part, None] == images] = -np.inf
        # Few of a batch are nearer than the best so far: sort those alone. Of equal cosines the
        # earlier row is nearer.
        above = np.nextafter(best[:, -1:], np.float32(np.inf))
        nearer_than = np.maximum(above, _at_most_kth(cosines, k))
        # numpy finds the few of a flat array sooner.
        flat = np.flatnonzero(cosines >= nearer_than)
        query, column = np.divmod(flat, len(batch))
        count = np.bincount(query, minlength=len(best))
        place = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
        nearer = np.full((len(best), count.max(initial=0)), -np.inf, dtype=np.float32)
        nearer_rows = np.full(nearer.shape, -1)
        nearer[query, place] = cosines.ravel()[flat]
        nearer_rows[query, place] = self._seen + column
        both = np.concatenate([best, nearer], axis=1)
        rows = np.concatenate([neighbours, nearer_rows], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :k]
        self.cosines[part] = np.take_along_axis(both, order, axis=1)
        self.neighbours[part] = np.take_along_axis(rows, order, axis=1)


def _at_most_kth(cosines: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """A number that is at most the k-th largest of each row: float32 [Q, B] gives [Q, 1].

    The k-th largest of the maxima of groups. With about four times as many groups as k it lets
    little more through than k, and is cheaper than the k-th largest itself. -inf for few columns.
    """
    groups = max(4 * k, 128)
    size = cosines.shape[1] // groups
    if size < 4 or not k:
        return np.full((len(cosines), 1), -np.inf, dtype=np.float32)
    maxima = cosines[:, : size * groups].reshape(len(cosines), groups, size).max(axis=2)
    return np.partition(maxima, groups - k, axis=1)[:, groups - k, None]


class Ranks:
    """The rank, from 1, that a given row has among all rows for each query.

    queries: unit vectors, float32 [Q, D]. wanted: float32 [Q, D], the vectors of the given rows.
    After all batches, `ranks` int64 [Q] is one more than the number of rows with a larger cosine.
    """

    def __init__(self, queries: Vectors, wanted: Vectors) -> None:
        self.queries = queries
        self.cosines = np.einsum("qd,qd->q", queries, wanted)
        self.ranks = np.ones(len(queries), dtype=np.int64)

    def add(self, batch: Vectors) -> None:
        """Count the rows of the next batch, unit vectors float32 [B, D]."""
        # Rounding must not rank a row, or an equal one, before itself.
        self.ranks += (self.queries @ batch.T > self.cosines[:, None] + 1e-6).sum(axis=1)


class Rescored:
    """Cosines of chosen pairs of queries and rows, to rerank candidates by other vectors.

    queries: unit vectors, float32 [Q, D]. candidates: int64 [Q, m], rows of the set, -1 for none.
    After all batches, `cosines` float32 [Q, m] holds theirs, -inf for none.
    """

    def __init__(self, queries: Vectors, candidates: NDArray[np.int64]) -> None:
        self.queries = queries
        self.candidates = candidates
        self.cosines = np.full(candidates.shape, -np.inf, dtype=np.float32)
        self._seen = 0

    def add(self, batch: Vectors) -> None:
        """Compare with the next rows, unit vectors float32 [B, D]."""
        query, place = np.nonzero(
            (self.candidates >= self._seen) & (self.candidates < self._seen + len(batch))
        )
        cosines = self.queries @ batch.T
        self.cosines[query, place] = cosines[query, self.candidates[query, place] - self._seen]
        self._seen += len(batch)

    def best(self, k: int) -> NDArray[np.int64]:
        """The k candidates most alike, int64 [Q, k], by falling cosine."""
        order = np.argsort(-self.cosines, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(self.candidates, order, axis=1)


def share_found(truth: NDArray[np.int64], found: NDArray[np.int64]) -> NDArray[np.float64]:
    """Recall of each query: the share of its true neighbours that are found.

    truth, found: int64 [Q, k], rows; -1 for none. Returns float64 [Q], nan without neighbours.
    """
    there = truth >= 0
    hit = (truth[:, :, None] == found[:, None, :]).any(axis=2) & there
    number = there.sum(axis=1)
    return np.divide(hit.sum(axis=1), number, out=np.full(len(truth), np.nan), where=number > 0)
