"""Detection of a shard's pictures: read ahead, batched by size, and written as COCO results."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from visualsearch.data.pictures import Pictures, read_ahead
from visualsearch.data.tables import write_table
from visualsearch.detect import load_detector
from visualsearch.detect.base import Detections, Detector
from visualsearch.detect.run import detect_images
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import BUNDLED


def write_pictures(folder: Path, sizes: list[tuple[int, int]]) -> Pictures:
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, (width, height) in enumerate(sizes):
        pixels = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        row = {"image_id": number, "file": f"{number}.png", "width": width, "height": height}
        rows.append(row | {"shard": 0, "sha256": ""})
    manifest = pa.Table.from_pylist(rows)
    write_table(folder / "manifest.parquet", [manifest], manifest.schema)
    return Pictures(folder / "manifest.parquet", None)


SIZES = [(60, 40), (40, 60), (60, 40), (60, 40), (50, 50), (40, 60), (60, 40)]


@pytest.mark.parametrize(
    ("batch_size", "pixels", "lengths"),
    [(1, 10**9, [1] * 7), (4, 10**9, [7]), (4, 5000, [2, 2, 2, 1])],
)
def test_pictures_are_read_in_order_in_windows(
    batch_size: int,
    pixels: int,
    lengths: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("visualsearch.data.pictures.WINDOW_PIXELS", pixels)
    windows = list(read_ahead(write_pictures(tmp_path, SIZES), batch_size))
    read = [(picture.image_id, image.size) for window in windows for picture, image in window]
    assert read == list(enumerate(SIZES))
    assert [len(window) for window in windows] == lengths


def test_only_pictures_of_one_size_go_together_and_rows_keep_their_order(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path, SIZES)
    batches = []

    class Watching:
        """The real detector, with a GPU's batch size."""

        mixes_sizes = False

        def __init__(self, detector: Detector, batch_size: int) -> None:
            self.detector, self.batch_size = detector, batch_size
            self.categories = detector.categories

        def detect(self, images: list[Image.Image]) -> list[Detections]:
            batches.append([image.size for image in images])
            return self.detector.detect(images)

    settings = DetectorSettings(
        BUNDLED, device="cpu", runtime="torch", score_threshold=0.001, precision="fp32"
    )
    detector = load_detector(settings)
    alone, together = (
        pa.concat_tables(detect_images(Watching(detector, n), pictures, "person", "detect"))  # type: ignore[arg-type]
        for n in (1, 3)
    )
    assert alone.num_rows > 20
    assert batches[len(SIZES) :] == [[(40, 60)] * 2, [(50, 50)], [(60, 40)] * 3, [(60, 40)]]
    for column in ("image_id", "det_index", "category_id"):
        assert together[column].equals(alone[column])
    for column in ("x", "y", "w", "h", "score"):
        assert together[column].to_numpy() == pytest.approx(alone[column].to_numpy(), abs=1e-3)
    del batches[:]
    mixing = Watching(detector, 3)
    mixing.mixes_sizes = True
    mixed = pa.concat_tables(detect_images(mixing, pictures, "person", "detect"))  # type: ignore[arg-type]
    assert batches == [SIZES[:3], SIZES[3:6], SIZES[6:]]
    assert mixed["image_id"].equals(alone["image_id"])
