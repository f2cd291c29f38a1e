"""Thumbnails of all persons, in sheets: files with one cell for each of many persons.

And whole pictures of moderate size, from the same decoding.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visualsearch.data.boxes import clip_to_image, xywh_to_xyxy
from visualsearch.data.pictures import Picture
from visualsearch.data.resizing import fitted, resized, scaled
from visualsearch.data.upright import Decoded

SHEET_PERSONS = 32
SHEET_COLUMNS = 8
# Of WebP. Fifty thousand thumbnails 112 pixels high take some 100 MB.
QUALITY = 80

Pixels = NDArray[np.uint8]
Item = TypeVar("Item")
Made = TypeVar("Made")


class Sheet(NamedTuple):
    """A WebP file of at most SHEET_PERSONS cells, SHEET_COLUMNS beside each other.

    sizes: uint8 [n, 2], width and height of each thumbnail, which is at the top left of its cell.
    """

    webp: bytes
    sizes: NDArray[np.uint8]


def draw_sheets(
    pictures: Iterable[tuple[Picture, NDArray[np.float32]]],
    cell: int,
    threads: int,
    also: Callable[[int, Decoded], None] | None = None,
) -> Iterator[Sheet]:
    """Yield sheets of all persons in order.

    pictures: each with its persons' boxes, float32 [n, 4] (left, top, width, height in pixels), in
    the persons' order. cell: side of a cell in pixels, at most 255. also: called with each
    picture's image_id and its pixels, in any order and in several threads. Each picture is decoded
    once, and only few are in memory at a time. Sheets do not depend on `threads`.
    """

    def thumbnails(one: tuple[Picture, NDArray[np.float32]]) -> list[Pixels]:
        picture, boxes = one
        decoded = picture.read()
        if also:
            also(picture.image_id, decoded)
        return _thumbnails(decoded, boxes, cell)

    with ThreadPoolExecutor(threads) as pool:
        crops = _in_order(pool, thumbnails, pictures, 2 * threads)
        single = (crop for of_picture in crops for crop in of_picture)
        yield from _in_order(pool, lambda part: _sheet(part, cell), _parts(single), 2 * threads)


def whole_picture(decoded: Decoded, side: int) -> bytes:
    """Return the picture as WebP, its longer side at most `side` pixels."""
    return _webp(fitted(decoded.image, side, side))


def _thumbnails(decoded: Decoded, boxes: NDArray[np.float32], cell: int) -> list[Pixels]:
    """Crop the boxes, each shrunk to fit into a cell, or at its own size if that is smaller."""
    image, corners = decoded.image, decoded.to_image(xywh_to_xyxy(boxes))
    made = []
    for left, top, right, bottom in clip_to_image(corners, *image.size).tolist():
        wide, high = right - left, bottom - top
        scale = min(cell / wide, cell / high, 1)
        small = resized(image, scaled(wide, high, scale), (left, top, right, bottom))
        made.append(np.asarray(small))
    return made


def _sheet(crops: list[Pixels], cell: int) -> Sheet:
    rows = -(-len(crops) // SHEET_COLUMNS)
    pixels = np.zeros((rows * cell, SHEET_COLUMNS * cell, 3), dtype=np.uint8)
    for number, crop in enumerate(crops):
        row, column = divmod(number, SHEET_COLUMNS)
        high, wide = crop.shape[:2]
        # Edge pixels fill the cell: WebP would blur another colour into the thumbnail.
        pixels[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = np.pad(
            crop, ((0, cell - high), (0, cell - wide), (0, 0)), mode="edge"
        )
    sizes = np.array([crop.shape[1::-1] for crop in crops])
    return Sheet(_webp(Image.fromarray(pixels)), sizes.astype(np.uint8))


def _webp(image: Image.Image) -> bytes:
    out = BytesIO()
    image.info.clear()  # Pillow would write comments and profiles again
    image.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def _parts(crops: Iterator[Pixels]) -> Iterator[list[Pixels]]:
    while part := list(islice(crops, SHEET_PERSONS)):
        yield part


def _in_order(
    pool: ThreadPoolExecutor, make: Callable[[Item], Made], items: Iterable[Item], ahead: int
) -> Iterator[Made]:
    """Yield `make` of each item in order; at most `ahead` are made at a time."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(make, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
