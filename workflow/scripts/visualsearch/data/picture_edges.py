"""Sizes of the persons' pictures, and which edges of its picture a box touches."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.data.boxes import xywh_to_xyxy

# A box that ends this near an edge, as a share of the picture's side, is cut off there: boxes are
# only roughly exact.
NEAR = 0.01


def sizes_by_person(manifest: pa.Table, persons: pa.Table) -> NDArray[np.int64]:
    """Width and height of each person's picture, int64 [N, 2].

    manifest: image_id, width and height. persons: image_id.
    """
    pictures = manifest.sort_by("image_id")
    place = np.searchsorted(pictures["image_id"].to_numpy(), persons["image_id"].to_numpy())
    sides = [pictures[name].to_numpy()[place] for name in ("width", "height")]
    return np.column_stack(sides).astype(np.int64)


def touched_edges(boxes: NDArray[Any], sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each box ends at the left, top, right and bottom of its picture, bool [N, 4].

    boxes: x, y, w, h [N, 4]. sizes: width and height of each box's picture [N, 2].
    """
    corners = xywh_to_xyxy(boxes)
    distances = np.concatenate([corners[:, :2], sizes - corners[:, 2:]], axis=1)
    return distances <= NEAR * np.concatenate([sizes, sizes], axis=1)
