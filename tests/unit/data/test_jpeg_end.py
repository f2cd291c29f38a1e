"""A JPEG without its end is read if all its pixels are there, and left out if one is missing."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visualsearch.data import upright
from visualsearch.data.images import UnreadableImage, decode_image

KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "its own codes": {"optimize": True},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 3},
    "restarts, progressive": {"restart_marker_blocks": 3, "progressive": True},
    "fine": {"quality": 100, "subsampling": 0},
}
MODES = ("RGB", "L", "CMYK")
HALF_GREY = "half grey"


def picture(kind: str) -> Image.Image:
    """Noise, which is unlike all that libjpeg fills in; or half of it grey, which is like it."""
    pixels = np.random.default_rng(0).integers(0, 255, (72, 104, 3), dtype=np.uint8)
    if kind == HALF_GREY:
        pixels[36:] = 128
    return Image.fromarray(pixels).convert(kind if kind in MODES else "RGB")


def jpeg(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


@pytest.mark.parametrize("mode", [*MODES, HALF_GREY])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_with_the_right_pixels_or_left_out(kind: str, mode: str) -> None:
    data = jpeg(picture(mode), **KINDS[kind])
    whole = np.asarray(decode_image(data).image)
    read: dict[int, list[int]] = {0: [], 50: []}
    for lost in [*range(1, 12), *range(12, len(data) // 2, 331)]:
        for zeros in read:
            try:
                found = decode_image(data[:-lost] + bytes(zeros)).image
            except UnreadableImage as error:
                assert "truncated" in str(error)
                continue
            read[zeros].append(lost)
            assert np.array_equal(found, whole), lost
    # Without the end marker, or half of it. Zeros behind it may be data, if all around is grey.
    assert read[0][:2] == [1, 2] and (read[50][:2] == [1, 2] or mode == HALF_GREY)


def test_a_cut_where_a_restart_or_a_scan_is_due_is_noticed() -> None:
    for options, marker in (
        ({"restart_marker_rows": 1}, b"\xff\xd3"),
        ({"progressive": True}, b"\xff\xda"),
    ):
        data = jpeg(picture("RGB"), **options)
        at = data.rindex(marker)
        for cut in (data[:at], data[: at + 1], data[: at + 2]):
            with pytest.raises(UnreadableImage, match="truncated"):
                decode_image(cut)


def test_a_large_one_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upright, "LARGE_PIXELS", 2000)
    data = jpeg(picture("RGB"))
    whole, without = decode_image(data), decode_image(data[:-2])
    assert without.size == (104, 72) and without.image.size == (52, 36)
    assert whole.image.tobytes() == without.image.tobytes()
    with pytest.raises(UnreadableImage):
        decode_image(data[:-40])


@pytest.mark.parametrize(
    "junk", [b"", b"\xff", b"\xff\xda", b"\xff\xc0\0\0", b"\xff\xda\0\x03\xff"]
)
def test_what_only_begins_like_a_jpeg_is_left_out(junk: bytes) -> None:
    for data in (b"\xff\xd8\xff" + junk, jpeg(picture("L"))[:40] + junk + bytes(9)):
        with pytest.raises(UnreadableImage):
            decode_image(data)
