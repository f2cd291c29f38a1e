"""How many of the exact nearest neighbours an index finds, measured on samples of its own rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.statistics import Bootstrap, evenly_spaced
from visualsearch.index.base import Rows, Vector
from visualsearch.index.index import Index
from visualsearch.index.nearest import Nearest

RECALL_AT = (1, 10)
# Rows of each of the two samples. A thousand tell a recall of 0.99 to about 0.002.
MAX_SAMPLED = 1000
RESAMPLES = 1000
# A neighbour whose cosine is below the k-th exact one by no more than this is as near: the
# difference may be rounding.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class SampledQueries:
    """Rows of an index to search for, with their exact neighbours to compare with.

    rows, image_ids: int64 [Q]. vectors: float32 [Q, D]. truth: float32 [Q, k], cosines of the exact
    k nearest others, falling; k is 10, or the number of other persons where that is less.
    """

    rows: Rows
    image_ids: NDArray[np.int64]
    vectors: Vector
    truth: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, chosen: NDArray[np.int64] | slice) -> SampledQueries:
        """Some of the queries."""
        return SampledQueries(
            self.rows[chosen], self.image_ids[chosen], self.vectors[chosen], self.truth[chosen]
        )


def sampled_rows(n: int) -> tuple[Rows, Rows]:
    """Two disjoint samples of the rows 0..n-1: one to tune on, one held out to report recall.

    Takes evenly spaced rows and gives them to the two in turns. A single person is held out.
    """
    rows = evenly_spaced(n, 2 * MAX_SAMPLED)
    return rows[1::2], rows[::2]


def exact_cosines(
    batches: Iterable[Vector], vectors: Vector, rows: Rows, k: int
) -> NDArray[np.float32]:
    """Cosines of the k nearest others of each sampled row, by comparing with every vector.

    batches: the set's unit vectors in row order, float32 [*, D].
    vectors: float32 [Q, D], those of `rows` [Q]. Returns float32 [Q, k], falling.
    """
    nearest = Nearest(vectors, k, rows)
    for batch in batches:
        nearest.add(batch)
    return nearest.cosines


def count_hits(
    index: Index, sample: SampledQueries
) -> tuple[dict[int, NDArray[np.int64]], NDArray[np.int64]]:
    """How many of each query's k nearest others the index finds, for each k of RECALL_AT.

    A neighbour as near as the k-th exact one is a hit, so that ties do not count against the index.
    Returns {k: int64 [Q]} and the number of vectors compared, int64 [Q].
    """
    most = sample.truth.shape[1]
    hits = {k: np.zeros(len(sample), dtype=np.int64) for k in RECALL_AT}
    compared = np.zeros(len(sample), dtype=np.int64)
    for query, row in enumerate(sample.rows):
        rows, cosines, compared[query] = index.counted_query(sample.vectors[query], most + 1)
        others = cosines[rows != row]
        for k in RECALL_AT if most else ():
            wanted = min(k, most)
            limit = sample.truth[query, wanted - 1] - TOLERANCE
            hits[k][query] = (others[:wanted] >= limit).sum()
    return hits, compared


def recall_of_each(sample: SampledQueries, hits: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Share of each query's k nearest others that were found, [Q]; 1 where it has no others."""
    wanted = min(k, sample.truth.shape[1])
    return hits / wanted if wanted else np.ones(len(sample))


def lower_bound(
    values: NDArray[np.float64], image_ids: NDArray[np.int64], seed: int, level: float
) -> float:
    """Low end of the percentile bootstrap interval of the mean of `values` [Q], by images."""
    means = Bootstrap(image_ids, RESAMPLES, seed).means(values)
    return float(np.quantile(means, (1 - level) / 2))


def compared_all(index: Index, compared: NDArray[np.int64]) -> bool:
    """Whether every query was compared with every vector, so that it missed nothing."""
    return bool((compared >= len(index)).all())


def measured_recall(index: Index, sample: SampledQueries, seed: int) -> dict[str, Any]:
    """Recall of an index on a sample, as the sidecar keeps it, with 95 % intervals.

    The interval has no width where every vector was compared.
    """
    recall: dict[str, Any] = {}
    hits, compared = count_hits(index, sample)
    certain = compared_all(index, compared)
    bootstrap = Bootstrap(sample.image_ids, RESAMPLES, seed)
    for k in RECALL_AT:
        values = recall_of_each(sample, hits[k], k)
        mean = round(float(values.mean()), 6) if len(values) else 1.0
        ends = None if certain else bootstrap.share_interval(values)
        recall[f"recall@{k}"] = mean
        recall[f"recall@{k}_interval"] = ends or [mean, mean]
    return recall | {"persons_sampled": len(sample)}
