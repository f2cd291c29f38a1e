"""The data files of the explorer.

Each is a script with one call, as a browser loads no other data into a page from disk. Numbers are
little-endian arrays one after another, in base64; data with text is JSON.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.data.shown import in_parts

# Persons in a file. Opening a person loads the two files that hold it.
NEIGHBOURS_ROWS = 512
DETAILS_ROWS = 256
# Pictures in a file.
PICTURES_ROWS = 512

NOBODY = 0xFFFFFFFF
SAME_IMAGE, NEAR_DUPLICATE = 1, 2
UINT16_MAX = 0xFFFF


def script(name: str, payload: Any) -> str:
    """Return a data file that passes its payload (base64 or JSON-ready) to the page.

    It is ASCII without <, > and &, so that nothing in it can be read as markup.
    """
    text = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return f'chunks.receive("{name}",{text});\n'


def packed(*arrays: NDArray[Any]) -> str:
    """Return arrays one after another, little-endian, in base64."""
    parts = (array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    return base64.b64encode(b"".join(parts)).decode("ascii")


def map_chunk(places: NDArray[np.float32]) -> str:
    """Return places [N, 2] as uint16 x [N] and y [N], centred, with one scale for both."""
    if not len(places):
        return ""
    wide = places.astype(np.float64)
    low, high = wide.min(axis=0), wide.max(axis=0)
    side = (high - low).max() or 1.0
    grid = (((wide - (low + high) / 2) / side + 0.5) * UINT16_MAX).round().astype(np.uint16)
    return packed(grid[:, 0], grid[:, 1])


def persons_chunk(
    heights: NDArray[np.float32],
    labels: Sequence[NDArray[np.uint16]],
    scores: NDArray[np.float32],
    thumbnails: NDArray[np.uint8],
) -> str:
    """Return what the gallery and its filters need of all N persons.

    heights: [N], of the boxes in pixels, stored as uint16. labels: [N] for each kind. scores: [N],
    stored as uint8 hundredths. thumbnails: [N, 2], widths and heights in pixels.
    """
    return packed(
        np.minimum(heights.round(), UINT16_MAX).astype(np.uint16),
        *labels,
        in_parts(scores, 100).astype(np.uint8),
        thumbnails[:, 0],
        thumbnails[:, 1],
    )


def neighbours_chunk(
    rows: Sequence[NDArray[np.int64]],
    similarity: Sequence[Sequence[float]],
    same_image: Sequence[Sequence[bool]],
    near_duplicate: Sequence[Sequence[bool]],
    count: int,
) -> str:
    """Return the neighbours of n persons: uint32 row, int16 thousandths of similarity, uint8 flags.

    Each argument has one list by rank for each person. The arrays are [n, count]; NOBODY fills up
    lists of fewer than count.
    """
    neighbours = np.full((len(rows), count), NOBODY, dtype=np.uint32)
    cosines = np.zeros(neighbours.shape, dtype=np.int16)
    flags = np.zeros(neighbours.shape, dtype=np.uint8)
    for person, there in enumerate(map(len, rows)):
        neighbours[person, :there] = rows[person]
        cosines[person, :there] = in_parts(similarity[person], 1000)
        flags[person, :there] = SAME_IMAGE * np.array(same_image[person], dtype=np.uint8)
        flags[person, :there] |= NEAR_DUPLICATE * np.array(near_duplicate[person], dtype=np.uint8)
    return packed(neighbours, cosines, flags)
