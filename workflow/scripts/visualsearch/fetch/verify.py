"""The check that every picture passes, whatever its source."""

import hashlib
from pathlib import Path

from visualsearch.data.images import UnreadableImage, decode_image, read_file
from visualsearch.data.manifest import FetchedImage, ListedImage, Skipped


def verified(listed: ListedImage, data: bytes) -> FetchedImage:
    """Return the row of a picture whose file holds `data`.

    Raises UnreadableImage when it does not decode in full, or when its upright size differs from
    the one in the annotations.
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
    """Return the row of the picture in `path`. Raises UnreadableImage, as `verified` does."""
    return verified(listed, read_file(path))


def check_file(listed: ListedImage, path: Path) -> FetchedImage | Skipped:
    """Return the row of the picture in `path`, or the reason why it is left out."""
    try:
        return verified_file(listed, path)
    except UnreadableImage as error:
        return Skipped(listed.image_id, listed.file, str(error))
