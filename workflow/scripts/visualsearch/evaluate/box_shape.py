"""Neighbours by the shape of the box alone: a yardstick for the search that sees no pixel.

Two persons in boxes of like shape tend to stand alike, and to be framed alike. So a search is only
worth its cost if its neighbours have more in common than those that the boxes alone give.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.data.boxes import at_edges, xywh_to_xyxy
from visualsearch.data.tables import boxes_of

# Boxes at a time, as their corners and edges take more memory than the features.
BLOCK_ROWS = 65536

Features = NDArray[np.float32]


def box_features(persons: pa.Table, sizes: NDArray[np.int64]) -> Features:
    """Describe each box by six standardised values, float32 [N, 6].

    The logarithm of width / height; the logarithm of the box's share of the picture's height; and
    for each edge of the picture 1 if the box touches it, else 0. Each has mean 0 and standard
    deviation 1 over all persons; one that is the same for all is 0.

    persons: rows of PERSONS. sizes: width and height of each person's picture [N, 2].
    """
    boxes = boxes_of(persons)
    # Each feature in one piece, as it is compared feature by feature.
    features = np.empty((len(boxes), 6), dtype=np.float32, order="F")
    for start in range(0, len(boxes), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        width, height = np.maximum(boxes[rows, 2:], 1).T
        features[rows, 0] = np.log(width / height)
        features[rows, 1] = np.log(height / sizes[rows, 1])
        features[rows, 2:] = at_edges(xywh_to_xyxy(boxes[rows]), sizes[rows])
    for values in features.T if len(boxes) else ():
        # Of equal values the deviation may be a rounding error.
        varies = values.min() < values.max()
        mean, deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
        values[:] = (values - mean) / deviation if varies else 0
    return features


def nearest_by_shape(
    features: Features, rows: NDArray[np.int64], image_ids: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """The k rows of nearest features for each of `rows`, in other images: int64 [Q, k].

    By rising Euclidean distance, equal ones by rising row; -1 where there are no more. One person
    at a time is compared with all, and each sum has the same order, so the result is exact.
    """
    found = np.full((len(rows), k), -1, dtype=np.int64)
    by_feature = features.T
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
