"""How many of the exact nearest neighbours an index finds, measured on samples of its own rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.sampling import evenly_spaced
from visualsearch.evaluate.relevance import Bootstrap
from visualsearch.index.nearest import Nearest
from visualsearch.index.opening import Index

RECALL_AT = (1, 10)
# Rows of each of the two samples. A thousand tell a recall of 0.99 to about 0.002.
MOST_SAMPLED = 1000
RESAMPLES = 1000
# A neighbour this little less alike than the k-th exact one is as near as it, but for rounding.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Searched:
    """Rows of an index that are searched for, with the truth to compare with.

    rows, image_ids: int64 [Q]. vectors: float32 [Q, D]. truth: float32 [Q, k], the cosines of the
    exact k nearest others, falling; k is 10, or one less than the persons there are.
    """

    rows: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    truth: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, chosen: NDArray[np.int64] | slice) -> Searched:
        """Some of the rows."""
        return Searched(
            self.rows[chosen], self.image_ids[chosen], self.vectors[chosen], self.truth[chosen]
        )


def sampled_rows(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two disjoint samples of the rows 0..n-1: to tune on, and held out to report.

    Of an even spread every other row is of one sample. One person alone is held out.
    """
    rows = evenly_spaced(n, 2 * MOST_SAMPLED)
    return rows[1::2], rows[::2]


def exact_cosines(
    batches: Iterable[NDArray[np.float32]],
    vectors: NDArray[np.float32],
    rows: NDArray[np.int64],
    k: int,
) -> NDArray[np.float32]:
    """Cosines of the k nearest others of each sampled row, by comparing with every vector.

    batches: the set's unit vectors in row order, float32 [*, D].
    vectors: float32 [Q, D], those of `rows` [Q]. Returns float32 [Q, k], falling.
    """
    nearest = Nearest(vectors, k, rows)
    for batch in batches:
        nearest.add(batch)
    return nearest.cosines


def found(index: Index, sample: Searched) -> tuple[dict[int, NDArray[np.int64]], NDArray[np.int64]]:
    """How many of each row's k nearest others the index finds, for each k of RECALL_AT.

    A neighbour as near as the k-th exact one counts as found, so that ties do not count against
    the index. Returns {k: int64 [Q]} and the number of vectors compared, int64 [Q].
    """
    most = sample.truth.shape[1]
    hits = {k: np.zeros(len(sample), dtype=np.int64) for k in RECALL_AT}
    compared = np.zeros(len(sample), dtype=np.int64)
    for query, row in enumerate(sample.rows):
        rows, cosines, compared[query] = index.counted_query(sample.vectors[query], most + 1)
        others = cosines[rows != row]
        for k in RECALL_AT if most else ():
            wanted = min(k, most)
            least = sample.truth[query, wanted - 1] - TOLERANCE
            hits[k][query] = (others[:wanted] >= least).sum()
    return hits, compared


def shares(sample: Searched, hits: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Of each row, the share of its k nearest others that was found, [Q]; of none, all."""
    wanted = min(k, sample.truth.shape[1])
    return hits / wanted if wanted else np.ones(len(sample))


def least(
    values: NDArray[np.float64], image_ids: NDArray[np.int64], seed: int, level: float
) -> float:
    """Low end of the percentile bootstrap interval of the mean of `values` [Q], by images."""
    means = Bootstrap(image_ids, RESAMPLES, seed).means(values)
    return float(np.quantile(means, (1 - level) / 2))


def measured_recall(index: Index, sample: Searched, seed: int) -> dict[str, Any]:
    """Recall of an index on a sample, as the sidecar keeps it: with 95 % intervals.

    Where everything was compared, nothing can be missed, and there is no doubt.
    """
    recall: dict[str, Any] = {}
    hits, compared = found(index, sample)
    certain = index.counts_exactly and bool((compared >= len(index)).all())
    bootstrap = Bootstrap(sample.image_ids, RESAMPLES, seed)
    for k in RECALL_AT:
        values = shares(sample, hits[k], k)
        mean = round(float(values.mean()), 6) if len(values) else 1.0
        ends = None if certain else bootstrap.share_interval(values)
        recall[f"recall@{k}"] = mean
        recall[f"recall@{k}_interval"] = ends or [mean, mean]
    return recall | {"persons_sampled": len(sample)}
