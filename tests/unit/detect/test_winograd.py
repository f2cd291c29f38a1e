"""Winograd's convolutions give the same sums for any size, batch and memory layout of maps."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from made_weights import random_network
from visualsearch.detect.winograd import SIDES, STRIP, Winograd3x3, transforms, with_winograd


def conv_of(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias).eval()


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_transforms_filter_one_row_by_hand(side: int) -> None:
    inputs, filters, outputs = transforms(side)
    row, taps = torch.arange(side + 2).double() ** 2, torch.tensor([2.0, -3.0, 5.0]).double()
    by_hand = [float((row[i : i + 3] * taps).sum()) for i in range(side)]
    found = outputs @ ((inputs @ row) * (filters @ taps))
    assert found.tolist() == pytest.approx(by_hand, abs=1e-12)


def test_transforms_of_maps_are_exact_in_bf16() -> None:
    (inputs, _, outputs), (others, _, other_outputs) = map(transforms, SIDES[torch.bfloat16])
    for matrix in (torch.kron(inputs, others), torch.kron(outputs, other_outputs)):
        assert torch.equal(matrix.bfloat16().double(), matrix)


SHAPES = [(1, 1), (1, 9), (2, 4), (3, 5), (8, 8), (31, 45), (40, 4 * STRIP + 3)]


@pytest.mark.parametrize("sides", [*SIDES.values(), (3, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_convolution_at_every_size(sides: tuple[int, int], bias: bool) -> None:
    conv = conv_of(3, 5, bias).double()
    fast = Winograd3x3(conv, sides)
    for height, width in SHAPES:
        for count in (1, 3):
            x = maps(count, 3, height, width).double()
            expected = conv(x)
            for layout in (torch.contiguous_format, torch.channels_last):
                found = fast(x.contiguous(memory_format=layout))
                assert found.shape == expected.shape
                assert (found - expected).abs().max() < 1e-12
                assert found.stride(1) == 1


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 3e-6), (torch.bfloat16, 1.2e-2)])
def test_rounding_errors_are_bounded(dtype: torch.dtype, bound: float) -> None:
    """Noise is the worst case: maps of pictures are smoother, and their errors smaller."""
    conv = conv_of(256, 256)
    x = maps(1, 256, 25, 34).relu()
    exact = functional.conv2d(x.double(), conv.weight.double(), conv.bias.double(), padding=1)  # type: ignore[union-attr]
    with torch.inference_mode():
        found = Winograd3x3(conv, SIDES[dtype]).to(dtype)(x.to(dtype))
    assert found.dtype == dtype
    assert (found.double() - exact).norm() < bound * exact.norm()


def test_a_map_gives_the_same_bits_in_any_batch() -> None:
    fast = Winograd3x3(conv_of(128, 128), SIDES[torch.float32])
    x = maps(4, 128, 12, 12)
    with torch.inference_mode():
        together = fast(x)
        for order in ([1, 0, 3, 2], [3, 3, 3, 0]):
            assert torch.equal(fast(x[order]), together[order])


def test_only_convolutions_that_become_faster_are_replaced() -> None:
    model = random_network("fasterrcnn_resnet50_fpn")
    with_winograd(model, torch.float32)
    replaced = [name for name, m in model.named_modules() if isinstance(m, Winograd3x3)]
    # All of stride 1, except those of layer1, which have 64 channels.
    counts = {part: sum(part in name for name in replaced) for part in ("body.layer", "fpn", "rpn")}
    assert counts == {"body.layer": 3 + 5 + 2, "fpn": 4, "rpn": 1}
    assert not any("body.layer1" in name for name in replaced)


@pytest.mark.parametrize(
    "change",
    [
        {"stride": 2},
        {"padding": 0},
        {"dilation": 2, "padding": 2},
        {"groups": 2},
        {"padding_mode": "reflect"},
        {"kernel_size": 5, "padding": 2},
    ],
)
def test_other_convolutions_stay(change: dict[str, object]) -> None:
    settings = {"kernel_size": 3, "padding": 1} | change
    module = nn.Sequential(nn.Conv2d(128, 128, **settings))  # type: ignore[arg-type]
    assert isinstance(with_winograd(module, torch.float32)[0], nn.Conv2d)  # type: ignore[index]
