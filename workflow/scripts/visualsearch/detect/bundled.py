"""The SSDLite that this project ships, as a detector. Needs openvino, or torch.

Either takes a second to import, so that each is imported only where it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visualsearch.detect import ssd_graph
from visualsearch.detect.backbone import ConvertedBackbone
from visualsearch.detect.base import Detections, Maps, TorchDetector
from visualsearch.settings import DetectorSettings

# The reference results of the original were cut at this score; down to it, both have the same AP.
SCORE_THRESHOLD = 0.01
CATEGORIES = ["__background__", "person"]
MEAN = (0.5, 0.5, 0.5)
WEIGHTS_SHA256 = ssd_graph.WEIGHTS_SHA256

# Takes pixels uint8 [N, 300, 300, 3]; gives boxes [N, A, 4] and scores [N, A], before suppression.
FindBoxes = Callable[[NDArray[np.uint8]], Sequence[NDArray[np.float32]]]


class BundledInOpenVINO:
    """SSDLite with MobileNetV2, trained on COCO for one class; its featurizer is its backbone."""

    categories = CATEGORIES
    weights_sha256 = WEIGHTS_SHA256
    mixes_sizes = False
    batch_size = 1

    def __init__(
        self, settings: DetectorSettings, backbone: ConvertedBackbone, precision: str
    ) -> None:
        self.settings = settings
        self.map_lengths = backbone.map_lengths
        self.mean_colour = backbone.mean_colour
        self.vector_precision = backbone.vector_precision
        self._backbone = backbone
        self._find = backbone.networks.load_for_detection(
            "boxes", precision, self._converted, lambda image: scaled(image)[None]
        )

    def _converted(self) -> object:
        # torch takes seconds to import.
        from visualsearch.detect.bundled_in_torch import convert_boxes

        return convert_boxes(self._backbone.load("fp32"))

    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        return detect(self._find, images, self.settings)

    def crop_maps(self, crops: NDArray[np.uint8]) -> Maps:
        return self._backbone.crop_maps(crops)

    def in_torch(self) -> TorchDetector:
        return self._backbone.in_torch()


def detect(
    find: FindBoxes, images: Sequence[Image.Image], settings: DetectorSettings
) -> list[Detections]:
    """Scale images to what the network takes, find boxes, and choose among them."""
    found = []
    pixels = np.stack([scaled(image) for image in images])
    for image, *answer in zip(images, *find(pixels), strict=True):
        boxes, scores = ssd_graph.select_boxes(*answer)
        kept = scores >= score_threshold(settings)
        sides = np.array([image.width, image.height] * 2, np.float32)
        labels = np.full(int(kept.sum()), CATEGORIES.index("person"))
        found.append(Detections(boxes[kept] * sides, scores[kept], labels))
    return found


def scaled(image: Image.Image) -> NDArray[np.uint8]:
    """An image as pixels [300, 300, 3]."""
    side = ssd_graph.INPUT_SIZE
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))


def score_threshold(settings: DetectorSettings) -> float:
    """Detections below this score are dropped at once."""
    given = settings.score_threshold
    return SCORE_THRESHOLD if given is None else given
