"""Networks with random weights: tests download nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import pytest
import torch

from running import sampled
from visualsearch.detect import DETECTORS, TorchvisionEntry
from visualsearch.detect.torchvision_models import build_model
from visualsearch.settings import DetectorSettings

SMALL = {"min_size": 96, "max_size": 160}
TORCHVISION = sampled(
    [name for name, entry in DETECTORS.items() if isinstance(entry, TorchvisionEntry)],
    ["fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_fpn", "retinanet_resnet50_fpn_v2"],
)


@contextmanager
def unset_weights() -> Iterator[None]:
    """Networks built here are about to load weights, so drawing random ones would waste seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_"):
            patch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
        yield


def random_network(name: str, seed: int = 0, **settings: Any) -> Any:
    """A network of torchvision for COCO's 91 categories, with random weights, in eval mode."""
    entry = DETECTORS[name]
    assert isinstance(entry, TorchvisionEntry)
    torch.manual_seed(seed)
    return build_model(DetectorSettings(name, **settings), entry, 91).eval()


@lru_cache(maxsize=1)
def random_state(name: str) -> dict[str, torch.Tensor]:
    """A random state dict that gives finite maps."""
    state: dict[str, torch.Tensor] = random_network(name, **SMALL).state_dict()
    for key, value in state.items():
        if key.endswith("running_var"):
            value.uniform_(2, 3)
        if key.endswith("cls_logits.weight"):
            value *= 100  # otherwise all scores are 1, and rounding sorts them
    return state


def random_weights(name: str, seed: int) -> dict[str, torch.Tensor]:
    """Weights of a Faster R-CNN that finds a few boxes, mostly persons."""
    state: dict[str, torch.Tensor] = random_network(name, seed).state_dict()
    for key, value in state.items():
        if key.endswith("bn3.weight"):
            value.mul_(0.2)  # keeps the sums of the residual blocks from growing
        if key.startswith(("roi_heads.box_predictor.", "rpn.head.bbox_pred.")):
            value.mul_(0.02)
    state["rpn.head.bbox_pred.bias"].view(-1, 4)[:, 2:] += 2.2  # proposals of a person's size
    state["roi_heads.box_predictor.cls_score.bias"][1] += 6
    return state


@lru_cache(maxsize=1)
def random_rtdetr() -> dict[str, torch.Tensor]:
    """A seeded state dict of RT-DETR with the names and shapes of the published file.

    Norms hold what they saw in a picture of noise, so that maps neither grow nor vanish. Scores and
    boxes differ from query to query, and persons are frequent.
    """
    from visualsearch.detect.rtdetr import RTDetrFrozenBatchNorm2d, build_model, published_names

    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = build_model()
    for name, norm in model.named_modules():
        if isinstance(norm, RTDetrFrozenBatchNorm2d | torch.nn.BatchNorm2d):
            norm.weight.data.uniform_(0.5, 1.2, generator=generator)
            norm.bias.data.normal_(0, 0.2, generator=generator)
            if name.endswith("layer.2.normalization"):
                norm.weight.data.mul_(0.3)  # else 16 blocks magnify what rounding leaves
            norm.register_forward_pre_hook(_take_statistics)
    for head in (model.model.enc_score_head, *model.model.decoder.class_embed):
        head.weight.data.normal_(0, 0.05, generator=generator)
        head.bias.data.fill_(-2.5)[0] += 1
    for head in (model.model.enc_bbox_head, *model.model.decoder.bbox_embed):
        head.layers[-1].weight.data.normal_(0, 0.05, generator=generator)
    coarse = torch.rand(1, 3, 40, 40, generator=generator)
    with torch.inference_mode():
        model(torch.nn.functional.interpolate(coarse, (640, 640), mode="bicubic").clamp(0, 1))
    return {name: value.contiguous() for name, value in published_names(model).items()}


def _take_statistics(norm: Any, inputs: tuple[torch.Tensor]) -> None:
    norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
    norm.running_var.copy_(inputs[0].var((0, 2, 3)))
