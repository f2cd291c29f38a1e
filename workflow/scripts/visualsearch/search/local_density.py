"""How near a person's nearest neighbours in other images are."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from visualsearch.index.nearest import Nearest

DENSITY_NEIGHBOURS = 10
BLOCK_ROWS = 1024

# Unit vectors, float32 [rows, D], and the image of each, int64 [rows].
Block = tuple[NDArray[np.float32], NDArray[np.int64]]


def nearest_elsewhere(
    others: Iterable[Block], vectors: NDArray[np.float32], image_ids: NDArray[np.int64], k: int
) -> Nearest:
    """The k rows of a set that are nearest to each vector, without those of its own image.

    others: the set in row order. vectors: unit vectors, float32 [C, D]. image_ids: int64 [C].
    """
    nearest = Nearest(vectors, k, images=image_ids)
    for block, images in others:
        nearest.add(block, images)
    return nearest


def local_density(
    vectors: NDArray[np.float32], image_ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean cosine of each vector with the ten nearest in other images.

    vectors: unit vectors, float32 [C, D]. Returns float64 [C]; -1 where there is no other image.
    """
    step = BLOCK_ROWS // 4  # There are many vectors here, and a block is compared with all at once.
    cuts = range(0, len(vectors), step)
    blocks = ((vectors[n : n + step], image_ids[n : n + step]) for n in cuts)
    nearest = nearest_elsewhere(blocks, vectors, image_ids, DENSITY_NEIGHBOURS)
    mean = mean_cosine(nearest.cosines)
    return np.where(np.isnan(mean), -1, mean)


def mean_cosine(cosines: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean of each row of Nearest.cosines [C, k], without the -inf of missing neighbours.

    Returns float64 [C], nan for a row without neighbours. Rounded, so that a choice by it does not
    depend on the last bits of a matrix product.
    """
    known = np.isfinite(cosines)
    total = np.where(known, cosines, 0).sum(axis=1, dtype=np.float64)
    number = known.sum(axis=1)
    return np.where(number, total / np.maximum(number, 1), np.nan).round(6)
