"""What tests of number formats share: inputs, networks that round as trained ones, likeness."""

import json
from pathlib import Path
from typing import Any

import torch
from torchvision.ops import FrozenBatchNorm2d

from visualsearch.data.pictures import Picture


def pixels(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(2)) * 4 - 2


def calibrate(model: torch.nn.Module) -> None:
    """Fit each norm to its input, as training does; otherwise random maps grow or vanish."""

    def fit(norm: Any, args: tuple[torch.Tensor]) -> None:
        norm.running_mean.copy_(args[0].mean(dim=(0, 2, 3)))
        norm.running_var.copy_(args[0].var(dim=(0, 2, 3)))

    norms = (torch.nn.BatchNorm2d, FrozenBatchNorm2d)
    hooks = [m.register_forward_pre_hook(fit) for m in model.modules() if isinstance(m, norms)]
    with torch.inference_mode():
        model.backbone(pixels(160, 160))  # type: ignore[operator]
    for hook in hooks:
        hook.remove()


def cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.cosine_similarity(one.double().flatten(), other.double().flatten(), dim=0))


def coco_pictures(coco_sample: Path) -> list[Picture]:
    images = json.loads((coco_sample / "instances.json").read_text())["images"]
    return [
        Picture(i["id"], coco_sample / "images" / i["file_name"], i["width"], i["height"])
        for i in sorted(images, key=lambda image: image["id"])
    ]
