"""Which files are pictures, and how Pillow may open them."""

import warnings
from io import BytesIO

from PIL import Image, PngImagePlugin

try:
    import pillow_heif
except ImportError:  # An environment that is older than the need for it.
    pillow_heif = None  # type: ignore[assignment]

# Only formats whose decoders start no other program, as Pillow's EPS reader starts Ghostscript. A
# file of several JPEGs (MPO) opens as its first, which is a JPEG.
WANTED_FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF"),
    # After AVIF, as some files of both begin alike and pillow-heif opens AVIF without decoding it.
    "HEIF",
)
if pillow_heif is not None:
    # Jobs run side by side, so each decodes with one thread. Only the picture itself is wanted.
    pillow_heif.register_heif_opener(
        decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
    )
# Some builds of Pillow lack a codec, and Image.open fails for a format it does not know.
Image.init()
FORMATS = tuple(name for name in WANTED_FORMATS if name in Image.OPEN)
# How HEIC files begin, from their fifth byte.
HEIC_STARTS = tuple(b"ftyp" + kind for kind in (b"heic", b"heix", b"heim", b"heis", b"hevc"))

# The most that dataset.max_pixels may allow. Pillow raises an error from twice its own limit, also
# for frames within a file, and only warns below.
HIGHEST_PIXELS = 1_000_000_000
Image.MAX_IMAGE_PIXELS = HIGHEST_PIXELS // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Of a PNG's texts and colour profile when unpacked, which Pillow reads and nobody uses. Its own
# limit of 1 MB refuses pictures that every browser shows.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 2**26

# Old photographs often have broken EXIF data and whole pixels.
warnings.filterwarnings("ignore", "Corrupt EXIF data", UserWarning)


class UnreadableImage(Exception):
    """A file cannot be read as a picture; the message is a short reason, without its name."""


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Open the picture in `data`, the bytes of a file, without decoding it.

    Raises UnreadableImage when it is none of FORMATS, or has more than max_pixels pixels.
    """
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        if data[4:12] in HEIC_STARTS:
            raise UnreadableImage(
                "cannot be decoded: the HEIC file is cut or broken"
                if "HEIF" in FORMATS
                else "HEIC is read with the package pillow-heif, which is not installed; install"
                " it, or convert the picture to JPEG"
            ) from error
        raise UnreadableImage(f"not a picture ({', '.join(FORMATS)} are read)") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            f"more pixels than dataset.max_pixels ({max_pixels}) allows"
        ) from error
    check_size(image.size, max_pixels)
    return image


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raise UnreadableImage for a picture of this width and height if it has too many pixels."""
    width, height = size
    if width * height > max_pixels:
        raise UnreadableImage(
            f"more pixels than dataset.max_pixels ({max_pixels}) allows: {width} x {height}"
        )
