"""Reads a picture of any kind as upright 8-bit RGB, or gives a short reason why it cannot."""

import re
import stat
from pathlib import Path

from visualsearch.data.formats import HIGHEST_PIXELS, UnreadableImage, check_size, open_image
from visualsearch.data.jpeg_end import decode_without_end, ends_in_zeros
from visualsearch.data.upright import Decoded, decode_upright

# Uncompressed, 16-bit RGB pictures of 178 megapixels take as much.
MAX_BYTES = 2**30


def read_image(path: str | Path, max_pixels: int = HIGHEST_PIXELS) -> Decoded:
    """Return the picture in `path`, fully decoded, upright, in mode RGB.

    Raises UnreadableImage when it cannot be read, decoded or converted to RGB, or has more than
    max_pixels pixels.
    """
    return decode_image(read_file(path), max_pixels)


def read_file(path: str | Path) -> bytes:
    """Return the bytes of a picture's file.

    Raises UnreadableImage when it cannot be read, and for a pipe or a device with a picture's
    name, reading which could take for ever.
    """
    try:
        status = Path(path).stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES:
            return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise UnreadableImage(getattr(error, "strerror", None) or str(error)) from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableImage("is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImage("not a file but a pipe, a socket or a device")
    raise UnreadableImage(f"the file has more than {MAX_BYTES // 2**20} MB")


def decode_image(data: bytes, max_pixels: int = HIGHEST_PIXELS) -> Decoded:
    """Return the picture in `data`, the bytes of a file, as `read_image` does.

    A JPEG that lacks nothing but its end is read, as browsers do.
    """
    if not data:
        raise UnreadableImage("the file is empty")
    try:
        if ends_in_zeros(data):
            raise OSError("image file is truncated")
        return _decode(data, max_pixels)
    except UnreadableImage:
        raise
    except Exception as error:
        # Decoders raise OSError, SyntaxError, ValueError, struct.error and more on broken files.
        whole = decode_without_end(data, lambda mended: _decode(mended, max_pixels))
        if whole is not None:
            return whole
        # The count of missing bytes is cut, so that equal reasons are counted together.
        reason = re.sub(r" \(\d+ bytes not processed\)", "", " ".join(str(error).split()))
        reason = reason or type(error).__name__
        raise UnreadableImage(f"cannot be decoded: {reason}") from error


def _decode(data: bytes, max_pixels: int) -> Decoded:
    with open_image(data, max_pixels) as image:
        decoded = decode_upright(image)
        # The header of a HEIC may say another size than its pixels have.
        check_size(decoded.size, max_pixels)
        return decoded
