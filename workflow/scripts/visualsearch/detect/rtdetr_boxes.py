"""RT-DETR's input and answers, in whatever library its network runs. Imports neither."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visualsearch.detect.base import Detections
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import CATEGORIES

SIDE = 640
# Nothing is subtracted from pixels.
MEAN = (0.0, 0.0, 0.0)
# Published AP counts all 300 boxes of a picture, whatever their scores.
SCORE_THRESHOLD = 0.0
# COCO's ids have gaps, and the network's classes have none.
GAPS = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_IDS = np.array([number for number in range(91) if number not in GAPS])


def categories() -> list[str]:
    """Return the names by COCO's ids, as torchvision has them."""
    names = ["N/A"] * 91
    names[0] = "__background__"
    for number, name in zip(COCO_IDS, CATEGORIES, strict=True):
        names[number] = name
    return names


def score_threshold(settings: DetectorSettings) -> float:
    """Only detections above this score are kept."""
    given = settings.score_threshold
    return SCORE_THRESHOLD if given is None else given


def scaled(image: Image.Image) -> NDArray[np.uint8]:
    """An image as pixels [640, 640, 3]."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def select_boxes(
    logits: NDArray[np.float32],
    boxes: NDArray[np.float32],
    size: tuple[int, int],
    threshold: float,
) -> Detections:
    """Return the detections of one picture: as many as the network has queries, Q, at most.

    A query may give boxes of several categories. logits: [Q, categories]. boxes: [Q, 4], centre,
    width and height as shares of the picture. size: its width and height.
    """
    scores = (1 / (1 + np.exp(-logits.ravel()))).astype(np.float32)
    best = np.argsort(-scores, kind="stable")[: len(logits)]
    best = best[scores[best] > threshold]
    queries, labels = np.divmod(best, logits.shape[1])
    centres, halves = boxes[queries, :2], boxes[queries, 2:] / 2
    sides = np.array([*size, *size], np.float32)
    corners = np.concatenate([centres - halves, centres + halves], axis=1) * sides
    return Detections(corners.clip(0, sides), scores[best], COCO_IDS[labels])
