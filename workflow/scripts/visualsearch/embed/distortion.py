"""Distorted crops: how boxes are moved, and the table of their vectors.

A search with a distorted crop should find its person. embedding.embed_distorted makes the vectors.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.data.boxes import Boxes
from visualsearch.data.tables import BOX_COLUMNS
from visualsearch.data.vectors import with_full_length

# Each side of a box moves by at most this share of its width or height.
JITTER = 0.1

# x, y, w, h: the moved box, in pixels of the upright picture.
DISTORTED = pa.schema(
    [
        ("person_id", pa.int64()),
        ("image_id", pa.int64()),
        *((name, pa.float32()) for name in BOX_COLUMNS),
    ]
)
# Suffixes of the columns of vectors: of the moved box in the mirrored picture, and of the moved box
# in the picture. With embedding.mirrored, mirroring does not change a vector, and the two are one.
MIRRORED, UNMIRRORED = "", "_unmirrored"


def with_both_ways(schema: pa.Schema, lengths: Mapping[str, int]) -> pa.Schema:
    """Return `schema` with the vectors of both ways, as `with_full_length` has them."""
    return with_full_length(with_full_length(schema, lengths, MIRRORED), lengths, UNMIRRORED)


def distorted_boxes(person_ids: NDArray[np.int64], boxes: Boxes, seed: int) -> Boxes:
    """Move each side of each box by a random share of its width or height.

    person_ids: int64 [N]. boxes: corners [N, 4]. The shares are uniform in -JITTER..JITTER and
    depend on the seed and the person only, not on the other persons. Returns float32 corners
    [N, 4], which may reach outside the image.
    """
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    shares = [
        np.random.default_rng([seed, int(person)]).uniform(-JITTER, JITTER, 4)
        for person in person_ids
    ]
    moves = np.array(shares, dtype=np.float32).reshape(-1, 4) * np.tile(sides, 2)
    return boxes + moves
