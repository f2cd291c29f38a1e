"""Turns an opened picture into upright 8-bit RGB; a very large one becomes smaller."""

from contextlib import nullcontext
from threading import Lock
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from visualsearch.data.boxes import Boxes
from visualsearch.data.formats import UnreadableImage

# A picture with more pixels is decoded with half of its width and height, or a quarter. One of this
# size takes a detector of torchvision to 2,270 MB in fp32; its job asks for 2,500.
LARGE_PIXELS = 50_000_000
# Decoding one takes up to 1.5 GB, so threads take turns.
DECODING_A_LARGE_ONE = Lock()
# Pixels of a large picture that are converted at a time.
STRIP_PIXELS = 4_000_000

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
# Those that swap width and height.
SIDEWAYS = (5, 6, 7, 8)


class Decoded(NamedTuple):
    """The pixels of a picture. Of a very large one, `image` has fewer than the picture itself.

    image: upright, RGB. size: width and height of the picture, upright. All boxes that stages hand
    on are in pixels of the picture, and must be converted for `image`.
    """

    image: Image.Image
    size: tuple[int, int]

    def to_image(self, boxes: Boxes) -> Boxes:
        """Convert boxes [N, 4], corners or left, top, width, height, to pixels of `image`."""
        return boxes if self.image.size == self.size else boxes * self._scale()

    def to_picture(self, boxes: Boxes) -> Boxes:
        """Convert boxes [N, 4] in pixels of `image` to pixels of the picture."""
        return boxes if self.image.size == self.size else boxes / self._scale()

    def _scale(self) -> Boxes:
        sides = [small / full for small, full in zip(self.image.size, self.size, strict=True)]
        return np.array(sides * 2, np.float32)


def decode_upright(image: Image.Image) -> Decoded:
    """Decode an image that Pillow opened.

    It applies EXIF orientation, puts transparency on white, scales 16-bit values to 8 bits, and
    takes the first frame of an animation.
    """
    size = image.size
    factor = _reduction(*size)
    with DECODING_A_LARGE_ONE if factor > 1 else nullcontext():
        if factor > 1 and isinstance(image, JpegImageFile):
            # Its decoder halves sides up to three times, without memory for all pixels.
            image.draft(None, (image.width // factor, image.height // factor))
            image.load()
        else:
            image.load()
            # The header of a HEIC may say another size than its pixels have.
            size = image.size
        small = _reduced(image, _reduction(*image.size))
    orientation = _orientation(image)
    if orientation in UPRIGHT:
        small = small.transpose(UPRIGHT[orientation])
    return Decoded(small, size[::-1] if orientation in SIDEWAYS else size)


def _reduction(width: int, height: int) -> int:
    """Return the power of two by which a picture's sides must be divided; 1 if it is not large."""
    factor = 1
    while -(-width // factor) * -(-height // factor) > LARGE_PIXELS:
        factor *= 2
    return factor


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Return the image in RGB, each pixel the mean of factor x factor pixels.

    It goes by strips, as a conversion of all pixels would take their memory two or three times.
    """
    if factor == 1:
        return _to_rgb(image)
    width, height = image.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = max(1, STRIP_PIXELS // (width * factor)) * factor
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        small.paste(_to_rgb(strip).reduce(factor), (0, top // factor))
    return small


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION)
    except Exception:
        return 1
    return orientation if isinstance(orientation, int) else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _scale_16_to_8_bits(image)
    elif image.mode == "F":
        raise UnreadableImage("its pixels are floating-point numbers of unknown range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    # It would be copied.
    return image if image.mode == "RGB" else image.convert("RGB")


def _scale_16_to_8_bits(image: Image.Image) -> Image.Image:
    # Image.convert would clip at 255 instead.
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise UnreadableImage("its pixels are 32-bit numbers of unknown range")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))
