"""torchvision's detection models as detectors. Needs torch and torchvision.

https://docs.pytorch.org/vision/stable/models.html#object-detection
"""

import pickle
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.hub import download_url_to_file, get_dir
from torchvision.models import get_model_builder, get_model_weights
from torchvision.ops import FrozenBatchNorm2d
from torchvision.transforms.v2.functional import pil_to_tensor

from visualsearch.detectors import is_file_name
from visualsearch.detectors.base import (
    Detections,
    DetectorSettings,
    count_parameters,
)
from visualsearch.errors import InputError
from visualsearch.hashing import sha256_file

# Faster R-CNN's and RetinaNet's own, used for FCOS too, whose own 0.2 cuts its curve short.
SCORE_THRESHOLD = 0.05


@dataclass(frozen=True)
class Variant:
    """How a builder differs from the others.

    vector_length: channels of the last map of `backbone.body`. frozen_norm: the published weights
    were trained with FrozenBatchNorm2d, which the builder uses only when it loads weights itself.
    norm_eps: the epsilon those weights are published for, where the builder overrides it.
    threshold: the builder's name for its score threshold.
    """

    vector_length: int
    frozen_norm: bool = True
    norm_eps: float | None = None
    threshold: str = "score_thresh"


VARIANTS = {
    "fasterrcnn_resnet50_fpn": Variant(2048, norm_eps=0.0, threshold="box_score_thresh"),
    "fasterrcnn_resnet50_fpn_v2": Variant(2048, frozen_norm=False, threshold="box_score_thresh"),
    "fasterrcnn_mobilenet_v3_large_fpn": Variant(960, threshold="box_score_thresh"),
    "fasterrcnn_mobilenet_v3_large_320_fpn": Variant(960, threshold="box_score_thresh"),
    "retinanet_resnet50_fpn": Variant(2048, norm_eps=0.0),
    "retinanet_resnet50_fpn_v2": Variant(2048, frozen_norm=False),
    "fcos_resnet50_fpn": Variant(2048),
}


class TorchvisionDetector:
    """One of torchvision's detection models; its featurizer is `backbone.body`'s last map.

    For the ResNet-50 models that map is the output of `layer4` after its ReLU: 2048 channels at
    stride 32, before the feature pyramid.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        self.settings = settings
        self.variant = VARIANTS[settings.name]
        self.vector_length = self.variant.vector_length
        self.device = settings.torch_device()
        enum = get_model_weights(settings.name)
        if is_file_name(settings.weights):
            self.weights = enum.DEFAULT
            self.weights_file = Path(settings.weights)
        else:
            name = "DEFAULT" if settings.weights == "default" else settings.weights
            if name not in enum.__members__:
                known = ", ".join(sorted({*enum.__members__} - {"DEFAULT"}))
                raise InputError(
                    f"detector.weights is {name!r}, which {settings.name} has not; "
                    f"use 'default', {known}, or the path of a weights file"
                )
            self.weights = enum[name]
            self.weights_file = download_weights(self.weights.url)
        self.categories: list[str] = list(self.weights.meta["categories"])
        self.model: Any = build_model(settings, len(self.categories))
        load_weights(self.model, self.weights_file, settings.name)
        self.weights_sha256 = sha256_file(self.weights_file)
        self.model.eval().to(self.device)

    @torch.inference_mode()
    def detect(self, image: Image.Image) -> Detections:
        tensor = pil_to_tensor(image).to(self.device).float() / 255
        output = self.model([tensor])[0]
        scores = output["scores"].cpu().numpy()
        order = np.argsort(-scores, kind="stable")
        return Detections(
            output["boxes"].cpu().numpy()[order],
            scores[order],
            output["labels"].cpu().numpy()[order],
        )

    @torch.inference_mode()
    def feature_map(self, crops: torch.Tensor) -> torch.Tensor:
        transform = self.model.transform
        crops = crops.to(self.device)
        mean = torch.as_tensor(transform.image_mean, device=self.device).view(1, 3, 1, 1)
        std = torch.as_tensor(transform.image_std, device=self.device).view(1, 3, 1, 1)
        maps = self.model.backbone.body((crops - mean) / std)
        return list(maps.values())[-1]

    def details(self) -> dict[str, Any]:
        digest = self.weights_sha256
        published = digest.startswith(published_hash(self.weights.url))
        meta = self.weights.meta
        transform = self.model.transform
        return {
            "name": self.settings.name,
            "library": "torchvision",
            "builder": f"torchvision.models.detection.{self.settings.name}",
            "weights": str(self.weights) if published else self.weights_file.name,
            "weights_url": self.weights.url if published else None,
            "weights_sha256": digest,
            "weights_bytes": self.weights_file.stat().st_size,
            "weights_are_published": published,
            "trained_on": "COCO train2017" if published else "unknown: weights given as a file",
            "published_box_ap": meta["_metrics"]["COCO-val2017"]["box_map"] if published else None,
            "published_on": "COCO val2017, mean over 80 categories" if published else None,
            "recipe": meta.get("recipe"),
            "gmacs_at_800": meta["_ops"],
            "parameters": count_parameters(self.model),
            "categories": len([c for c in self.categories if c not in ("__background__", "N/A")]),
            "image_min_size": list(transform.min_size),
            "image_max_size": transform.max_size,
            "normalise_mean": list(transform.image_mean),
            "normalise_std": list(transform.image_std),
            **_thresholds(self.model),
            "featurizer": "backbone.body, last map (stride 32, after its activation)",
            "vector_length": self.vector_length,
            "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
        }


def build_model(settings: DetectorSettings, num_classes: int) -> torch.nn.Module:
    """Build the graph without weights, with the norm layers its published weights expect."""
    variant = VARIANTS[settings.name]
    threshold = settings.score_threshold
    sizes = {"min_size": settings.min_size, "max_size": settings.max_size}
    model = get_model_builder(settings.name)(
        weights=None,
        weights_backbone=None,
        num_classes=num_classes,
        **{variant.threshold: SCORE_THRESHOLD if threshold is None else threshold},
        **{key: value for key, value in sizes.items() if value is not None},
    )
    if variant.frozen_norm:
        _freeze_batch_norms(model.backbone, variant.norm_eps)
    return model


def _freeze_batch_norms(module: torch.nn.Module, eps: float | None) -> None:
    for name, child in module.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(child.num_features, child.eps if eps is None else eps)
            setattr(module, name, frozen)
        else:
            _freeze_batch_norms(child, eps)


def download_weights(url: str) -> Path:
    """Fetch published weights into torch's cache and return the file.

    Both a fresh download and a file already in the cache are checked against the hash that
    torchvision puts into the name. Raises InputError when the download or the check fails.
    """
    path = Path(get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            download_url_to_file(url, str(path), hash_prefix=published_hash(url))
        except (OSError, RuntimeError, HTTPException) as error:
            raise InputError(
                f"{url} could not be fetched ({_line(error)}); try again, "
                "or fetch it elsewhere and set detector.weights to the file"
            ) from error
    digest = sha256_file(path)
    if not digest.startswith(published_hash(url)):
        raise InputError(f"{path} is damaged (sha256 {digest[:8]}...); remove it and run again")
    return path


def published_hash(url: str) -> str:
    """First hex digits of the sha256, which torchvision puts into the name: `...-258fb6c6.pth`."""
    return Path(urlparse(url).path).stem.rsplit("-", 1)[-1]


def load_weights(model: torch.nn.Module, path: Path, name: str) -> None:
    """Load a state dict (torch file, weights only, or safetensors) into `model`, strictly.

    Raises InputError naming the file and what does not fit.
    """
    if not path.is_file():
        raise InputError(f"detector.weights: no file {path}; give the path of weights for {name}")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        pickle.UnpicklingError,
        SafetensorError,
    ) as error:
        raise InputError(
            f"{path} is not a file of plain weights ({_line(error)}); "
            f"give a state dict of {name} saved by torch or safetensors"
        ) from error
    if isinstance(state, dict) and "model" in state and isinstance(state["model"], dict):
        state = state["model"]  # torchvision's training script saves it so
    expected = model.state_dict()
    if not isinstance(state, dict):
        problem = "it holds no state dict"
    elif missing := sorted(expected.keys() - state.keys()):
        problem = f"{len(missing)} tensors are missing, first {missing[0]}"
    elif unknown := sorted(state.keys() - expected.keys()):
        problem = f"{len(unknown)} tensors are unknown, first {unknown[0]}"
    else:
        wrong = [
            f"{key} is {tuple(getattr(state[key], 'shape', ()))}, not {tuple(expected[key].shape)}"
            for key in expected
            if getattr(state[key], "shape", None) != expected[key].shape
        ]
        problem = f"{len(wrong)} shapes differ, first {wrong[0]}" if wrong else ""
    if problem:
        raise InputError(f"{path} does not fit {name}: {problem}; give weights made for {name}")
    model.load_state_dict(state)


def _thresholds(model: Any) -> dict[str, Any]:
    """What the built model filters with; two-stage models keep it in `roi_heads` and `rpn`."""
    part = getattr(model, "roi_heads", model)
    anchors = getattr(model, "rpn", model).anchor_generator
    return {
        "score_threshold": part.score_thresh,
        "nms_iou_threshold": part.nms_thresh,
        "detections_per_image": part.detections_per_img,
        "anchor_sizes": [list(s) for s in anchors.sizes],
        "anchor_aspect_ratios": [list(s) for s in anchors.aspect_ratios],
    }


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
