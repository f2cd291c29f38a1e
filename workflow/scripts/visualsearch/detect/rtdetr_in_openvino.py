"""RT-DETR in OpenVINO. Needs openvino; torch and transformers only to convert it.

Two networks, as OpenVINO computes each in one number format: the decoder, which places and scores
boxes, stays in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visualsearch.detect import rtdetr_boxes
from visualsearch.detect.backbone import ConvertedBackbone
from visualsearch.detect.base import Detections, Maps, TorchDetector
from visualsearch.settings import DetectorSettings


class RTDetrInOpenVINO:
    """RT-DETR on a CPU, computed by OpenVINO. weights_sha256: of the file of its weights."""

    mixes_sizes = True
    batch_size = 1

    def __init__(
        self,
        settings: DetectorSettings,
        backbone: ConvertedBackbone,
        weights_sha256: str,
        precision: str,
    ) -> None:
        self.categories = rtdetr_boxes.categories()
        self.weights_sha256 = weights_sha256
        self.score_threshold = rtdetr_boxes.score_threshold(settings)
        self.map_lengths = backbone.map_lengths
        self.mean_colour = backbone.mean_colour
        self.vector_precision = backbone.vector_precision
        self._backbone = backbone
        load = backbone.networks.load
        self._maps = load("maps", precision, self._converted_maps)
        self._decoder = load("decoder", "fp32", self._converted_decoder)

    def _converted_maps(self) -> object:
        detector = self._backbone.load("fp32")
        # torch takes seconds to import.
        from visualsearch.detect.rtdetr import convert_maps

        return convert_maps(detector)

    def _converted_decoder(self) -> object:
        detector = self._backbone.load("fp32")
        from visualsearch.detect.rtdetr import convert_decoder

        return convert_decoder(detector)

    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        return [self._found(image) for image in images]

    def _found(self, image: Image.Image) -> Detections:
        logits, boxes = self._decoder(*self._maps(rtdetr_boxes.scaled(image)[None]))
        return rtdetr_boxes.select_boxes(logits[0], boxes[0], image.size, self.score_threshold)

    def crop_maps(self, crops: NDArray[np.uint8]) -> Maps:
        return self._backbone.crop_maps(crops)

    def in_torch(self) -> TorchDetector:
        return self._backbone.in_torch()
