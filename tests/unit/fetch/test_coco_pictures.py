"""COCO's pictures, from a local folder and from a real server with real faults."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image

from coco_dataset import PICTURES, as_file, dataset, fetch_all, file_of, in_folder, minitrain
from coco_server import ABSENT, BUSY, PAGE, RESET, SHORT, TRUNCATED, CocoServer
from visualsearch import fetch
from visualsearch.core.errors import InputError
from visualsearch.data.manifest import ImageList, ListedImage
from visualsearch.fetch import coco, folder, matching


@pytest.fixture
def listed(server: CocoServer, tmp_path: Path) -> ImageList:
    """Images 1, 2, 3 and 13."""
    return coco.list_images(minitrain(server), tmp_path / "download")


def test_fetch_through_all_faults_and_resume(
    server: CocoServer, listed: ImageList, tmp_path: Path
) -> None:
    settings = minitrain(server)
    for image_id, fault in zip((1, 2, 3, 13), (RESET, SHORT, TRUNCATED, BUSY), strict=True):
        server.fail(f"/train2017/{file_of(image_id)}", fault)
    root = tmp_path / "images"
    fetched, skipped = fetch_all(settings, listed.images, root)
    assert sorted(fetched) == [file_of(i) for i in (1, 2, 3, 13)] and not skipped
    for image_id in (1, 2, 3, 13):
        row = fetched[file_of(image_id)]
        data = (root / file_of(image_id)).read_bytes()
        assert row.sha256 == hashlib.sha256(data).hexdigest()
        assert (row.width, row.height) == PICTURES[image_id]
    assert len(server.asked("/train2017")) == 8

    server.requests.clear()
    assert fetch_all(settings, listed.images, root) == (fetched, {})
    assert server.asked() == []

    # Only a picture that was spoilt or deleted since is asked for again.
    (root / file_of(1)).write_bytes(b"spoilt")
    (root / file_of(3)).unlink()
    assert fetch_all(settings, listed.images, root) == (fetched, {})
    assert sorted(server.asked()) == [f"/train2017/{file_of(i)}" for i in (1, 3)]


def test_missing_pictures_fail_by_name_after_all_others(
    server: CocoServer, listed: ImageList, tmp_path: Path
) -> None:
    server.fail(f"/train2017/{file_of(1)}", ABSENT, forever=True)
    server.fail(f"/train2017/{file_of(3)}", RESET, forever=True)
    root = tmp_path / "images"
    message = rf"2 of 4 pictures .*{file_of(1)} \(HTTP 404.*{file_of(3)} \(the conn.*rerun the same"
    with pytest.raises(InputError, match=message):
        fetch_all(minitrain(server), listed.images, root)
    assert sorted(path.name for path in root.iterdir()) == [file_of(2), file_of(13)]


@pytest.mark.parametrize("fault", [TRUNCATED, PAGE])
def test_pictures_that_always_come_broken_are_skipped(
    server: CocoServer, listed: ImageList, tmp_path: Path, fault: str
) -> None:
    server.fail(f"/train2017/{file_of(2)}", fault, forever=True)
    fetched, skipped = fetch_all(minitrain(server), listed.images, tmp_path / "images")
    assert sorted(fetched) == [file_of(i) for i in (1, 3, 13)]
    assert skipped[file_of(2)].image_id == 2
    assert len(server.asked(f"/train2017/{file_of(2)}")) == 3
    assert not (tmp_path / "images" / file_of(2)).exists()


def test_size_is_checked_against_the_annotations(
    pictures: Path, server: CocoServer, listed: ImageList, tmp_path: Path
) -> None:
    Image.new("RGB", (30, 40)).save(pictures / file_of(1))
    _, skipped = fetch_all(minitrain(server), listed.images, tmp_path / "images")
    assert skipped[file_of(1)].reason == (
        "it was turned after it was annotated; give the picture that was annotated:"
        " 30 x 40 pixels upright, 40 x 30 in the annotations"
    )


MANY = [ListedImage(i, f"{i}.jpg") for i in range(400)]


@pytest.mark.parametrize("fault", [ABSENT, PAGE])
def test_a_server_without_pictures_is_given_up_early(
    pictures: Path, server: CocoServer, tmp_path: Path, fault: str
) -> None:
    for image in MANY:
        server.fail(f"/train2017/{image.file}", fault, forever=True)
        (pictures / image.file).write_bytes(b"")
    with pytest.raises(InputError, match=r"gave up after 20 failures in a row.*rerun"):
        fetch_all(minitrain(server, retries=0), MANY, tmp_path / "images")
    assert len(server.asked()) < 100


def test_a_dead_host_is_given_up_after_the_retries_of_one_round(tmp_path: Path) -> None:
    nowhere = {"images": "http://127.0.0.1:9/"}
    settings = dataset("coco-minitrain", retries=3, backoff_seconds=0.2, coco=nowhere)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"gave up after 4 failures in a row.*no answer.*rerun"):
        fetch_all(settings, MANY, tmp_path / "images")
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
            {"id": number, "file_name": name, "width": 40, "height": 30, "license": 1}
            | dict.fromkeys(("coco_url", "flickr_url", "url"), addresses[number % 4])
            for number, name in enumerate(names, 1)
        ]
        instances["annotations"] = [
            {"id": image["id"], "image_id": image["id"], "category_id": 1, "bbox": [1, 1, 9, 9]}
            for image in instances["images"]
        ]
        instances["licenses"] = [{"id": 1, "name": addresses[0], "url": addresses[0]}]
        instances["info"] = {"url": addresses[0], "contributor": addresses[1]}
        path = as_file(tmp_path / "instances.json", instances)
        options = {"definition": None, "annotations": str(path), "annotations_sha256": None}
        settings = dataset("coco-val2017", coco=server.dataset("val2017") | options, retries=0)
        listed = coco.list_images(settings, tmp_path / "download")
        root = tmp_path / "images"
        with pytest.raises(InputError, match=rf"{len(names)} of {len(names)} pictures .*HTTP 404"):
            fetch_all(settings, listed.images, root)
        # The same with the user's own folder.
        own = in_folder(pictures, path)
        own_listed = folder.list_images(own, tmp_path)
        fetched, skipped = fetch_all(own, own_listed.images, pictures)
        # The end of an address is the name of a picture there, which is not fetched but read.
        assert set(fetched) == {file_of(1)} and not skipped
        reasons = [entry.reason for entry in own_listed.skipped if entry.image_id is not None]
        assert reasons == [matching.ABSENT] * (len(names) - 1)
        assert trap.requests == []
    asked = [unquote(path) for path in server.asked()]
    assert sorted(asked) == sorted(f"/val2017/{image.file}" for image in listed.images)
    assert not root.exists()


def test_local_pictures_are_checked_where_they_are(
    server: CocoServer, pictures: Path, listed: ImageList
) -> None:
    settings = minitrain(server, coco={"images": str(pictures)})
    root = Path(fetch.image_root(settings, "results/x"))
    assert root == pictures
    before = sorted(path.name for path in pictures.iterdir())
    (pictures / file_of(2)).write_bytes(b"")
    fetched, skipped = fetch_all(settings, listed.images, root)
    assert sorted(fetched) == [file_of(i) for i in (1, 3, 13)]
    assert skipped[file_of(2)].reason == "the file is empty"
    assert server.asked("/train2017") == []
    assert sorted(path.name for path in pictures.iterdir()) == before
    (pictures / file_of(3)).unlink()
    with pytest.raises(InputError, match=f"1 of 4 pictures are missing: {file_of(3)};"):
        fetch_all(settings, listed.images, root)


def test_real_coco_images_by_http(
    coco_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    document = json.loads((coco_sample / "instances.json").read_text())
    with CocoServer(coco_sample / "images", document) as server:
        settings = minitrain(server, max_images=40)
        listed = coco.list_images(settings, tmp_path / "download")
        fetched, skipped = fetch_all(settings, listed.images, tmp_path / "images")
    assert len(fetched) == 40 and not skipped
    for file, row in fetched.items():
        data = (coco_sample / "images" / file).read_bytes()
        assert row.sha256 == hashlib.sha256(data).hexdigest()
