"""Which edges of its picture a box touches."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.data.boxes import xywh_to_xyxy

# A box that ends this near an edge, as a share of the picture's side, is cut off there: boxes are
# only roughly exact.
NEAR = 0.01


def touched_edges(boxes: NDArray[Any], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each box ends at the left, top, right and bottom of its picture, bool [N, 4].

    boxes: x, y, w, h [N, 4]. sizes: width and height of each box's picture [N, 2].
    """
    corners = xywh_to_xyxy(boxes)
    distances = np.concatenate([corners[:, :2], sizes - corners[:, 2:]], axis=1)
    return distances <= NEAR * np.concatenate([sizes, sizes], axis=1)
