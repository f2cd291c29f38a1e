"""A picture on which the network fails is left out with its reason, and stops no other."""

import logging
import runpy
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from safetensors.torch import save_file

from made_weights import SMALL, random_state, unset_weights
from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json
from visualsearch.data.pictures import Picture, Pictures
from visualsearch.data.row_cache import LeftOut, RowCache
from visualsearch.data.skipped import Skipped, read_skipped
from visualsearch.data.tables import DETECTIONS, read_table, write_table
from visualsearch.detect import describe, load_detector
from visualsearch.detect.base import Detections, Detector
from visualsearch.detect.failures import TOO_MANY_IN_A_ROW
from visualsearch.detect.run import detect_images
from visualsearch.embed.embedding import embed_items, embed_items_both_ways
from visualsearch.embed.persons import PictureBoxes
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

SCRIPTS = Path(__file__).parents[3] / "workflow/scripts"
MOBILENET = "fasterrcnn_mobilenet_v3_large_fpn"
THIN = [(1, 1400), (2, 2700), (20_000, 10)]


def write_pictures(folder: Path, images: Sequence[Image.Image]) -> Pictures:
    """Write pictures with the ids 0, 1, 2, ... and their manifest."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, image in enumerate(images):
        image.save(folder / "images" / f"{number}.png")
        row = {"image_id": number, "file": f"{number}.png", "shard": 0, "sha256": ""}
        rows.append(row | {"width": image.width, "height": image.height})
    manifest = pa.Table.from_pylist(rows)
    write_table(folder / "manifest.parquet", [manifest], manifest.schema)
    return Pictures(folder / "manifest.parquet", None)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


class Failing:
    """The real detector; it raises an error for a batch with a picture whose corner is red."""

    mixes_sizes = False

    def __init__(self, detector: Detector, batch_size: int, error: Exception) -> None:
        self.detector, self.batch_size, self.error = detector, batch_size, error
        self.categories = detector.categories

    def detect(self, images: list[Image.Image]) -> list[Detections]:
        if any(image.getpixel((0, 0)) == (255, 0, 0) for image in images):
            raise self.error
        return self.detector.detect(images)


def marked(image: Image.Image) -> Image.Image:
    image.putpixel((0, 0), (255, 0, 0))
    return image


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(
        DetectorSettings(BUNDLED, device="cpu", score_threshold=0.001, precision="fp32")
    )


def detected(
    detector: Any, pictures: Sequence[Picture] | Pictures
) -> dict[int, list[dict[str, Any]] | str]:
    """The rows of each picture, or why it is left out."""
    found = detect_images(detector, pictures, "person", "detect")
    return {
        picture.image_id: rows.reason if isinstance(rows, LeftOut) else rows.to_pylist()
        for picture, rows in zip(pictures, found, strict=True)
    }


@pytest.mark.parametrize("batch_size", [1, 3])
def test_only_the_guilty_picture_of_a_batch_is_left_out(
    batch_size: int, detector: Detector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = [noise(60, 40, seed) for seed in range(5)]
    images[1] = marked(images[1])
    pictures = write_pictures(tmp_path, images)
    error = RuntimeError("a map of\nno size")
    with caplog.at_level(logging.INFO):
        found = detected(Failing(detector, batch_size, error), pictures)
    assert found[1] == "the network fails on it: RuntimeError: a map of no size"
    alone = detected(detector, [picture for picture in pictures if picture.image_id != 1])
    assert {n: rows for n, rows in found.items() if n != 1} == alone
    assert all(alone.values())
    [warning] = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert warning.getMessage() == f"{tmp_path}/images/1.png is left out: {found[1]}"
    # The traceback stands in the log, where a bug of ours can be found.
    [traceback] = [entry.exc_info for entry in caplog.records if entry.exc_info]
    assert traceback[1] is error


@pytest.mark.parametrize(
    "error",
    [
        InputError("the weights are gone"),
        MemoryError(),
        OSError(28, "No space left on device"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("Exception from src/inference: std::bad_alloc"),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_fault_of_the_machine_or_the_user_still_ends_the_job(
    batch_size: int, error: Exception, detector: Detector, tmp_path: Path
) -> None:
    pictures = write_pictures(tmp_path, [noise(60, 40), marked(noise(60, 40))])
    with pytest.raises(type(error)) as raised:
        detected(Failing(detector, batch_size, error), pictures)
    assert raised.value is error


def test_a_network_that_fails_on_all_pictures_ends_the_job(
    detector: Detector, tmp_path: Path
) -> None:
    bad, good = marked(noise(8, 8)), noise(8, 8, 1)
    error = RuntimeError("wrong from the start")
    fewer = [bad] * (TOO_MANY_IN_A_ROW - 1)
    failing = Failing(detector, 1, error)
    found = detected(failing, write_pictures(tmp_path / "a", [*fewer, good, *fewer]))
    assert sum(isinstance(rows, str) for rows in found.values()) == 2 * len(fewer)
    with pytest.raises(RuntimeError, match="wrong from the start"):
        detected(failing, write_pictures(tmp_path / "b", [good, *fewer, bad]))


@pytest.mark.parametrize("embed", [embed_items, embed_items_both_ways])
def test_embedding_leaves_out_the_guilty_picture_only(
    embed: Any, detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [noise(60, 40, seed) for seed in range(7)]
    pictures = list(write_pictures(tmp_path, images))
    rows = pa.table({"image_id": [0]})
    items = [
        PictureBoxes(picture, rows, np.array([[5, 5, 30, 35]] * (1 + n % 3), np.float32))
        for n, picture in enumerate(pictures)
    ]
    settings = EmbeddingSettings(region="roi_align_last", mirrored=True, size=(64, 32))
    expected = [table.to_pydict() for table in embed(detector, items, settings, "embed")]
    in_torch = detector.in_torch()
    whole_picture, guilty = in_torch.whole_picture, np.asarray(images[3])

    def failing(image: Image.Image) -> Any:
        if any(np.array_equal(guilty[:, ::side], np.asarray(image)) for side in (1, -1)):
            raise ZeroDivisionError("no map")
        return whole_picture(image)

    monkeypatch.setattr(in_torch, "whole_picture", failing)
    found = list(embed(detector, items, settings, "embed"))
    assert found.pop(3) == LeftOut("the network fails on it: ZeroDivisionError: no map")
    del expected[3]
    assert [table.to_pydict() for table in found] == expected


def test_what_is_left_out_is_not_kept(tmp_path: Path) -> None:
    schema = pa.schema([("value", pa.int64())])
    reasons = {"a" * 64: LeftOut("too thin"), "b" * 64: pa.table({"value": [1]})}
    for computed in (["a" * 64, "b" * 64], ["a" * 64]):
        asked: list[str] = []

        def compute(keys: list[str], asked: list[str] = asked) -> Any:
            asked += keys
            return (reasons[key] for key in keys)

        cache = RowCache(tmp_path, "detect", {}, schema)
        found = dict(cache.complete([(key, key) for key in reasons], compute))
        assert found["a" * 64] == LeftOut("too thin")
        assert found["b" * 64].to_pydict() == {"value": [1]}
        assert asked == computed


@pytest.fixture
def logging_of_a_job() -> Iterator[None]:
    """What a job sets up for its process, undone."""
    level = logging.root.level
    yield
    logging.root.setLevel(level)
    logging.captureWarnings(False)
    logging.raiseExceptions = True


@pytest.mark.usefixtures("logging_of_a_job")
def test_thin_pictures_end_no_job_of_a_detector_of_torchvision(tmp_path: Path) -> None:
    """By the script that the workflow runs; once this was `Input and output sizes ...`."""
    save_file(random_state(MOBILENET), tmp_path / "w.safetensors")
    weights = {"name": MOBILENET, "weights": str(tmp_path / "w.safetensors"), "device": "cpu"}
    section = weights | {"precision": "fp32", "score_threshold": 0.0} | SMALL
    images = [noise(160, 120), *(noise(*size) for size in THIN), noise(2, 150), noise(160, 120, 1)]
    write_pictures(tmp_path / "dataset", images)
    with unset_weights():
        settings = DetectorSettings.of(section)
        built = load_detector(settings, tmp_path)
        write_json(tmp_path / "detector.json", describe(settings))
    label = int(np.bincount(built.detect([images[0]])[0].labels).argmax())
    made = tmp_path / "detections"

    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(shard="0"),
        params=SimpleNamespace(
            settings={"dataset": {"category": built.categories[label]}},
            detector=section,
            pictures=None,
        ),
        log=[str(tmp_path / "detect_persons.log")],
        input=Files(
            detector=tmp_path / "detector.json", manifest=tmp_path / "dataset/manifest.parquet"
        ),
        output=Files(
            detections=made / "0.parquet",
            skipped=made / "0.skipped.tsv",
            settings=tmp_path / "settings/detect_persons/0.json",
        ),
    )
    with unset_weights():
        runpy.run_path(str(SCRIPTS / "detect_persons.py"), {"snakemake": snakemake})
    found = set(read_table(made / "0.parquet", DETECTIONS.names)["image_id"].to_pylist())
    assert found <= {0, 4, 5} and {0, 5} <= found
    reason = "too thin to be scaled for the detector, so nobody is found in it"
    assert read_skipped(made / "0.skipped.tsv") == [
        Skipped(number, f"{number}.png", reason) for number in (1, 2, 3)
    ]
    log = (tmp_path / "detect_persons.log").read_text()
    for number in (1, 2, 3):
        assert f"{tmp_path}/dataset/images/{number}.png: {reason}" in log


class Files(SimpleNamespace):
    """Named files, as Snakemake gives them to a script."""

    def __iter__(self) -> Iterator[Path]:
        return iter(vars(self).values())
