"""RoIAlign on maps that lie channels last: each bin is a weighted sum of a few rows. Needs torch.

The sums are those of torchvision's kernel (RoIAlign, He et al. 2017, arXiv:1703.06870), which on a
CPU takes maps in fp32 and channels first only, and reads every channel's plane for itself.
"""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional
from torchvision.ops import MultiScaleRoIAlign


class RowRoIAlign(MultiScaleRoIAlign):
    """torchvision's MultiScaleRoIAlign, many times as fast on a CPU; for one picture at a time."""

    def forward(
        self,
        x: dict[str, torch.Tensor],
        boxes: list[torch.Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> torch.Tensor:
        """Pool boxes (corners [N, 4], pixels of the network's input) to [N, C, *output_size].

        x: maps [1, C, h, w] by name, the finest first. image_shapes: (height, width) of the one
        picture. The result has the maps' dtype and lies channels last.
        """
        ((rois,), (shape,)) = boxes, image_shapes
        maps = [x[name] for name in self.featmap_names if name in x]
        scales = [2.0 ** round(math.log2(m.shape[-2] / shape[0])) for m in maps]
        levels = self._levels(rois, scales)
        pooled = maps[0].new_empty(len(rois), *self.output_size, maps[0].shape[1])
        for level, (features, scale) in enumerate(zip(maps, scales, strict=True)):
            (rows,) = torch.where(levels == level)
            bins = roi_align_rows(
                features, rois[rows], scale, self.output_size, self.sampling_ratio
            )
            pooled[rows] = bins
        return pooled.permute(0, 3, 1, 2)

    def _levels(self, rois: torch.Tensor, scales: Sequence[float]) -> torch.Tensor:
        """Which map each box is pooled from: eq. 1 of Lin et al. 2017, arXiv:1612.03144."""
        finest, coarsest = (-math.log2(scales[end]) for end in (0, -1))
        sides = ((rois[:, 2] - rois[:, 0]) * (rois[:, 3] - rois[:, 1])).sqrt()
        levels = torch.floor(self.canonical_level + torch.log2(sides / self.canonical_scale) + 1e-6)
        return levels.clamp(finest, coarsest).to(torch.int64) - int(finest)


def roi_align_rows(
    features: torch.Tensor,
    rois: torch.Tensor,
    scale: float,
    output_size: tuple[int, int],
    samples: int,
) -> torch.Tensor:
    """Pool boxes from one map [1, C, h, w]: [N, *output_size, C], in the map's dtype.

    rois: float32 corners [N, 4]; times `scale` they are places of the map. samples: points a bin
    along each axis, each interpolated between four places. As torchvision's roi_align with
    aligned=False.
    """
    _, channels, height, width = features.shape
    left, top, right, bottom = (rois * scale).unbind(1)
    columns, across = _taps(left, right, output_size[1], samples, width)
    rows, down = _taps(top, bottom, output_size[0], samples, height)
    # Every pair of a row's and a column's taps: [N, bins down, bins across, taps, taps].
    places = rows[:, :, None, :, None] * width + columns[:, None, :, None, :]
    weights = down[:, :, None, :, None] * across[:, None, :, None, :] / samples**2
    taps = places.shape[-1] * places.shape[-2]
    bins = functional.embedding_bag(
        places.reshape(-1, taps),
        features[0].permute(1, 2, 0).reshape(height * width, channels),
        mode="sum",
        per_sample_weights=weights.reshape(-1, taps).to(features.dtype),
    )
    return bins.reshape(len(rois), *output_size, channels)


def _taps(
    start: torch.Tensor, end: torch.Tensor, bins: int, samples: int, length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Along one axis, the places that each bin reads, int32, and their weights, [N, bins, taps].

    A sample between two places reads both; beyond the border it counts as on it, and more than one
    place beyond as nought.
    """
    size = (end - start).clamp(min=1) / bins
    firsts = start[:, None] + torch.arange(bins) * size[:, None]
    steps = (torch.arange(samples) + 0.5) * size[:, None] / samples
    points = firsts[:, :, None] + steps[:, None, :]
    inside = ((points >= -1) & (points <= length)).to(points.dtype)
    points = points.clamp(0, length - 1)
    low = points.floor()
    share = points - low
    places = torch.cat([low, (low + 1).clamp(max=length - 1)], dim=-1)
    weights = torch.cat([(1 - share) * inside, share * inside], dim=-1)
    return places.to(torch.int32), weights
