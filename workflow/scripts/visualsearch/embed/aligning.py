"""RoIAlign on maps of a whole picture. Needs torch and torchvision."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torchvision.ops import roi_align

from visualsearch.data.boxes import Boxes, mirror
from visualsearch.detect.base import STRIDES, Backbone, Maps, TorchDetector
from visualsearch.detect.precision import finite
from visualsearch.embed.persons import MAPS
from visualsearch.settings import EmbeddingSettings


def aligned(
    backbone: Backbone, image: Image.Image, boxes: Boxes, settings: EmbeddingSettings, final: bool
) -> Iterator[tuple[NDArray[np.float32], ...]]:
    """Yield RoIAlign of each box on maps of the whole picture: the final ones, or the one before.

    After the latter, the last stage runs on each box by itself, as in networks for person search
    such as SeqNet (Li and Miao 2021, arXiv:2103.10148).
    """
    detector = backbone.in_torch()
    names = MAPS[settings.maps] if final else ("before",)
    views = [(image, boxes)]
    if settings.mirrored:
        views.append((ImageOps.mirror(image), mirror(boxes, image.width)))
    mapped = []
    for picture, corners in views:
        inputs, scale = detector.whole_picture(picture)
        before = detector.map_before(inputs)
        maps = {"before": before} if not final else _both(detector, before)
        # RoIAlign's kernel for CPUs takes fp32 only.
        mapped.append(([finite(maps[name]).float() for name in names], corners, scale))
    for row in range(len(boxes)):
        for maps_in_fp32, corners, scale in mapped:
            yield tuple(
                _align(features, corners[row : row + 1], scale, settings.size, STRIDES[name])
                for name, features in zip(names, maps_in_fp32, strict=True)
            )


@torch.inference_mode()
def maps_from_before(backbone: Backbone, before: NDArray[np.float32]) -> Maps:
    """Both maps, given the one before the last."""
    detector = backbone.in_torch()
    maps = _both(detector, torch.from_numpy(before).to(detector.device))
    return {name: finite(each).float().cpu().numpy() for name, each in maps.items()}


def _both(detector: TorchDetector, before: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"last": detector.last_stage(before), "before": before}


def _align(
    features: torch.Tensor,
    boxes: Boxes,
    scale: tuple[float, float],
    size: tuple[int, int],
    stride: int,
) -> NDArray[np.float32]:
    """RoIAlign (He et al. 2017, arXiv:1703.06870) of boxes on a map of the whole picture.

    features: [1, C, h, w], of this stride. boxes: corners [N, 4] in pixels of the picture. scale:
    factors from these to pixels of the network's input. Returns
    [N, C, ceil(height / stride), ceil(width / stride)], as large as the map of a crop of this size.
    """
    corners = torch.from_numpy(boxes * np.array(scale * 2, dtype=np.float32)).to(features)
    grid = (-(-size[0] // stride), -(-size[1] // stride))
    return (
        roi_align(features, [corners], grid, spatial_scale=1 / stride, aligned=True).cpu().numpy()
    )
