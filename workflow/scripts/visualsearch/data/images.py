"""Reads a picture of any kind as upright 8-bit RGB, or gives a short reason why it cannot."""

import re
import stat
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

# Only formats that Pillow decodes by itself. Its EPS reader, for example, starts Ghostscript.
WANTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
# Some builds of Pillow lack a codec, and Image.open fails for a format it does not know.
Image.init()
FORMATS = tuple(name for name in WANTED_FORMATS if name in Image.OPEN)

# Pillow only warns above this size, which takes 270 MB as RGB.
MAX_PIXELS = 89_478_485

# In every format the largest picture of MAX_PIXELS takes less.
MAX_BYTES = 2**30

# Old photographs often have broken EXIF data and whole pixels.
warnings.filterwarnings("ignore", "Corrupt EXIF data", UserWarning)

EXIF_ORIENTATION = 0x0112
# The operation that turns each EXIF orientation upright; 1 is upright already.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImage(Exception):
    """A file cannot be read as a picture; the message is a short reason, without its name."""


def read_image(path: str | Path) -> Image.Image:
    """Return the picture in `path`, fully decoded, upright, in mode RGB.

    Raises UnreadableImage when it cannot be read, decoded or converted to RGB.
    """
    return decode_image(read_file(path))


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


def decode_image(data: bytes) -> Image.Image:
    """Return the picture in `data`, the bytes of a file, as `read_image` does.

    It applies EXIF orientation, puts transparency on white, scales 16-bit values to 8 bits, and
    takes the first frame of an animation.
    """
    if not data:
        raise UnreadableImage("the file is empty")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableImage(
                    f"{image.width} x {image.height} pixels, more than the limit of {MAX_PIXELS}"
                )
            image.load()
            return _to_rgb(_upright(image))
    except UnreadableImage:
        raise
    except Image.UnidentifiedImageError as error:
        raise UnreadableImage(f"not a picture ({', '.join(FORMATS)} are read)") from error
    except Exception as error:
        # Decoders raise OSError, SyntaxError, ValueError, struct.error and more on broken files.
        # The count of missing bytes is cut, so that equal reasons are counted together.
        reason = re.sub(r" \(\d+ bytes not processed\)", "", " ".join(str(error).split()))
        reason = reason or type(error).__name__
        raise UnreadableImage(f"cannot be decoded: {reason}") from error


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION)
    except Exception:
        return image
    turn = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _scale_16_to_8_bits(image)
    elif image.mode == "F":
        raise UnreadableImage("its pixels are floating-point numbers of unknown range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _scale_16_to_8_bits(image: Image.Image) -> Image.Image:
    # Image.convert would clip at 255 instead.
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise UnreadableImage("its pixels are 32-bit numbers of unknown range")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))
