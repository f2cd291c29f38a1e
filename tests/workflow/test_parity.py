"""The target parity compares a run in bf16, or in int8 and bf16, with fp32."""

import shutil
from pathlib import Path

import pytest

from running import Workspace, demo_config
from visualsearch.core.files import read_json

FEW = {"dataset": {"max_images": 6}, "shards": 1, "evaluation": {"parity_images": 4}}


def test_parity_compares_the_run_with_fp32(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, demo_config(**FEW, detector={"precision": "bf16"}))
    printed = workspace.run("parity")
    parity = read_json(workspace.results / "evaluation/parity.json")
    assert read_json(workspace.results / "detections/detector.json")["precision"] == "bf16"
    assert parity["precision"] == "bf16" and parity["images"] == 4
    assert parity["AP"] is None  # these pictures have no annotations
    compared = parity["compared"]["bf16"]
    assert parity["persons"] >= 4 and compared["persons_lost"] == 0
    assert 0 < compared["box_shift_pixels"]["worst"] < 60
    assert compared["cosine"]["worst"] > 0.995
    assert f"bf16 against fp32, 4 images, {parity['persons']} persons" in printed
    assert "bf16: cosine of the two vectors of the box in fp32: median" in printed
    # Only the target parity runs it.
    assert "measure_parity" not in workspace.planned()

    workspace.config["detector"]["precision"] = "fp32"
    said = workspace.run("parity", fails=True)
    assert "this run computes in fp32 (detections/detector.json), so there is nothing" in said
    assert read_json(workspace.results / "detections/detector.json")["precision"] == "fp32"


@pytest.mark.beyond
def test_a_run_in_int8_is_compared_and_calibrates_again_what_is_deleted(tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="NOT TESTED: a run in int8, as nncf is not installed")
    config = demo_config(
        dataset={"max_images": 6},
        evaluation={"parity_images": 4},
        shards=2,
        detector={"precision": "int8"},
    )
    workspace = Workspace(tmp_path, config)
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
