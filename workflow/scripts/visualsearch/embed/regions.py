"""Regions of a picture, and their maps: crops, or RoIAlign."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from numpy.typing import NDArray
from PIL import Image

from visualsearch.data.boxes import Boxes
from visualsearch.detect.base import Backbone, Maps
from visualsearch.detect.light_torchvision import import_torchvision
from visualsearch.embed.crops import crop_boxes
from visualsearch.embed.persons import MAPS
from visualsearch.settings import EmbeddingSettings

Arrays = tuple[NDArray[Any], ...]


class Region(NamedTuple):
    """One way to get from boxes to maps.

    inputs: for each box, and with settings.mirrored then for its mirror image, yields arrays
    [1, ...], whose shapes are the same for all boxes. maps: takes a batch of these arrays
    [N, ...] and returns at least the maps that MAPS[settings.maps] names.
    """

    inputs: Callable[[Backbone, Image.Image, Boxes, EmbeddingSettings], Iterator[Arrays]]
    maps: Callable[[Backbone, Arrays, EmbeddingSettings], Maps]


def _crops(
    backbone: Backbone, image: Image.Image, boxes: Boxes, settings: EmbeddingSettings
) -> Iterator[Arrays]:
    """Cut each box out; each crop goes through the backbone by itself."""
    for row in range(len(boxes)):
        box = boxes[row : row + 1]
        crop = crop_boxes(image, box, settings.size, settings.fit, backbone.mean_colour)
        yield (crop,)
        if settings.mirrored:
            yield (crop[:, :, ::-1],)


def _maps_of_crops(backbone: Backbone, batch: Arrays, settings: EmbeddingSettings) -> Maps:
    (crops,) = batch
    return backbone.crop_maps(crops)


# torch and torchvision take seconds to import, and crops may need neither.


def _aligned(
    backbone: Backbone, image: Image.Image, boxes: Boxes, settings: EmbeddingSettings, final: bool
) -> Iterator[Arrays]:
    import_torchvision()
    from visualsearch.embed.aligning import aligned

    return aligned(backbone, image, boxes, settings, final)


def _final(backbone: Backbone, batch: Arrays, settings: EmbeddingSettings) -> Maps:
    return dict(zip(MAPS[settings.maps], batch, strict=True))


def _from_before(backbone: Backbone, batch: Arrays, settings: EmbeddingSettings) -> Maps:
    from visualsearch.embed.aligning import maps_from_before

    (before,) = batch
    return maps_from_before(backbone, before)


# The values of embedding.region.
REGIONS = {
    "crop": Region(_crops, _maps_of_crops),
    "roi_align_last": Region(partial(_aligned, final=True), _final),
    "roi_align_before": Region(partial(_aligned, final=False), _from_before),
}
