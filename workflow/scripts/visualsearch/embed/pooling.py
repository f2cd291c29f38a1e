"""How maps of the backbone become vectors. Needs torch."""

import torch
from torch.nn import functional

from visualsearch.settings import EmbeddingSettings

# Radenović, Tolias and Chum 2018, arXiv:1711.02512: their exponent, and their smallest activation.
GEM_POWER = 3.0
GEM_MINIMUM = 1e-6


def average(maps: torch.Tensor) -> torch.Tensor:
    """Mean over the positions of maps [N, C, h, w]: [N, C]."""
    return maps.mean(dim=(2, 3))


def maximum(maps: torch.Tensor) -> torch.Tensor:
    """Maximum over the positions of maps [N, C, h, w]: [N, C]."""
    return maps.amax(dim=(2, 3))


def generalised_mean(maps: torch.Tensor) -> torch.Tensor:
    """GeM over the positions of maps [N, C, h, w]: [N, C]. Values below 0 count as 0."""
    return average(maps.clamp(min=GEM_MINIMUM).pow(GEM_POWER)).pow(1 / GEM_POWER)


# The values of embedding.pooling.
POOLINGS = {"average": average, "max": maximum, "gem": generalised_mean}


def pool(maps: tuple[torch.Tensor, ...], settings: EmbeddingSettings) -> torch.Tensor:
    """Pool the maps of a batch into vectors: float32 [N, embedding_length(...)] on the CPU.

    maps: one [M, C, h, w] for each name in MAPS[settings.maps], of any dtype. With
    settings.mirrored, M = 2 N: the rows 2i and 2i + 1 are a box and its mirror image, and their
    vectors are averaged. The vectors of two maps are scaled to length 1 and concatenated.
    """
    pooled = [POOLINGS[settings.pooling](each.float()).cpu() for each in maps]
    if settings.mirrored:
        pooled = [(vectors[0::2] + vectors[1::2]) / 2 for vectors in pooled]
    if len(pooled) > 1:
        pooled = [functional.normalize(vectors) for vectors in pooled]
    return torch.cat(pooled, dim=1)
