"""Pictures of all kinds, whole, broken and hostile, in one folder.

Each is listed, and then read correctly or skipped with its reason; none stops the others.
"""

import io
import os
import re
import socket
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visualsearch.data.images import MAX_BYTES
from visualsearch.data.manifest import FetchedImage
from visualsearch.data.upright import EXIF_ORIENTATION
from visualsearch.fetch import folder
from visualsearch.settings import DatasetSettings, FolderSettings

Make = Callable[[Path], object]
RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 255, (64, 96, 3), dtype=np.uint8))


def encoded(format: str, image: Image.Image = NOISE, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def data(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return encoded("JPEG", exif=exif)


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header says this size, with hardly any pixels."""
    small = encoded("PNG", Image.new("L", (1, 1)))
    header = b"IHDR" + struct.pack(">II", width, height) + small[24:29]
    return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]


def after_marker(marker: int) -> bytes:
    """A JPEG cut just behind the first segment of a kind."""
    at = JPEG.index(bytes([0xFF, marker]))
    return JPEG[: at + 4]


def socket_at(path: Path) -> None:
    # The path of a socket may have only about 100 bytes.
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


JPEG = encoded("JPEG", quality=95, progressive=True)
PNG = encoded("PNG")
PALETTE = NOISE.convert("P")
FRAMES = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime")]
RIGHT = (96, 64)

# Name: how to make it, and its upright size, or a part of the reason why it is skipped.
CORPUS: dict[str, tuple[Make, tuple[int, int] | str]] = {
    # Whole
    "plain.jpg": (data(JPEG), RIGHT),
    "UPPER.JPEG": (data(JPEG), RIGHT),
    "no suffix": (data(JPEG), RIGHT),
    "another suffix.jpg_large": (data(JPEG), RIGHT),
    "a png called.jpg": (data(PNG), RIGHT),
    "a webp called.png": (data(encoded("WEBP")), RIGHT),
    "same content again.jpg": (data(JPEG), RIGHT),
    "cmyk.jpg": (data(encoded("JPEG", NOISE.convert("CMYK"))), RIGHT),
    "grey.jpg": (data(encoded("JPEG", NOISE.convert("L"))), RIGHT),
    "one bit.png": (data(encoded("PNG", NOISE.convert("1"))), RIGHT),
    "16 bit.png": (data(encoded("PNG", Image.fromarray(np.full((4, 5), 999, np.uint16)))), (5, 4)),
    "palette with alpha.png": (data(encoded("PNG", PALETTE, transparency=3)), RIGHT),
    "animated.gif": (data(encoded("GIF", FRAMES[0], save_all=True, append_images=FRAMES)), (8, 8)),
    "animated.webp": (
        data(encoded("WEBP", FRAMES[0], save_all=True, append_images=FRAMES)),
        (8, 8),
    ),
    "pages.tiff": (data(encoded("TIFF", FRAMES[0], save_all=True, append_images=FRAMES)), (8, 8)),
    "1x1.png": (data(encoded("PNG", Image.new("RGB", (1, 1)))), (1, 1)),
    "30,000x1.png": (data(encoded("PNG", Image.new("RGB", (30_000, 1)))), (30_000, 1)),
    "1x30,000.png": (data(encoded("PNG", Image.new("RGB", (1, 30_000)))), (1, 30_000)),
    "trailing rubbish.jpg": (data(JPEG + b"<?php rubbish ?>" * 99), RIGHT),
    "broken exif.jpg": (data(encoded("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")), RIGHT),
    "newline\nin the name.jpg": (data(JPEG), RIGHT),
    "tab\tin the name.jpg": (data(JPEG), RIGHT),
    "emoji 🕺🏽 人物.jpg": (data(JPEG), RIGHT),
    '"><img src=x onerror=alert(1)>.jpg': (data(JPEG), RIGHT),
    "{braces} <angle> $HOME `ls` %s.jpg": (data(JPEG), RIGHT),
    "-rf.jpg": (data(JPEG), RIGHT),
    "l" * 246 + ".jpg": (data(JPEG), RIGHT),
    **{
        f"orientation {turn}.jpg": (data(turned(turn)), RIGHT if turn < 5 else RIGHT[::-1])
        for turn in range(1, 9)
    },
    "orientation 99.jpg": (data(turned(99)), RIGHT),
    "link to a picture.jpg": (lambda path: path.symlink_to("plain.jpg"), RIGHT),
    "a phone's.heic": (data(encoded("HEIF")), RIGHT),
    "a heic called.jpg": (data(encoded("HEIF")), RIGHT),
    "two lenses.jpg": (data(encoded("MPO", save_all=True, append_images=[NOISE])), RIGHT),
    "no end marker.jpg": (data(JPEG[:-2]), RIGHT),
    # Broken
    "zero bytes.jpg": (data(b""), "the file is empty"),
    "zeros.jpg": (data(bytes(4096)), "not a picture"),
    "a text.jpg": (data(b"I am a text.\n" * 50), "not a picture"),
    "a page.jpg": (data(b"<!doctype html><title>Quota exceeded</title>"), "not a picture"),
    "a drawing.png": (data(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not a picture"),
    "postscript.jpg": (data(b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage\n"), "not a picture"),
    "an archive.jpg": (data(b"PK\x03\x04" + bytes(200)), "not a picture"),
    "a phone's start only.heic": (data(b"\0\0\0\x18ftypheic" + bytes(64)), "cannot be decoded"),
    "cut.heic": (data(encoded("HEIF")[:-400]), "cannot be decoded"),
    "start only.jpg": (data(JPEG[:2]), "not a picture|cannot be decoded"),
    "cut in the tables.jpg": (data(after_marker(0xDB)), "not a picture|cannot be decoded"),
    "cut in the frame.jpg": (data(after_marker(0xC2)), "not a picture|cannot be decoded"),
    "cut in the huffman table.jpg": (data(after_marker(0xC4)), "cannot be decoded"),
    "cut in the scan.jpg": (data(after_marker(0xDA)), "cannot be decoded"),
    "cut at half.jpg": (data(JPEG[: len(JPEG) // 2]), "cannot be decoded"),
    "no end.jpg": (data(JPEG[: -len(JPEG) // 20]), "cannot be decoded"),
    "cut.png": (data(PNG[: len(PNG) // 2]), "cannot be decoded"),
    "wrong checksum.png": (data(PNG[:60] + bytes(40) + PNG[100:]), "cannot be decoded"),
    "cut.webp": (data(encoded("WEBP")[:200]), "cannot be decoded|not a picture"),
    "cut.gif": (data(encoded("GIF", PALETTE)[:900]), "cannot be decoded"),
    "cut.tiff": (data(encoded("TIFF")[:300]), "cannot be decoded|not a picture"),
    "floats.tiff": (
        data(encoded("TIFF", Image.fromarray(np.full((2, 2), 0.5, np.float32)))),
        "unknown range",
    ),
    "bomb.png": (
        data(png_of(60_000, 60_000)),
        "more pixels than dataset.max_pixels",
    ),
    "just too large.png": (data(png_of(16_000, 16_000)), "more pixels than dataset.max_pixels"),
    "no pixel.png": (data(png_of(0, 5)), "cannot be decoded|not a picture"),
    "a pipe.jpg": (os.mkfifo, "a pipe, a socket or a device"),
    "a socket.jpg": (socket_at, "a pipe, a socket or a device"),
    "no end of zeros.jpg": (lambda path: path.symlink_to("/dev/zero"), "a pipe, a socket or"),
    "a gigabyte.jpg": (sparse, "more than 1024 MB"),
    "link to nothing.jpg": (lambda path: path.symlink_to("nowhere.jpg"), "No such file"),
    "link to itself.jpg": (lambda path: path.symlink_to(path.name), "symbolic links"),
}
# Not listed, so neither read nor reported.
IGNORED: dict[str, Make] = {
    "a folder.jpg": lambda path: path.mkdir(),
    ".hidden.jpg": data(JPEG),
    "notes.txt": data(b"."),
    "loop": lambda path: path.symlink_to("."),
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FetchedImage | str]:
    root = tmp_path_factory.mktemp("corpus")
    for name, (make, _) in CORPUS.items():
        make(root / name)
    for name, make in IGNORED.items():
        make(root / name)
    settings = DatasetSettings("folder", folder=FolderSettings(str(root)))
    listed = folder.list_images(settings, root)
    assert [entry.file for entry in listed.skipped] == [".*"]
    found = list(folder.fetch(listed.images, root, settings, {}))
    by_id = {image.image_id: image.file for image in listed.images}
    return {
        by_id[one.listed.image_id if isinstance(one, FetchedImage) else one.image_id]: (
            one if isinstance(one, FetchedImage) else one.reason
        )
        for one in found
    }


def test_corpus_is_as_large_as_promised(outcome: dict[str, FetchedImage | str]) -> None:
    assert len(CORPUS) >= 60
    assert outcome.keys() == CORPUS.keys()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", CORPUS, ids=lambda name: ascii(name)[:40])
def test_picture_is_read_right_or_left_out(
    name: str, outcome: dict[str, FetchedImage | str]
) -> None:
    expected, found = CORPUS[name][1], outcome[name]
    if isinstance(expected, str):
        assert isinstance(found, str), f"read as {found}"
        assert re.search(expected, found), found
        assert "\n" not in found and len(found) < 200
    else:
        assert isinstance(found, FetchedImage), found
        assert (found.width, found.height) == expected


def test_names_that_are_not_utf_8_are_left_out(tmp_path: Path) -> None:
    if sys.platform == "darwin":
        pytest.skip("NOT TESTED: this file system takes UTF-8 names only")
    (tmp_path / "right.jpg").write_bytes(JPEG)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")).write_bytes(JPEG)
    settings = DatasetSettings("folder", folder=FolderSettings(str(tmp_path)))
    listed = folder.list_images(settings, tmp_path)
    assert [image.file for image in listed.images] == ["right.jpg"]
    assert [entry.reason for entry in listed.skipped] == ["the file's name is not UTF-8; rename it"]
