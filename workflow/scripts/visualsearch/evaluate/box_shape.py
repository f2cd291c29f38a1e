"""Neighbours by the shape of the box alone: a yardstick for the search that sees no pixel.

Two persons in boxes of like shape tend to stand alike, and to be framed alike. So a search is only
worth its cost if its neighbours have more in common than those that the boxes alone give.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.data.picture_edges import touched_edges
from visualsearch.data.tables import boxes_of

Features = NDArray[np.float64]


def box_features(persons: pa.Table, sizes: NDArray[np.int64]) -> Features:
    """Describe each box by six standardised values, float64 [N, 6].

    The logarithm of width / height; the logarithm of the box's share of the picture's height; and
    for each edge of the picture 1 if the box touches it, else 0. Each has mean 0 and standard
    deviation 1 over all persons; one that is the same for all is 0.

    persons: rows of PERSONS. sizes: width and height of each person's picture [N, 2].
    """
    boxes = boxes_of(persons).astype(np.float64)
    sides = np.maximum(boxes[:, 2:], 1)
    features = np.column_stack(
        [
            np.log(sides[:, 0] / sides[:, 1]),
            np.log(sides[:, 1] / sizes[:, 1]),
            touched_edges(boxes, sizes),
        ]
    )
    if not len(features):
        return features
    deviations = features.std(axis=0)
    # Of equal values the deviation may be a rounding error.
    varies = np.ptp(features, axis=0) > 0
    return np.where(varies, (features - features.mean(axis=0)) / np.where(varies, deviations, 1), 0)


def nearest_by_shape(
    features: Features, rows: NDArray[np.int64], image_ids: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """The k rows of nearest features for each of `rows`, in other images: int64 [Q, k].

    By rising Euclidean distance, equal ones by rising row; -1 where there are no more. One person
    at a time is compared with all, and each sum has the same order, so the result is exact.
    """
    found = np.full((len(rows), k), -1, dtype=np.int64)
    by_feature = np.ascontiguousarray(features.T)
    for place, row in enumerate(rows.tolist()):
        squared = np.zeros(len(features))
        for values in by_feature:
            squared += (values - values[row]) ** 2
        squared[image_ids == image_ids[row]] = np.inf
        count = min(k, int(np.isfinite(squared).sum()))
        if count:
            limit = np.partition(squared, count - 1)[count - 1]
            near = np.flatnonzero(squared <= limit)
            found[place, :count] = near[np.argsort(squared[near], kind="stable")][:count]
    return found
