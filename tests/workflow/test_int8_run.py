"""Runs that detect in int8: calibrated, compared with fp32, refused in a bucket."""

import shutil
from pathlib import Path

import pytest

from running import Workspace, demo_config
from visualsearch.core.files import read_json

FEW = {"dataset": {"max_images": 6}, "shards": 2, "evaluation": {"parity_images": 4}}
CONFIG = demo_config(**FEW, detector={"precision": "int8"})


def test_results_in_a_bucket_are_refused_in_one_line(tmp_path: Path) -> None:
    bucket = ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://any/where"]
    said = Workspace(tmp_path, CONFIG).run("--dry-run", *bucket, fails=True)
    assert said.strip().splitlines()[-1] == (
        "detector.precision is int8, whose networks are kept in a folder of the results, and the "
        "results are in object storage; set detector.precision to auto"
    )


def test_the_pictures_come_before_the_network(tmp_path: Path) -> None:
    """In any other precision the network is fetched while the pictures are."""
    workspace = Workspace(tmp_path, CONFIG)
    weights = "results/test/detections/detector.json"
    assert {"fetch_images", "build_manifest"} < workspace.planned(weights)
    workspace.config["detector"]["precision"] = "auto"
    assert workspace.planned(weights) == {"fetch_weights"}


@pytest.mark.beyond
def test_a_run_in_int8_is_compared_and_calibrates_again_what_is_deleted(tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="NOT TESTED: a run in int8, as nncf is not installed")
    workspace = Workspace(tmp_path, CONFIG)
    printed = workspace.run("parity", "detect")
    described = read_json(workspace.results / "detections/detector.json")
    assert described["precision"] == "int8" and described["vector_precision"] in ("bf16", "fp32")
    assert described["calibrated_on"]["images"] == 6
    assert "nncf" in described["versions"]
    parity = read_json(workspace.results / "evaluation/parity.json")
    assert set(parity["compared"]) == {"int8", described["vector_precision"]} - {"fp32"}
    assert parity["compared"]["int8"]["persons_lost"] == 0
    assert "int8: cosine of the two vectors, each of its own box: median" in printed
    # NNCF's own bars and messages stay out of the terminal.
    assert "Statistics collection" not in printed and "INFO:nncf" not in printed

    found = workspace.hashes()
    shutil.rmtree(workspace.results / "cache")
    workspace.run("detect", "--forcerun", "detect_persons")
    assert workspace.hashes() == found

    # Another sample is another network.
    workspace.config["dataset"] |= {"max_images": 5}
    assert {"fetch_weights", "detect_persons"} <= workspace.planned("detect")
