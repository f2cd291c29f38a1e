"""Which of COCO's images are listed."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from coco_dataset import LICENSES, as_file, changed, dataset, file_of, ids, minitrain
from coco_server import ANNOTATIONS, DEFINITION, PAGE, CocoServer
from visualsearch.core.errors import InputError
from visualsearch.data.manifest import ListedImage
from visualsearch.fetch import coco


def test_images_that_show_the_category(server: CocoServer, tmp_path: Path) -> None:
    listed = coco.list_images(minitrain(server), tmp_path / "download")
    assert ids(listed) == [1, 2, 3, 13]
    assert listed.skipped == []
    assert listed.images[0] == ListedImage(
        1, file_of(1), 40, 30, 4, LICENSES[0]["name"], LICENSES[0]["url"],
        f"https://s3.amazonaws.com/images.cocodataset.org/train2017/{file_of(1)}",
    )  # fmt: skip
    kept = listed.annotations
    assert kept is not None
    assert [image["id"] for image in kept["images"]] == [1, 2, 3, 13]
    # All categories of the kept images, crowds too, and no outlines.
    pairs = [(a["image_id"], a["category_id"], a["iscrowd"]) for a in kept["annotations"]]
    assert pairs == [(1, 1, 0), (1, 18, 0), (2, 1, 0), (3, 1, 0), (13, 1, 1)]
    assert not any("segmentation" in annotation for annotation in kept["annotations"])
    assert kept["info"] and kept["licenses"] == LICENSES and len(kept["categories"]) == 2


def test_filters(server: CocoServer, tmp_path: Path) -> None:
    def listed(**changes: Any) -> list[int]:
        return ids(coco.list_images(minitrain(server, **changes), tmp_path / "download"))

    assert listed(category="dog") == [1, 8]
    assert listed(only_with_category=False) == [1, 2, 3, 5, 8, 13]
    assert listed(max_images=2) == [1, 2]
    with pytest.raises(InputError, match=r"'unicorn' is not a category.*person, dog"):
        listed(category="unicorn")
    # All from one download of each file.
    assert server.asked() == [DEFINITION, ANNOTATIONS]


def test_a_local_definition_says_what_belongs(server: CocoServer, tmp_path: Path) -> None:
    path = as_file(tmp_path / "mini.json", {"images": [{"id": 13}, {"id": 2}, {"id": 5}]})
    settings = minitrain(server, coco={"definition": str(path)})
    listed = coco.list_images(settings, tmp_path / "download")
    assert ids(listed) == [2, 13]
    assert listed.hashes is not None
    assert listed.hashes["definition_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_val2017_needs_no_definition(server: CocoServer, tmp_path: Path) -> None:
    settings = dataset("coco-val2017", coco=server.dataset("val2017") | {"definition": None})
    listed = coco.list_images(settings, tmp_path / "download")
    assert ids(listed) == [1, 2, 3, 13]
    assert "/val2017/" in str(listed.images[0].source_url)
    assert listed.hashes == {"annotations_sha256": settings.coco.annotations_sha256}
    assert server.asked() == [ANNOTATIONS]


OFFICIAL = [*range(1, 99), 449108, 527649]


@pytest.mark.parametrize(
    ("defined", "expected", "complaint"),
    [
        (OFFICIAL, 100, None),
        (OFFICIAL[:99], 99, "lacks image 527649.*not the official"),
        (OFFICIAL, 101, "lists 100 images, not the 101"),
        ([*OFFICIAL, 777_777], 101, "lists image 777777, which train2017 does not have"),
        ([*OFFICIAL, 777_777], None, "lists image 777777"),
        (OFFICIAL[:5], None, None),
    ],
)
def test_look_alike_definitions_are_refused(
    tmp_path: Path, defined: list[int], expected: int | None, complaint: str | None
) -> None:
    whole = {
        "images": [{"id": i, "file_name": file_of(i)} for i in OFFICIAL],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}],
    }
    local = {
        "definition": str(
            as_file(tmp_path / "mini.json", {"images": [{"id": i} for i in defined]})
        ),
        "definition_images": expected,
        "annotations": str(as_file(tmp_path / "train.json", whole)),
        "annotations_sha256": None,
    }
    settings = dataset("coco-minitrain", coco=local, only_with_category=False)
    if complaint is None:
        assert ids(coco.list_images(settings, tmp_path / "download")) == defined
    else:
        with pytest.raises(InputError, match=complaint):
            coco.list_images(settings, tmp_path / "download")


def test_a_web_page_instead_of_the_definition_is_not_kept(
    server: CocoServer, tmp_path: Path
) -> None:
    server.fail(DEFINITION, PAGE)
    with pytest.raises(InputError, match="not JSON") as caught:
        coco.list_images(minitrain(server), tmp_path / "download")
    assert "\n" not in str(caught.value)
    assert ids(coco.list_images(minitrain(server), tmp_path / "download")) == [1, 2, 3, 13]


def test_local_annotations_are_checked(server: CocoServer, tmp_path: Path) -> None:
    path = tmp_path / "annotations.zip"
    path.write_bytes(server.files[ANNOTATIONS])
    settings = minitrain(server, coco={"annotations": str(path)})
    assert ids(coco.list_images(settings, tmp_path / "download")) == [1, 2, 3, 13]
    for options, message in (
        ({"annotations_sha256": "0" * 64}, r"annotations.zip has sha256 .*null for a file of your"),
        (
            {"annotations": server.url + ANNOTATIONS, "annotations_sha256": None},
            "null is only for a local",
        ),
    ):
        with pytest.raises(InputError, match=message):
            coco.list_images(changed(settings, coco=options), tmp_path / "download")


@pytest.mark.parametrize("kind", ["no such member", "broken", "cut", "absent"])
def test_broken_archives(server: CocoServer, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "annotations.zip"
    good = server.files[ANNOTATIONS]
    if kind == "no such member":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("annotations/instances_val2017.json", "{}")
    elif kind == "broken":
        path.write_bytes(good[:100] + bytes(100) + good[200:])
    elif kind == "cut":
        path.write_bytes(good[:400])
    settings = minitrain(server, coco={"annotations": str(path), "annotations_sha256": None})
    with pytest.raises(InputError, match=r"annotations.zip") as caught:
        coco.list_images(settings, tmp_path / "download")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("../evil.jpg", "file_name"),
        ("/etc/passwd", "file_name"),
        ("a/../../b.jpg", "file_name"),
        (f"./{file_of(2)}", r"image 2 has file_name .* used by another image"),
    ],
)
def test_file_names_lead_to_one_picture_each_within_the_root(
    pictures: Path, instances: dict[str, Any], tmp_path: Path, name: str, complaint: str
) -> None:
    instances["images"][-1]["file_name"] = name
    path = as_file(tmp_path / "instances.json", instances)
    local = {"annotations": str(path), "annotations_sha256": None, "images": str(pictures)}
    with pytest.raises(InputError, match=complaint):
        coco.list_images(dataset("coco-val2017", coco=local), tmp_path)


def test_a_local_folder_that_is_missing(server: CocoServer, tmp_path: Path) -> None:
    settings = minitrain(server, coco={"images": str(tmp_path / "nowhere")})
    with pytest.raises(InputError, match="nowhere is not a folder"):
        coco.list_images(settings, tmp_path / "download")
    assert server.asked() == []


def test_real_annotations_are_kept_whole(coco_sample: Path, tmp_path: Path) -> None:
    path = coco_sample / "instances.json"
    local = {"annotations": str(path), "annotations_sha256": None}
    listed = coco.list_images(dataset("coco-val2017", coco=local, max_images=40), tmp_path)
    document = json.loads(path.read_text())
    persons = {a["image_id"] for a in document["annotations"] if a["category_id"] == 1}
    assert ids(listed) == sorted(persons)[:40]
    assert {image.license_id for image in listed.images} <= set(range(1, 9))
