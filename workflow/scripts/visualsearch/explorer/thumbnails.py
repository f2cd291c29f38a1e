"""Thumbnails of all persons, in sheets: files with one cell for each of many persons."""

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
    pictures: Iterable[tuple[Picture, NDArray[np.float32]]], cell: int, threads: int
) -> Iterator[Sheet]:
    """Yield sheets of all persons in order.

    pictures: each with its persons' boxes, float32 [n, 4] (left, top, width, height in pixels), in
    the persons' order. cell: side of a cell in pixels, at most 255. Each picture is decoded once,
    and only few are in memory at a time. Sheets do not depend on `threads`.
    """
    with ThreadPoolExecutor(threads) as pool:
        crops = _in_order(pool, lambda one: _thumbnails(*one, cell), pictures, 2 * threads)
        single = (crop for of_picture in crops for crop in of_picture)
        yield from _in_order(pool, lambda part: _sheet(part, cell), _parts(single), 2 * threads)


def _thumbnails(picture: Picture, boxes: NDArray[np.float32], cell: int) -> list[Pixels]:
    """Crop the boxes, each shrunk to fit into a cell, or at its own size if that is smaller."""
    decoded = picture.read()
    image, corners = decoded.image, decoded.to_image(xywh_to_xyxy(boxes))
    made = []
    for left, top, right, bottom in clip_to_image(corners, *image.size).tolist():
        wide, high = right - left, bottom - top
        scale = min(cell / wide, cell / high, 1)
        size = (max(1, round(wide * scale)), max(1, round(high * scale)))
        small = image.resize(size, Image.Resampling.LANCZOS, box=(left, top, right, bottom))
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
    out = BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", quality=QUALITY, method=4)
    sizes = np.array([crop.shape[1::-1] for crop in crops])
    return Sheet(out.getvalue(), sizes.astype(np.uint8))


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
