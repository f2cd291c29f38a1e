"""Folded norms give the same network, for every detector of the registry."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from made_weights import TORCHVISION, random_network
from visualsearch.detect import ssdlite
from visualsearch.detect.folding import fold_norms

NORMS = (nn.BatchNorm2d, FrozenBatchNorm2d)


def random_norms(model: nn.Module) -> None:
    """Set statistics and weights that reveal a wrongly folded norm."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, NORMS):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 1.5),
                (module.weight, 0.5, 1.0),
                (module.bias, -0.2, 0.2),
            ):
                tensor.data.uniform_(low, high, generator=generator)


def outputs(model: Any, pixels: torch.Tensor) -> list[torch.Tensor]:
    """The backbone's maps, and the outputs of the heads before boxes are selected."""
    with torch.inference_mode():
        maps = model.backbone(pixels)
        tensors = [*model.backbone.body(pixels).values(), *maps.values()]
        if hasattr(model, "roi_heads"):
            tensors += [part for level in model.rpn.head(list(maps.values())) for part in level]
            tensors.append(model.roi_heads.box_head(next(iter(maps.values()))[:, :, :7, :7]))
        else:
            tensors += model.head(list(maps.values())).values()
    return tensors


@pytest.mark.parametrize("name", TORCHVISION)
def test_folded_network_is_the_same_network(name: str) -> None:
    model = random_network(name)
    random_norms(model)
    # The box head takes 7 x 7 positions of the finest map, whose stride is 32 or 4.
    side = 224 if "mobilenet" in name else 96
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    expected = outputs(model.double(), pixels.double())
    model.float()
    plain = outputs(model, pixels)
    assert fold_norms(model, NORMS) is model
    folded = outputs(model, pixels)
    assert not any(isinstance(module, NORMS) for module in model.modules())
    for exact, before, after in zip(expected, plain, folded, strict=True):
        scale = exact.abs().max()
        assert scale > 0 and after.dtype == torch.float32
        # As close to exact arithmetic as float32 is without folding.
        loss = (before - exact).abs().max() / scale
        assert (after - exact).abs().max() / scale < max(3 * loss, 1e-6) < 1e-4


def test_folded_bundled_network_is_the_same_network() -> None:
    model = ssdlite.SSDLiteMobileNetV2().eval()
    random_norms(model)
    pixels = torch.rand(1, 3, 300, 300, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = model(pixels)
        folded = fold_norms(model)(pixels)
    assert not any(isinstance(module, NORMS) for module in model.modules())
    for one, other in zip(expected, folded, strict=True):
        assert (one - other).abs().max() < 1e-4 * one.abs().max()


@pytest.mark.parametrize("bias", [True, False])
def test_one_pair_by_hand(bias: bool) -> None:
    pair = nn.Sequential(nn.Conv2d(1, 1, 1, bias=bias), nn.BatchNorm2d(1, eps=0.0)).eval()
    conv, norm = pair
    conv.weight.data.fill_(3.0)
    if bias:
        conv.bias.data.fill_(1.0)
    norm.running_mean.fill_(2.0)
    norm.running_var.fill_(16.0)
    norm.weight.data.fill_(8.0)
    norm.bias.data.fill_(5.0)
    fold_norms(pair)
    assert conv.weight.item() == 6.0
    assert conv.bias.item() == (3.0 if bias else 1.0)
    assert conv.weight.dtype == torch.float32


def test_norms_elsewhere_stay() -> None:
    for layers in ([nn.BatchNorm2d(1)], [nn.Conv2d(1, 1, 1), nn.ReLU(), nn.BatchNorm2d(1)]):
        model = nn.Sequential(*layers).eval()
        fold_norms(model)
        assert isinstance(model[-1], nn.BatchNorm2d)


def test_norms_in_training_mode_are_refused() -> None:
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        fold_norms(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)))
