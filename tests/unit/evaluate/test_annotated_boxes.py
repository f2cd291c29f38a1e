"""Annotated boxes in other units, or none: said beside AP, not measured as if they were right."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visualsearch.core.files import write_json
from visualsearch.data.boxes import leaves_image
from visualsearch.evaluate.detections import evaluate_detections

Numbers = dict[str, Any]


@pytest.fixture(scope="module")
def coco(coco_sample: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((coco_sample / "instances.json").read_text())
    return document


@pytest.fixture
def measured(
    coco: dict[str, Any], shared: Path, tmp_path: Path
) -> Callable[[Callable[[dict[str, Any]], None]], Numbers]:
    """The numbers of the bundled detector's real results, with annotations that are changed."""

    def measure(change: Callable[[dict[str, Any]], None]) -> Numbers:
        document = copy.deepcopy(coco)
        change(document)
        write_json(tmp_path / "annotations.json", document, indent=None)
        sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
        results = shared / "ssdlite-reference/coco_sample_results_full.json"
        numbers, curve = evaluate_detections(
            tmp_path / "annotations.json", results, "person", list(sizes), sizes
        )
        assert curve.shape == (101, 4)
        return numbers

    return measure


def test_boxes_of_coco_are_not_remarked_upon(measured: Any) -> None:
    numbers = measured(lambda document: None)
    assert numbers["AP"] == pytest.approx(0.175, abs=0.002)
    assert numbers["boxes_outside"] == 0 and numbers["AP_note"] is None


def test_corners_are_noticed(measured: Any) -> None:
    def to_corners(document: dict[str, Any]) -> None:
        for entry in document["annotations"]:
            x, y, w, h = entry["bbox"]
            entry["bbox"] = [x, y, x + w, y + h]

    numbers = measured(to_corners)
    assert numbers["AP"] < 0.02 and numbers["boxes_outside"] > 0.5 * 511
    assert numbers["AP_note"].startswith(f"{numbers['boxes_outside']} of 511 annotated boxes leave")
    assert "corners (x0, y0, x1, y1)" in numbers["AP_note"]
    assert "convert them" in numbers["AP_note"]


def test_shares_of_the_picture_are_noticed(measured: Any, coco: dict[str, Any]) -> None:
    sizes = {image["id"]: (image["width"], image["height"]) for image in coco["images"]}

    def to_shares(document: dict[str, Any]) -> None:
        for entry in document["annotations"]:
            sides = 2 * sizes[entry["image_id"]]
            entry["bbox"] = [value / side for value, side in zip(entry["bbox"], sides, strict=True)]

    numbers = measured(to_shares)
    assert numbers["AP"] < 0.001
    assert numbers["AP_note"].startswith("all 511 annotated boxes have values of at most 1")
    assert "multiply them" in numbers["AP_note"]


def test_boxes_of_larger_pictures_are_noticed(measured: Any) -> None:
    def scale(document: dict[str, Any]) -> None:
        for entry in document["annotations"]:
            entry["bbox"] = [2.5 * value for value in entry["bbox"]]

    assert "were the pictures resized" in measured(scale)["AP_note"]


def test_a_few_boxes_over_the_edge_are_not_remarked_upon(measured: Any) -> None:
    def push(document: dict[str, Any]) -> None:
        persons = [entry for entry in document["annotations"] if entry["category_id"] == 1]
        for entry in persons[:3]:
            entry["bbox"] = [-9, 5, 30, 60]

    numbers = measured(push)
    assert numbers["boxes_outside"] == 3 and numbers["AP_note"] is None


@pytest.mark.parametrize(
    ("crowd", "note"),
    [(True, "no person is annotated (511 are crowds)"), (False, "no person is annotated")],
)
def test_without_an_annotated_person_ap_is_not_known(measured: Any, crowd: bool, note: str) -> None:
    def change(document: dict[str, Any]) -> None:
        persons = {entry["id"] for entry in document["categories"] if entry["name"] == "person"}
        found = [entry for entry in document["annotations"] if entry["category_id"] in persons]
        if crowd:
            for entry in found:
                entry["iscrowd"] = 1
        else:
            document["annotations"] = []

    numbers = measured(change)
    assert numbers["AP"] is None and numbers["AP_note"] == note
    assert numbers["annotated"] == 0 and numbers["detections"] > 0


def test_leaving_a_picture_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 20], [-2, 0, 4, 4], [-3, 0, 4, 4], [5, 5, 7, 15], [5, 5, 8, 15]])
    sizes = np.array([[10, 20]] * 5)
    assert leaves_image(boxes, sizes).tolist() == [False, False, True, False, True]
    assert leaves_image(np.empty((0, 4)), np.empty((0, 2))).shape == (0,)
