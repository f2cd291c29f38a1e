"""The workflow, as a user runs it, on files that were made to do harm."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from running import Workspace, demo_config
from visualsearch.data.manifest import read_manifest
from visualsearch.data.skipped import read_skipped

GOOD = ["\x1b]0;owned\x07.png", "two\nlines.png", "=1+1.png", '"><img src=x onerror=alert(1)>.png',
        "{shard} {input} <results>.png", "%s $(touch marker) `touch marker`.png"]  # fmt: skip
BAD = ["\x1b[2J bad.jpg", "=bad\n.jpg", os.fsdecode(b"\xff\x9b31m bad.jpg")]


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """A run that fetches the pictures and fails to load the weights, and what it said."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "pictures").mkdir()
    for number, name in enumerate(GOOD):
        Image.new("RGB", (30, 20 + number)).save(folder / "pictures" / name)
    for name in BAD:
        (folder / "pictures" / name).write_bytes(b"no picture")
    torch.save({"weights": Touch(folder / "marker")}, folder / "w.pth")
    dataset = {"source": "folder", "folder": {"path": str(folder / "pictures")}}
    detector = {"name": "fasterrcnn_resnet50_fpn", "weights": str(folder / "w.pth")}
    config = demo_config(
        dataset=dataset | {"max_skipped_fraction": 0.9}, detector=detector, shards=1
    )
    workspace = Workspace(folder / "work", config)
    targets = ["results/test/dataset/manifest.parquet", "results/test/detections/detector.json"]
    return workspace, workspace.run(*targets, fails=True)


def test_weights_that_would_run_code_stop_the_run_in_one_line(ran: tuple[Workspace, str]) -> None:
    workspace, said = ran
    [line] = {line for line in said.splitlines() if line.startswith("ERROR: ")}
    assert "w.pth is not a file of plain weights" in line and "might run code" in line
    assert "Traceback" not in said
    assert not list(workspace.folder.parent.rglob("marker"))
    assert not (workspace.results / "detections/detector.json").exists()


def test_hostile_names_are_kept_and_shown_escaped(ran: tuple[Workspace, str]) -> None:
    workspace, said = ran
    kept = read_manifest(workspace.results / "dataset/manifest.parquet", ["file"])
    assert sorted(kept["file"].to_pylist()) == sorted(GOOD)
    skipped = workspace.results / "dataset/skipped.tsv"
    assert len(read_skipped(skipped)) == len(BAD)
    logs = [
        path.read_text(encoding="utf-8") for path in (workspace.results / "logs").rglob("*.log")
    ]
    assert any("left out: " in text and "\\x1b[2J bad.jpg" in text for text in logs)
    for text in (said, skipped.read_text(encoding="utf-8"), *logs):
        assert all(char.isprintable() for char in text.replace("\n", "").replace("\t", ""))
