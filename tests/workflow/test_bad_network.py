"""Many small pictures fetched by the workflow from a server that fails at random."""

import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import coco_server as faulty
from coco_server import ANNOTATIONS, CocoServer
from running import LOCAL, Workspace, results_of, without_pictures

SIZE = (64, 48)


def make_pictures(folder: Path, count: int) -> None:
    """Smooth noise as JPEG, no two alike, under names of twelve digits."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(1, count + 1):
        coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8))
        coarse.resize(SIZE).save(folder / f"{number:012d}.jpg", quality=90)


def made_instances(folder: Path, trap: str) -> dict[str, Any]:
    """One person in each picture. Every address in it leads to the server `trap`."""
    numbers = [int(path.stem) for path in sorted(folder.iterdir())]
    return {
        "info": {"url": f"{trap}/info"},
        "licenses": [{"id": 1, "name": "made up", "url": f"{trap}/license"}],
        "categories": [{"id": 1, "name": "person"}],
        "images": [
            {
                "id": number,
                "file_name": f"{number:012d}.jpg",
                "width": SIZE[0],
                "height": SIZE[1],
                "license": 1,
                "coco_url": f"{trap}/train2017/{number:012d}.jpg",
                "flickr_url": f"{trap}/flickr/{number}.jpg",
            }
            for number in numbers
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [1, 2, 30, 40]}
            for number in numbers
        ],
    }


class Fetching:
    """A server of made pictures, and runs of the target `fetch` against it."""

    def __init__(self, folder: Path, count: int, shards: int) -> None:
        self.folder = folder
        self.count = count
        self.shards = shards
        self.pictures = folder / "served"
        make_pictures(self.pictures, count)
        # It has the pictures too, and must not be asked.
        self.trap = CocoServer(self.pictures, {})
        self.server = CocoServer(self.pictures, made_instances(self.pictures, self.trap.url))

    def workspace(self, name: str, **more: Any) -> Workspace:
        dataset = {
            "coco": self.server.dataset(),
            "connections": 8,
            "backoff_seconds": 0.05,
            "timeout_seconds": 1,
            **more,
        }
        return Workspace(self.folder / name, {"shards": self.shards, "dataset": dataset})

    def asked(self) -> list[str]:
        return self.server.asked("/train2017/")


@pytest.fixture(
    scope="module",
    params=[(160, 2), pytest.param((2000, 4), marks=pytest.mark.torture)],
    ids=lambda size: f"{size[0]} pictures",
)
def fetching(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fetching]:
    made = Fetching(tmp_path_factory.mktemp("network"), *request.param)
    with made.server, made.trap:
        yield made


@pytest.fixture(scope="module")
def undisturbed(fetching: Fetching) -> dict[str, str]:
    """Results of a run without faults."""
    workspace = fetching.workspace("undisturbed")
    workspace.run("fetch")
    assert sorted(fetching.asked()) == sorted(set(fetching.asked()))
    assert len(fetching.asked()) == fetching.count
    return results_of(workspace)


def start(workspace: Workspace) -> subprocess.Popen[bytes]:
    """The fetch as the leader of a process group of its own."""
    with open(workspace.folder / "killed.log", "wb") as said:
        return subprocess.Popen(
            workspace.command("fetch"),
            cwd=workspace.folder,
            env=os.environ | {"NO_PROXY": LOCAL},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def pictures_in(workspace: Workspace) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in (workspace.results / "dataset/images").iterdir()
    }


def test_the_set_is_complete_through_faults_and_a_kill(
    fetching: Fetching, undisturbed: dict[str, str]
) -> None:
    server = fetching.server
    workspace = fetching.workspace("disturbed")
    server.requests.clear()
    server.fail_at_random(0.05, seed=1)
    server.fail(ANNOTATIONS, faulty.TOO_MANY, faulty.RESET, faulty.STALL)
    run = start(workspace)
    while len(fetching.asked()) < fetching.count // 2:
        assert run.poll() is None
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()

    # What is there under a picture's name is that picture, whole.
    there = pictures_in(workspace)
    served = {path.name: path.read_bytes() for path in fetching.pictures.iterdir()}
    whole = {name for name in there if not name.startswith(".")}
    assert 0 < len(whole) < fetching.count
    assert all(there[name] == served[name] for name in whole)

    # What was under way may still reach the server.
    time.sleep(0.5)
    before = len(fetching.asked())
    server.requests.clear()
    said = workspace.run("fetch")
    # Retries are told in the logs, one line each, and not on the terminal.
    assert not re.search("Traceback|WARNING|again in|127.0.0.1", said)
    assert pictures_in(workspace) == served
    asked = {path.rsplit("/", 1)[1] for path in fetching.asked()}
    assert asked == served.keys() - whole
    # Of the faults, redirects to the right place cost no second request.
    again = len(fetching.asked()) - len(asked)
    assert 0.01 < again / len(asked) < 0.2
    logs = [path.read_text() for path in (workspace.results / "logs/fetch_images").glob("*.log")]
    lines = "".join(logs).splitlines()
    told = sum("; again in" in line for line in lines)
    assert 0 < told <= again + before - len(whole) and len(lines) < told + 40
    assert all(str.isprintable(line) and len(line) < 400 for line in lines)
    assert server.asked(ANNOTATIONS) == []
    assert results_of(workspace) == undisturbed
    table = pq.read_table(workspace.results / "dataset/manifest.parquet")
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in served.items()}
    assert dict(zip(table["file"].to_pylist(), table["sha256"].to_pylist(), strict=True)) == digests
    assert fetching.trap.requests == []


@pytest.mark.beyond
def test_packed_pictures_are_asked_for_once(
    fetching: Fetching, undisturbed: dict[str, str]
) -> None:
    """Through a failure, and when more of them are wanted later."""
    server, few = fetching.server, fetching.count // 2
    server.fail_at_random(0, seed=1)
    server.fail("/train2017/000000000007.jpg", faulty.ABSENT)
    workspace = fetching.workspace("packed", packed=True, max_images=few)
    assert "1 of" in workspace.run("fetch", fails=True)
    server.requests.clear()
    workspace = fetching.workspace("packed", packed=True)
    workspace.run("fetch")
    asked = {int(path.rsplit("/", 1)[1].removesuffix(".jpg")) for path in fetching.asked()}
    assert asked == {7, *range(few + 1, fetching.count + 1)}
    assert len(fetching.asked()) == len(asked)
    found = results_of(workspace)
    assert all(found.pop(f"dataset/pictures/{shard}.zip") for shard in range(fetching.shards))
    assert found == without_pictures(undisturbed)
    # As files again: the archives would hide them from later stages.
    workspace = fetching.workspace("packed", max_images=few)
    workspace.run("fetch")
    assert len(pictures_in(workspace)) == few
    assert not list((workspace.results / "dataset/pictures").iterdir())
