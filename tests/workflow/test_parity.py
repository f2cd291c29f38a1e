"""The target parity compares a run in bf16 with fp32."""

from pathlib import Path

from running import Workspace, demo_config
from visualsearch.core.files import read_json
from visualsearch.detect.networks import has_bf16

FEW = {"dataset": {"max_images": 2}, "shards": 1, "evaluation": {"parity_images": 2}}


def test_parity_compares_the_run_with_fp32(tmp_path: Path) -> None:
    # Where the processor has no bf16, torch imitates it.
    detector = {"precision": "bf16", "runtime": "auto" if has_bf16() else "torch"}
    workspace = Workspace(tmp_path, demo_config(**FEW, detector=detector))
    printed = workspace.run("parity")
    parity = read_json(workspace.results / "evaluation/parity.json")
    assert read_json(workspace.results / "detections/detector.json")["precision"] == "bf16"
    assert parity["precision"] == "bf16" and parity["images"] == 2
    assert parity["AP"] is None  # these pictures have no annotations
    compared = parity["compared"]["bf16"]
    assert parity["persons"] >= 2 and compared["persons_lost"] == 0
    assert 0 < compared["box_shift_pixels"]["worst"] < 60
    assert compared["cosine"]["worst"] > 0.995
    assert f"bf16 against fp32, 2 images, {parity['persons']} persons" in printed
    assert "bf16: cosine of the two vectors of the box in fp32: median" in printed
    # Only the target parity runs it.
    assert "measure_parity" not in workspace.planned()

    workspace.config["detector"]["precision"] = "fp32"
    said = workspace.run("parity", fails=True)
    assert "this run computes in fp32 (detections/detector.json), so there is nothing" in said
    assert read_json(workspace.results / "detections/detector.json")["precision"] == "fp32"
