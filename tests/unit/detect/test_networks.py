"""Networks in OpenVINO: converted once, kept, and run without torch."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import ROOT
from helpers import one_line
from made_weights import SMALL, random_state, unset_weights
from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing_folder
from visualsearch.detect import computing, describe, load_described, load_detector
from visualsearch.detect.computing import Computing, Kept, resolve
from visualsearch.detect.networks import FOLDER, Networks, openvino
from visualsearch.embed.embedding import prepare
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

CROPS = EmbeddingSettings()
SETTINGS = DetectorSettings(BUNDLED, device="cpu", runtime="openvino", precision="fp32")

# Prints what a job finds in a picture, the modules it has loaded, and what it asks the network.
JOB = """
import hashlib, json, sys
asked = []
def watch(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "urllib.Request")):
        asked.append(event)
        raise OSError("no network in this test")
sys.addaudithook(watch)
import numpy as np
from pathlib import Path
from PIL import Image
from visualsearch.detect import load_backbone, load_described
from visualsearch.embed.embedding import embed_boxes
from visualsearch.settings import DetectorSettings, EmbeddingSettings
settings, described, results = json.loads(sys.argv[1])
settings, results = DetectorSettings.of(settings), Path(results)
pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
image = Image.fromarray(pixels)
detector = load_described(settings, described, results)
[found] = detector.detect([image])
box = np.array([[10, 20, 60, 110]], np.float32)
vectors = embed_boxes(load_backbone(settings, described, results), image, box, EmbeddingSettings())
digest = hashlib.sha256(b"".join(each.tobytes() for each in (*found, vectors))).hexdigest()
print(json.dumps([digest, sorted(sys.modules), asked]))
"""


def job(settings: dict[str, Any], described: dict[str, Any], folder: Path) -> Any:
    """Run JOB in a Python of its own, whose home is `folder`."""
    arguments = json.dumps([settings, described, str(folder / "results")])
    done = subprocess.run(
        [sys.executable, "-c", JOB, arguments],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(ROOT / "workflow/scripts"),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_jobs_after_the_first_need_no_torch_and_nothing_is_reported(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    settings = {"name": BUNDLED, "device": "cpu", "precision": "fp32"}
    described = describe(SETTINGS)
    first, second = (job(settings, described, tmp_path) for _ in range(2))
    for digest, modules, asked in (first, second):
        assert digest == first[0] and "openvino" in modules and not asked
        # It would tell its makers that it is used.
        assert not any(name.startswith("openvino_telemetry.") for name in modules)
    assert "torch" in first[1]
    assert not {"torch", "torchvision", "scipy", "pandas"} & set(second[1])
    assert not list((tmp_path / "home").iterdir())


def test_these_tests_report_nothing_either() -> None:
    """None of them, as all are imported before the first, loads OpenVINO in another way."""
    assert sys.modules.get("openvino_telemetry") is None


def test_a_detector_of_torchvision_does_without_torchs_compiler(tmp_path: Path) -> None:
    """It takes a second and 150 MB in every job, so a torchvision that loads it must be noticed."""
    name = "fasterrcnn_mobilenet_v3_large_fpn"
    torch.save(random_state(name), tmp_path / "w.pth")
    settings = {"name": name, "weights": str(tmp_path / "w.pth"), "device": "cpu", **SMALL}
    described = describe(DetectorSettings.of(settings))
    with unset_weights():
        prepare(
            load_described(DetectorSettings.of(settings), described, tmp_path / "results"), CROPS
        )
    _, modules, asked = job(settings, described, tmp_path)
    assert "torchvision" in modules and "torch._dynamo" not in modules and not asked


def test_a_job_computes_on_one_thread_in_torch_too(tmp_path: Path) -> None:
    """What chooses among boxes stays in torch, whose second thread would disturb the next job."""
    name = "fasterrcnn_mobilenet_v3_large_fpn"
    torch.save(random_state(name), tmp_path / "w.pth")
    settings = DetectorSettings(
        name, str(tmp_path / "w.pth"), device="cpu", runtime="openvino", **SMALL
    )
    torch.set_num_threads(2)
    try:
        with unset_weights():
            load_detector(settings, tmp_path)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)


def test_a_torchvision_that_needs_more_of_the_compiler_is_imported_all_the_same() -> None:
    code = """
import sys
from visualsearch.detect import light_torchvision
def needs_more(self, name):
    raise AttributeError(name)
light_torchvision._StandIn.__getattr__ = needs_more
light_torchvision.import_torchvision()
import torch, torchvision.ops
boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3.9]])
print(torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5), "torch._dynamo" in sys.modules)
"""
    said = subprocess.check_output(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "workflow/scripts")},
        text=True,
    )
    assert said.split() == ["tensor([0])", "True"]


def doubled() -> Any:
    """A network that doubles what it is given."""
    runtime = openvino()
    given = runtime.opset13.parameter([-1, 3], np.float32)
    two = runtime.opset13.constant(np.float32([2]))
    return runtime.Model([runtime.opset13.multiply(given, two)], [given], "doubled")


def test_networks_are_kept_until_something_else_makes_them(tmp_path: Path) -> None:
    made = []

    def convert() -> Any:
        made.append(1)
        return doubled()

    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    for _ in range(2):
        [result] = Networks("a", "sha", Kept(tmp_path)).load("twice", "fp32", convert)(rows)
        assert np.array_equal(result, 2 * rows) and len(made) == 1
    [weights] = tmp_path.glob(f"{FOLDER}/*/twice/network.bin")
    weights.write_bytes(weights.read_bytes()[:-1])
    [result] = Networks("a", "sha", Kept(tmp_path)).load("twice", "fp32", convert)(rows)
    assert np.array_equal(result, 2 * rows) and len(made) == 2
    Networks("a", "other", Kept(tmp_path)).load("twice", "fp32", convert)
    [left] = tmp_path.glob(f"{FOLDER}/*")
    assert len(made) == 3 and left != weights.parents[1]
    Networks("a", "sha", Kept()).load("twice", "fp32", convert)
    assert len(made) == 4 and list(tmp_path.glob(f"{FOLDER}/*")) == [left]


def test_where_the_cache_cannot_be_written_a_network_serves_its_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Any:
        if path.is_relative_to(tmp_path):
            raise InputError(f"{path} cannot be written (Read-only file system)")
        return replacing_folder(path)

    monkeypatch.setattr("visualsearch.detect.networks.replacing_folder", refuse)
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    [result] = Networks("a", "unkept", Kept(tmp_path)).load("twice", "fp32", doubled)(rows)
    assert np.array_equal(result, 2 * rows)
    assert f"{tmp_path / FOLDER} cannot be written, so a converted network is not" in caplog.text
    assert not (tmp_path / FOLDER).exists()


def test_what_cannot_be_had_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal(**settings: Any) -> str:
        with pytest.raises(InputError) as error:
            resolve(DetectorSettings(BUNDLED, **settings))
        return one_line(error)

    assert "torch sees no GPU here" in refusal(device="cuda")
    monkeypatch.setattr("visualsearch.detect.networks.has_bf16", lambda: False)
    assert "which this processor does not support" in refusal(device="cpu", precision="bf16")
    assert resolve(DetectorSettings(BUNDLED, device="cpu")) == Computing("openvino", *["fp32"] * 2)
    monkeypatch.setattr("visualsearch.detect.networks.has_bf16", lambda: True)
    assert resolve(DetectorSettings(BUNDLED, device="cpu")) == Computing("openvino", *["bf16"] * 2)
    with monkeypatch.context() as patch:
        patch.setattr(computing, "_on_gpu", lambda device: True)
        assert "set detector.device to cpu" in refusal(device="auto", runtime="openvino")
        assert resolve(DetectorSettings(BUNDLED, precision="fp32")).runtime == "torch"
    monkeypatch.setattr(computing, "find_spec", lambda name: None)
    assert "is not installed; run pip install openvino" in refusal(runtime="openvino", device="cpu")
    settings = DetectorSettings(BUNDLED, device="cpu", precision="fp32")
    assert resolve(settings) == Computing("torch", "fp32", "fp32")


def test_a_job_says_that_the_weights_have_changed(tmp_path: Path) -> None:
    described = describe(SETTINGS)
    with pytest.raises(InputError, match="--forcerun fetch_weights"):
        load_described(SETTINGS, described | {"weights_sha256": "0" * 64}, tmp_path)
