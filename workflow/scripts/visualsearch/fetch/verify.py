"""The check that every picture passes, wherever it comes from."""

import hashlib
from pathlib import Path

from visualsearch.data.images import UnreadableImage, decode_image, read_file
from visualsearch.data.manifest import FetchedImage, ListedImage


def verified(listed: ListedImage, data: bytes) -> FetchedImage:
    """Return the row of a picture whose file holds `data`.

    Raises UnreadableImage when it does not decode in full, or its upright size is not the one
    that the annotations give.
    """
    image = decode_image(data)
    promised = (listed.width or image.width, listed.height or image.height)
    if image.size != promised:
        raise UnreadableImage(
            f"{image.width} x {image.height} pixels upright,"
            f" {promised[0]} x {promised[1]} in the annotations"
        )
    return FetchedImage(listed, image.width, image.height, hashlib.sha256(data).hexdigest())


def verified_file(listed: ListedImage, path: Path) -> FetchedImage:
    """Return the row of the picture in `path`, as `verified` does."""
    return verified(listed, read_file(path))
