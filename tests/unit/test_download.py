"""Downloads over a real connection that meets real faults."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coco_server import (
    ABSENT,
    ANNOTATIONS,
    BUSY,
    DEFINITION,
    PAGE,
    RESET,
    SHORT,
    TRUNCATED,
    CocoServer,
)
from visualsearch.download import MEBIBYTE, Client, DownloadFailed, get_drive_file
from visualsearch.errors import InputError
from visualsearch.images import UnreadableImage, decode_image

PICTURE = "/train2017/a.jpg"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CocoServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(folder / "a.jpg")
    with CocoServer(folder, {"images": [{"id": 1}]}) as running:
        # Long enough to need several chunks.
        archive = np.random.default_rng(1).bytes(5_000_000)
        running.files[ANNOTATIONS] = archive
        running.annotations_sha256 = hashlib.sha256(archive).hexdigest()
        yield running


def client(retries: int = 3) -> Client:
    return Client(retries, backoff_seconds=0.01)


def size_of(server: CocoServer, retries: int = 3) -> tuple[int, int]:
    def size(body: bytes) -> tuple[int, int]:
        return decode_image(body).size

    return client(retries).get(server.url + PICTURE, size, UnreadableImage)


def test_busy_server_is_asked_again_when_it_says(server: CocoServer) -> None:
    server.fail(PICTURE, BUSY)
    assert size_of(server) == (160, 120)
    first, second = server.requests
    assert second.time - first.time >= 1.0


@pytest.mark.parametrize("fault", [RESET, SHORT, TRUNCATED, PAGE])
def test_broken_bodies_are_downloaded_again(server: CocoServer, fault: str) -> None:
    server.fail(PICTURE, fault, fault)
    assert size_of(server) == (160, 120)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (RESET, DownloadFailed, "connection broke: Connection reset by peer$"),
        (SHORT, DownloadFailed, "connection broke: IncompleteRead"),
        (TRUNCATED, UnreadableImage, "truncated"),
        (PAGE, UnreadableImage, "not a picture"),
    ],
)
def test_retries_end(
    server: CocoServer, fault: str, kind: type[Exception], reason: str
) -> None:  # fmt: skip
    server.fail(PICTURE, fault, forever=True)
    with pytest.raises(kind, match=reason) as caught:
        size_of(server, retries=2)
    assert len(server.requests) == 3
    assert "\n" not in str(caught.value) and "object at 0x" not in str(caught.value)


def test_a_file_that_is_not_there_is_asked_for_once(server: CocoServer) -> None:
    server.fail(PICTURE, ABSENT, forever=True)
    with pytest.raises(DownloadFailed, match=r"^HTTP 404"):
        size_of(server)
    assert len(server.requests) == 1


def test_a_server_that_stays_busy(server: CocoServer) -> None:
    server.fail(PICTURE, BUSY, forever=True)
    with pytest.raises(DownloadFailed, match=r"busy.*503"):
        size_of(server, retries=1)
    assert len(server.requests) == 2


def test_no_server_gives_one_line_soon() -> None:
    start = time.monotonic()
    with pytest.raises(DownloadFailed, match=r"no answer: .*refused") as caught:
        client().get("http://127.0.0.1:9/x.jpg", len, UnreadableImage)
    assert time.monotonic() - start < 5
    assert "object at 0x" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://127.0.0.1:99999/a"])
def test_an_impossible_url_is_one_line(url: str) -> None:
    with pytest.raises(DownloadFailed, match="no answer"):
        client().get(url, len, UnreadableImage)


def test_file_is_checked_and_kept(server: CocoServer, tmp_path: Path) -> None:
    path = tmp_path / "download" / "annotations.zip"
    for _ in range(2):
        client().get_file(server.url + ANNOTATIONS, path, server.annotations_sha256)
    assert path.read_bytes() == server.files[ANNOTATIONS]
    assert len(server.requests) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["annotations.zip"]


def test_broken_file_goes_on_by_range(server: CocoServer, tmp_path: Path) -> None:
    server.fail(ANNOTATIONS, SHORT, SHORT)
    path = tmp_path / "annotations.zip"
    client().get_file(server.url + ANNOTATIONS, path, server.annotations_sha256)
    assert path.read_bytes() == server.files[ANNOTATIONS]
    starts = [request.range for request in server.requests]
    assert starts == [None, f"bytes={2 * MEBIBYTE}-", f"bytes={3 * MEBIBYTE}-"]


def test_a_later_run_resumes_a_file(server: CocoServer, tmp_path: Path) -> None:
    server.fail(ANNOTATIONS, SHORT)
    path = tmp_path / "annotations.zip"
    with pytest.raises(InputError, match=r"connection broke.*rerun"):
        client(retries=0).get_file(server.url + ANNOTATIONS, path, server.annotations_sha256)
    assert not path.exists()
    client(retries=0).get_file(server.url + ANNOTATIONS, path, server.annotations_sha256)
    assert path.read_bytes() == server.files[ANNOTATIONS]
    assert server.requests[-1].range == f"bytes={2 * MEBIBYTE}-"


@pytest.mark.parametrize("old", [b"of another file" * 9, bytes(5_000_000), bytes(6_000_000)])
def test_a_foreign_part_is_thrown_away(server: CocoServer, tmp_path: Path, old: bytes) -> None:
    path = tmp_path / "annotations.zip"
    (tmp_path / "annotations.zip.part").write_bytes(old)
    client().get_file(server.url + ANNOTATIONS, path, server.annotations_sha256)
    assert path.read_bytes() == server.files[ANNOTATIONS]


def test_wrong_hash_is_refused_and_leaves_nothing(server: CocoServer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sha256 is .* not 0000"):
        client().get_file(server.url + ANNOTATIONS, tmp_path / "a.zip", "0" * 64)
    assert not list(tmp_path.glob("a.zip*"))


def test_drive_file(server: CocoServer, tmp_path: Path) -> None:
    path = tmp_path / "download" / "definition.json"
    for _ in range(2):
        get_drive_file("THE_ID", path, 0, "dataset.coco.definition", server.url + DEFINITION)
    assert path.read_bytes() == server.files[DEFINITION]
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [PAGE, ABSENT, BUSY])
def test_drive_quota_names_file_and_key(server: CocoServer, tmp_path: Path, fault: str) -> None:
    server.fail(DEFINITION, fault, forever=True)
    path = tmp_path / "download" / "definition.json"
    with pytest.raises(InputError, match=r"THE_ID.*browser.*dataset.coco.definition") as caught:
        get_drive_file("THE_ID", path, 0, "dataset.coco.definition", server.url + DEFINITION)
    assert "\n" not in str(caught.value)
    assert not list(path.parent.iterdir())
