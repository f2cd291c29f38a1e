"""Downloads over a real connection that meets real faults."""

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import coco_server as faulty
from coco_server import ABSENT, ANNOTATIONS, BUSY, PAGE, RESET, SHORT, CocoServer
from visualsearch.core.errors import InputError
from visualsearch.data.images import UnreadableImage, decode_image
from visualsearch.fetch.download import Client
from visualsearch.fetch.http import MEBIBYTE, DownloadFailed, NotServed

PICTURE = "/train2017/a.jpg"
SLOW = (faulty.STALL, faulty.PAUSE, faulty.DRIP, faulty.DRIP_HEAD)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CocoServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file is downloaded to; its folder is not there yet."""
    return tmp_path / "download" / "annotations.zip"


def client(retries: int = 3, **waits: float) -> Client:
    return Client(retries, backoff_seconds=0.01, **waits)


def patience(fault: str) -> float:
    """The timeout: short for servers that are slow on purpose, long for a busy test machine."""
    return 0.3 if fault in SLOW else 20


def size_of(server: CocoServer, retries: int = 3, **waits: float) -> tuple[int, int]:
    """Download the picture, and refuse one of another size."""

    def size(body: bytes) -> tuple[int, int]:
        found = decode_image(body).size
        if found != (160, 120):
            raise UnreadableImage(f"its size is {found}")
        return found

    return client(retries, **waits).get(server.url + PICTURE, size, UnreadableImage)


def fetch_file(server: CocoServer, path: Path, retries: int = 3, **waits: float) -> None:
    client(retries, **waits).get_file(server.url + ANNOTATIONS, path, server.annotations_sha256)
    assert path.read_bytes() == server.files[ANNOTATIONS]


@pytest.mark.parametrize(("fault", "least"), [(BUSY, 1.0), (faulty.TOO_MANY, 0.9)])
def test_busy_server_is_asked_again_when_it_says(
    server: CocoServer, fault: str, least: float
) -> None:
    server.fail(PICTURE, fault)
    assert size_of(server) == (160, 120)
    first, second = server.requests
    assert least <= second.time - first.time < least + 2


def test_no_server_makes_a_run_wait_till_tomorrow(server: CocoServer) -> None:
    assert Client(5, 1.0).longest_wait_seconds == 120
    server.fail(PICTURE, faulty.TOMORROW, faulty.TOMORROW)
    assert size_of(server, longest_wait_seconds=0.4) == (160, 120)
    times = [request.time for request in server.requests]
    assert all(0.4 <= wait < 2 for wait in np.diff(times)) and len(times) == 3


HELD_UP = {BUSY, faulty.TOO_MANY, faulty.DRIP, faulty.DRIP_HEAD}
MOVING = {faulty.MOVED, faulty.ENDLESS_MOVE}


@pytest.mark.parametrize("fault", sorted({*faulty.PASSING} - HELD_UP - MOVING))
def test_what_failed_is_downloaded_again(server: CocoServer, fault: str) -> None:
    server.fail(PICTURE, fault)
    assert size_of(server, timeout_seconds=patience(fault)) == (160, 120)
    assert server.asked()[:2] == [PICTURE, PICTURE]


NO_RETRY = {ABSENT, faulty.NOT_TEXT, faulty.TO_FILE}


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (ABSENT, NotServed, "^HTTP 404 Not Found$"),
        (faulty.NOT_TEXT, NotServed, "^HTTP 404 Not Found$"),
        (faulty.TO_FILE, NotServed, "No connection adapters.*file:///etc/passwd"),
        (RESET, DownloadFailed, "connection broke: Connection reset by peer$"),
        (SHORT, DownloadFailed, "connection broke: IncompleteRead"),
        (PAGE, UnreadableImage, "not a picture"),
        (faulty.TRUNCATED, UnreadableImage, "truncated"),
        (faulty.LONGER, UnreadableImage, "truncated"),
        (faulty.NO_LENGTH, UnreadableImage, "truncated"),
        (faulty.OTHER, UnreadableImage, "its size is"),
        (faulty.CONFUSED, DownloadFailed, "^the server is busy: HTTP 503 Service Unavailable$"),
        (faulty.STALL, DownloadFailed, "^no answer: Read timed out"),
        (faulty.PAUSE, DownloadFailed, "^the connection broke: Read timed out"),
        (faulty.DRIP, DownloadFailed, "^it came too slowly$"),
        (faulty.DRIP_HEAD, DownloadFailed, "^it came too slowly$"),
        (faulty.ENDLESS, DownloadFailed, "^it is longer than 32 MiB$"),
        (faulty.HUGE, DownloadFailed, "^it is longer than 32 MiB$"),
        (faulty.LOOP, DownloadFailed, "^no answer: Exceeded 5 redirects"),
        (faulty.NOWHERE, DownloadFailed, "^no answer: "),
        (faulty.BOMB, DownloadFailed, "^it is longer than 32 MiB$"),
        (faulty.GARBAGE, DownloadFailed, "^no answer: "),
    ],
)
def test_retries_end(
    server: CocoServer, fault: str, kind: type[Exception], reason: str
) -> None:  # fmt: skip
    server.fail(PICTURE, fault, forever=True)
    retries = 0 if fault in SLOW else 1
    start = time.monotonic()
    with pytest.raises(kind, match=reason) as caught:
        size_of(server, retries, timeout_seconds=patience(fault))
    # The slowest is cut off after three times the timeout of 0.3 s.
    assert time.monotonic() - start < 5
    asked = 1 if fault in NO_RETRY else 1 + retries
    assert len(server.requests) == (12 if fault == faulty.LOOP else asked)
    assert str(caught.value).isprintable() and "object at 0x" not in str(caught.value)
    # The bytes that the client took, and those under way when it hung up.
    assert server.sent < 2 * (16 if fault == faulty.HUGE else 50) * MEBIBYTE


@pytest.mark.parametrize("fault", [faulty.MOVED, faulty.ENDLESS_MOVE, faulty.PACKED])
def test_redirects_lead_to_other_hosts_and_what_comes_packed_is_unpacked(
    server: CocoServer, fault: str
) -> None:
    server.fail(PICTURE, fault)
    assert size_of(server, retries=0) == (160, 120)
    moved = [] if fault == faulty.PACKED else ["/moved" + PICTURE]
    assert server.asked() == [PICTURE, *moved]
    assert server.sent < 50 * MEBIBYTE


def test_a_body_that_goes_on_does_not_reach_the_next_answer(server: CocoServer) -> None:
    one = client()
    for _ in range(3):
        server.fail(PICTURE, faulty.LONGER)
        half = one.get(server.url + PICTURE, bytes, UnreadableImage)
        whole = one.get(server.url + PICTURE, bytes, UnreadableImage)
        assert whole.startswith(half) and len(whole) // 2 == len(half)


@pytest.mark.parametrize(
    "fault", [faulty.TOMORROW, faulty.STALL, faulty.PAUSE, faulty.DRIP, faulty.DRIP_HEAD]
)
def test_a_stopped_client_waits_for_nothing(server: CocoServer, fault: str) -> None:
    server.fail(PICTURE, fault, forever=True)
    one = client()
    stopped = []

    def stop() -> None:
        # On a busy machine the request may come late.
        while not server.requests:
            time.sleep(0.01)
        time.sleep(0.1)
        stopped.append(time.monotonic())
        one.stop()

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(DownloadFailed):
        one.get(server.url + PICTURE, len, UnreadableImage)
    assert time.monotonic() - stopped[0] < 2 and len(server.requests) == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/a", ".*refused"),
        *((url, "") for url in ("http://", "http://[::1", "http://127.0.0.1:99999/a")),
    ],
)
def test_no_server_or_an_impossible_url_gives_one_line_soon(url: str, reason: str) -> None:
    start = time.monotonic()
    with pytest.raises(DownloadFailed, match=rf"^no answer: {reason}") as caught:
        client().get(url, len, UnreadableImage)
    assert time.monotonic() - start < 5
    assert "object at 0x" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_is_checked_and_kept(server: CocoServer, path: Path) -> None:
    for _ in range(2):
        fetch_file(server, path)
    assert len(server.requests) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["annotations.zip"]


def test_a_full_disk_is_one_line(server: CocoServer, path: Path) -> None:
    path.parent.mkdir()
    # Every write to /dev/full fails as on a full disk.
    path.with_name("annotations.zip.part").symlink_to("/dev/full")
    with pytest.raises(
        InputError, match=r"zip\.part cannot be written \(No space left on device\)"
    ):
        fetch_file(server, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("faults", "starts"),
    [
        ([SHORT, SHORT], [None, f"bytes={2 * MEBIBYTE}-", f"bytes={3 * MEBIBYTE}-"]),
        # Another part than asked for is not taken, and the whole file is asked for.
        ([SHORT, faulty.SHIFTED], [None, f"bytes={2 * MEBIBYTE}-", None]),
    ],
)
def test_a_broken_file_goes_on_by_range(
    server: CocoServer, path: Path, faults: list[str], starts: list[str | None]
) -> None:
    server.fail(ANNOTATIONS, *faults)
    fetch_file(server, path)
    assert [request.range for request in server.requests] == starts


def test_a_later_run_resumes_a_file(server: CocoServer, path: Path) -> None:
    server.fail(ANNOTATIONS, SHORT)
    with pytest.raises(InputError, match=r"connection broke.*rerun"):
        fetch_file(server, path, retries=0)
    assert not path.exists()
    fetch_file(server, path, retries=0)
    assert server.requests[-1].range == f"bytes={2 * MEBIBYTE}-"


@pytest.mark.parametrize("old", [b"of another file" * 9, bytes(5_000_000), bytes(6_000_000)])
def test_a_part_of_another_file_is_deleted(server: CocoServer, path: Path, old: bytes) -> None:
    path.parent.mkdir()
    path.with_name("annotations.zip.part").write_bytes(old)
    fetch_file(server, path)


@pytest.mark.parametrize(
    "fault", [*SLOW[:3], RESET, faulty.PACKED, faulty.GARBAGE, faulty.LOOP, faulty.NOWHERE]
)
def test_a_file_comes_whole_through_faults(server: CocoServer, path: Path, fault: str) -> None:
    server.fail(ANNOTATIONS, SHORT, fault)
    fetch_file(server, path, timeout_seconds=patience(fault))


def test_parts_of_a_packed_file_are_not_put_together(server: CocoServer, path: Path) -> None:
    server.fail(ANNOTATIONS, faulty.PACKED, forever=True)
    path.parent.mkdir()
    path.with_name("annotations.zip.part").write_bytes(server.files[ANNOTATIONS][:MEBIBYTE])
    fetch_file(server, path)


@pytest.mark.parametrize("fault", [faulty.ENDLESS, faulty.HUGE, faulty.BOMB])
def test_an_endless_file_is_refused_and_leaves_nothing(
    server: CocoServer, path: Path, fault: str
) -> None:
    server.fail(ANNOTATIONS, fault)
    arguments = (server.url + ANNOTATIONS, path, server.annotations_sha256, 8 * MEBIBYTE)
    with pytest.raises(InputError, match=r"annotations.*zip: .*it is longer than 8 MiB"):
        client().get_file(*arguments)
    assert not list(path.parent.iterdir()) and len(server.requests) == 1
    assert server.sent < 30 * MEBIBYTE
    client().get_file(*arguments)
    assert path.read_bytes() == server.files[ANNOTATIONS]


@pytest.mark.parametrize(
    "fault", [PAGE, faulty.OTHER, faulty.TRUNCATED, faulty.LONGER, faulty.NO_LENGTH]
)
def test_another_file_is_refused_by_its_hash(server: CocoServer, path: Path, fault: str) -> None:
    server.fail(ANNOTATIONS, fault)
    with pytest.raises(InputError, match=r"annotations.*zip: .*its sha256 is .*rerun"):
        fetch_file(server, path)
    assert not list(path.parent.iterdir())
    fetch_file(server, path)
