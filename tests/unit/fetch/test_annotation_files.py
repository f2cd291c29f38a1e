"""Files of annotations that are packed, sparse, odd, or of another format."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from coco_dataset import EXPECTED, PICTURES, as_file, boxes_by_file, file_of, in_folder
from helpers import one_line
from visualsearch.core.errors import InputError
from visualsearch.fetch import folder


def test_a_file_packed_with_gzip(pictures: Path, many: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "instances.json.gz"
    path.write_bytes(gzip.compress(json.dumps(many).encode("utf-8-sig")))
    listed = folder.list_images(in_folder(pictures, path), tmp_path)
    assert boxes_by_file(listed) == {file_of(number): boxes for number, boxes in EXPECTED.items()}
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
        (
            ["images/a.jpg", "labels/a.txt"],
            "no JSON file; if it is of another format, such as YOLO",
        ),
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
    "YOLO's classes": (
        "train: ../train/images\nnc: 1\nnames: ['person']\n",
        "YOLO's list of classes",
    ),
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
