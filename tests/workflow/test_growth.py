"""Pictures that come, go, and change their names: only new content is detected and embedded, and
the results are those of a run from nothing, for any shards and cores."""

import os
import re
from importlib import resources
from pathlib import Path

import pytest
from PIL import Image

from running import Workspace, results_of, without_shards

PACKAGE = Path(str(resources.files("openpeople"))) / "data/curated"
PICTURES = sorted(PACKAGE.glob("P00[1-3]/assets/*.jpg"))
KNOWN = re.compile(r"(\d+) of (\d+) are known from an earlier run")


def config(pictures: Path, **sections: object) -> dict:
    return {
        "dataset": {"source": "folder", "folder": {"path": str(pictures)}},
        "detector": {"name": "ssdlite_mobilenet_v2_person", "precision": "fp32"},
        "search_set": {"min_height": 64},
        "reduction": {"n_components": 16},
        "search": {"rerank": 20},
        "report": {"timings": False, "explorer": True},
        "shards": 2,
        **sections,
    }


def new_items(workspace: Workspace, rule: str) -> int:
    """How many pictures the jobs of a rule computed, by their logs: all but the known ones."""
    total = 0
    for shard in range(workspace.config["shards"]):
        text = (workspace.results / f"logs/{rule}/{shard}.log").read_text()
        done = re.findall(r": (\d+) images in", text)
        total += int(done[0]) if done else 0
        assert done or KNOWN.search(text), text
    return total


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for path in PICTURES[:14]:
        put(path, folder / f"{path.parent.parent.name} {path.name}")
    for number in range(3):
        # One may follow the other by its id, and then they are computed side by side.
        put(PICTURES[5], folder / f"copy {number}.jpg")
    return folder


def put(path: Path, copy: Path) -> None:
    """Copy a picture in a third of its size, which is faster to read."""
    with Image.open(path) as image:
        image.reduce(3).save(copy)


@pytest.fixture(scope="module")
def grown(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run, then one after pictures were added, removed, renamed, moved, touched and changed, and
    `shards` too."""
    workspace = Workspace(tmp_path_factory.mktemp("grown"), config(pictures))
    workspace.run("embed")
    assert new_items(workspace, "detect_persons") == 17
    files = sorted(pictures.glob("P*"))
    put(PICTURES[14], pictures / "added.jpg")
    files[0].unlink()
    files[1].rename(pictures / "renamed.jpg")
    (pictures / "folder").mkdir()
    files[2].rename(pictures / "folder" / files[2].name)
    os.utime(files[3])
    Image.open(files[4]).rotate(180).save(files[4])
    workspace.config["shards"] = 1
    workspace.run()
    return workspace


def test_only_new_content_is_computed(grown: Workspace) -> None:
    """The picture that was added, and the one that was changed."""
    assert new_items(grown, "detect_persons") == 2
    assert new_items(grown, "embed_persons") <= 2
    # Nobody has annotated these pictures.
    assert not (grown.results / "evaluation/detections.json").exists()


def test_a_former_number_of_shards_leaves_nothing(grown: Workspace) -> None:
    names = {path.name.removeprefix(".").partition(".")[0] for path in grown.results.rglob("*")}
    assert "0" in names and "1" not in names


def test_results_are_the_bytes_of_a_run_from_nothing_for_any_shards_and_cores(
    grown: Workspace, pictures: Path, tmp_path: Path
) -> None:
    """In one shard on two cores, and in three on one."""
    nothing = Workspace(tmp_path, config(pictures, shards=3))
    nothing.run(cores=1)
    expected, found = (without_shards(results_of(workspace)) for workspace in (nothing, grown))
    whole = {
        "detections/persons.json",
        "detections/coco.json",
        "index/persons.ann",
        "index/index.json",
        "search/hits.parquet",
        "search/map.parquet",
        "pca/model.npz",
        "evaluation/search.json",
        "report/index.html",
        "report/report.md",
        "report/explorer/index.html",
        "report/explorer/data/persons.js",
        "report/explorer/data/neighbours-0000.js",
        "report/explorer/thumbnails/0000.webp",
    }
    assert whole <= expected.keys() == found.keys()
    assert [name for name in expected if expected[name] != found[name]] == []


def test_no_row_of_other_settings_is_used(grown: Workspace, pictures: Path) -> None:
    grown.config["detector"] = {**grown.config["detector"], "score_threshold": 0.3}
    grown.run("detect")
    assert new_items(grown, "detect_persons") == 17
