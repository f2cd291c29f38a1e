"""3x3 convolutions with fewer multiplications, by torch's matrix products. Needs torch.

Winograd's minimal filtering (Lavin and Gray 2016, arXiv:1509.09308): transform a tile of inputs and
the filters, multiply, and transform the product back to a tile of outputs. Larger tiles need fewer
multiplications and round more: 4x4 for fp32 needs a quarter, 2x4 for bf16 a third.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SIDES = {torch.float32: (4, 4), torch.bfloat16: (2, 4)}
# With fewer channels the transforms cost more than the products save.
MIN_CHANNELS = 128
# Tiles at a time, so that their transformed inputs and products stay in the processor's cache.
STRIP = 256
# Interpolation points; a side of n outputs takes the first n + 1. bf16 holds the transforms of
# inputs and outputs exactly. 2 and -1/2 round less than the usual 2 and -2.
POINTS = (0, 1, -1, 2, -1 / 2)


def transforms(side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the transforms of inputs, filters and outputs along one axis: float64 matrices.

    side: outputs of a tile along this axis, n. Shapes: [n + 2, n + 2], [n + 2, 3], [n, n + 2]. The
    Cook-Toom algorithm evaluates two polynomials at POINTS and at infinity, multiplies the values,
    and interpolates; a correlation is its transpose (Lavin and Gray, section 2).
    """
    points = np.array(POINTS[: side + 1], dtype=float)
    others = [np.delete(points, i) for i in range(len(points))]
    without = [np.append(np.poly(rest)[::-1], 0) for rest in others]
    inputs = np.stack([*without, np.poly(points)[::-1]])
    spread = [np.prod(p - rest) for p, rest in zip(points, others, strict=True)]
    at_infinity = np.eye(1, 3, 2)
    filters = np.concatenate([np.vander(points, 3, True) / np.c_[spread], at_infinity])
    outputs = np.concatenate([np.vander(points, side, True), np.eye(1, side, side - 1)]).T
    return torch.tensor(inputs), torch.tensor(filters), torch.tensor(outputs).contiguous()


class Winograd3x3(nn.Module):
    """A convolution of 3x3 filters with stride 1 and padding 1, for maps in channels-last memory.

    sides: outputs of a tile (down, across).
    """

    weight: torch.Tensor
    inputs: torch.Tensor
    outputs: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, conv: nn.Conv2d, sides: Sequence[int]) -> None:
        super().__init__()
        self.down, self.across = sides
        inputs, filters, outputs = zip(*(transforms(side) for side in sides), strict=True)
        weight = conv.weight.detach().double()
        weight = torch.einsum("yi,ocij,xj->yxco", filters[0], weight, filters[1])
        buffers = {
            "weight": weight.flatten(0, 1).contiguous(),
            # For a tile flattened to one column: one matrix for both axes.
            "inputs": torch.kron(*inputs),
            "outputs": torch.kron(*outputs),
            "bias": None if conv.bias is None else conv.bias.detach(),
        }
        for name, value in buffers.items():
            self.register_buffer(name, None if value is None else value.to(conv.weight.dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve maps [B, C, h, w]; returns [B, O, h, w] in their dtype, channels last."""
        count, channels, height, width = x.shape
        high, wide = self.down + 2, self.across + 2
        rows, columns = -(-height // self.down), -(-width // self.across)
        made = self.weight.shape[2]
        result = x.new_empty(count, rows, self.down, columns, self.across, made)
        strip = max(1, STRIP // (count * columns))
        for first in range(0, rows, strip):
            some = min(strip, rows - first)
            top, bottom = first * self.down - 1, (first + some) * self.down + 1
            inside = x[:, :, max(top, 0) : bottom].permute(0, 2, 3, 1)
            border = (1, columns * self.across - width + 1, max(-top, 0), max(bottom - height, 0))
            padded = functional.pad(inside, (0, 0, *border))
            of_image, of_row, of_place, of_channel = padded.stride()
            next_tile = (self.down * of_row, self.across * of_place)
            tiles = padded.as_strided(
                (high, wide, count, some, columns, channels),
                (of_row, of_place, of_image, *next_tile, of_channel),
            )
            transformed = self.inputs @ tiles.reshape(high * wide, -1)
            products = torch.bmm(transformed.reshape(high * wide, -1, channels), self.weight)
            if self.bias is not None:
                products[wide + 1] += self.bias  # point (1, 1): each output adds it once
            outputs = self.outputs @ products.reshape(high * wide, -1)
            outputs = outputs.reshape(self.down, self.across, count, some, columns, made)
            result[:, first : first + some] = outputs.permute(2, 3, 0, 4, 1, 5)
        result = result.view(count, rows * self.down, columns * self.across, made)
        return result[:, :height, :width].permute(0, 3, 1, 2)


def with_winograd(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Replace each convolution that Winograd3x3 makes faster in `dtype` on a CPU, in place.

    Returns `module`; its weights keep their dtype.
    """
    for parent in list(module.modules()):
        for name, conv in list(parent.named_children()):
            if isinstance(conv, nn.Conv2d) and _fits(conv):
                setattr(parent, name, Winograd3x3(conv, SIDES[dtype]))
    return module


def _fits(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    plain = shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and conv.padding_mode == "zeros"
    return plain and min(conv.in_channels, conv.out_channels) >= MIN_CHANNELS
