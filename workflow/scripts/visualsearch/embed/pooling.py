"""How maps of the backbone become vectors."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from visualsearch.detect.base import Maps
from visualsearch.embed.persons import MAPS
from visualsearch.settings import EmbeddingSettings

# Radenović, Tolias and Chum 2018, arXiv:1711.02512: their exponent, and their smallest activation.
GEM_POWER = np.float32(3)
GEM_MINIMUM = np.float32(1e-6)

Floats = NDArray[np.float32]


def average(maps: Floats) -> Floats:
    """Mean of maps [N, C, h, w]: [N, C]."""
    return maps.mean(axis=(2, 3))


def maximum(maps: Floats) -> Floats:
    """Maximum of maps [N, C, h, w]: [N, C]."""
    return maps.max(axis=(2, 3))


def generalised_mean(maps: Floats) -> Floats:
    """GeM of maps [N, C, h, w]: [N, C]. Values below 0 count as 0."""
    return average(maps.clip(min=GEM_MINIMUM) ** GEM_POWER) ** (1 / GEM_POWER)


# The values of embedding.pooling.
POOLINGS: dict[str, Callable[[Floats], Floats]] = {
    "average": average,
    "max": maximum,
    "gem": generalised_mean,
}


def pool(maps: Maps, settings: EmbeddingSettings) -> Floats:
    """Pool the maps of a batch into vectors: float32 [N, D].

    maps: one [M, C, h, w] for each name in MAPS[settings.maps]. The last map is pooled as a whole,
    the one before in settings.stripes horizontal stripes, the uppermost first, as person
    re-identification does (Sun et al. 2018, arXiv:1711.09349). With settings.mirrored, M = 2 N: the
    rows 2i and 2i + 1 are a box and its mirror image, and their vectors are averaged.
    """
    pooling = POOLINGS[settings.pooling]
    vectors = []
    for name in MAPS[settings.maps]:
        rows = stripes(maps[name], settings.stripes if name == "before" else 1)
        vectors += [pooling(each) for each in rows]
    joined = np.concatenate(vectors, axis=1)
    return (joined[0::2] + joined[1::2]) / np.float32(2) if settings.mirrored else joined


def stripes(maps: Floats, n: int) -> list[Floats]:
    """Cut maps [N, C, h, w] into n stripes, from top to bottom.

    They overlap by a row where n does not divide h, as in torch's adaptive_avg_pool2d.
    """
    height = maps.shape[2]
    return [maps[:, :, i * height // n : -(-(i + 1) * height // n)] for i in range(n)]
