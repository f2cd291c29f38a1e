"""Box arithmetic, float32, in pixels: xyxy are corners, as in torchvision; xywh is as in COCO."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]

# A box that ends this near an edge, as a share of the picture's side, is cut off there: boxes are
# only roughly exact.
EDGE = 0.01


def xyxy_to_xywh(boxes: Boxes) -> Boxes:
    """Convert corners [N, 4] to left, top, width, height [N, 4]."""
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def xywh_to_xyxy(boxes: Boxes) -> Boxes:
    """Convert left, top, width, height [N, 4] to corners [N, 4]."""
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def leaves_image(
    boxes: NDArray[Any], sizes: NDArray[Any], rounding: float = 2
) -> NDArray[np.bool_]:
    """Whether boxes x, y, w, h [N, 4] reach outside images by more than `rounding` pixels.

    sizes: width and height [N, 2]. Returns bool [N].
    """
    low = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)[:, :2]
    high = low + np.asarray(boxes, dtype=np.float64).reshape(-1, 4)[:, 2:]
    limits = np.asarray(sizes, dtype=np.float64).reshape(-1, 2) + rounding
    return np.asarray(np.hstack([low < -rounding, high > limits]).any(axis=1))


def clip_to_image(boxes: Boxes, width: int, height: int) -> Boxes:
    """Clip corners [N, 4] to an image; each box stays at least one pixel wide and high."""
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4).copy()
    for low, high, limit in ((0, 2, width), (1, 3, height)):
        boxes[:, low] = np.clip(boxes[:, low], 0, limit - 1)
        boxes[:, high] = np.clip(boxes[:, high], boxes[:, low] + 1, limit)
    return boxes


def grow(boxes: Boxes, margin: float) -> Boxes:
    """Move each side of corners [N, 4] outwards by a share of the box's width or height."""
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes + np.concatenate([-sides, sides], axis=1) * np.array(margin, dtype=np.float32)


def grow_to_aspect(boxes: Boxes, aspect: float) -> Boxes:
    """Grow corners [N, 4] around their centres until width / height is `aspect`.

    Boxes may reach outside the image.
    """
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    factors = np.array([aspect, 1 / aspect], dtype=np.float32)
    wanted = np.maximum(sides, sides[:, ::-1] * factors)
    lacking = (wanted - sides) / 2
    return boxes + np.concatenate([-lacking, lacking], axis=1)


def mirror(boxes: Boxes, width: int) -> Boxes:
    """Mirror corners [N, 4] left to right in an image of this width."""
    left, top, right, bottom = np.asarray(boxes, dtype=np.float32).reshape(-1, 4).T
    return np.stack([width - right, top, width - left, bottom], axis=1)


def at_edges(boxes: Boxes, sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each box ends at the left, top, right and bottom of its picture, bool [N, 4].

    boxes: corners [N, 4]. sizes: width and height of each box's picture [N, 2].
    """
    near = np.concatenate([boxes[:, :2], sizes - boxes[:, 2:]], axis=1)
    return near <= EDGE * np.concatenate([sizes, sizes], axis=1)


def iou(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    """Return the intersection over union [N, M] of corners [N, 4] and [M, 4], 0 for empty boxes."""
    first = np.asarray(first, dtype=np.float32).reshape(-1, 1, 4)
    second = np.asarray(second, dtype=np.float32).reshape(1, -1, 4)
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(
        first[..., :2], second[..., :2]
    )
    intersection = np.prod(np.clip(sides, 0, None), axis=-1)
    areas = [np.prod(np.clip(b[..., 2:] - b[..., :2], 0, None), axis=-1) for b in (first, second)]
    union = areas[0] + areas[1] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
