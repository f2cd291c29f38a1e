"""Annotations that are joined or left out, and what is said about it."""

import copy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from coco_dataset import (
    EXPECTED,
    PICTURES,
    as_file,
    boxes_by_file,
    dataset,
    file_of,
    in_folder,
)
from helpers import one_line
from visualsearch.core.errors import InputError
from visualsearch.data.manifest import ImageList
from visualsearch.data.skipped import Skipped
from visualsearch.fetch import folder
from visualsearch.fetch.left_out import NOT_ANNOTATED, check_listed


def test_what_is_left_out_is_named_and_the_last_one_is_an_error(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (pictures / "2").mkdir()
    (pictures / file_of(5)).rename(pictures / "2" / "x.jpg")
    Image.new("RGB", (5, 4)).save(pictures / "2" / file_of(1))
    (pictures / file_of(1)).rename(pictures / "2" / "y.jpg")
    (pictures / "3").mkdir()
    Image.new("RGB", (5, 4)).save(pictures / "3" / file_of(1))
    settings = in_folder(pictures, as_file(tmp_path / "a.json", many))
    listed = folder.list_images(settings, tmp_path)
    reasons = {entry.image_id: entry.reason for entry in listed.skipped if entry.image_id}
    assert reasons == {
        1: f"more than one picture could be meant: 2/{file_of(1)} and 3/{file_of(1)}",
        5: "named in the annotations, not in the folder",
    }
    check_listed(listed, settings, "the.log")
    assert "2 of 6 pictures of the annotations are left out: " in caplog.text
    assert "all are listed in the.log" in caplog.text and file_of(5) in caplog.text

    for number in PICTURES:
        (pictures / file_of(number)).unlink(missing_ok=True)
    listed = folder.list_images(settings, tmp_path)
    with pytest.raises(InputError) as caught:
        check_listed(listed, settings, "the.log")
    line = str(caught.value)
    assert "no picture is left of the 6 that" in line and "in the folder (5)" in line
    assert f"The annotations name {file_of(2)}" in line or file_of(13) in line
    assert "the folder has 2/" in line and "dataset.category" not in line


@pytest.mark.parametrize(
    ("source", "annotated", "skipped", "line"),
    [
        ("openpeople", False, [], "dataset: openpeople lists no usable picture"),
        ("folder", False, [Skipped(None, "\udcff.jpg", "bad")], "can be used; most often: bad (1)"),
        ("folder", True, [Skipped(None, "a.jpg", NOT_ANNOTATED, False)], "lists no image"),
        (
            "folder",
            True,
            [Skipped(1, "x/a.jpg", "left out by dataset.folder.exclude: x", False)],
            "by dataset.folder.exclude (1). The annotations name x/a.jpg. Give",
        ),
    ],
)
def test_nothing_left_is_one_line(
    source: str, annotated: bool, skipped: list[Skipped], line: str
) -> None:
    named = {"path": "pictures", "annotations": "a.json" if annotated else None}
    with pytest.raises(InputError) as caught:
        check_listed(ImageList([], skipped), dataset(source, folder=named), "the.log")
    assert line in one_line(caught)


def test_a_file_whose_name_is_not_utf8_is_left_out(
    pictures: Path, many: dict[str, Any], tmp_path: Path
) -> None:
    (pictures / file_of(1)).rename(pictures / "a\udcff.jpg")
    many["images"][-1]["file_name"] = "0a1b2c3d-a.jpg"
    path = as_file(tmp_path / "a.json", many)
    listed = folder.list_images(in_folder(pictures, path), tmp_path)
    assert {(entry.image_id, entry.file, entry.reason) for entry in listed.skipped} == {
        (1, "0a1b2c3d-a.jpg", "named in the annotations, not in the folder"),
        (None, "a\udcff.jpg", "the file's name is not UTF-8; rename it"),
    }


def test_one_picture_under_two_ids_is_joined(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    twice = copy.deepcopy(many)
    images = {image["id"]: image for image in many["images"]}
    twice["images"] += [
        images[1] | {"id": 101},
        images[2] | {"id": 102, "file_name": f"./{file_of(2)}"},
    ]
    first, second = many["annotations"][0], many["annotations"][2]
    twice["annotations"] += [
        first | {"id": 11, "image_id": 101},
        first | {"id": 12, "image_id": 101, "bbox": [20, 9, 5, 5]},
        second | {"id": 13, "image_id": 102},
    ]
    listed = folder.list_images(in_folder(pictures, as_file(tmp_path / "a.json", twice)), tmp_path)
    expected = {file_of(number): boxes for number, boxes in EXPECTED.items()}
    expected[file_of(1)] = [*expected[file_of(1)], ([20, 9, 5, 5], 0)]
    assert boxes_by_file(listed) == expected
    assert sorted(image.image_id for image in listed.images) == sorted(PICTURES)
    assert "2 pictures are in the annotations under more than one id" in caplog.text

    twice["images"][-1]["width"] += 1
    listed = folder.list_images(in_folder(pictures, as_file(tmp_path / "a.json", twice)), tmp_path)
    left_out = {(entry.image_id, entry.file) for entry in listed.skipped}
    assert left_out == {(2, file_of(2)), (102, file_of(2))}
    assert "with different sizes" in listed.skipped[0].reason


def test_empty_boxes_do_not_count(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for entry, (side, value) in zip(many["annotations"], ((2, -5), (3, 0)), strict=False):
        entry["bbox"][side] = value
    listed = folder.list_images(in_folder(pictures, as_file(tmp_path / "a.json", many)), tmp_path)
    assert listed.annotations is not None and len(listed.annotations["annotations"]) == 4
    assert "2 of 6 annotations do not count" in caplog.text
