"""Annotations as CVAT, Label Studio, Roboflow and FiftyOne export them, and what people change."""

import copy
import gzip
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from coco_dataset import PICTURES, as_file, changed, dataset, fetch_all, file_of, in_folder
from exports import LABEL_STUDIO_NAMES, TOOLS, Export, cvat, label_studio, roboflow
from helpers import one_line
from visualsearch.core.errors import InputError
from visualsearch.data.manifest import ImageList
from visualsearch.data.skipped import Skipped
from visualsearch.fetch import folder
from visualsearch.fetch.left_out import NOT_ANNOTATED, check_listed
from visualsearch.settings import DatasetSettings


def settings_of(export: Export, **named: Any) -> DatasetSettings:
    return dataset("folder", folder=export.settings() | named)


def boxes_by_file(listed: ImageList) -> dict[str, list[Any]]:
    """The boxes of persons of each picture, by the end of its name."""
    assert listed.annotations is not None
    (person,) = (c["id"] for c in listed.annotations["categories"] if c["name"] == "person")
    files = {image["id"]: image["file_name"] for image in listed.annotations["images"]}
    assert files == {image.image_id: image.file for image in listed.images}
    found: dict[str, list[Any]] = {file: [] for file in files.values()}
    for entry in listed.annotations["annotations"]:
        if entry["category_id"] == person:
            found[files[entry["image_id"]]].append((entry["bbox"], entry["iscrowd"]))
    return found


@pytest.fixture
def many(pictures: Path, instances: dict[str, Any]) -> dict[str, Any]:
    """Instances whose boxes differ from picture to picture."""
    for number, entry in enumerate(instances["annotations"]):
        entry["bbox"] = [number, number + 1, 9, 8 + number]
    return instances


EXPECTED = {1: [([0, 1, 9, 8], 0)], 2: [([2, 3, 9, 10], 0)], 3: [([3, 4, 9, 11], 0)], 5: [], 8: [],
            13: [([5, 6, 9, 13], 1)]}  # fmt: skip


def check(export: Export, folder_of: Callable[[int], str]) -> ImageList:
    settings = settings_of(export)
    listed = folder.list_images(settings, export.path)
    found = boxes_by_file(listed)
    assert found == {folder_of(number): boxes for number, boxes in EXPECTED.items()}
    assert listed.skipped == []
    fetched, skipped = fetch_all(settings, listed.images, export.path)
    assert len(fetched) == len(PICTURES) and not skipped
    return listed


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_is_read_as_the_tool_writes_it(
    pictures: Path, many: dict[str, Any], tmp_path: Path, tool: str
) -> None:
    export = TOOLS[tool](tmp_path / "export", pictures, many)
    listed = folder.list_images(settings_of(export), tmp_path)
    assert sorted(boxes_by_file(listed).values()) == sorted(EXPECTED.values())
    assert listed.skipped == [] and len(listed.images) == len(PICTURES)
    fetched, skipped = fetch_all(settings_of(export), listed.images, export.path)
    assert len(fetched) == len(PICTURES) and not skipped
    assert listed.annotations is not None
    json.dumps(listed.annotations, allow_nan=False)


@pytest.mark.parametrize("version", LABEL_STUDIO_NAMES)
@pytest.mark.parametrize("originals", [False, True])
def test_names_of_each_version_of_label_studio(
    pictures: Path, many: dict[str, Any], tmp_path: Path, version: str, originals: bool
) -> None:
    export = label_studio(tmp_path / "export", pictures, many, version, originals)
    listed = folder.list_images(settings_of(export), tmp_path)
    found = boxes_by_file(listed)
    assert sorted(found.values()) == sorted(EXPECTED.values()) and listed.skipped == []
    if originals:
        assert found == {file_of(number): boxes for number, boxes in EXPECTED.items()}


def test_pictures_as_they_were_before_roboflow(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(roboflow(tmp_path / "export", pictures, many, originals=True), file_of)
    assert "matched by their names before Roboflow: 000000000001_jpg.rf." in caplog.text


def test_the_archive_that_cvat_offers(pictures: Path, many: dict[str, Any], tmp_path: Path) -> None:
    export = cvat(tmp_path / "export", pictures, many, zipped=True)
    assert export.annotations.suffix == ".zip"
    check(export, lambda number: f"images/default/{file_of(number)}")


def test_a_file_packed_with_gzip(pictures: Path, many: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "instances.json.gz"
    path.write_bytes(gzip.compress(json.dumps(many).encode("utf-8-sig")))
    check(Export(pictures, path), file_of)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="broken archive") as caught:
        folder.list_images(in_folder(pictures, path), tmp_path)
    assert str(path) in one_line(caught)


def test_a_gzip_bomb_is_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visualsearch.fetch.coco_json.MAX_UNPACKED_BYTES", 2**20)
    path = tmp_path / "instances.json.gz"
    path.write_bytes(gzip.compress(b" " * 2**21))
    with pytest.raises(InputError, match="more than 1 MB unpacked"):
        folder.list_images(in_folder(pictures, path), tmp_path)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["result.json", "images/a.jpg"], None),
        (["annotations/instances_default.json", "annotations/person_keypoints.json"], None),
        (["data.json", "__MACOSX/._data.json", ".x.json"], None),
        (["images/a.jpg"], "has no JSON file; unpack it"),
        (["train/_annotations.coco.json", "valid/_annotations.coco.json"], "has 2 JSON files"),
        (["a.json", "b.json"], r"has 2 JSON files \(a.json, b.json\); unpack it, and give"),
    ],
)
def test_an_archive_is_opened_if_one_file_can_be_meant(
    pictures: Path, many: dict[str, Any], tmp_path: Path, names: list[str], expected: str | None
) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, "{}" if number else json.dumps(many))
    settings = in_folder(pictures, path)
    if expected is None:
        assert len(folder.list_images(settings, tmp_path).images) == len(PICTURES)
        return
    with pytest.raises(InputError, match=expected) as caught:
        folder.list_images(settings, tmp_path)
    one_line(caught)


def test_one_archive_has_annotations_and_keypoints(
    pictures: Path, many: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "export.zip"
    poses = [{**entry, "keypoints": [5, 6, 2] * 17} for entry in many["annotations"]]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("annotations/instances_default.json", json.dumps(many))
        text = json.dumps({"annotations": poses})
        archive.writestr("annotations/person_keypoints_default.json", text)
    settings = in_folder(pictures, path, folder={"keypoints": str(path)})
    listed = folder.list_images(settings, tmp_path)
    assert listed.annotations is not None
    found = [entry for entry in listed.annotations["annotations"] if "keypoints" in entry]
    assert len(found) == 4


OTHER_FORMATS = {
    "YOLO": ("0 0.5 0.5 0.1 0.2\n1 0.25 0.5 0.1 0.2\n", "YOLO text"),
    "VOC": ("<annotation><filename>a.jpg</filename></annotation>", "Pascal VOC XML"),
    "CVAT": ('<?xml version="1.0"?>\n<annotations>\n<version>1.1', "CVAT's XML; in CVAT, export"),
    "JSON lines": ('{"file_name": "a.jpg"}\n{"file_name": "b.jpg"}\n', "JSON lines"),
    "CSV": ("image,xmin,ymin,xmax,ymax,label\na.jpg,1,2,3,4,person\n", "a table in CSV"),
    "7z": ("7z\u00bc\u00af'\u001c", "a 7z archive; unpack it"),
    "tar": ("a.json" + "\0" * 251 + "ustar", "a tar archive; unpack it"),
    "Label Studio": ('[{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}]', "own JSON"),
    "results": ('[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]', "detect"),
    "CreateML": ('[{"image": "a.jpg", "annotations": []}]', "CreateML's JSON"),
    "labelme": ('{"shapes": [], "imagePath": "a.jpg"}', "labelme's JSON"),
    "VIA": ('{"a.jpg1": {"filename": "a.jpg", "regions": []}}', "VGG Image Annotator's own JSON"),
    "Datumaro": ('{"info": {}, "categories": {"label": {}}, "items": []}', "Datumaro's JSON"),
    "FiftyOne": ('{"samples": []}', "COCODetectionDataset"),
}


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_another_format_is_named(pictures: Path, tmp_path: Path, name: str) -> None:
    text, expected = OTHER_FORMATS[name]
    path = tmp_path / "given"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="seems to be") as caught:
        folder.list_images(in_folder(pictures, path), tmp_path)
    assert expected in one_line(caught) and "give a COCO instances file" in str(caught.value)
    assert str(path) in str(caught.value)


# Categories


def with_categories(
    document: dict[str, Any], names: dict[int, str], ids: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Instances with other categories; the persons get `ids` in turn, if these are given."""
    document["categories"] = [{"id": number, "name": name} for number, name in names.items()]
    persons = [entry for entry in document["annotations"] if entry["category_id"] == 1]
    for number, entry in enumerate(persons if ids else ()):
        entry["category_id"] = ids[number % len(ids)]
    return document


@pytest.mark.parametrize(
    ("names", "ids", "called"),
    [
        ({1: "person", 18: "dog"}, (), None),
        ({1: "Person", 18: "dog"}, (), None),
        ({1: " person ", 18: "dog"}, (), None),
        ({1: "pedestrian", 18: "dog"}, (), "pedestrian"),
        ({1: "Pedestrian", 18: "dog"}, (), "pedestrian"),
        # Roboflow's root, and the same in another case.
        ({0: "person", 1: "person", 18: "dog"}, (), None),
        ({0: "person", 1: "Person", 18: "dog"}, (), None),
        # Two that are used are one.
        ({1: "person", 2: "person", 18: "dog"}, (1, 2), None),
        # What is called so in the file is another, which keeps another name.
        ({1: "walker", 2: "person", 18: "dog"}, (), "walker"),
    ],
)
def test_the_category_is_found_and_called_by_its_name(
    pictures: Path,
    many: dict[str, Any],
    tmp_path: Path,
    names: dict[int, str],
    ids: tuple[int, ...],
    called: str | None,
) -> None:
    path = as_file(tmp_path / "a.json", with_categories(many, names, ids))
    listed = folder.list_images(in_folder(pictures, path, folder={"category": called}), tmp_path)
    assert boxes_by_file(listed) == {file_of(number): boxes for number, boxes in EXPECTED.items()}
    assert listed.annotations is not None
    written = [entry["name"] for entry in listed.annotations["categories"]]
    assert len(set(written)) == len(written) and "dog" in written


@pytest.mark.parametrize(
    ("names", "called", "line"),
    [
        ({1: "people", 18: "dog"}, None, r"set it to the one that means person, perhaps 'people'"),
        ({1: "Pedestrians", 18: "dog"}, None, r"perhaps 'Pedestrians'\. It has \(boxes\): Ped"),
        ({1: "walker", 18: "dog"}, None, r"person\. It has \(boxes\): walker \(4\), dog \(2\)"),
        ({1: "person", 18: "dog"}, "cat", r"has no category 'cat'"),
        ({1: "Person", 18: "PERSON"}, None, r"has 'PERSON', 'Person', which could all mean"),
    ],
)
def test_a_category_that_does_not_fit_is_one_line(
    pictures: Path,
    many: dict[str, Any],
    tmp_path: Path,
    names: dict[int, str],
    called: str | None,
    line: str,
) -> None:
    path = as_file(tmp_path / "a.json", with_categories(many, names))
    settings = in_folder(pictures, path, folder={"category": called})
    with pytest.raises(InputError, match=line) as caught:
        folder.list_images(settings, tmp_path)
    assert one_line(caught).startswith("dataset.folder.category: ")
    assert str(path) in str(caught.value)


def test_a_category_without_boxes_is_told(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Roboflow's root is called so, and the boxes are of another.
    path = as_file(tmp_path / "a.json", with_categories(many, {0: "person", 1: "rider", 18: "dog"}))
    listed = folder.list_images(in_folder(pictures, path), tmp_path)
    assert set(map(len, boxes_by_file(listed).values())) == {0}
    assert "no box is of the category 'person'; if another means person, set" in caplog.text
    assert "It has (boxes): rider (4), dog (2), person (0)" in caplog.text


# What is left out


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
        ("openpeople", False, [], "dataset: openpeople lists no picture of use"),
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


def test_what_is_not_used_refuses_nothing(
    pictures: Path, many: dict[str, Any], tmp_path: Path
) -> None:
    nan, endless = float("nan"), float("inf")
    many["annotations"][0] |= {
        "score": nan,
        "segmentation": [[nan, endless]],
        "attributes": {"a": nan},
    }
    many["annotations"][1] |= {"iscrowd": None, "area": None}
    many["annotations"][2] |= {"image_id": "2", "category_id": "1"}
    many["annotations"][3] |= {"image_id": 3.0, "category_id": 1.0, "iscrowd": 0.0}
    many["images"][0] |= {"width": 0, "height": None, "extra": {"name": endless}}
    many["images"][1] |= {"width": 20.0, "height": 32.0}
    many["info"] = {"year": nan}
    listed = folder.list_images(in_folder(pictures, as_file(tmp_path / "a.json", many)), tmp_path)
    assert boxes_by_file(listed) == {file_of(number): boxes for number, boxes in EXPECTED.items()}
    sizes = {image.image_id: (image.width, image.height) for image in listed.images}
    assert sizes[13] == (None, None) and sizes[8] == (20, 32)
    del many["annotations"]
    listed = folder.list_images(in_folder(pictures, as_file(tmp_path / "a.json", many)), tmp_path)
    assert listed.annotations is not None and listed.annotations["annotations"] == []


def test_two_files_of_one_id_are_both_named(
    pictures: Path, many: dict[str, Any], tmp_path: Path
) -> None:
    # CVAT gives files that differ only in their suffix one id.
    many["images"] += [many["images"][0] | {"file_name": "other.gif"}]
    path = as_file(tmp_path / "a.json", many)
    with pytest.raises(InputError, match=rf"id 13 is that of '{file_of(13)}' and of 'other.gif'"):
        folder.list_images(in_folder(pictures, path), tmp_path)


def test_keypoints_come_with_what_is_joined(
    pictures: Path, many: dict[str, Any], tmp_path: Path
) -> None:
    document = with_categories(many, {1: "Person", 2: "Person", 18: "dog"}, (1, 2))
    document["images"] += [document["images"][-1] | {"id": 101}]
    (first,) = (e for e in document["annotations"] if e["image_id"] == 1 and e["category_id"] < 18)
    document["annotations"] += [first | {"id": 11, "image_id": 101}]
    points = [5, 6, 2] * 17
    poses = [{**entry, "keypoints": points} for entry in document["annotations"]]
    given = as_file(tmp_path / "k.json", {"annotations": poses[1:]})
    path = as_file(tmp_path / "a.json", document)
    listed = folder.list_images(
        changed(in_folder(pictures, path), folder={"keypoints": str(given)}), tmp_path
    )
    assert listed.annotations is not None
    found = [e["image_id"] for e in listed.annotations["annotations"] if "keypoints" in e]
    # Of the first, only the entry under the other id has them.
    assert sorted(found) == [1, 2, 3, 13]


def test_how_names_were_matched_is_a_warning(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        label_studio_export = label_studio(tmp_path / "export", pictures, many, "windows")
        folder.list_images(settings_of(label_studio_export), tmp_path)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("6 file names of the annotations were matched as paths: ")
