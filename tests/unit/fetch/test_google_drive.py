"""Files of Google Drive come whole, or one line says how to fetch them by hand."""

from pathlib import Path

import numpy as np
import pytest
from test_download import patience

import coco_server as faulty
from coco_server import ABSENT, BUSY, DEFINITION, PAGE, SHORT, CocoServer
from visualsearch.core.errors import InputError
from visualsearch.fetch.google_drive import get_drive_file
from visualsearch.fetch.http import MEBIBYTE


@pytest.fixture
def drive(server: CocoServer) -> CocoServer:
    """A server whose file is long enough to need several chunks."""
    server.files[DEFINITION] = np.random.default_rng(1).bytes(5_000_000)
    return server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is downloaded to; its folder is not there yet."""
    return tmp_path / "download" / "definition.json"


@pytest.mark.parametrize("faults", [(), (SHORT,)])
def test_a_drive_file_comes_whole(drive: CocoServer, path: Path, faults: tuple[str, ...]) -> None:
    drive.fail(DEFINITION, *faults)
    for _ in range(2):
        get_drive_file("THE_ID", path, 2, "a.key", url=drive.url + DEFINITION)
    assert path.read_bytes() == drive.files[DEFINITION]
    assert list(path.parent.iterdir()) == [path]
    assert len(drive.requests) == 1 + len(faults)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (PAGE, ""),
        (ABSENT, ""),
        (BUSY, ""),
        (faulty.STALL, "Read timed out"),
        (faulty.PAUSE, "Read timed out"),
        (faulty.DRIP, "it came too slowly"),
        (faulty.DRIP_HEAD, "it came too slowly"),
        (faulty.ENDLESS, "longer than 8 MiB"),
        (faulty.HUGE, "longer than 8 MiB"),
        (SHORT, "incomplete"),
    ],
)
def test_drive_faults_end(drive: CocoServer, path: Path, fault: str, reason: str) -> None:
    drive.fail(DEFINITION, fault, forever=True)
    arguments = (patience(fault), drive.url + DEFINITION, 8 * MEBIBYTE)
    with pytest.raises(InputError, match=rf"THE_ID \(.*{reason}.*browser.*a\.key") as caught:
        get_drive_file("THE_ID", path, 0, "a.key", *arguments)
    assert "\n" not in str(caught.value)
    assert not list(path.parent.iterdir()) and drive.sent < 30 * MEBIBYTE
