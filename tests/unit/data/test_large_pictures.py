"""Very large pictures are decoded smaller, in little memory; boxes stay in the picture's pixels."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from helpers import export_people
from visualsearch.data import upright
from visualsearch.data.boxes import xywh_to_xyxy
from visualsearch.data.images import Decoded, UnreadableImage, decode_image
from visualsearch.data.manifest import ListedImage
from visualsearch.data.pictures import Picture
from visualsearch.data.tables import BOX_COLUMNS, boxes_of
from visualsearch.detect import load_detector
from visualsearch.detect.base import Detector
from visualsearch.detect.run import detect_images
from visualsearch.embed.embedding import embed_items, embed_items_both_ways
from visualsearch.embed.persons import PictureBoxes
from visualsearch.explorer import thumbnails
from visualsearch.fetch.verify import check_file
from visualsearch.report import crops
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

SCRIPTS = Path(__file__).parents[3] / "workflow/scripts"
RNG = np.random.default_rng(0)
NOISE = Image.fromarray(RNG.integers(0, 255, (61, 83, 3), dtype=np.uint8))
CLEAR = NOISE.convert("RGBA")
CLEAR.putalpha(Image.linear_gradient("L").resize(NOISE.size))
SMOOTH = NOISE.reduce(8).resize((320, 192), Image.Resampling.BICUBIC)
DEEP = Image.fromarray(RNG.integers(0, 65535, (61, 83), dtype=np.uint16))

KINDS: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
    "PNG": (NOISE, "PNG", {}),
    "transparent": (CLEAR, "PNG", {}),
    "palette": (NOISE.quantize(32), "PNG", {"transparency": 3}),
    "grey": (NOISE.convert("L"), "PNG", {}),
    "one bit": (NOISE.convert("1"), "PNG", {}),
    "16 bits": (DEEP, "PNG", {}),
    "CMYK": (NOISE.convert("CMYK"), "TIFF", {}),
    "HEIC": (NOISE, "HEIF", {"quality": 90}),
    "WebP": (NOISE, "WEBP", {"lossless": True}),
}


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def means(pixels: np.ndarray[Any, Any], factor: int) -> np.ndarray[Any, Any]:
    """The mean of each factor x factor pixels, of fewer at the right and lower edges."""
    height, width = pixels.shape[:2]
    padding = ((0, -height % factor), (0, -width % factor))
    total = np.pad(pixels.astype(float), (*padding, (0, 0)))
    count = np.pad(np.ones((height, width, 1)), (*padding, (0, 0)))
    rows, columns = total.shape[0] // factor, total.shape[1] // factor
    shape = (rows, factor, columns, factor, -1)
    return total.reshape(shape).sum((1, 3)) / count.reshape(shape).sum((1, 3))


@pytest.mark.parametrize(("most", "factor"), [(83 * 61, 1), (83 * 61 - 1, 2), (500, 4)])
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_means_of_the_pictures(
    kind: str, most: int, factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, format, options = KINDS[kind]
    data = encoded(image, format, **options)
    whole = decode_image(data)
    monkeypatch.setattr(upright, "LARGE_PIXELS", most)
    monkeypatch.setattr(upright, "STRIP_PIXELS", 900)
    small = decode_image(data)
    assert whole.size == whole.image.size == small.size == (83, 61)
    assert small.image.size == (-(-83 // factor), -(-61 // factor))
    assert np.abs(np.asarray(small.image) - means(np.asarray(whole.image), factor)).max() <= 1


@pytest.mark.parametrize("factor", [2, 4, 8, 16, 32])
@pytest.mark.parametrize("format", ["JPEG", "MPO"])
def test_the_decoder_of_jpeg_makes_it_smaller_itself(
    format: str, factor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"save_all": True, "append_images": [NOISE]} if format == "MPO" else {}
    data = encoded(SMOOTH.resize((403, 309)), format, quality=95, **more)
    whole = np.asarray(decode_image(data).image)
    monkeypatch.setattr(upright, "LARGE_PIXELS", -(-403 // factor) * -(-309 // factor))
    decoded: list[tuple[int, int]] = []
    load = Image.Image.load
    monkeypatch.setattr(Image.Image, "load", lambda i: (decoded.append(i.size), load(i))[1])
    small = decode_image(data)
    assert small.size == (403, 309) and small.image.size == (-(-403 // factor), -(-309 // factor))
    assert np.abs(np.asarray(small.image) - means(whole, factor)).mean() < 4
    # Never all pixels.
    by = min(factor, 8)
    assert max(decoded) == (-(-403 // by), -(-309 // by))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_upright(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[upright.EXIF_ORIENTATION] = orientation
    data = encoded(SMOOTH.resize((160, 96)), "JPEG", exif=exif)
    whole = decode_image(data)
    monkeypatch.setattr(upright, "LARGE_PIXELS", 10_000)
    small = decode_image(data)
    assert small.size == whole.size == ((160, 96) if orientation < 5 else (96, 160))
    assert small.image.size == (small.size[0] // 2, small.size[1] // 2)
    assert np.abs(np.asarray(small.image) - means(np.asarray(whole.image), 2)).mean() < 4


def test_boxes_are_converted_and_of_other_pictures_stay_the_same_bits() -> None:
    boxes = np.array([[0, 0, 83, 61], [10.1, 20.2, 30.3, 40.4]], np.float32)
    plain = Decoded(NOISE, NOISE.size)
    assert plain.to_image(boxes) is boxes and plain.to_picture(boxes) is boxes
    small = Decoded(NOISE.reduce(4), NOISE.size)
    assert small.to_image(boxes)[0] == pytest.approx([0, 0, 21, 16])
    assert small.to_picture(small.to_image(boxes)) == pytest.approx(boxes)
    assert small.to_image(boxes).dtype == small.to_picture(boxes).dtype == np.float32


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(DetectorSettings(BUNDLED, device="cpu", precision="fp32"))


def test_every_stage_sees_the_same_persons_in_it(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Boxes are those of the picture in full, and what is cut out by them is what they show."""
    export_people(tmp_path, 4)
    somebody = Image.open(tmp_path / "P001/amateur_selfie.jpg").convert("RGB")
    somebody = somebody.resize((1200, 1200 * somebody.height // somebody.width))
    somebody.save(tmp_path / "large.png")
    picture = Picture(7, tmp_path / "large.png", *somebody.size)
    settings = EmbeddingSettings()

    def best() -> pa.Table:
        [table] = detect_images(detector, [picture], "person", "detect")
        assert isinstance(table, pa.Table)
        return table.slice(0, 1)

    def seen(rows: pa.Table) -> tuple[Any, ...]:
        item = PictureBoxes(picture, rows, xywh_to_xyxy(boxes_of(rows)))
        [alone] = embed_items(detector, [item], settings, "embed")
        [both] = embed_items_both_ways(detector, [item], settings, "embed both")
        [thumbnail] = thumbnails._thumbnails(picture.read(), boxes_of(rows), 64)
        box = tuple(rows[name][0].as_py() for name in BOX_COLUMNS)
        shown = crops.crop_box(picture.read(), box, 64)
        whole = crops._whole(picture.read(), 200)
        vectors = [alone["vector"], both["vector"], both["vector_unmirrored"]]
        return (
            [np.asarray(vector[0].as_py()) for vector in vectors],
            thumbnail.astype(int),
            np.asarray(Image.open(io.BytesIO(shown.data)), int),
            (shown.width, shown.height, whole.width, whole.height),
        )

    rows = best()
    vectors, thumbnail, crop, sizes = seen(rows)
    monkeypatch.setattr(upright, "LARGE_PIXELS", 1_000_000)
    small = picture.read()
    assert small.image.width == 600 and small.size == somebody.size
    assert boxes_of(best()) == pytest.approx(boxes_of(rows), abs=15)
    assert rows["h"][0].as_py() > 1000
    vectors_of_small, thumbnail_of_small, crop_of_small, sizes_of_small = seen(rows)
    for one, other in zip(vectors, vectors_of_small, strict=True):
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.99
    assert sizes_of_small == pytest.approx(sizes, abs=1) and sizes[2:] == somebody.size
    for one, other in ((thumbnail, thumbnail_of_small), (crop, crop_of_small)):
        assert np.abs(np.subtract(one.shape, other.shape)).max() <= 1
        high, wide = np.minimum(one.shape, other.shape)[:2]
        assert np.abs(one[:high, :wide] - other[:high, :wide]).mean() < 8


def test_one_with_too_many_pixels_is_left_out_also_if_it_is_known(tmp_path: Path) -> None:
    data = encoded(NOISE, "PNG")
    (tmp_path / "a.png").write_bytes(data)
    listed = ListedImage(1, "a.png")
    reason = "more pixels than dataset.max_pixels (5062) allows: 83 x 61"
    for known in ({}, {hashlib.sha256(data).hexdigest(): (83, 61)}):
        fetched = check_file(listed, tmp_path / "a.png", known, 5063)
        assert (fetched.width, fetched.height) == (83, 61)  # type: ignore[union-attr]
        assert check_file(listed, tmp_path / "a.png", known, 5062).reason == reason  # type: ignore[union-attr]
    with pytest.raises(UnreadableImage, match="5062"):
        decode_image(data, 5062)


READ = """
import resource, sys
from visualsearch.data.images import read_image
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = most()
decoded = read_image(sys.argv[1])
print(*decoded.size, *decoded.image.size, most() - before)
"""


def test_two_hundred_megapixels_of_a_phone_fit_into_little_memory(tmp_path: Path) -> None:
    Image.new("L", (16_320, 12_288), 90).save(tmp_path / "phone.jpg")
    command = [sys.executable, "-c", READ, str(tmp_path / "phone.jpg")]
    found = subprocess.run(
        command, env={"PYTHONPATH": str(SCRIPTS)}, check=True, capture_output=True, text=True
    )
    *sizes, grown = map(int, found.stdout.split())
    assert sizes == [16_320, 12_288, 4080, 3072]
    unit = 1024 if sys.platform == "darwin" else 1
    assert grown // unit < 250_000
