"""Colours, depth, transparency and orientation of pictures; test_bad_pictures.py has the rest."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from helpers import as_stored
from visualsearch.data.images import UnreadableImage, decode_image, read_image
from visualsearch.data.upright import EXIF_ORIENTATION

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def photograph(width: int = 96, height: int = 64) -> Image.Image:
    """Smooth colours with some noise: JPEG keeps them, and its files are of some length."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1)
    return Image.fromarray(np.clip(pixels + rng.integers(-8, 8, pixels.shape), 0, 255).astype("u1"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_formats_give_rgb(format: str) -> None:
    image = decode_image(encoded(photograph(), format)).image
    assert (image.mode, image.size) == ("RGB", (96, 64))
    difference = np.asarray(image, int) - np.asarray(photograph(), int)
    assert abs(difference).mean() < 25


def test_cmyk_and_grayscale_keep_their_colours() -> None:
    red = Image.new("RGB", (8, 8), RED)
    cmyk = decode_image(encoded(red.convert("CMYK"), "JPEG", quality=100)).image
    assert np.abs(np.asarray(cmyk, int) - RED).max() <= 4
    gray = decode_image(encoded(Image.new("L", (8, 8), 77), "PNG")).image
    assert gray.getpixel((0, 0)) == (77, 77, 77)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_clipped(format: str) -> None:
    ramp = np.array([[0, 257, 128 * 257, 40_000, 65_535]], np.uint16)
    image = decode_image(encoded(Image.fromarray(ramp), format)).image
    assert np.asarray(image)[0, :, 0].tolist() == [0, 1, 128, 156, 255]


def test_32_bit_and_float_pixels_have_no_known_range() -> None:
    for pixels in (np.full((2, 2), 70_000, np.int32), np.full((2, 2), 0.5, np.float32)):
        with pytest.raises(UnreadableImage, match="unknown range"):
            decode_image(encoded(Image.fromarray(pixels), "TIFF"))


def test_transparency_is_shown_on_white() -> None:
    rgba = Image.new("RGBA", (2, 1), (*RED, 255))
    rgba.putpixel((1, 0), (0, 0, 0, 0))
    image = decode_image(encoded(rgba, "PNG")).image
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [RED, WHITE]

    palette = Image.new("P", (2, 1))
    palette.putpalette([*BLUE, *GREEN])
    palette.putpixel((1, 0), 1)
    image = decode_image(encoded(palette, "PNG", transparency=1)).image
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [BLUE, WHITE]


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode_image(data).image.getpixel((0, 0)) == RED


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8], upright[:8, 16:], upright[8:, :8] = RED, GREEN, BLUE
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    data = encoded(as_stored(upright, orientation), "PNG", exif=exif)
    assert np.array_equal(np.asarray(decode_image(data).image), upright)


def test_a_png_with_megabytes_of_text_and_colour_profile_is_read() -> None:
    """Programs for drawing keep their settings there, and XMP; browsers show such files."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("settings", "x" * 3_000_000, zip=True)
    texts.add_itxt("notes", "é" * 3_000_000, zip=True)
    texts.add_text("raw", "y" * 3_000_000)
    data = encoded(photograph(), "PNG", pnginfo=texts, icc_profile=bytes(5_000_000))
    assert decode_image(data).image.tobytes() == photograph().tobytes()


def test_a_png_whose_text_unpacks_to_too_much_is_left_out() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("bomb", "x" * (2**26 + 1), zip=True)
    data = encoded(photograph(), "PNG", pnginfo=texts)
    assert len(data) < 100_000
    with pytest.raises(UnreadableImage, match="Decompressed data too large"):
        decode_image(data)


def test_the_first_of_the_pictures_of_a_camera_with_two_lenses() -> None:
    data = encoded(
        photograph(), "MPO", quality=95, save_all=True, append_images=[photograph().rotate(180)]
    )
    plain = encoded(photograph(), "JPEG", quality=95)
    assert data != plain
    assert decode_image(data).image.tobytes() == decode_image(plain).image.tobytes()


JPEG = encoded(photograph(), "JPEG", quality=95)


def test_no_cut_jpeg_passes() -> None:
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    for end in range(0, len(JPEG) - 200, 97):
        with pytest.raises(UnreadableImage):
            decode_image(JPEG[:end])


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="No such file"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(UnreadableImage, match="directory"):
        read_image(tmp_path)
