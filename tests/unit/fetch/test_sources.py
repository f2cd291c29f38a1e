"""The sources, on real folders, a real server and the real package."""

import copy
import hashlib
import importlib.resources
import json
import logging
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from coco_server import (
    ABSENT,
    ANNOTATIONS,
    BUSY,
    DEFINITION,
    PAGE,
    QUOTA_PAGE,
    RESET,
    SHORT,
    TRUNCATED,
    CocoServer,
)
from visualsearch import fetch
from visualsearch.core.errors import InputError
from visualsearch.data.manifest import FetchedImage, ImageList, ListedImage, Skipped
from visualsearch.fetch import coco, folder, openpeople
from visualsearch.fetch.walk import pictures_in
from visualsearch.settings.values import is_address

Settings = dict[str, Any]
Fetched = tuple[dict[str, FetchedImage], dict[str, Skipped]]

LICENSES = [{"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/by/2.0/"}]
# File name -> size; 5 shows nothing, 8 only a dog, 13 only a crowd of persons.
PICTURES = {1: (40, 30), 2: (30, 40), 3: (24, 24), 5: (32, 20), 8: (20, 32), 13: (50, 40)}
SHOWN = [(1, 1, 0), (1, 18, 0), (2, 1, 0), (3, 1, 0), (8, 18, 0), (13, 1, 1)]


def settings(source: str, **changes: Any) -> Settings:
    """The configuration's dataset section: its defaults, with waits that a test can bear."""
    default: Settings = {
        "source": source,
        "category": "person",
        "only_with_category": True,
        "max_images": None,
        "max_skipped_fraction": 0.01,
        "connections": 4,
        "retries": 2,
        "backoff_seconds": 0.01,
        "timeout_seconds": 60,
        "coco": {
            "definition": None,
            "definition_images": 25000,
            "annotations": "http://127.0.0.1:9/annotations_trainval2017.zip",
            "annotations_sha256": "0" * 64,
            "images": None,
            "keypoints": None,
        },
        "folder": {"path": None, "annotations": None, "keypoints": None},
    }
    for key, value in changes.items():
        default[key] = default[key] | value if isinstance(value, dict) else value
    return default


def file_of(image_id: int) -> str:
    return f"{image_id:012d}.jpg"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    rng = np.random.default_rng(0)
    for image_id, (width, height) in PICTURES.items():
        noise = rng.integers(0, 255, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(path / file_of(image_id))
    return path


@pytest.fixture
def instances() -> dict[str, Any]:
    return {
        "info": {"description": "made by a test"},
        "licenses": LICENSES,
        "images": [
            {
                "id": image_id,
                "file_name": file_of(image_id),
                "width": width,
                "height": height,
                "license": 4,
                "coco_url": "http://images.example/never-fetched.jpg",
                "flickr_url": "javascript:alert(1)",
            }
            for image_id, (width, height) in reversed(PICTURES.items())
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image_id,
                "category_id": category_id,
                "bbox": [1, 2, 10.5, 12],
                "area": 100.0,
                "iscrowd": crowd,
                "segmentation": {"counts": [1, 2], "size": [3, 3]} if crowd else [[1, 1, 2, 2]],
            }
            for number, (image_id, category_id, crowd) in enumerate(SHOWN, start=1)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
    }


@pytest.fixture
def server(
    pictures: Path, instances: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CocoServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with CocoServer(pictures, instances) as running:
        yield running


def minitrain(server: CocoServer, **changes: Any) -> Settings:
    made = settings("coco-minitrain", coco=server.dataset())
    for key, value in changes.items():
        made[key] = made[key] | value if isinstance(value, dict) else value
    return made


def ids(listed: ImageList) -> list[int]:
    return [image.image_id for image in listed.images]


def fetch_all(made: Settings, images: list[ListedImage], root: Path) -> Fetched:
    results = list(fetch.load(made).fetch(images, root, made))
    fetched = {result.listed.file: result for result in results if isinstance(result, FetchedImage)}
    skipped = {result.file: result for result in results if isinstance(result, Skipped)}
    assert len(fetched) + len(skipped) == len(results)
    return fetched, skipped


# COCO: what is listed


def test_coco_lists_images_that_show_the_category(server: CocoServer, tmp_path: Path) -> None:
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


def test_coco_filters(server: CocoServer, tmp_path: Path) -> None:
    def listed(**changes: Any) -> list[int]:
        return ids(coco.list_images(minitrain(server, **changes), tmp_path / "download"))

    assert listed(category="dog") == [1, 8]
    assert listed(only_with_category=False) == [1, 2, 3, 5, 8, 13]
    assert listed(max_images=2) == [1, 2]
    with pytest.raises(InputError, match=r"'unicorn' is not a category.*person, dog"):
        listed(category="unicorn")
    # All from one download of each file.
    assert server.asked() == [DEFINITION, ANNOTATIONS]


def test_definition_says_what_belongs(server: CocoServer, tmp_path: Path) -> None:
    path = tmp_path / "mini.json"
    path.write_text(json.dumps({"images": [{"id": 13}, {"id": 2}, {"id": 5}]}))
    made = minitrain(server, coco={"definition": str(path)})
    assert ids(coco.list_images(made, tmp_path / "download")) == [2, 13]


def test_val2017_needs_no_definition(server: CocoServer, tmp_path: Path) -> None:
    made = settings("coco-val2017", coco=server.dataset("val2017") | {"definition": None})
    listed = coco.list_images(made, tmp_path / "download")
    assert ids(listed) == [1, 2, 3, 13]
    assert "/val2017/" in str(listed.images[0].source_url)
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
    (tmp_path / "train.json").write_text(json.dumps(whole))
    (tmp_path / "mini.json").write_text(json.dumps({"images": [{"id": i} for i in defined]}))
    local = {
        "definition": str(tmp_path / "mini.json"),
        "definition_images": expected,
        "annotations": str(tmp_path / "train.json"),
        "annotations_sha256": None,
    }
    made = settings("coco-minitrain", coco=local, only_with_category=False)
    if complaint is None:
        assert ids(coco.list_images(made, tmp_path / "download")) == defined
    else:
        with pytest.raises(InputError, match=complaint):
            coco.list_images(made, tmp_path / "download")


@pytest.mark.parametrize("part", [DEFINITION, ANNOTATIONS])
def test_a_web_page_instead_of_a_file_is_not_kept(
    server: CocoServer, tmp_path: Path, part: str
) -> None:
    server.fail(part, PAGE)
    with pytest.raises(InputError, match=r"not JSON|sha256") as caught:
        coco.list_images(minitrain(server), tmp_path / "download")
    assert "\n" not in str(caught.value)
    assert ids(coco.list_images(minitrain(server), tmp_path / "download")) == [1, 2, 3, 13]


def test_local_annotations_are_checked(server: CocoServer, tmp_path: Path) -> None:
    path = tmp_path / "annotations.zip"
    path.write_bytes(server.files[ANNOTATIONS])
    made = minitrain(server, coco={"annotations": str(path)})
    assert ids(coco.list_images(made, tmp_path / "download")) == [1, 2, 3, 13]
    made["coco"]["annotations_sha256"] = "0" * 64
    with pytest.raises(InputError, match=r"annotations.zip has sha256 .*null for a file of your"):
        coco.list_images(made, tmp_path / "download")
    made["coco"] |= {"annotations": server.url + ANNOTATIONS, "annotations_sha256": None}
    with pytest.raises(InputError, match="only a local"):
        coco.list_images(made, tmp_path / "download")


@pytest.mark.parametrize("kind", ["no such member", "broken", "cut", "absent"])
def test_broken_archives(server: CocoServer, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "annotations.zip"
    if kind == "no such member":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("annotations/instances_val2017.json", "{}")
    elif kind == "broken":
        data = bytearray(server.files[ANNOTATIONS])
        data[100:200] = bytes(100)
        path.write_bytes(data)
    elif kind == "cut":
        path.write_bytes(server.files[ANNOTATIONS][:400])
    made = minitrain(server, coco={"annotations": str(path), "annotations_sha256": None})
    with pytest.raises(InputError, match=r"annotations.zip") as caught:
        coco.list_images(made, tmp_path / "download")
    assert "\n" not in str(caught.value)


def test_file_names_cannot_lead_out_of_the_image_root(
    pictures: Path, instances: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("../evil.jpg", "/etc/passwd", "a/../../b.jpg"):
        instances["images"][-1]["file_name"] = name
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(instances))
        local = {"annotations": str(path), "annotations_sha256": None, "images": str(pictures)}
        with pytest.raises(InputError, match="file_name"):
            coco.list_images(settings("coco-val2017", coco=local), tmp_path)


# COCO: what is fetched


def test_fetch_through_all_faults_and_resume(server: CocoServer, tmp_path: Path) -> None:
    made = minitrain(server)
    listed = coco.list_images(made, tmp_path / "download")
    for image_id, fault in zip((1, 2, 3), (RESET, SHORT, TRUNCATED), strict=True):
        server.fail(f"/train2017/{file_of(image_id)}", fault)
    server.fail(f"/train2017/{file_of(13)}", BUSY)
    root = tmp_path / "images"
    fetched, skipped = fetch_all(made, listed.images, root)
    assert sorted(fetched) == [file_of(i) for i in (1, 2, 3, 13)] and not skipped
    for image_id in (1, 2, 3, 13):
        row = fetched[file_of(image_id)]
        data = (root / file_of(image_id)).read_bytes()
        assert row.sha256 == hashlib.sha256(data).hexdigest()
        assert (row.width, row.height) == PICTURES[image_id]
    assert len(server.asked("/train2017")) == 8

    server.requests.clear()
    assert fetch_all(made, listed.images, root) == (fetched, {})
    assert server.asked() == []

    # A picture that was spoilt or deleted since is the only one asked for again.
    (root / file_of(1)).write_bytes(b"spoilt")
    (root / file_of(3)).unlink()
    assert fetch_all(made, listed.images, root) == (fetched, {})
    assert sorted(server.asked()) == [f"/train2017/{file_of(i)}" for i in (1, 3)]


def test_missing_pictures_fail_by_name_after_all_others(server: CocoServer, tmp_path: Path) -> None:
    made = minitrain(server)
    listed = coco.list_images(made, tmp_path / "download")
    server.fail(f"/train2017/{file_of(1)}", ABSENT, forever=True)
    server.fail(f"/train2017/{file_of(3)}", RESET, forever=True)
    root = tmp_path / "images"
    message = rf"2 of 4 pictures .*{file_of(1)} \(HTTP 404.*{file_of(3)} \(the conn.*rerun the same"
    with pytest.raises(InputError, match=message):
        fetch_all(made, listed.images, root)
    assert sorted(path.name for path in root.iterdir()) == [file_of(2), file_of(13)]


@pytest.mark.parametrize("fault", [TRUNCATED, PAGE])
def test_pictures_that_never_come_right_are_skipped(
    server: CocoServer, tmp_path: Path, fault: str
) -> None:
    made = minitrain(server)
    listed = coco.list_images(made, tmp_path / "download")
    server.fail(f"/train2017/{file_of(2)}", fault, forever=True)
    fetched, skipped = fetch_all(made, listed.images, tmp_path / "images")
    assert sorted(fetched) == [file_of(i) for i in (1, 3, 13)]
    assert skipped[file_of(2)].image_id == 2
    assert len(server.asked(f"/train2017/{file_of(2)}")) == 3
    assert not (tmp_path / "images" / file_of(2)).exists()


def test_size_is_checked_against_the_annotations(
    pictures: Path, instances: dict[str, Any], server: CocoServer, tmp_path: Path
) -> None:
    made = minitrain(server)
    listed = coco.list_images(made, tmp_path / "download")
    Image.new("RGB", (30, 40)).save(pictures / file_of(1))
    _, skipped = fetch_all(made, listed.images, tmp_path / "images")
    assert skipped[file_of(1)].reason == "30 x 40 pixels upright, 40 x 30 in the annotations"


@pytest.mark.parametrize("fault", [ABSENT, PAGE])
def test_a_dead_source_is_given_up_early(
    pictures: Path, instances: dict[str, Any], server: CocoServer, tmp_path: Path, fault: str
) -> None:
    images = [ListedImage(i, f"{i}.jpg") for i in range(400)]
    for image in images:
        server.fail(f"/train2017/{image.file}", fault, forever=True)
        (pictures / image.file).write_bytes(b"")
    with pytest.raises(InputError, match=r"gave up after 20 failures in a row.*rerun"):
        fetch_all(minitrain(server, retries=0), images, tmp_path / "images")
    assert len(server.asked()) < 100


def test_a_dead_host_is_given_up_after_the_retries_of_one_round(tmp_path: Path) -> None:
    images = [ListedImage(i, f"{i}.jpg") for i in range(400)]
    made = settings("coco-minitrain", retries=3, backoff_seconds=0.2)
    made["coco"]["images"] = "http://127.0.0.1:9/"
    start = time.monotonic()
    with pytest.raises(InputError, match=r"gave up after 4 failures in a row.*no answer.*rerun"):
        fetch_all(made, images, tmp_path / "images")
    # A picture waits 0.2 + 0.4 + 0.8 s, and up to 0.2 s more each time: no second round.
    assert 1.4 <= time.monotonic() - start < 2.8


@pytest.mark.parametrize("name", ["x" * 300, "a.jpg/b.jpg"])
def test_pictures_that_cannot_be_written_are_one_line(
    server: CocoServer, pictures: Path, tmp_path: Path, name: str
) -> None:
    server.files[f"/train2017/{name}"] = (pictures / file_of(1)).read_bytes()
    root = tmp_path / "images"
    root.mkdir()
    (root / "a.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot be written \(.*rerun") as caught:
        fetch_all(minitrain(server), [ListedImage(1, name, 40, 30)], root)
    assert "\n" not in str(caught.value)


def test_two_images_of_one_file_are_refused(
    instances: dict[str, Any], pictures: Path, tmp_path: Path
) -> None:
    instances["images"][-1]["file_name"] = f"./{file_of(2)}"
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(instances))
    local = {"annotations": str(path), "annotations_sha256": None, "images": str(pictures)}
    with pytest.raises(InputError, match=r"image 2 has file_name .* that of another image"):
        coco.list_images(settings("coco-val2017", coco=local), tmp_path)


def test_urls_in_annotations_are_data(
    server: CocoServer, pictures: Path, instances: dict[str, Any], tmp_path: Path
) -> None:
    """Nothing is asked for but file names below the configured base, and no local file is read."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes((pictures / file_of(1)).read_bytes())
    with CocoServer(pictures, instances) as trap:
        names = [
            f"{trap.url}/train2017/{file_of(1)}",
            f"{trap.url.removeprefix('http:').strip('/')}/x.jpg",
            f"@{trap.url.removeprefix('http://')}/x.jpg",
            f"?url={trap.url}/x.jpg",
            f"#{trap.url}/x.jpg",
            f"file://{secret}",
            f"%2e%2e/%2e%2e{secret}",
            "\\\\127.0.0.1\\share\\x.jpg",
            "http://169.254.169.254/latest/meta-data/x.jpg",
        ]
        addresses = [trap.url + "/x.jpg", f"file://{secret}", "http://169.254.169.254/", "//[::1]/"]
        instances["images"] = [
            {
                "id": number,
                "file_name": name,
                "width": 40,
                "height": 30,
                "license": 1,
                **dict.fromkeys(("coco_url", "flickr_url", "url"), addresses[number % 4]),
            }
            for number, name in enumerate(names, 1)
        ]
        instances["annotations"] = [
            {"id": image["id"], "image_id": image["id"], "category_id": 1, "bbox": [1, 1, 9, 9]}
            for image in instances["images"]
        ]
        instances["licenses"] = [{"id": 1, "name": addresses[0], "url": addresses[0]}]
        instances["info"] = {"url": addresses[0], "contributor": addresses[1]}
        path = tmp_path / "instances.json"
        path.write_text(json.dumps(instances))
        options = {"definition": None, "annotations": str(path), "annotations_sha256": None}
        made = settings("coco-val2017", coco=server.dataset("val2017") | options, retries=0)
        listed = coco.list_images(made, tmp_path / "download")
        root = tmp_path / "images"
        with pytest.raises(InputError, match=rf"{len(names)} of {len(names)} pictures .*HTTP 404"):
            fetch_all(made, listed.images, root)
        # From one's own folder neither.
        own = in_folder(pictures, path)
        fetched, skipped = fetch_all(own, folder.list_images(own, tmp_path).images, pictures)
        assert not fetched and len(skipped) + len(folder.list_images(own, tmp_path).skipped) > 0
        assert trap.requests == []
    asked = [unquote(path) for path in server.asked()]
    assert sorted(asked) == sorted(f"/val2017/{image.file}" for image in listed.images)
    assert not root.exists()


def test_local_pictures_are_checked_where_they_are(
    server: CocoServer, pictures: Path, tmp_path: Path
) -> None:
    made = minitrain(server, coco={"images": str(pictures)})
    listed = coco.list_images(made, tmp_path / "download")
    root = Path(fetch.image_root(made, "results/x"))
    assert root == pictures
    before = sorted(path.name for path in pictures.iterdir())
    (pictures / file_of(2)).write_bytes(b"")
    fetched, skipped = fetch_all(made, listed.images, root)
    assert sorted(fetched) == [file_of(i) for i in (1, 3, 13)]
    assert skipped[file_of(2)].reason == "the file is empty"
    assert server.asked("/train2017") == []
    assert sorted(path.name for path in pictures.iterdir()) == before
    (pictures / file_of(3)).unlink()
    with pytest.raises(InputError, match=f"1 of 4 pictures are missing: {file_of(3)};"):
        fetch_all(made, listed.images, root)
    made["coco"]["images"] = str(tmp_path / "nowhere")
    with pytest.raises(InputError, match="nowhere is not a folder"):
        coco.list_images(made, tmp_path / "download")


def test_real_coco_images_by_http(
    coco_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    document = json.loads((coco_sample / "instances.json").read_text())
    with CocoServer(coco_sample / "images", document) as server:
        made = minitrain(server, max_images=40)
        listed = coco.list_images(made, tmp_path / "download")
        fetched, skipped = fetch_all(made, listed.images, tmp_path / "images")
    assert len(fetched) == 40 and not skipped
    persons = {a["image_id"] for a in document["annotations"] if a["category_id"] == 1}
    assert ids(listed) == sorted(persons)[:40]
    for file, row in fetched.items():
        assert (
            row.sha256 == hashlib.sha256((coco_sample / "images" / file).read_bytes()).hexdigest()
        )
    assert {row.listed.license_id for row in fetched.values()} <= set(range(1, 9))


# Folders


def in_folder(path: Path, annotations: Path | None = None, **changes: Any) -> Settings:
    names = {"path": str(path), "annotations": str(annotations) if annotations else None}
    return settings("folder", folder=names, **changes)


def test_folder_finds_pictures_in_all_folders(pictures: Path) -> None:
    deep = pictures / "Ünter ordner" / "人"
    deep.mkdir(parents=True)
    for name in ("B.JPeG", "c.webp", "é.png"):
        Image.new("RGB", (5, 4)).save(deep / name)
    for name in (".hidden.jpg", "notes.txt", "jpg"):
        (deep / name).write_bytes(b"not a picture")
    (pictures / ".cache").mkdir()
    Image.new("RGB", (5, 4)).save(pictures / ".cache" / "thumbnail.png")
    (deep / "loop").symlink_to(pictures, target_is_directory=True)
    files = pictures_in(pictures)
    names = [file_of(i) for i in PICTURES] + [
        f"Ünter ordner/人/{name}" for name in ("B.JPeG", "c.webp", "é.png")
    ]
    assert files == sorted(names)

    made = in_folder(pictures)
    listed = folder.list_images(made, pictures)
    assert ids(listed) == sorted(ids(listed)) and len(set(ids(listed))) == 9
    fetched, skipped = fetch_all(made, listed.images, pictures)
    assert sorted(fetched) == files and not skipped
    assert listed.annotations is None
    assert ids(folder.list_images(in_folder(pictures, max_images=4), pictures)) == ids(listed)[:4]


def test_adding_a_picture_changes_no_other_id(pictures: Path) -> None:
    def by_file() -> dict[str, int]:
        listed = folder.list_images(in_folder(pictures), pictures)
        return {image.file: image.image_id for image in listed.images}

    before = by_file()
    Image.new("RGB", (5, 4)).save(pictures / "0-first.png")
    after = by_file()
    assert after.pop("0-first.png") not in before.values()
    assert after == before
    expected = int(hashlib.sha256(file_of(1).encode()).hexdigest(), 16) >> (256 - 43)
    assert before[file_of(1)] == expected


def test_colliding_ids_are_probed(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "id_of_name", lambda file: 2**43 - 2)
    listed = folder.list_images(in_folder(pictures), pictures)
    assert ids(listed) == [0, 1, 2, 3, 2**43 - 2, 2**43 - 1]


def test_bad_pictures_are_skipped_and_nothing_else_is_lost(pictures: Path) -> None:
    good = pictures / file_of(1)
    (pictures / "empty.jpg").write_bytes(b"")
    (pictures / "text.jpg").write_text("a text")
    (pictures / "cut.jpg").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (pictures / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    (pictures / "dangling.png").symlink_to(pictures / "nowhere.png")
    not_utf8 = os.fsdecode(b"caf\xe9.jpg")
    good_bytes = good.read_bytes()
    (pictures / not_utf8).write_bytes(good_bytes)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(pictures / "rotated.jpg", exif=exif)
    made = in_folder(pictures)
    listed = folder.list_images(made, pictures)
    assert [(entry.file, entry.image_id) for entry in listed.skipped] == [(not_utf8, None)]
    fetched, skipped = fetch_all(made, listed.images, pictures)
    assert sorted(fetched) == sorted([*(file_of(i) for i in PICTURES), "rotated.jpg"])
    assert (fetched["rotated.jpg"].width, fetched["rotated.jpg"].height) == (10, 20)
    reasons = {file: entry.reason for file, entry in skipped.items()}
    assert sorted(reasons) == ["cut.jpg", "dangling.png", "empty.jpg", "phone.heic", "text.jpg"]
    assert reasons["empty.jpg"] == "the file is empty"
    assert "truncated" in reasons["cut.jpg"]
    assert "No such file" in reasons["dangling.png"]
    assert "not a picture" in reasons["text.jpg"]


def test_folder_with_annotations(pictures: Path, instances: dict[str, Any], tmp_path: Path) -> None:
    (pictures / "sub").mkdir()
    (pictures / file_of(2)).rename(pictures / "sub" / "two.jpg")
    by_id = {image["id"]: image for image in instances["images"]}
    by_id[2] |= {"file_name": "./sub/two.jpg"}
    by_id[3]["width"] += 1
    del by_id[5]["width"], by_id[5]["height"]
    by_id[8] |= {"file_name": "../outside.jpg"}
    (pictures / file_of(13)).unlink()
    Image.new("RGB", (5, 4)).save(pictures / "extra.png")
    del instances["info"]
    instances["annotations"][0]["id"] = 0
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(instances))

    made = in_folder(pictures, path)
    assert fetch.has_annotations(made)
    listed = folder.list_images(made, tmp_path)
    assert ids(listed) == [1, 2, 3, 5]
    left_out = {entry.file: (entry.image_id, entry.reason) for entry in listed.skipped}
    assert left_out.keys() == {"../outside.jpg", file_of(8), file_of(13), "extra.png"}
    assert left_out[file_of(13)] == (13, "named in the annotations, not in the folder")
    assert left_out["extra.png"] == (None, "in the folder, not in the annotations")
    assert left_out["../outside.jpg"][0] == 8
    # Links are only those to the web, and are data.
    assert listed.images[0].source_url == "http://images.example/never-fetched.jpg"
    assert listed.images[0].license_url == LICENSES[0]["url"]

    kept = listed.annotations
    assert kept is not None and kept["info"] == {}
    assert [image["id"] for image in kept["images"]] == [1, 2, 3, 5]
    numbers = [annotation["id"] for annotation in kept["annotations"]]
    assert len(set(numbers)) == len(numbers) and min(numbers) > 0

    fetched, skipped = fetch_all(made, listed.images, pictures)
    assert sorted(fetched) == sorted([file_of(1), "sub/two.jpg", file_of(5)])
    assert "25 x 24 in the annotations" in skipped[file_of(3)].reason


def broken(instances: dict[str, Any], **changes: Any) -> str:
    """The instances with some first entries changed: `images__id=1` sets images[0]["id"]."""
    changed = copy.deepcopy(instances)
    for place, value in changes.items():
        key, _, field = place.partition("__")
        if field:
            changed[key][0][field] = value
        else:
            changed[key] = value
    return json.dumps(changed)


@pytest.mark.parametrize(
    "changes",
    [
        {"images": None},
        {"images": {"1": 2}},
        {"images": ["a"]},
        {"annotations": 3},
        {"categories": None},
        {"images__id": "13"},
        {"images__id": [1]},
        {"images__id": True},
        {"images__id": -1},
        {"images__id": 1},
        {"images__id": 2**43},
        {"images__file_name": None},
        {"images__file_name": "\ud800.jpg"},
        {"images__width": 0},
        {"images__height": 3.5},
        {"annotations__image_id": 4},
        {"annotations__image_id": []},
        {"annotations__category_id": 2},
        {"annotations__category_id": {}},
        {"annotations__bbox": [1, 2, 3]},
        {"annotations__bbox": [1, 2, 3, "4"]},
        {"annotations__bbox": None},
        {"annotations__area": float("nan")},
        {"annotations__area": "big"},
        {"annotations__iscrowd": []},
        {"categories__id": "1"},
        {"categories__name": None},
    ],
    ids=str,
)
def test_broken_annotations_are_one_clear_line(
    pictures: Path, instances: dict[str, Any], tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = tmp_path / "instances.json"
    path.write_text(broken(instances, **changes))
    with pytest.raises(InputError, match=r"instances.json") as caught:
        folder.list_images(in_folder(pictures, path), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"7", QUOTA_PAGE, b"\xff\xfe\xfa", b'{"images": [NaN]}', b"[" * 100_000],
    ids=lambda data: str(data[:20]),
)
def test_files_that_are_no_annotations(pictures: Path, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"instances.json: .*give a COCO instances file") as caught:
        folder.list_images(in_folder(pictures, path), tmp_path)
    assert "\n" not in str(caught.value)


def test_folders_that_give_nothing(tmp_path: Path, pictures: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, message in (
        (empty, "holds no picture"),
        (tmp_path / "absent", "is not a folder"),
        (pictures / file_of(1), "is not a folder"),
    ):
        with pytest.raises(InputError, match=message):
            folder.list_images(in_folder(path), tmp_path)
    with pytest.raises(InputError, match="is not set"):
        folder.list_images(settings("folder"), tmp_path)
    with pytest.raises(InputError, match=r"absent\.json: No such file"):
        folder.list_images(in_folder(pictures, tmp_path / "absent.json"), tmp_path)


# Keypoints


def pose(seed: int, labelled: int = 17) -> list[float]:
    """17 keypoints x, y, v; only the first `labelled` are, half of those hidden."""
    rng = np.random.default_rng(seed)
    points = np.zeros((17, 3))
    points[:labelled] = np.c_[rng.integers(0, 30, (labelled, 2)), 1 + np.arange(labelled) % 2]
    return [int(value) for value in points.ravel()]


@pytest.fixture
def keypoints(instances: dict[str, Any]) -> dict[str, Any]:
    """Of persons 1, 3 and 6 (a crowd, without any); 4 is left out, 2 and 5 are dogs."""
    entries = [
        {key: annotation[key] for key in ("id", "image_id", "category_id", "bbox", "segmentation")}
        | {"keypoints": pose(annotation["id"], labelled), "num_keypoints": labelled}
        for annotation in instances["annotations"]
        for labelled in [{1: 17, 3: 5, 6: 0}.get(annotation["id"])]
        if labelled is not None
    ]
    return {
        "images": instances["images"],
        "annotations": entries,
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose"], "skeleton": [[1, 2]]}],
    }


def poses(listed: ImageList) -> dict[int, tuple[list[float], int]]:
    """By annotation id; each annotation must have both keys or neither."""
    assert listed.annotations is not None
    annotations = listed.annotations["annotations"]
    assert all(("keypoints" in a) == ("num_keypoints" in a) for a in annotations)
    return {a["id"]: (a["keypoints"], a["num_keypoints"]) for a in annotations if "keypoints" in a}


def annotated_folder(
    pictures: Path, tmp_path: Path, instances: Any, keypoints: Any, **changes: Any
) -> Settings:
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    (tmp_path / "person_keypoints.json").write_text(
        keypoints if isinstance(keypoints, str) else json.dumps(keypoints)
    )
    made = in_folder(pictures, tmp_path / "instances.json", **changes)
    made["folder"]["keypoints"] = str(tmp_path / "person_keypoints.json")
    return made


POSES = {1: (pose(1), 17), 3: (pose(3, 5), 5), 6: (pose(6, 0), 0)}


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_keypoints_come_with_the_archive(
    pictures: Path,
    instances: dict[str, Any],
    keypoints: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    split: str,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    source = {"train2017": "coco-minitrain", "val2017": "coco-val2017"}[split]
    with CocoServer(pictures, instances, keypoints) as server:
        made = settings(source, coco=server.dataset(split))
        listed = coco.list_images(made, tmp_path / "download")
        assert server.asked() == [DEFINITION, ANNOTATIONS]
        first = coco.list_images(made | {"max_images": 1}, tmp_path / "download")
        dogs = coco.list_images(made | {"category": "dog"}, tmp_path / "download")
    assert poses(listed) == POSES
    # All else is as without them.
    with CocoServer(pictures, instances) as server:
        made = settings(source, coco=server.dataset(split))
        without = coco.list_images(made, tmp_path / "other")
    assert without.annotations is not None and listed.annotations is not None
    assert poses(without) == {}
    for annotation in listed.annotations["annotations"]:
        annotation.pop("keypoints", None)
        annotation.pop("num_keypoints", None)
    assert listed.annotations == without.annotations
    assert poses(first) == {1: POSES[1]}
    assert poses(dogs) == {}


def test_no_keypoints_in_the_archive_is_logged(
    server: CocoServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        coco.list_images(minitrain(server), tmp_path)
    assert "has no annotations/person_keypoints_train2017.json" in caplog.text


def test_a_named_keypoints_file_is_read_instead(
    pictures: Path,
    instances: dict[str, Any],
    keypoints: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    own = copy.deepcopy(keypoints)
    own["annotations"] = [{**own["annotations"][0], "keypoints": pose(99)}]
    path = tmp_path / "own.json"
    path.write_text(json.dumps(own))
    with CocoServer(pictures, instances, keypoints) as server:
        made = minitrain(server, coco={"keypoints": str(path)})
        assert poses(coco.list_images(made, tmp_path / "download")) == {1: (pose(99), 17)}
        # The official archive may be named as the place of the keypoints too.
        (archive,) = (tmp_path / "download").glob("*.zip")
        made["coco"]["keypoints"] = str(archive)
        assert poses(coco.list_images(made, tmp_path / "download")) == POSES
        path.unlink()
        made["coco"]["keypoints"] = str(path)
        before = server.asked()
        with pytest.raises(InputError, match=r"coco\.keypoints: .*own\.json is no file; name"):
            coco.list_images(made, tmp_path / "new download")
        assert server.asked() == before


def test_folder_with_keypoints(
    pictures: Path,
    instances: dict[str, Any],
    keypoints: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = annotated_folder(pictures, tmp_path, instances, keypoints)
    with caplog.at_level(logging.INFO):
        assert poses(folder.list_images(made, tmp_path)) == POSES
    assert "has keypoints of 3 of 4 persons" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    made["folder"]["annotations"] = None
    with pytest.raises(InputError, match=r"keypoints: is of no use without dataset\.folder\.ann"):
        folder.list_images(made, tmp_path)
    made = annotated_folder(pictures, tmp_path, instances, keypoints)
    (tmp_path / "person_keypoints.json").unlink()
    with pytest.raises(InputError, match=r"folder\.keypoints: .*is no file"):
        folder.list_images(made, tmp_path)
    # They are of persons, so a search for dogs has no use for them, nor for the file.
    assert poses(folder.list_images(made | {"category": "dog"}, tmp_path)) == {}


def test_unchecked_keypoints_in_an_instances_file_are_left_out(
    pictures: Path, instances: dict[str, Any], tmp_path: Path
) -> None:
    instances["annotations"][0] |= {"keypoints": "anything", "num_keypoints": None}
    instances["annotations"][2] |= {"keypoints": pose(3), "num_keypoints": 17}
    made = annotated_folder(pictures, tmp_path, instances, {})
    made["folder"]["keypoints"] = None
    assert poses(folder.list_images(made, tmp_path)) == {}
    # One file may be both, and is then checked.
    made["folder"]["keypoints"] = made["folder"]["annotations"]
    with pytest.raises(InputError, match=r"instances\.json: annotation 1 has no 'keypoints'"):
        folder.list_images(made, tmp_path)
    del instances["annotations"][0]["keypoints"]
    (tmp_path / "instances.json").write_text(json.dumps(instances))
    assert poses(folder.list_images(made, tmp_path)) == {3: (pose(3), 17)}


@pytest.mark.parametrize("field", ["id", "image_id", "category_id"])
def test_keypoints_of_another_file_are_not_taken(
    pictures: Path,
    instances: dict[str, Any],
    keypoints: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    field: str,
) -> None:
    entries = keypoints["annotations"]
    entries[0][field] += 1000
    listed = folder.list_images(
        annotated_folder(pictures, tmp_path, instances, keypoints), tmp_path
    )
    assert poses(listed) == {3: POSES[3], 6: POSES[6]}
    mismatch = "left out as of another image or category, though the id is a person's: 1"
    assert (mismatch in caplog.text) == (field != "id")
    assert "another annotation file" not in caplog.text
    for entry in entries[1:]:
        entry[field] += 1000
    listed = folder.list_images(
        annotated_folder(pictures, tmp_path, instances, keypoints), tmp_path
    )
    assert poses(listed) == {}
    (record,) = [r for r in caplog.records if "another annotation file" in r.getMessage()]
    assert record.levelno == logging.WARNING
    assert "person_keypoints.json: has none of the 4 persons" in record.getMessage()


def test_keypoints_need_the_files_own_annotation_ids(
    pictures: Path, instances: dict[str, Any], keypoints: dict[str, Any], tmp_path: Path
) -> None:
    for number in (0, 3, "1", None):
        instances["annotations"][0]["id"] = number
        made = annotated_folder(pictures, tmp_path, instances, keypoints)
        with pytest.raises(InputError, match=r"instances\.json: its annotations' ids") as caught:
            folder.list_images(made, tmp_path)
        assert "\n" not in str(caught.value)
        made["folder"]["keypoints"] = None
        assert poses(folder.list_images(made, tmp_path)) == {}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "51 numbers"),
        ({}, "51 numbers"),
        ([], "51 numbers"),
        (pose(1)[:-1], "51 numbers"),
        ([*pose(1), 1, 1, 1], "51 numbers"),
        ([[1, 2, 3]] * 51, "finite"),
        (["1", *pose(1)[1:]], "finite"),
        ([True, *pose(1)[1:]], "finite"),
        ([None, *pose(1)[1:]], "finite"),
        ([10**400, *pose(1)[1:]], "finite"),
        ([*pose(1)[:-1], 3], "visibility"),
        ([*pose(1)[:-1], -1], "visibility"),
        ([*pose(1)[:-1], 0.5], "visibility"),
        ([*pose(1)[:-1], True], "finite"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_broken_keypoints_are_one_clear_line(
    pictures: Path,
    instances: dict[str, Any],
    keypoints: dict[str, Any],
    tmp_path: Path,
    value: Any,
    complaint: str,
) -> None:
    keypoints["annotations"][1]["keypoints"] = value
    made = annotated_folder(pictures, tmp_path, instances, keypoints)
    message = rf"person_keypoints\.json: annotation 3 has .*{complaint}"
    with pytest.raises(InputError, match=message) as caught:
        folder.list_images(made, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_keypoints_must_be_finite(
    pictures: Path,
    instances: dict[str, Any],
    keypoints: dict[str, Any],
    tmp_path: Path,
    number: str,
) -> None:
    keypoints["annotations"][0]["keypoints"][0] = "here"
    text = json.dumps(keypoints).replace('"here"', number)
    with pytest.raises(InputError, match=r"person_keypoints\.json: .*(holds|finite)"):
        folder.list_images(annotated_folder(pictures, tmp_path, instances, text), tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "7", "{}", '{"annotations": 3}', '{"annotations": [3]}', "[" * 100_000, "PK"],
    ids=lambda text: text[:20],
)
def test_files_that_are_no_keypoints(
    pictures: Path, instances: dict[str, Any], tmp_path: Path, text: str
) -> None:
    made = annotated_folder(pictures, tmp_path, instances, text)
    with pytest.raises(InputError, match=r"give a COCO person_keypoints file") as caught:
        folder.list_images(made, tmp_path)
    assert "\n" not in str(caught.value) and "person_keypoints.json: " in str(caught.value)


def test_an_annotation_that_has_keypoints_twice(
    pictures: Path, instances: dict[str, Any], keypoints: dict[str, Any], tmp_path: Path
) -> None:
    keypoints["annotations"] += keypoints["annotations"][:1]
    with pytest.raises(InputError, match="annotation 1 is there twice"):
        folder.list_images(annotated_folder(pictures, tmp_path, instances, keypoints), tmp_path)


def test_real_coco_keypoints(coco_sample: Path, tmp_path: Path) -> None:
    made = in_folder(coco_sample / "images", coco_sample / "instances.json")
    made["folder"]["keypoints"] = str(coco_sample / "person_keypoints.json")
    found = poses(folder.list_images(made, tmp_path))
    document = json.loads((coco_sample / "person_keypoints.json").read_text())
    given = {a["id"]: (a["keypoints"], a["num_keypoints"]) for a in document["annotations"]}
    assert found == given and len(found) == 347
    some = folder.list_images(made | {"max_images": 20}, tmp_path)
    images = set(ids(some))
    expected = {a["id"] for a in document["annotations"] if a["image_id"] in images}
    assert poses(some) == {number: given[number] for number in expected}
    assert 0 < len(expected) < 347


# openpeople


def test_openpeople(tmp_path: Path) -> None:
    made = settings("openpeople")
    listed = openpeople.list_images(made, tmp_path)
    assert ids(listed) == [10 * person + view for person in range(1, 11) for view in range(1, 7)]
    labels = [json.loads(image.labels or "") for image in listed.images]
    assert labels[1] == {"person": "P001", "view": "amateur selfie"}
    assert labels[-1] == {"person": "P010", "view": "studio posture"}
    root = tmp_path / "images"
    some = listed.images[::15]
    fetched, skipped = fetch_all(made, some, root)
    assert sorted(fetched) == sorted(image.file for image in some) and not skipped
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*.jpg")}
    assert len(times) == 4
    spoilt = min(times)
    spoilt.write_bytes(b"spoilt")
    assert fetch_all(made, some, root) == (fetched, {})
    assert {path for path in times if path.stat().st_mtime_ns != times[path]} == {spoilt}
    assert ids(openpeople.list_images(settings("openpeople", max_images=3), root)) == [11, 12, 13]


def test_openpeople_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openpeople, "PEOPLE", range(1, 10))
    with pytest.raises(InputError, match=r"pip install openpeople==0\.1\.2"):
        openpeople.list_images(settings("openpeople"), tmp_path)


def test_openpeople_with_a_changed_picture(tmp_path: Path) -> None:
    package = importlib.resources.files("openpeople")
    shutil.copytree(str(package), tmp_path / "openpeople", copy_function=os.symlink)
    changed = tmp_path / "openpeople/data/curated/P003/assets/studio_posture.jpg"
    data = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(data[:-1] + b"x")
    code = "from visualsearch.fetch import openpeople; openpeople.list_images({}, None)"
    path = os.pathsep.join([str(tmp_path), str(Path(fetch.__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True,
    )  # fmt: skip
    assert "InputError: the installed package openpeople holds other pictures" in done.stderr


def test_openpeople_absent(tmp_path: Path) -> None:
    # None in sys.modules makes Python take the package for absent.
    code = (
        "import sys; sys.modules['openpeople'] = None\n"
        "from visualsearch.fetch import openpeople\n"
        "from visualsearch.core.errors import InputError\n"
        "try:\n    openpeople.list_images({'max_images': None}, None)\n"
        "except InputError as error:\n    print(error)\n"
    )
    scripts = Path(fetch.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(scripts)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "pip install openpeople==0.1.2" in done.stdout


# What the workflow asks before any job


def test_questions_at_parse_time(pictures: Path) -> None:
    made = settings("coco-minitrain")
    assert fetch.has_annotations(made)
    assert fetch.image_root(made, "results/x") == "results/x/dataset/images"
    assert fetch.fingerprint(made) == ""
    made = in_folder(pictures)
    assert not fetch.has_annotations(made)
    assert fetch.image_root(made, "results/x") == str(pictures)
    assert fetch.image_root(in_folder(Path("~/p")), "r") == str(Path.home() / "p")
    made = settings("openpeople")
    assert not fetch.has_annotations(made)
    assert fetch.image_root(made, "results/x") == "results/x/dataset/images"
    assert set(fetch.SOURCES) == {"coco-minitrain", "coco-val2017", "folder", "openpeople"}


def test_fingerprint_notices_changes(pictures: Path, tmp_path: Path) -> None:
    annotations = tmp_path / "instances.json"
    made = in_folder(pictures, annotations)
    seen = [fetch.fingerprint(made)]

    def changed() -> bool:
        seen.append(fetch.fingerprint(made))
        return seen[-1] not in seen[:-1]

    assert fetch.fingerprint(made) == seen[0]
    (pictures / "notes.txt").write_text("no picture")
    assert not changed()
    annotations.write_text("{}")
    assert changed()
    Image.new("RGB", (5, 4)).save(pictures / "new.png")
    assert changed()
    os.utime(pictures / "new.png", ns=(1, 1))
    assert changed()
    (pictures / "new.png").rename(pictures / "newer.png")
    assert changed()
    assert fetch.fingerprint(in_folder(tmp_path / "absent")) != ""


@pytest.mark.parametrize(("source", "section"), [("coco-val2017", "coco"), ("folder", "folder")])
def test_fingerprint_notices_changed_keypoints(source: str, section: str, tmp_path: Path) -> None:
    path = tmp_path / "person_keypoints.json"
    made = settings(source, **{section: {"keypoints": str(path)}})
    absent = fetch.fingerprint(made)
    path.write_text("{}")
    first = fetch.fingerprint(made)
    path.write_text('{"annotations": []}')
    assert len({absent, first, fetch.fingerprint(made), fetch.fingerprint(settings(source))}) == 4


def test_parse_time_imports_are_light() -> None:
    code = (
        "import sys; import visualsearch.fetch\n"
        "print({'numpy', 'pyarrow', 'PIL', 'requests', 'pandas'} & set(sys.modules))"
    )
    scripts = Path(fetch.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(scripts)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("text", ["s3://bucket/pictures", "gs://b", "az+x://b/c d"])
def test_addresses_in_a_bucket(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    ["http://host/x", "https://host/x", "pictures", "/a/b", "a/s3://b", "S3://b", "", None, 1],
)
def test_what_is_no_address_in_a_bucket(text: object) -> None:
    assert not is_address(text)


def test_local_files_are_those_of_this_machine() -> None:
    made = in_folder("s3://bucket/pictures", annotations="/here/instances.json")
    assert fetch.local_files(made) == ["/here/instances.json"]
    assert fetch.local_files(in_folder("/here")) == ["/here"]
