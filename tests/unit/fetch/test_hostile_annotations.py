"""Annotations and archives that were made to do harm: each is refused in one line, or harmless."""

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from coco_dataset import dataset, in_folder
from helpers import one_line
from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json
from visualsearch.data.manifest import ImageList, write_listed
from visualsearch.data.skipped import read_skipped, write_skipped
from visualsearch.evaluate.detections import evaluate_detections
from visualsearch.fetch import coco, folder

DEEP = 10**6
# Deep enough that what is parsed could not be written again, or copied.
LESS_DEEP = 900


def document() -> dict[str, Any]:
    return {
        "info": {"description": "made by a test"},
        "licenses": [{"id": 1, "name": "A licence", "url": "https://example.org/licence"}],
        "images": [{"id": 1, "file_name": "1.png", "width": 30, "height": 20, "license": 1}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "person"}],
    }


PLACES = {
    f"{section}.{key}": (section, key)
    for section, keys in {
        "": ("info", "licenses", "images", "annotations", "categories", "more"),
        "info": ("description", "more"),
        "licenses": ("id", "name", "url", "more"),
        "images": ("id", "file_name", "width", "height", "license", "coco_url", "more"),
        "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation",
                        "keypoints", "more"),
        "categories": ("id", "name", "supercategory", "more"),
    }.items()
    for key in keys
}  # fmt: skip
# Values that decide results.
USED = {
    *(".images", ".annotations", ".categories", "images.id", "images.file_name", "images.width"),
    *("images.height", "annotations.image_id", "annotations.category_id", "annotations.bbox"),
    *("annotations.area", "annotations.iscrowd", "categories.id", "categories.name"),
}
PLAIN = ("1.0", "1.5", "-1", "1e999", "NaN", "-Infinity", "true", "null", '"1"', '""', "[]", "{}")
VALUES = {
    **{text: text for text in PLAIN},
    **{f"2**{power}": str(2**power) for power in (31, 43, 63, 64)},
    **{f"10**{power}": "1" + "0" * power for power in (400, 5000)},
    "half a character": '"\\ud800"',
    "nought": '"a\\u0000b"',
    "escape": '"\\u001b]0;x\\u0007\\n=1+1"',
    "long": '"' + "x" * 10**6 + '"',
    "deep list": "[" * LESS_DEEP + "]" * LESS_DEEP,
    "deep object": '{"a":' * LESS_DEEP + "1" + "}" * LESS_DEEP,
    "too deep": "[" * DEEP + "]" * DEEP,
    "too deep, objects": '{"a":' * DEEP + "1" + "}" * DEEP,
}
MARK = '""'


def with_value(whole: dict[str, Any], section: str, key: str, text: str) -> str:
    """A document as JSON in which one value is the text."""
    part = whole[section] if section else whole
    (part[0] if isinstance(part, list) else part)[key] = ""
    return json.dumps(whole).replace(MARK, text)


@pytest.fixture(scope="module")
def one_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (30, 20)).save(path / "1.png")
    return path


def listed(pictures: Path, annotations: Path, keypoints: Path | None = None) -> ImageList:
    named = {"keypoints": str(keypoints) if keypoints else None}
    return folder.list_images(in_folder(pictures, annotations, folder=named), pictures)


def refused_or_harmless(pictures: Path, annotations: Path, keypoints: Path | None = None) -> bool:
    """Whether what could be read can also be written, measured against, and is plain."""
    try:
        found = listed(pictures, annotations, keypoints)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return False
    out = annotations.parent
    write_listed(out / "images.parquet", found.images)
    write_skipped(out / "skipped.tsv", found.skipped)
    assert set(read_skipped(out / "skipped.tsv")) == set(found.skipped)
    assert found.annotations is not None
    write_json(out / "kept.json", found.annotations, indent=None, ascii_only=True)
    named = {category["name"] for category in found.annotations["categories"]}
    assert all(isinstance(name, str) for name in named)
    images = [image.image_id for image in found.images]
    if images:
        result = {"image_id": images[0], "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9}
        write_json(out / "results.json", [result])
        evaluate_detections(out / "kept.json", out / "results.json", "person", images)
    return True


@pytest.mark.parametrize("place", PLACES)
def test_hostile_annotations_are_refused_or_harmless(
    one_picture: Path, tmp_path: Path, place: str
) -> None:
    path = tmp_path / "instances.json"
    passed = set()
    for name, text in VALUES.items():
        path.write_text(with_value(document(), *PLACES[place], text))
        if refused_or_harmless(one_picture, path):
            passed.add(name)
    # What Python's reader cannot hold never gets through, wherever it stands.
    assert passed.isdisjoint({"10**5000", "too deep", "too deep, objects"})
    # What is no number is refused where it is used, and ignored where it is not.
    no_numbers = {"NaN", "-Infinity"}
    assert (passed & no_numbers) == (set() if place in USED else no_numbers)
    if place == "images.id":
        assert passed == set()
    if place.endswith("more"):
        assert passed >= {"1e999", "2**64", "half a character", "deep list", "deep object"}


def test_a_number_of_a_box_is_finite_or_refused(one_picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    numbers = {"1.0", "1.5", "-1", "2**31", "2**43", "2**63", "2**64", "1e308"}
    for side in range(4):
        for name, text in (VALUES | {"1e308": "1e308"}).items():
            box: list[Any] = [1, 2, 3, 4]
            box[side] = ""
            made = document()
            made["annotations"][0] |= {"bbox": box, "area": 5}
            path.write_text(json.dumps(made).replace(MARK, text))
            assert refused_or_harmless(one_picture, path) == (name in numbers), (side, name)


def test_hostile_keypoints_are_refused_or_harmless(one_picture: Path, tmp_path: Path) -> None:
    instances, path = tmp_path / "instances.json", tmp_path / "keypoints.json"
    instances.write_text(json.dumps(document()))
    points = [1, 2, 2] * 17
    fields = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": points}
    for section, key in [("", "annotations"), *(("annotations", key) for key in fields)]:
        for name, text in VALUES.items():
            path.write_text(with_value({"annotations": [dict(fields)]}, section, key, text))
            passed = refused_or_harmless(one_picture, instances, path)
            assert not (passed and name in {"NaN", "too deep", "10**5000"}), (key, name)
    for name, text in VALUES.items():
        made = json.dumps({"annotations": [fields | {"keypoints": ["", *points[1:]]}]})
        path.write_text(made.replace(MARK, text))
        passed = refused_or_harmless(one_picture, instances, path)
        assert passed == (name in {"1.0", "1.5", "-1", "2**31", "2**43", "2**63", "2**64"}), name


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("utf-32"),
    ],
    ids=["BOM", "UTF-16", "UTF-16 BE", "UTF-32"],
)
def test_json_in_any_unicode_encoding_is_read(
    one_picture: Path, tmp_path: Path, encode: Callable[[str], bytes]
) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(encode(json.dumps(document())))
    assert [image.file for image in listed(one_picture, path).images] == ["1.png"]


# Archives

MEMBER = "annotations/instances_val2017.json"


def annotated(archive: Path) -> ImageList:
    named = {"annotations": str(archive), "annotations_sha256": None}
    named |= {"images": str(archive.parent)}
    return coco.list_images(dataset("coco-val2017", coco=named), archive.parent / "download")


def test_nothing_is_unpacked_from_an_archive(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    path = place / "annotations.zip"
    link = zipfile.ZipInfo("annotations/link")
    link.external_attr = 0o120777 << 16
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        for name in ("../../evil", "/tmp/visualsearch-evil", "../instances_val2017.json", MEMBER):
            archive.writestr(name, "{}")
        archive.writestr(link, "/etc/passwd")
        archive.writestr("annotations/link/evil", "through the link")
        archive.writestr(MEMBER, json.dumps(document()))
    before = sorted(tmp_path.rglob("*"))
    assert [image.file for image in annotated(path).images] == ["1.png"]
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/visualsearch-evil").exists()


def test_a_member_that_is_a_link_is_read_as_its_text(tmp_path: Path) -> None:
    path = tmp_path / "annotations.zip"
    (tmp_path / "secret.json").write_text(json.dumps(document()))
    link = zipfile.ZipInfo(MEMBER)
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "../secret.json")
    with pytest.raises(InputError, match="not JSON"):
        annotated(path)


BROKEN = "broken archive"
# Changed bytes of a one-member archive, in its local header and in its central directory.
LIES: dict[str, tuple[dict[int, bytes], dict[int, bytes], str]] = {
    "too small": ({}, {24: struct.pack("<I", 10)}, f"not JSON|{BROKEN}"),
    "too large": ({}, {24: struct.pack("<I", 2**30 + 1)}, "more than 1024 MB unpacked"),
    "encrypted": ({6: b"\x01"}, {8: b"\x01"}, f"{BROKEN} .*encrypted"),
    "patches": ({}, {8: b"\x20"}, BROKEN),
    "of a later zip": ({}, {6: bytes([110])}, BROKEN),
    **{
        f"method {n}": ({8: bytes([n])}, {10: bytes([n])}, f"{BROKEN}|not JSON|Invalid")
        for n in (0, 1, 9, 12, 14)
    },
    **{f"method {n}": ({8: bytes([n])}, {10: bytes([n])}, BROKEN) for n in (93, 99)},
}


@pytest.mark.parametrize("lie", LIES)
def test_archives_that_lie_are_one_line(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "annotations.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, json.dumps(document()))
    local, central, expected = LIES[lie]
    data = bytearray(path.read_bytes())
    for start, changes in ((0, local), (data.rindex(b"PK\x01\x02"), central)):
        for offset, value in changes.items():
            data[start + offset : start + offset + len(value)] = value
    path.write_bytes(data)
    with pytest.raises(InputError, match=expected) as caught:
        annotated(path)
    assert str(path) in one_line(caught)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "annotations.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(MEMBER, "w", force_zip64=True) as member,
    ):
        for _ in range(65):
            member.write(bytes(2**24))
    assert path.stat().st_size < 6_000_000
    with pytest.raises(InputError, match="more than 1024 MB unpacked"):
        annotated(path)
