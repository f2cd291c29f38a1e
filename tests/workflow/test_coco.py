"""The real task against a local server of COCO's layout and a checkpoint of the right shape."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from coco_server import ABSENT, BUSY, RESET, CocoServer
from made_weights import random_weights
from running import Workspace

IMAGES = (790, 5001, 11813, 64523)


@pytest.fixture(scope="module")
def server(coco_sample: Path) -> Iterator[CocoServer]:
    instances = json.loads((coco_sample / "instances.json").read_text())
    instances["images"] = [image for image in instances["images"] if image["id"] in IMAGES]
    instances["annotations"] = [a for a in instances["annotations"] if a["image_id"] in IMAGES]
    keypoints = json.loads((coco_sample / "person_keypoints.json").read_text())
    with CocoServer(coco_sample / "images", instances, keypoints) as running:
        yield running


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "random.pth"
    torch.save(random_weights("fasterrcnn_resnet50_fpn", seed=0), path)
    return path


@pytest.fixture(scope="module")
def coco(
    server: CocoServer, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    config = {
        "shards": 1,
        "dataset": {"coco": server.dataset(), "backoff_seconds": 0.05},
        # Half of the size that they were trained at.
        "detector": {"weights": str(checkpoint), "min_size": 400, "max_size": 667},
        "search_set": {"min_score": 0.5, "min_height": 280},
        "evaluation": {"persons": 20},
    }
    workspace = Workspace(tmp_path_factory.mktemp("coco"), config)
    workspace.run()
    return workspace


def test_vectors_are_the_2048_of_the_detectors_own_resnet(coco: Workspace) -> None:
    table = pq.read_table(coco.results / "embeddings/0.parquet")
    assert table.schema.field("vector").type.list_size == 2048
    assert table.schema.field("before").type.list_size == 6 * 1024
    vectors = table["vector"].combine_chunks().flatten().to_numpy()
    assert np.isfinite(vectors).all() and vectors.min() >= 0 and vectors.max() > 0


def test_every_stage_left_its_files(coco: Workspace) -> None:
    hits = pq.read_table(coco.results / "search/hits.parquet")
    images = pq.read_table(coco.results / "index/persons.parquet")["image_id"].unique()
    assert len(hits) == 5 * min(10, len(images) - 1)  # one person of each other picture
    others = pq.read_table(coco.results / "evaluation/by_last_map.parquet")
    assert len(others) == len(hits)
    detector = json.loads((coco.results / "detections/detector.json").read_text())
    assert detector["vector_length"] == 2048 and not detector["weights_are_published"]
    assert json.loads((coco.results / "index/index.json").read_text())["recall"]["recall@10"] > 0.99
    page = (coco.results / "report/index.html").read_text(encoding="utf-8")
    assert "training" in page  # AP on minitrain is training-set AP and must be labelled so


def test_keypoints_of_the_archive_reach_the_annotations(coco: Workspace) -> None:
    document = json.loads((coco.results / "dataset/annotations.json").read_text())
    with_pose = [entry for entry in document["annotations"] if entry.get("num_keypoints")]
    assert len(with_pose) == 4
    assert all(len(entry["keypoints"]) == 51 for entry in with_pose)


def test_only_images_with_the_category_were_asked_for(coco: Workspace, server: CocoServer) -> None:
    asked = {int(path.split("/")[-1].removesuffix(".jpg")) for path in server.asked("/train2017/")}
    annotations = json.loads((coco.results / "dataset/annotations.json").read_text())
    shown = {a["image_id"] for a in annotations["annotations"] if a["category_id"] == 1}
    assert asked == shown == {image["id"] for image in annotations["images"]}


def test_a_broken_fetch_names_what_is_missing_and_resumes(
    server: CocoServer, tmp_path: Path
) -> None:
    config = {
        "shards": 1,
        "dataset": {
            "source": "coco-val2017",
            "coco": server.dataset("val2017"),
            "backoff_seconds": 0.05,
            "retries": 2,
        },
    }
    server.fail("/val2017/000000005001.jpg", ABSENT)
    server.fail("/val2017/000000064523.jpg", BUSY, RESET)
    workspace = Workspace(tmp_path, config)
    output = workspace.run("fetch", fails=True)
    (line,) = [text for text in output.splitlines() if text.startswith("ERROR: ")]
    assert "000000005001.jpg" in line and "000000064523.jpg" not in line
    before = len(server.asked("/val2017/"))
    workspace.run("fetch")
    assert server.asked("/val2017/")[before:] == ["/val2017/000000005001.jpg"]
    assert server.asked("/annotations/").count("/annotations/annotations_trainval2017.zip") <= 2


def test_a_look_alike_of_minitrain_is_refused(server: CocoServer, tmp_path: Path) -> None:
    settings = server.dataset() | {"definition_images": 25000}
    output = Workspace(tmp_path, {"dataset": {"coco": settings}}).run("fetch", fails=True)
    (line,) = [text for text in output.splitlines() if text.startswith("ERROR: ")]
    assert "25000" in line.replace(",", "")


def test_missing_weights_file_is_one_clear_line(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"detector": {"weights": "./absent.pth"}})
    output = workspace.run("results/test/detections/detector.json", fails=True)
    line = "detector.weights: './absent.pth' is not allowed; expected an existing weights file"
    assert line in output
    assert "Traceback" not in output and not workspace.results.exists()


def test_replaced_weights_are_noticed(coco: Workspace, checkpoint: Path) -> None:
    assert coco.planned("detect") == set()
    os.utime(checkpoint, (0, 0))
    assert {"fetch_weights", "detect_persons"} <= coco.planned("detect")
