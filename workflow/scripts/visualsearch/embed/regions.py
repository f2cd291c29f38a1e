"""Regions of a picture, and their maps: crops, or RoIAlign. Needs torch and torchvision."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps

from visualsearch.data.boxes import Boxes, clip_to_image, grow_to_aspect, mirror
from visualsearch.detect.base import STRIDES, Detector
from visualsearch.embed.persons import MAPS
from visualsearch.settings import EmbeddingSettings

Tensors = tuple[torch.Tensor, ...]


class Region(NamedTuple):
    """One way to get from boxes to maps.

    inputs: for each box, and with settings.mirrored then for its mirror image, yields tensors
    [1, ...], whose shapes are the same for all boxes. maps: takes a batch of these tensors
    [N, ...] and returns the maps that MAPS[settings.maps] names.
    """

    inputs: Callable[[Detector, Image.Image, Boxes, EmbeddingSettings], Iterator[Tensors]]
    maps: Callable[[Detector, Tensors, EmbeddingSettings], Tensors]


def _crops(
    detector: Detector, image: Image.Image, boxes: Boxes, settings: EmbeddingSettings
) -> Iterator[Tensors]:
    """Cut each box out; each crop goes through the backbone by itself."""
    for row in range(len(boxes)):
        box = boxes[row : row + 1]
        crop = crop_boxes(image, box, settings.size, settings.fit, detector.mean_colour)
        yield (crop,)
        if settings.mirrored:
            yield (crop.flip(-1),)


def _maps_of_crops(detector: Detector, batch: Tensors, settings: EmbeddingSettings) -> Tensors:
    (crops,) = batch
    return _maps_from_before(detector, (detector.map_before(detector.normalise(crops)),), settings)


def _maps_from_before(detector: Detector, batch: Tensors, settings: EmbeddingSettings) -> Tensors:
    """Return the maps needed, given the one before the last."""
    (before,) = batch
    maps = {"last": detector.last_stage(before), "before": before}
    return tuple(maps[name] for name in MAPS[settings.maps])


def _aligned(
    detector: Detector, image: Image.Image, boxes: Boxes, settings: EmbeddingSettings, final: bool
) -> Iterator[Tensors]:
    """RoIAlign on maps of the whole picture: the final ones, or the one before the last.

    After the latter, the last stage runs on each box by itself, as in networks for person search
    such as SeqNet (Li and Miao 2021, arXiv:2103.10148).
    """
    names = MAPS[settings.maps] if final else ("before",)
    views = [(image, boxes)]
    if settings.mirrored:
        views.append((ImageOps.mirror(image), mirror(boxes, image.width)))
    mapped = []
    for picture, corners in views:
        inputs, scale = detector.whole_picture(picture)
        maps: Tensors = (detector.map_before(inputs),)
        if final:
            maps = _maps_from_before(detector, maps, settings)
        # RoIAlign's kernel for CPUs takes fp32 only.
        mapped.append(([each.float() for each in maps], corners, scale))
    for row in range(len(boxes)):
        for maps_in_fp32, corners, scale in mapped:
            yield tuple(
                _align(features, corners[row : row + 1], scale, settings.size, STRIDES[name])
                for name, features in zip(names, maps_in_fp32, strict=True)
            )


def _align(
    features: torch.Tensor,
    boxes: Boxes,
    scale: tuple[float, float],
    size: tuple[int, int],
    stride: int,
) -> torch.Tensor:
    """RoIAlign (He et al. 2017, arXiv:1703.06870) of boxes on a map of the whole picture.

    features: [1, C, h, w], of this stride. boxes: corners [N, 4] in pixels of the picture. scale:
    factors from these to pixels of the network's input. Returns
    [N, C, ceil(height / stride), ceil(width / stride)], as large as the map of a crop of this size.
    """
    # Crops need no torchvision, whose import takes more than a second.
    from torchvision.ops import roi_align

    corners = torch.from_numpy(boxes * np.array(scale * 2, dtype=np.float32)).to(features)
    grid = (-(-size[0] // stride), -(-size[1] // stride))
    return roi_align(features, [corners], grid, spatial_scale=1 / stride, aligned=True)


# The values of embedding.region.
REGIONS = {
    "crop": Region(_crops, _maps_of_crops),
    "roi_align_last": Region(partial(_aligned, final=True), lambda _, batch, settings: batch),
    "roi_align_before": Region(partial(_aligned, final=False), _maps_from_before),
}


def crop_boxes(
    image: Image.Image,
    boxes: Boxes,
    size: tuple[int, int],
    fit: str,
    mean_colour: tuple[int, int, int],
) -> torch.Tensor:
    """Crop and resize in one step, with antialiasing and sub-pixel corners.

    boxes: corners [N, 4], clipped to the image. size: (height, width). fit: "stretch" fills the
    crop with the box. "pad" and "surroundings" keep the box's aspect ratio: "pad" fills the rest
    with mean_colour; "surroundings" with the picture, and with mean_colour outside of it.
    Returns float32 [N, 3, height, width] in 0..1, channels last in memory.
    """
    height, width = size
    boxes = clip_to_image(boxes, *image.size)
    windows = boxes if fit == "stretch" else grow_to_aspect(boxes, width / height)
    # The part of each window that shows the picture.
    visible = clip_to_image(windows, *image.size) if fit == "surroundings" else boxes
    origins, sides = windows[:, :2], windows[:, 2:] - windows[:, :2]
    places = (visible - np.tile(origins, 2)) / np.tile(sides, 2) * [width, height, width, height]
    places = np.rint(places).astype(int)
    places[:, 2:] = np.maximum(places[:, 2:], places[:, :2] + 1)
    crops = []
    for box, (left, top, right, bottom) in zip(visible.tolist(), places.tolist(), strict=True):
        crop = image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=tuple(box))
        if crop.size != (width, height):
            shown, crop = crop, Image.new("RGB", (width, height), mean_colour)
            crop.paste(shown, (left, top))
        crops.append(np.asarray(crop))
    stacked = torch.from_numpy(np.stack(crops)) if crops else torch.empty(0, height, width, 3)
    return stacked.permute(0, 3, 1, 2).float() / 255
