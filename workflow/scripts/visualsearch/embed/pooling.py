"""How maps of the backbone become vectors. Needs torch."""

import torch
from torch.nn import functional

from visualsearch.embed.persons import MAPS
from visualsearch.settings import EmbeddingSettings

# Radenović, Tolias and Chum 2018, arXiv:1711.02512: their exponent, and their smallest activation.
GEM_POWER = 3.0
GEM_MINIMUM = 1e-6


def average(maps: torch.Tensor, stripes: int = 1) -> torch.Tensor:
    """Mean of maps [N, C, h, w] in each stripe: [N, C, stripes]."""
    return functional.adaptive_avg_pool2d(maps, (stripes, 1)).squeeze(3)


def maximum(maps: torch.Tensor, stripes: int = 1) -> torch.Tensor:
    """Maximum of maps [N, C, h, w] in each stripe: [N, C, stripes]."""
    return functional.adaptive_max_pool2d(maps, (stripes, 1)).squeeze(3)


def generalised_mean(maps: torch.Tensor, stripes: int = 1) -> torch.Tensor:
    """GeM of maps [N, C, h, w] in each stripe: [N, C, stripes]. Values below 0 count as 0."""
    powers = maps.clamp(min=GEM_MINIMUM).pow(GEM_POWER)
    return average(powers, stripes).pow(1 / GEM_POWER)


# The values of embedding.pooling.
POOLINGS = {"average": average, "max": maximum, "gem": generalised_mean}


def pool(maps: tuple[torch.Tensor, ...], settings: EmbeddingSettings) -> torch.Tensor:
    """Pool the maps of a batch into vectors: float32 [N, D] on the CPU.

    maps: one [M, C, h, w] for each name in MAPS[settings.maps], of any dtype. The last map is
    pooled as a whole, the one before in settings.stripes horizontal stripes, the uppermost first,
    as person re-identification does (Sun et al. 2018, arXiv:1711.09349). With settings.mirrored,
    M = 2 N: the rows 2i and 2i + 1 are a box and its mirror image, and their vectors are averaged.
    """
    vectors = []
    for name, each in zip(MAPS[settings.maps], maps, strict=True):
        stripes = settings.stripes if name == "before" else 1
        pooled = POOLINGS[settings.pooling](each.float(), stripes)
        vectors.append(pooled.transpose(1, 2).flatten(1).cpu())
    joined = torch.cat(vectors, dim=1)
    return (joined[0::2] + joined[1::2]) / 2 if settings.mirrored else joined
