"""Whole runs with RT-DETR and a file of random weights, on real pictures of COCO."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.torch import save_file

from coco_server import CocoServer
from helpers import skip_without
from made_weights import random_rtdetr
from running import Workspace, results_of, without_shards
from visualsearch.core.files import read_json
from visualsearch.data.boxes import xywh_to_xyxy
from visualsearch.data.tables import boxes_of
from visualsearch.settings.names import RTDETR

skip_without("transformers", "RT-DETR")

IMAGES = (790, 5001, 5802, 11813, 64523, 547503)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(random_rtdetr(), path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def server(coco_sample: Path) -> Iterator[CocoServer]:
    instances = json.loads((coco_sample / "instances.json").read_text())
    instances["images"] = [image for image in instances["images"] if image["id"] in IMAGES]
    instances["annotations"] = [a for a in instances["annotations"] if a["image_id"] in IMAGES]
    with CocoServer(coco_sample / "images", instances) as running:
        yield running


def configured(server: CocoServer, weights: Path, **more: Any) -> dict[str, Any]:
    """The default workflow, on a few pictures."""
    return {
        "shards": 2,
        "dataset": {"coco": server.dataset()},
        "detector": {"name": RTDETR, "weights": str(weights), "precision": "bf16"},
        "search_set": {"min_score": 0.5, "min_height": 40},
        "evaluation": {"persons": 20, "parity_images": 2},
        "report": {"timings": False},
        **more,
    }


@pytest.mark.beyond
def test_its_vectors_have_2048_values_and_its_boxes_lie_in_the_pictures(
    server: CocoServer, weights: Path, tmp_path: Path
) -> None:
    config = configured(server, weights, shards=1)
    config["dataset"]["max_images"] = 2
    workspace = Workspace(tmp_path, config)
    workspace.run("embed")
    table = pq.read_table(workspace.results / "embeddings/0.parquet")
    assert table.schema.field("vector").type.list_size == 2048 and len(table) > 4
    vectors = table["vector"].combine_chunks().flatten().to_numpy()
    assert np.isfinite(vectors).all() and vectors.min() >= 0 and vectors.max() > 0
    found = pq.read_table(workspace.results / "detections/shards/0.parquet")
    assert 2 < len(found) <= 600 and set(found["category_id"].to_pylist()) == {1}
    assert min(found["score"].to_pylist()) < 0.45
    pictures = pq.read_table(workspace.results / "dataset/manifest.parquet").to_pylist()
    sides = {row["image_id"]: (row["width"], row["height"]) for row in pictures}
    limits = np.array([sides[image_id] for image_id in found["image_id"].to_pylist()])
    corners = xywh_to_xyxy(boxes_of(found))
    assert corners.min() >= 0 and (corners[:, 2:] <= limits + 0.01).all()


@pytest.mark.beyond
def test_everything_else_works_with_it(
    server: CocoServer, weights: Path, coco_sample: Path, tmp_path: Path
) -> None:
    """Report, explorer, own query and parity; and the same bytes with one shard as with two."""
    own = coco_sample / "images" / "000000001000.jpg"
    own = own if own.exists() else sorted((coco_sample / "images").iterdir())[-1]
    found = []
    for shards, cores in ((1, 1), (2, 2)):
        config = configured(server, weights, shards=shards, queries={"images": [str(own)]})
        config["report"] |= {"explorer": True}
        workspace = Workspace(tmp_path / str(shards), config)
        workspace.run(cores=cores)
        found.append(without_shards(results_of(workspace)))
    assert found[0] == found[1] and len(found[0]) > 40
    # One person of each other picture that shows any is a hit.
    hits = pq.read_table(workspace.results / "search/hits.parquet").to_pandas()
    assert len(hits) > 10 and not hits.duplicated(["query", "image_id"]).any()
    page = (workspace.results / "report/index.html").read_text(encoding="utf-8")
    for said in ("RTDetrForObjectDetection", "640 × 640 px", "68 billion", "no anchors"):
        assert said in page, said
    assert read_json(workspace.results / "detections/detector.json")["vector_length"] == 2048
    assert (workspace.results / "report/explorer/index.html").exists()
    assert read_json(workspace.results / "evaluation/detections.json")["AP"] is not None
    workspace.run("parity")
    assert read_json(workspace.results / "evaluation/parity.json")["cosine"]["worst"] > 0.99


@pytest.mark.beyond
def test_another_category_is_detected(server: CocoServer, weights: Path, tmp_path: Path) -> None:
    config = configured(server, weights)
    config["dataset"] |= {"category": "keyboard", "only_with_category": False}
    workspace = Workspace(tmp_path, config)
    workspace.run("detect")
    document = json.loads((workspace.results / "detections/persons.json").read_text())
    assert {row["category_id"] for row in document} == {76}
