"""Notices annotated boxes that cannot be COCO's x, y, width and height in pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from visualsearch.data.boxes import leaves_image, xyxy_to_xywh

# Of 3,752 boxes of COCO none leaves its picture; as corners, 79 % of them do. A tool may let some
# reach over the edge.
FEW = 0.02


def check_boxes(
    annotations: Sequence[Mapping[str, Any]], sizes: Mapping[int, tuple[int, int]]
) -> tuple[int, str | None]:
    """Return how many boxes leave their picture, and a note if the boxes seem to be wrong.

    annotations: of COCO. sizes: width and height of each image.
    """
    boxes = np.array([entry["bbox"] for entry in annotations], dtype=np.float64).reshape(-1, 4)
    shapes = np.array([sizes[entry["image_id"]] for entry in annotations]).reshape(-1, 2)
    total, outside = len(boxes), int(leaves_image(boxes, shapes).sum())
    return outside, _note(boxes, shapes, total, outside)


def _note(boxes: Any, shapes: Any, total: int, outside: int) -> str | None:
    if total and boxes.max() <= 1:
        return (
            f"all {total} annotated boxes have values of at most 1. They seem to be shares of the "
            "picture; COCO's are pixels. AP means nothing until you multiply them by the "
            "pictures' sizes"
        )
    if outside <= FEW * total:
        return None
    leave = f"{outside} of {total} annotated boxes leave their picture"
    corners = (boxes[:, 2:] > boxes[:, :2]).all()
    if corners and leaves_image(xyxy_to_xywh(boxes), shapes).sum() <= FEW * total:
        return (
            f"{leave}. They seem to be corners (x0, y0, x1, y1); COCO's are x, y, width, height. "
            "AP means nothing until you convert them"
        )
    return (
        f"{leave}, so AP may mean little: were the pictures resized after they were annotated, or "
        "do the boxes belong to other pictures?"
    )
