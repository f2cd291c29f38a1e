"""HEIC, as phones save it: upright, the right colours, its first picture, and no hidden ones."""

import io
import sys
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from helpers import as_stored
from visualsearch.data import formats
from visualsearch.data.images import UnreadableImage, decode_image
from visualsearch.data.upright import EXIF_ORIENTATION

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
# Without loss but for the step from RGB to the encoder's colours.
EXACT = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def heic(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "HEIF", **EXACT | options)
    return out.getvalue()


def corners() -> np.ndarray[Any, Any]:
    """Red, green and blue in three corners, black in the fourth; 128 x 64 pixels."""
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:32, :32], pixels[:32, 96:], pixels[32:, :32] = RED, GREEN, BLUE
    return pixels


def apart(image: Image.Image, pixels: np.ndarray[Any, Any]) -> int:
    return int(np.abs(np.asarray(image, int) - pixels).max())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(orientation: int) -> None:
    """Phones give it twice, for the container and in EXIF; a reader must take the first alone."""
    upright = corners()
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    data = heic(as_stored(upright, orientation), exif=exif.tobytes())
    assert (b"irot" in data or b"imir" in data) == (orientation > 1) and b"Exif" in data
    decoded = decode_image(data)
    assert decoded.size == decoded.image.size == (128, 64)
    assert apart(decoded.image, upright) <= 2


def test_transparency_is_shown_on_white_and_grey_stays_grey() -> None:
    rgba = Image.new("RGBA", (64, 64), (*RED, 255))
    rgba.paste((0, 0, 0, 0), (32, 0, 64, 64))
    image = decode_image(heic(rgba)).image
    expected = np.full((64, 64, 3), WHITE)
    expected[:, :32] = RED
    assert image.mode == "RGB" and apart(image, expected) <= 2
    assert apart(decode_image(heic(Image.new("L", (64, 64), 77))).image, np.full(3, 77)) <= 2


def test_ten_bits_become_eight() -> None:
    ramp = np.linspace(0, 65535, 64 * 64 * 3).reshape(64, 64, 3).astype(np.uint16)
    file = pillow_heif.from_bytes("RGB;16", (64, 64), ramp.tobytes())
    out = io.BytesIO()
    file.save(out, **EXACT)
    with Image.open(out) as opened:
        assert opened.info["bit_depth"] == 10
    assert apart(decode_image(out.getvalue()).image, ramp / 257) <= 3


def test_the_first_picture_of_a_sequence_and_not_its_thumbnail_or_depth() -> None:
    others = [Image.new("RGB", (64, 64), colour) for colour in (GREEN, BLUE)]
    first = Image.fromarray(corners())
    data = heic(first, save_all=True, append_images=others, thumbnails=[32])
    decoded = decode_image(data)
    assert decoded.size == (128, 64) and apart(decoded.image, corners()) <= 2


def test_a_name_and_a_kind_of_start_that_say_less() -> None:
    """Some cameras begin the file as any picture of this container, as AVIF files may do too."""
    data = heic(Image.fromarray(corners()))
    other = data[:8] + b"mif1" + data[12:]
    assert apart(decode_image(other).image, corners()) <= 2
    out = io.BytesIO()
    Image.fromarray(corners()).save(out, "AVIF", quality=100, subsampling="4:4:4")
    avif = out.getvalue()
    assert apart(decode_image(avif[:8] + b"mif1" + avif[12:]).image, corners()) < 40


def test_a_broken_one_is_left_out_whatever_the_break() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = heic(Image.fromarray(noise))
    for end in range(0, len(data) - 1, len(data) // 60):
        with pytest.raises(UnreadableImage):
            decode_image(data[:end])


def test_without_its_package_the_reason_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = heic(Image.new("RGB", (64, 64)))
    monkeypatch.setattr(formats, "FORMATS", [name for name in formats.FORMATS if name != "HEIF"])
    with pytest.raises(UnreadableImage, match="pillow-heif, which is not installed"):
        decode_image(data)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.delitem(sys.modules, "visualsearch.data.formats")
    from visualsearch.data import formats as without

    assert "HEIF" not in without.FORMATS and "JPEG" in without.FORMATS
