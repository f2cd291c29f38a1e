"""torchvision's detection models as detectors. Needs torch and torchvision.

https://docs.pytorch.org/vision/stable/models.html#object-detection
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from torchvision.models import get_model_builder, get_model_weights
from torchvision.models.mobilenetv3 import InvertedResidual
from torchvision.ops import FrozenBatchNorm2d

from visualsearch.core.errors import InputError
from visualsearch.core.files import sha256_file
from visualsearch.detect.base import GPU_BATCH, Detections, Maps, TorchDetector, WholePicture
from visualsearch.detect.failures import TooThin
from visualsearch.detect.folding import fold_norms
from visualsearch.detect.precision import DTYPES, cast, compute_in
from visualsearch.detect.roi_pooling import RowRoIAlign
from visualsearch.detect.torch_base import count_parameters, crop_maps, torch_device
from visualsearch.detect.weights import download_weights, load_weights, published_hash
from visualsearch.settings import DetectorSettings
from visualsearch.settings.values import is_weights_file

if TYPE_CHECKING:
    from visualsearch.detect import TorchvisionEntry

# Faster R-CNN's and RetinaNet's own. FCOS's own, 0.2, would cut its precision-recall curve short.
SCORE_THRESHOLD = 0.05


class TorchvisionDetector:
    """One of torchvision's detection models; `backbone.body` is its featurizer."""

    # Smaller images would be padded to the largest, which changes what is found in them.
    mixes_sizes = False

    def __init__(self, settings: DetectorSettings, entry: TorchvisionEntry, precision: str) -> None:
        self.settings = settings
        self.featurizer = entry.featurizer
        self.map_lengths = entry.featurizer.lengths
        self.vector_length = self.map_lengths["last"]
        self.device = torch_device(settings.device)
        published = get_model_weights(settings.name)
        if is_weights_file(settings.weights):
            self.weights = published.DEFAULT
            self.weights_file = Path(settings.weights)
        else:
            name = "DEFAULT" if settings.weights == "default" else settings.weights
            if name not in published.__members__:
                known = ", ".join(sorted({*published.__members__} - {"DEFAULT"}))
                raise InputError(
                    f"{settings.name} has no weights named {name!r}; set detector.weights to "
                    f"'default', {known}, or the path of a weights file"
                )
            self.weights = published[name]
            self.weights_file = download_weights(self.weights.url)
        self.categories: list[str] = list(self.weights.meta["categories"])
        self.model: Any = build_model(settings, entry, len(self.categories))
        load_weights(self.model, self.weights_file, settings.name)
        self.weights_sha256 = sha256_file(self.weights_file)
        self.parameters = count_parameters(self.model)
        self.precision = self.vector_precision = precision
        self.dtype = DTYPES[self.precision]
        self.batch_size = GPU_BATCH if self.device.type == "cuda" else 1
        transform: Any = self.model.transform
        red, green, blue = (round(255 * mean) for mean in transform.image_mean)
        self.mean_colour = (red, green, blue)
        transform.normalize = partial(_normalise_in_place, transform)
        transform.register_forward_hook(_free_pictures)
        make_fast(self.model.eval(), self.dtype, self.device)
        self._first_stages, self._last_stage = split_body(self.model)

    @torch.inference_mode()
    def detect(self, images: Sequence[Image.Image]) -> list[Detections]:
        self._check_shape(images[0].size)
        results = []
        for output in self.model([self._pixels(image) for image in images]):
            scores = output["scores"].cpu().numpy()
            order = np.argsort(-scores, kind="stable")
            boxes, labels = (output[key].cpu().numpy()[order] for key in ("boxes", "labels"))
            results.append(Detections(boxes, scores[order], labels))
        return results

    def _check_shape(self, size: tuple[int, int]) -> None:
        """Raise TooThin for a picture whose shorter side would have no pixel left when scaled."""
        transform = self.model.transform
        scale = min(transform.min_size[-1] / min(size), transform.max_size / max(size))
        if int(min(size) * scale) < 1:
            raise TooThin

    def _pixels(self, image: Image.Image) -> torch.Tensor:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        return pixels.to(self.device).float().div_(255)

    def crop_maps(self, crops: NDArray[np.uint8]) -> Maps:
        return crop_maps(self, crops)

    def in_torch(self) -> TorchDetector:
        return self

    def drop_stages(self) -> None:
        """Free the parts of the backbone by which vectors are computed."""
        del self._first_stages, self._last_stage

    def normalise(self, crops: torch.Tensor) -> torch.Tensor:
        transform = self.model.transform
        crops = crops.to(self.device)
        mean = torch.as_tensor(transform.image_mean, device=self.device).view(1, 3, 1, 1)
        std = torch.as_tensor(transform.image_std, device=self.device).view(1, 3, 1, 1)
        return (crops - mean) / std

    def whole_picture(self, image: Image.Image) -> WholePicture:
        self._check_shape(image.size)
        batch, _ = self.model.transform([self._pixels(image)])
        height, width = batch.image_sizes[0]
        return WholePicture(batch.tensors, (width / image.width, height / image.height))

    @torch.inference_mode()
    def map_before(self, inputs: torch.Tensor) -> torch.Tensor:
        return self._first_stages(cast(inputs, self.dtype))

    @torch.inference_mode()
    def last_stage(self, before: torch.Tensor) -> torch.Tensor:
        return self._last_stage(cast(before, self.dtype))

    def details(self) -> dict[str, Any]:
        published = self.weights_sha256.startswith(published_hash(self.weights.url))
        meta = self.weights.meta
        transform = self.model.transform
        # Two-stage models keep their thresholds in `roi_heads` and their anchors in `rpn`.
        filtering = getattr(self.model, "roi_heads", self.model)
        anchors = getattr(self.model, "rpn", self.model).anchor_generator
        return {
            "name": self.settings.name,
            "library": "torchvision",
            "builder": f"torchvision.models.detection.{self.settings.name}",
            "weights": str(self.weights) if published else self.weights_file.name,
            "weights_url": self.weights.url if published else None,
            "weights_sha256": self.weights_sha256,
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
            "score_threshold": filtering.score_thresh,
            "nms_iou_threshold": filtering.nms_thresh,
            "detections_per_image": filtering.detections_per_img,
            "anchor_sizes": [list(sizes) for sizes in anchors.sizes],
            "anchor_aspect_ratios": [list(ratios) for ratios in anchors.aspect_ratios],
            "featurizer": str(self.featurizer),
            "vector_length": self.vector_length,
            "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
        }


def build_model(
    settings: DetectorSettings, entry: TorchvisionEntry, num_classes: int
) -> torch.nn.Module:
    """Build the network without weights, with the norm layers that its published weights need."""
    threshold = settings.score_threshold
    sizes = {"min_size": settings.min_size, "max_size": settings.max_size}
    model = get_model_builder(settings.name)(
        weights=None,
        weights_backbone=None,
        num_classes=num_classes,
        **{entry.threshold: SCORE_THRESHOLD if threshold is None else threshold},
        **{key: value for key, value in sizes.items() if value is not None},
    )
    if entry.frozen_norm:
        _freeze_batch_norms(model.backbone, entry.norm_eps)
    return model


def _freeze_batch_norms(module: torch.nn.Module, eps: float | None) -> None:
    for name, child in module.named_children():
        if isinstance(child, torch.nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(child.num_features, child.eps if eps is None else eps)
            setattr(module, name, frozen)
        else:
            _freeze_batch_norms(child, eps)


def make_fast(model: Any, dtype: torch.dtype, device: torch.device) -> None:
    """Make a model in eval mode compute in `dtype` on `device`, with fewer operations; in place.

    Norms are folded into convolutions. A CPU also gets a faster RoIAlign. Whatever places and
    scores boxes stays in fp32: anchors, the last layer of a two-stage model, decoding and NMS.
    """
    fold_norms(model, (torch.nn.BatchNorm2d, FrozenBatchNorm2d)).to(device)
    compute_in(model.backbone, dtype)
    proposing = getattr(model, "rpn", model)
    compute_in(proposing.head, dtype, torch.float32)
    # Anchors take the maps' dtype, and bf16 rounds 805 pixels to 804.
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
            # The kernel wants boxes and maps of one dtype, and bf16 rounds boxes too coarsely.
            compute_in(heads.box_roi_pool, torch.float32)


def _free_pictures(module: torch.nn.Module, args: tuple[Any, ...], scaled: Any) -> None:
    """Free what was scaled: torchvision holds it while the network runs, 600 MB of a large one."""
    for image in args[0]:
        image.set_()


def _normalise_in_place(transform: Any, image: torch.Tensor) -> torch.Tensor:
    """Do what the transform's own `normalize` does, without two copies of a large picture."""
    mean = torch.as_tensor(transform.image_mean, device=image.device)
    std = torch.as_tensor(transform.image_std, device=image.device)
    return image.sub_(mean[:, None, None]).div_(std[:, None, None])


def _sizes_in_fp32(module: torch.nn.Module, args: tuple[Any, list[torch.Tensor]]) -> Any:
    images, maps = args
    return images, [torch.zeros(1, device=m.device).expand(m.shape) for m in maps]


def split_body(model: Any) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Cut a model's `backbone.body` in two: up to the map before the last, and the last stage.

    Run one after the other, they give the body's last map. A ResNet is cut before `layer4`.
    MobileNetV3 is cut inside its last block of stride 2, after the expansion, as torchvision's own
    SSDLite does: the body's own map of that block comes after the stride.
    """
    body = model.backbone.body
    modules = list(body.values())
    cut = list(body).index(list(body.return_layers)[-2])
    first, rest = [modules[cut]], []
    if isinstance(modules[cut], InvertedResidual):
        expand, *rest = modules[cut].block
        first = [expand]
    return (
        torch.nn.Sequential(*modules[:cut], *first),
        torch.nn.Sequential(*rest, *modules[cut + 1 :]),
    )
