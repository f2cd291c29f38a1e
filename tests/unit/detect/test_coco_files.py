"""The detections as COCO's files, opened by pycocotools."""

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from visualsearch.data.manifest import FetchedImage, ListedImage, write_manifest
from visualsearch.data.tables import DETECTIONS, write_table
from visualsearch.detect.coco_files import write_coco_dataset, write_coco_results
from visualsearch.detect.run import detections_table

MIT = {"license": "MIT", "license_url": "https://opensource.org/license/mit"}
FLICKR = "https://farm6.staticflickr.com/1/2.jpg"
IMAGES = [
    ListedImage(1, "ü/人 1.jpg", **MIT),
    ListedImage(2, "two.jpg", license_id=4, license="Attribution", source_url=FLICKR),
    ListedImage(3, "three.jpg", license_id=1, source_url="https://example.org/3.jpg"),
    ListedImage(999_999_999_999, "nobody.jpg", source_url="javascript:alert(1)"),
    ListedImage(5, "left out.jpg"),
]


def test_results_file_is_what_pycocotools_loads(tmp_path: Path) -> None:
    for shard, images in enumerate(([2, 4], [1, 3])):
        tables = [
            detections_table(i, np.array([[1.00049, 2, 3, 4]] * 2), np.array([0.9, 0.123456789]), 1)
            for i in images
        ]
        write_table(tmp_path / f"{shard}.parquet", tables, DETECTIONS)
    write_coco_results(tmp_path / "r.json", [tmp_path / "0.parquet", tmp_path / "1.parquet"])
    rows = json.loads((tmp_path / "r.json").read_text())
    assert [row["image_id"] for row in rows] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert rows[1] == {
        "image_id": 1, "category_id": 1, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.123457,
    }  # fmt: skip
    reference = COCO()
    reference.dataset = {
        "images": [{"id": n} for n in (1, 2, 3, 4)],
        "categories": [{"id": 1}],
        "info": {},
    }
    reference.createIndex()
    assert len(reference.loadRes(str(tmp_path / "r.json")).anns) == 8
    write_table(tmp_path / "none.parquet", [], DETECTIONS)
    write_coco_results(tmp_path / "none.json", [tmp_path / "none.parquet"])
    assert json.loads((tmp_path / "none.json").read_text()) == []


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """Detections in pictures 1 to 3, two in each."""
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for path, images in zip(paths, ([2], [1, 3]), strict=True):
        boxes = np.array([[1.00049, 2, 30, 40], [50, 60, 70.25, 80.5]])
        tables = [detections_table(i, boxes, np.array([0.9, 0.123456789]), 1) for i in images]
        write_table(path, tables, DETECTIONS)
    return paths


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.parquet"
    write_manifest(path, [FetchedImage(image, 640, 480, "0" * 64) for image in IMAGES], shards=2)
    return path


def dataset(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="ascii"))


def test_a_data_set_has_all_that_tools_ask_for(
    shards: list[Path], manifest: Path, tmp_path: Path
) -> None:
    write_coco_dataset(tmp_path / "coco.json", shards, manifest, "person", [5])
    found = dataset(tmp_path / "coco.json")
    assert list(found) == ["info", "licenses", "categories", "images", "annotations"]
    assert found["categories"] == [{"id": 1, "name": "person", "supercategory": "person"}]
    size = {"width": 640, "height": 480}
    assert found["images"] == [
        {"id": 1, "file_name": "ü/人 1.jpg", **size, "license": 1},
        {"id": 2, "file_name": "two.jpg", **size, "license": 4, "flickr_url": FLICKR},
        {"id": 3, "file_name": "three.jpg", **size, "coco_url": "https://example.org/3.jpg"},
        {"id": 999_999_999_999, "file_name": "nobody.jpg", **size},
    ]
    assert found["licenses"] == [
        {"id": 4, "name": "Attribution", "url": ""},
        {"id": 1, "name": "MIT", "url": MIT["license_url"]},
    ]
    assert found["annotations"][1] == {
        "id": 2,
        "image_id": 1,
        "category_id": 1,
        "bbox": [50.0, 60.0, 70.25, 80.5],
        "score": 0.123457,
        "area": 5655.125,
        "iscrowd": 0,
        "segmentation": [],
        "person_id": 1001,
    }
    assert [entry["id"] for entry in found["annotations"]] == [1, 2, 3, 4, 5, 6]
    assert [entry["person_id"] for entry in found["annotations"]][2:4] == [2000, 2001]


def test_pycocotools_opens_draws_and_measures_the_data_set(
    shards: list[Path], manifest: Path, tmp_path: Path
) -> None:
    write_coco_dataset(tmp_path / "coco.json", shards, manifest, "person")
    write_coco_results(tmp_path / "persons.json", shards)
    truth = COCO(str(tmp_path / "coco.json"))
    matplotlib.use("agg")
    figure = pyplot.figure()
    truth.showAnns(truth.loadAnns(truth.getAnnIds(imgIds=[1])), draw_bbox=True)
    assert len(figure.gca().collections[0].get_paths()) == 2
    pyplot.close(figure)
    measured = COCOeval(truth, truth.loadRes(str(tmp_path / "persons.json")), "bbox")
    measured.evaluate()
    measured.accumulate()
    measured.summarize()
    assert measured.stats[0] == pytest.approx(1)


def test_a_data_set_without_anybody(manifest: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "none.parquet", [], DETECTIONS)
    write_coco_dataset(tmp_path / "coco.json", [tmp_path / "none.parquet"], manifest, "person")
    assert len(COCO(str(tmp_path / "coco.json")).imgs) == len(IMAGES)
    assert dataset(tmp_path / "coco.json")["annotations"] == []
