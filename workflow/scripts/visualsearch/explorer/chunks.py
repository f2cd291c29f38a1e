"""The data files of the explorer: scripts of one call each, as a page from disk may load no others.

Numbers are little-endian arrays one after another, in base64; what has text is JSON.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Persons a file: a visit to one loads the file that has it.
NEIGHBOURS_ROWS = 512
DETAILS_ROWS = 256

NOBODY = 0xFFFFFFFF
SAME_IMAGE, NEAR_DUPLICATE = 1, 2
PARTS_OF_ONE = 10_000  # cosines are kept in such parts
MOST = 0xFFFF


def script(name: str, payload: Any) -> str:
    """A data file: it hands its payload, base64 or JSON-ready, to the page.

    ASCII without <, > and &, so that no reader can take a part of it for markup.
    """
    text = json.dumps(payload, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return f'chunks.receive("{name}",{text});\n'


def packed(*arrays: NDArray[Any]) -> str:
    """Arrays one after another, little-endian, in base64."""
    parts = (array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    return base64.b64encode(b"".join(parts)).decode("ascii")


def map_chunk(places: NDArray[np.float32]) -> str:
    """Places [N, 2] on the map as uint16 x [N], y [N], with one scale for both, centred."""
    if not len(places):
        return ""
    wide = places.astype(np.float64)
    low, high = wide.min(axis=0), wide.max(axis=0)
    side = (high - low).max() or 1.0
    grid = (((wide - (low + high) / 2) / side + 0.5) * MOST).round().astype(np.uint16)
    return packed(grid[:, 0], grid[:, 1])


def persons_chunk(
    heights: NDArray[np.float32],
    labels: Sequence[NDArray[np.uint16]],
    scores: NDArray[np.float32],
    thumbnails: NDArray[np.uint8],
) -> str:
    """What the gallery and its filters need of all N persons.

    heights: [N], of the boxes in pixels, kept as uint16. labels: [N] for each kind. scores: [N],
    kept as uint8 hundredths. thumbnails: [N, 2], widths and heights in pixels.
    """
    return packed(
        np.minimum(heights.round(), MOST).astype(np.uint16),
        *labels,
        (scores * 100).round().astype(np.uint8),
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
    """The neighbours of n persons: uint32 row, int16 similarity, uint8 flags, each [n, count].

    Each argument has a list by rank for each person; NOBODY where there are fewer than count.
    """
    found = np.full((len(rows), count), NOBODY, dtype=np.uint32)
    cosines = np.zeros(found.shape, dtype=np.int16)
    flags = np.zeros(found.shape, dtype=np.uint8)
    for person, there in enumerate(map(len, rows)):
        found[person, :there] = rows[person]
        cosines[person, :there] = (np.array(similarity[person]) * PARTS_OF_ONE).round()
        flags[person, :there] = SAME_IMAGE * np.array(same_image[person], dtype=np.uint8)
        flags[person, :there] |= NEAR_DUPLICATE * np.array(near_duplicate[person], dtype=np.uint8)
    return packed(found, cosines, flags)
