"""torchvision's detection models as detectors. Needs torch and torchvision.

https://docs.pytorch.org/vision/stable/models.html#object-detection
"""

import fcntl
import logging
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlparse
from zipfile import ZipFile, is_zipfile

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch.hub import get_dir
from torchvision.models import get_model_builder, get_model_weights
from torchvision.models.mobilenetv3 import InvertedResidual
from torchvision.ops import FrozenBatchNorm2d
from torchvision.transforms.v2.functional import pil_to_tensor

from visualsearch.core.errors import InputError
from visualsearch.core.files import sha256_file
from visualsearch.detect.base import (
    GPU_BATCH,
    Detections,
    WholePicture,
    count_parameters,
    torch_device,
)
from visualsearch.detect.folding import fold_norms
from visualsearch.detect.precision import DTYPES, cast, compute_in, resolve
from visualsearch.detect.roi_pooling import RowRoIAlign
from visualsearch.detect.winograd import with_winograd
from visualsearch.settings import DetectorSettings
from visualsearch.settings.values import is_weights_file

log = logging.getLogger(__name__)

# Faster R-CNN's and RetinaNet's own, used for FCOS too, whose own 0.2 cuts its curve short.
SCORE_THRESHOLD = 0.05
# Of the download of weights, as dataset.retries and dataset.backoff_seconds are by default.
RETRIES, BACKOFF_SECONDS = 5, 1.0


class Backbone(NamedTuple):
    """The two maps of a backbone that `split_body` gives: their channels, and what they are."""

    lengths: dict[str, int]
    before: str
    last: str

    def __str__(self) -> str:
        return (
            f"backbone.body; last map: {self.last} ({self.lengths['last']} channels, stride 32); "
            f"map before: {self.before} ({self.lengths['before']} channels, stride 16)"
        )


RESNET50 = Backbone(
    {"before": 1024, "last": 2048}, "layer3 after its ReLU", "layer4 after its ReLU"
)
MOBILENET_V3 = Backbone(
    {"before": 672, "last": 960},
    "expansion of its last block of stride 2, after the Hardswish",
    "after its last Hardswish",
)


@dataclass(frozen=True)
class Variant:
    """How a builder differs from the others.

    frozen_norm: the published weights were trained with FrozenBatchNorm2d, which the builder uses
    only when it loads weights itself.
    norm_eps: the epsilon those weights are published for, where the builder overrides it.
    threshold: the builder's name for its score threshold.
    """

    backbone: Backbone
    frozen_norm: bool = True
    norm_eps: float | None = None
    threshold: str = "score_thresh"


VARIANTS = {
    "fasterrcnn_resnet50_fpn": Variant(RESNET50, norm_eps=0.0, threshold="box_score_thresh"),
    "fasterrcnn_resnet50_fpn_v2": Variant(
        RESNET50, frozen_norm=False, threshold="box_score_thresh"
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": Variant(MOBILENET_V3, threshold="box_score_thresh"),
    "fasterrcnn_mobilenet_v3_large_320_fpn": Variant(MOBILENET_V3, threshold="box_score_thresh"),
    "retinanet_resnet50_fpn": Variant(RESNET50, norm_eps=0.0),
    "retinanet_resnet50_fpn_v2": Variant(RESNET50, frozen_norm=False),
    "fcos_resnet50_fpn": Variant(RESNET50),
}


class TorchvisionDetector:
    """One of torchvision's detection models; its featurizer is `backbone.body`.

    For the ResNet-50 models the last map is the output of `layer4` after its ReLU: 2048 channels at
    stride 32, before the feature pyramid. The map before it is the output of `layer3`.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        self.settings = settings
        self.variant = VARIANTS[settings.name]
        self.map_lengths = self.variant.backbone.lengths
        self.vector_length = self.map_lengths["last"]
        self.device = torch_device(settings.device)
        enum = get_model_weights(settings.name)
        if is_weights_file(settings.weights):
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
        self.parameters = count_parameters(self.model)
        self.precision = resolve(settings.precision, self.device)
        self.dtype = DTYPES[self.precision]
        self.batch_size = GPU_BATCH if self.device.type == "cuda" else 1
        make_fast(self.model.eval(), self.dtype, self.device)
        self._until_before, self._last_stage = split_body(self.model)
        self.mean_colour = mean_colour(self.model)

    @torch.inference_mode()
    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        found = []
        for output in self.model([self._pixels(image) for image in images]):
            scores = output["scores"].cpu().numpy()
            order = np.argsort(-scores, kind="stable")
            boxes, labels = (output[key].cpu().numpy()[order] for key in ("boxes", "labels"))
            found.append(Detections(boxes, scores[order], labels))
        return found

    def _pixels(self, image: Image.Image) -> torch.Tensor:
        return pil_to_tensor(image).to(self.device).float() / 255

    def normalise(self, crops: torch.Tensor) -> torch.Tensor:
        transform = self.model.transform
        crops = crops.to(self.device)
        mean = torch.as_tensor(transform.image_mean, device=self.device).view(1, 3, 1, 1)
        std = torch.as_tensor(transform.image_std, device=self.device).view(1, 3, 1, 1)
        return (crops - mean) / std

    def whole_picture(self, image: Image.Image) -> WholePicture:
        batch, _ = self.model.transform([self._pixels(image)])
        height, width = batch.image_sizes[0]
        return WholePicture(batch.tensors, (width / image.width, height / image.height))

    @torch.inference_mode()
    def map_before(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._until_before(cast(inputs, self.dtype))

    @torch.inference_mode()
    def last_stage(self, before: torch.Tensor) -> torch.Tensor:
        return self._last_stage(cast(before, self.dtype))

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
            "parameters": self.parameters,
            "categories": len([c for c in self.categories if c not in ("__background__", "N/A")]),
            "image_min_size": list(transform.min_size),
            "image_max_size": transform.max_size,
            "normalise_mean": list(transform.image_mean),
            "normalise_std": list(transform.image_std),
            **_thresholds(self.model),
            "featurizer": str(self.variant.backbone),
            "vector_length": self.vector_length,
            "precision": self.precision,
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


def make_fast(model: Any, dtype: torch.dtype, device: torch.device) -> None:
    """Have a model in eval mode compute in `dtype` on `device`, in fewer passes; in place.

    Norms go into the convolutions; a CPU gets other ways to the same sums. What places and scores
    boxes stays in fp32: anchors, the last layer of a two-stage model, decoding and suppression.
    """
    fold_norms(model).to(device)
    if device.type == "cpu":
        with_winograd(model, dtype)
    compute_in(model.backbone, dtype)
    proposing = getattr(model, "rpn", model)
    compute_in(proposing.head, dtype, torch.float32)
    # Anchors take the dtype of the maps they are for, and bf16 rounds 805 pixels to 804.
    proposing.anchor_generator.register_forward_pre_hook(_sizes_in_fp32)
    if hasattr(model, "roi_heads"):
        heads = model.roi_heads
        compute_in(heads.box_head, dtype, torch.float32)
        if device.type == "cpu":
            pool = heads.box_roi_pool
            heads.box_roi_pool = RowRoIAlign(
                pool.featmap_names,
                pool.output_size,
                pool.sampling_ratio,
                canonical_scale=pool.canonical_scale,
                canonical_level=pool.canonical_level,
            )
        else:
            # Boxes and maps must be of one dtype there, and pixels do not fit into bf16.
            compute_in(heads.box_roi_pool, torch.float32)


def _sizes_in_fp32(module: torch.nn.Module, args: tuple[Any, list[torch.Tensor]]) -> Any:
    images, maps = args
    return images, [torch.zeros(1, device=m.device).expand(m.shape) for m in maps]


def split_body(model: Any) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Cut a model's `backbone.body` into what leads to the map before the last, and its last stage.

    One after the other they give the body's last map. A ResNet is cut before `layer4`. MobileNetV3
    is cut inside its last block of stride 2, after the expansion, where torchvision's own SSDLite
    taps it: what the body returns of that block comes after the stride.
    """
    body = model.backbone.body
    modules = list(body.values())
    cut = list(body).index(list(body.return_layers)[-2])
    until, after = [modules[cut]], []
    if isinstance(modules[cut], InvertedResidual):
        expand, *after = modules[cut].block
        until = [expand]
    return (
        torch.nn.Sequential(*modules[:cut], *until),
        torch.nn.Sequential(*after, *modules[cut + 1 :]),
    )


def mean_colour(model: Any) -> tuple[int, int, int]:
    """The mean that a model's normalisation subtracts, as RGB in 0..255."""
    red, green, blue = (round(255 * mean) for mean in model.transform.image_mean)
    return red, green, blue


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
    # Only the job that fetches needs them: an import costs every other a part of a second.
    from visualsearch.fetch.download import Client

    path = Path(get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if not path.is_file():
        advice = "try again, or fetch it elsewhere and set detector.weights to the file"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _held(path.with_name(f".{path.name}.lock")):
                client = Client(RETRIES, BACKOFF_SECONDS)
                client.get_file(url, path, published_hash(url), advice=advice)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({_line(error)}); {advice}") from error
    digest = sha256_file(path)
    if not digest.startswith(published_hash(url)):
        raise InputError(f"{path} is damaged (sha256 {digest[:8]}...); remove it and run again")
    return path


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """Wait until no other run fills the same place in the cache; removed when the block succeeds.

    The kernel's lock, so that a killed run leaves none. On a file system without locks it goes on:
    the hash tells where two runs wrote into one file.
    """
    with open(lock, "w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("another run is fetching the same weights; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        except OSError:
            pass
        yield
        lock.unlink(missing_ok=True)


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
            _refuse_packed(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A broken pickle makes torch's unpickler raise whatever its bytes lead to.
        raise InputError(
            f"{path} is not a file of plain weights ({_reason(error)}); "
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
        problem = problem or _wrong_values(state, expected)
    if problem:
        raise InputError(f"{path} does not fit {name}: {problem}; give weights made for {name}")
    model.load_state_dict(state)


def _refuse_packed(path: Path) -> None:
    # torch stores its tensors as they are. Packed, a small file could fill the memory.
    if is_zipfile(path):
        with ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > path.stat().st_size:
            raise ValueError(f"its {unpacked} bytes are packed into fewer, as torch does not do")


def _wrong_values(state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> str:
    """What is wrong with tensors that have the right names and shapes."""
    for key, wanted in expected.items():
        tensor = state[key]
        stored = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta
        if not stored or tensor.is_floating_point() != wanted.is_floating_point():
            return f"{key} is of {tensor.dtype}, {tensor.layout}, where {wanted.dtype} is needed"
        if not tensor.to(wanted.dtype).isfinite().all():
            return f"{key} holds values that are no finite numbers"
    return ""


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


def _reason(error: Exception) -> str:
    # torch's own words advise to load such a file in the way that runs its code.
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        return "it holds something else than tensors, which might run code"
    return _line(error)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
