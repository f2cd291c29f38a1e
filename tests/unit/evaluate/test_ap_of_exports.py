"""AP of the bundled detector's real results, whichever tool exported the annotations."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from coco_dataset import as_file, dataset, in_folder
from exports import TOOLS
from visualsearch.core.files import write_json
from visualsearch.data.manifest import ImageList
from visualsearch.evaluate.detections import evaluate_detections
from visualsearch.fetch import folder


@pytest.fixture(scope="module")
def coco(coco_sample: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((coco_sample / "instances.json").read_text())
    return document


@pytest.fixture(scope="module")
def results(shared: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (shared / "ssdlite-reference/coco_sample_results_full.json").read_text()
    )
    return found


def measured(listed: ImageList, results: list[dict[str, Any]], tmp_path: Path) -> dict[str, Any]:
    """The numbers of the results, whose ids are those that the listed pictures have."""
    write_json(tmp_path / "annotations.json", listed.annotations, indent=None)
    write_json(tmp_path / "results.json", results, indent=None)
    sizes = {
        image.image_id: (image.width, image.height)
        for image in listed.images
        if image.width and image.height
    }
    assert len(sizes) == len(listed.images) == 140
    paths = (tmp_path / "annotations.json", tmp_path / "results.json")
    return evaluate_detections(*paths, "person", list(sizes), sizes)[0]


@pytest.fixture(scope="module")
def own(
    coco_sample: Path, results: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The numbers with COCO's own file."""
    settings = in_folder(coco_sample / "images", coco_sample / "instances.json")
    place = tmp_path_factory.mktemp("own")
    return measured(folder.list_images(settings, place), results, place)


@pytest.mark.parametrize("tool", TOOLS)
def test_ap_is_that_of_the_same_annotations_in_coco(
    coco_sample: Path,
    coco: dict[str, Any],
    results: list[dict[str, Any]],
    own: dict[str, Any],
    tmp_path: Path,
    tool: str,
) -> None:
    export = TOOLS[tool](tmp_path / "export", coco_sample / "images", coco)
    listed = folder.list_images(dataset("folder", folder=export.settings()), tmp_path)
    # Each tool numbers the pictures in the order of COCO's ids.
    places = sorted(image["id"] for image in coco["images"])
    new = dict(zip(places, sorted(image.image_id for image in listed.images), strict=True))
    moved = [row | {"image_id": new[row["image_id"]]} for row in results]
    numbers = measured(listed, moved, tmp_path)
    assert 0.17 < own["AP"] < 0.18 and own["AP_note"] is None
    assert numbers == own


def test_pictures_listed_twice_change_no_ap(
    coco_sample: Path,
    coco: dict[str, Any],
    results: list[dict[str, Any]],
    own: dict[str, Any],
    tmp_path: Path,
) -> None:
    twice = copy.deepcopy(coco)
    again = {image["id"]: 900_000_000 + image["id"] for image in coco["images"][:60]}
    twice["images"] += [image | {"id": again[image["id"]]} for image in coco["images"][:60]]
    last = max(entry["id"] for entry in coco["annotations"])
    twice["annotations"] += [
        entry | {"id": last + number, "image_id": again[entry["image_id"]]}
        for number, entry in enumerate(coco["annotations"], start=1)
        if entry["image_id"] in again
    ]
    path = as_file(tmp_path / "twice.json", twice)
    listed = folder.list_images(in_folder(coco_sample / "images", path), tmp_path)
    assert measured(listed, results, tmp_path) == own
