"""The check that every picture passes, whatever its source."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from visualsearch.data.images import UnreadableImage, check_size, decode_image, read_file
from visualsearch.data.manifest import FetchedImage, ListedImage
from visualsearch.data.row_cache import RowCache
from visualsearch.data.skipped import Skipped

# Upright width and height of pictures that decoded in full before, by the sha256 of the file.
KnownSizes = Mapping[str, tuple[int, int]]
SIZES = pa.schema([("width", pa.int32()), ("height", pa.int32())])


def known_sizes(cache: RowCache) -> KnownSizes:
    """Return the sizes in a cache whose rows have the columns SIZES."""
    columns = (cache.table()[name].to_pylist() for name in ("key", *SIZES.names))
    return {sha256: (width, height) for sha256, width, height in zip(*columns, strict=True)}


def keep_sizes(cache: RowCache, images: Iterable[FetchedImage]) -> None:
    """Add the pictures that `cache` does not know yet."""
    for image in images:
        if image.sha256 not in cache:
            row = {"width": image.width, "height": image.height}
            cache.add(image.sha256, pa.Table.from_pylist([row], SIZES))
    cache.write()


def verified(listed: ListedImage, data: bytes, known: KnownSizes, max_pixels: int) -> FetchedImage:
    """Return the row of a picture whose file holds `data`. It is decoded unless it is known.

    Raises UnreadableImage when it does not decode in full, when it has more than max_pixels pixels,
    or when its upright size differs from the one in the annotations.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    width, height = known.get(sha256) or decode_image(data, max_pixels).size
    # An earlier run may have allowed more.
    check_size((width, height), max_pixels)
    promised = (listed.width or width, listed.height or height)
    if (width, height) != promised:
        raise UnreadableImage(
            f"{_difference((width, height), promised)}; give the picture that was annotated:"
            f" {width} x {height} pixels upright, {promised[0]} x {promised[1]} in the annotations"
        )
    return FetchedImage(listed, width, height, sha256)


def _difference(size: tuple[int, int], annotated: tuple[int, int]) -> str:
    if size == annotated[::-1]:
        return "it was turned after it was annotated"
    # Of the same shape, up to the rounding of a side.
    if abs(size[0] * annotated[1] - size[1] * annotated[0]) <= max(*size, *annotated):
        return "it was resized after it was annotated"
    return "it is another picture than the one annotated, or was cut"


def verified_file(
    listed: ListedImage, path: Path, known: KnownSizes, max_pixels: int
) -> FetchedImage:
    """Return the row of the picture in `path`. Raises UnreadableImage, as `verified` does."""
    return verified(listed, read_file(path), known, max_pixels)


def check_file(
    listed: ListedImage, path: Path, known: KnownSizes, max_pixels: int
) -> FetchedImage | Skipped:
    """Return the row of the picture in `path`, or the reason why it is left out."""
    try:
        return verified_file(listed, path, known, max_pixels)
    except UnreadableImage as error:
        return Skipped(listed.image_id, listed.file, str(error))
