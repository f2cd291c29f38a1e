"""How near a person's nearest are, all of them in other images."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from visualsearch.index.nearest import Nearest

NEIGHBOURS_AS_COMPANY = 10
BLOCK_ROWS = 1024

# Vectors of length 1, float32 [rows, D], and the image of each, int64 [rows].
Block = tuple[NDArray[np.float32], NDArray[np.int64]]


def nearest_elsewhere(
    others: Iterable[Block], vectors: NDArray[np.float32], image_ids: NDArray[np.int64], k: int
) -> Nearest:
    """The k of a set most like each vector, those of its own image left out.

    others: the set in row order. vectors: float32 [C, D] of length 1. image_ids: int64 [C].
    """
    nearest = Nearest(vectors, k, images=image_ids)
    for block, images in others:
        nearest.add(block, images)
    return nearest


def company(vectors: NDArray[np.float32], image_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much company each vector has: its mean cosine with the ten nearest in other images.

    vectors: float32 [C, D] of length 1. Returns float64 [C]; -1 where there is no other image.
    """
    step = BLOCK_ROWS // 4  # there are many vectors here, and a block is compared with all at once
    cuts = range(0, len(vectors), step)
    parts = ((vectors[n : n + step], image_ids[n : n + step]) for n in cuts)
    nearest = nearest_elsewhere(parts, vectors, image_ids, NEIGHBOURS_AS_COMPANY)
    mean = mean_of_found(nearest.cosines)
    return np.where(np.isnan(mean), -1, mean)


def mean_of_found(cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean of each row of Nearest's cosines [C, k] without those that are not there.

    Returns float64 [C], nan where a row has none. Rounded, so that a choice by it does not hang on
    a matrix product's last bits.
    """
    there = np.isfinite(cosines)
    total = np.where(there, cosines, 0).sum(axis=1, dtype=np.float64)
    number = there.sum(axis=1)
    return np.where(number, total / np.maximum(number, 1), np.nan).round(6)
