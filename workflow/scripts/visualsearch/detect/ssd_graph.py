"""What the SSDLite's TensorFlow graph takes, and how it chooses among its boxes."""

import numpy as np
from numpy.typing import NDArray

INPUT_SIZE = 300
WEIGHTS_SHA256 = "7b21f7e956faaf995cc8c0ecefa19755587606db13a4492bce35f3f770b6f5c1"
# The graph's own post-processing. TensorFlow compares IoU in float32, hence the digits.
NMS_IOU_THRESHOLD = 0.6000000238418579
NMS_SCORE_THRESHOLD = 1e-8
MAX_DETECTIONS = 100

Floats = NDArray[np.float32]


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


def select_boxes(boxes: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Non-maximum suppression in the graph's order of steps.

    boxes: x0 y0 x1 y1 [A, 4], may reach outside 0..1. scores: [A]. The graph suppresses before it
    clips, and takes its 100 boxes before it drops those that clipping left empty. Returns boxes
    [K, 4] in 0..1 and scores [K] by falling score, K <= 100.
    """
    candidates = scores > NMS_SCORE_THRESHOLD
    boxes, scores = boxes[candidates], scores[candidates]
    kept = suppress(boxes, scores, NMS_IOU_THRESHOLD, MAX_DETECTIONS)
    boxes, scores = boxes[kept].clip(0, 1), scores[kept]
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    inside = width * height > 0
    return boxes[inside], scores[inside]
