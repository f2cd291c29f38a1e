"""Detection in int8: which pictures calibrate it, what it finds, and who is refused."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from torchvision.ops import FrozenBatchNorm2d

from conftest import ROOT
from helpers import export_people, skip_without
from made_weights import SMALL, random_network
from running import sampled
from visualsearch.core.errors import InputError
from visualsearch.data.manifest import MANIFEST_SCHEMA
from visualsearch.data.pictures import Pictures
from visualsearch.data.tables import write_table
from visualsearch.detect import (
    calibration,
    computing,
    describe,
    load_described,
    load_detector,
    networks,
)
from visualsearch.detect.base import Detector
from visualsearch.detect.calibration import Sample
from visualsearch.embed.embedding import embed_boxes
from visualsearch.evaluate.parity import measure_parity, parity_lines
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

# To import it would load OpenVINO with what reports its use, in a process for each conversion.
skip_without("nncf", "int8")

SETTINGS = DetectorSettings(BUNDLED, device="cpu", precision="int8")
EMBEDDING = EmbeddingSettings(fit="stretch", size=(96, 96), pooling="average", mirrored=False)
OF_A_RUN = {name: getattr(calibration, name) for name in ("SAMPLE_SIZE", "FAST_BIAS_CORRECTION")}
FASTER_RCNN = "fasterrcnn_mobilenet_v3_large_320_fpn"


def write_manifest(
    folder: Path, files: list[Path], order: list[int], shards: int, root: Path | None = None
) -> Path:
    """A manifest of pictures in a folder, or in root. order: their rows, so their image ids."""
    root = root or folder
    rows = []
    for image_id, row in enumerate(order, 1):
        with Image.open(files[row]) as image:
            width, height = image.size
        rows.append(
            {
                **dict.fromkeys(MANIFEST_SCHEMA.names),
                "image_id": image_id,
                "file": str(files[row].relative_to(root)),
                "width": width,
                "height": height,
                "sha256": hashlib.sha256(files[row].read_bytes()).hexdigest(),
                "shard": image_id % shards,
            }
        )
    path = folder / f"manifest-{shards}.parquet"
    write_table(path, [pa.Table.from_pylist(rows, MANIFEST_SCHEMA)], MANIFEST_SCHEMA)
    return path


def small_pictures(folder: Path, count: int) -> list[Path]:
    for number in range(count):
        Image.new("RGB", (8 + number, 8), (number, 0, 0)).save(folder / f"{number}.png")
    return [folder / f"{number}.png" for number in range(count)]


def test_the_sample_depends_on_the_pictures_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "SAMPLE_SIZE", 5)
    files = small_pictures(tmp_path, 12)
    first = Sample(write_manifest(tmp_path, files, list(range(12)), 1), str(tmp_path))
    assert first.describe()["images"] == 5
    # Other names, in another order, in three shards, one of them twice.
    other = tmp_path / "other"
    other.mkdir()
    renamed = [file.rename(other / f"{11 - n}.png") for n, file in enumerate(files)]
    twice = other / "twice.png"
    twice.write_bytes(renamed[3].read_bytes())
    order = [12, *np.random.default_rng(0).permutation(12).tolist()]
    again = Sample(write_manifest(other, [*renamed, twice], order, 3), str(other))
    assert again.describe() == first.describe()
    assert [p.sha256 for p in again.pictures] == [p.sha256 for p in first.pictures]
    fewer = Sample(write_manifest(other, renamed, list(range(3)), 2), str(other))
    assert fewer.describe()["images"] == 3 and fewer.describe() != first.describe()


class Run:
    """A run of four pictures of persons, whose network is calibrated on two of them."""

    def __init__(self, folder: Path) -> None:
        export_people(folder, 4)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        self.results = folder / "results"
        manifest = write_manifest(folder, files, [0, 1, 2, 3], 1)
        self.pictures = list(Pictures(manifest, str(folder)))
        self.sample = Sample(manifest, str(folder))
        self.described = describe(SETTINGS) | {"calibrated_on": self.sample.describe()}

    def load(self, precision: str = "int8", **given: Any) -> Detector:
        described = self.described | {"precision": precision, "vector_precision": "fp32"}
        given = {"results": self.results, "sample": self.sample} | given
        return load_described(SETTINGS, described, **given)


@pytest.fixture(scope="module", params=sampled([True, False], [True]))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        # `make test` takes the correction of biases that saves ten seconds.
        patch.setattr(calibration, "FAST_BIAS_CORRECTION", request.param)
        patch.setattr(calibration, "SAMPLE_SIZE", 2)
        yield Run(tmp_path_factory.mktemp("run"))


def network_files(run: Run) -> list[Path]:
    return sorted((run.results / networks.FOLDER).glob("*/boxes-int8-*/network.*"))


def test_int8_finds_the_persons_that_fp32_finds(
    run: Run, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    detector = run.load()
    assert "calibrate boxes: 2 images in" in caplog.text
    # NNCF would draw bars.
    assert capfd.readouterr().out == ""
    assert detector.vector_precision == "fp32"
    parity = measure_parity(
        run.load("fp32"), {"int8": detector}, run.pictures, "person", None, 0.7, EMBEDDING
    )
    assert parity["persons"] >= 4
    compared = parity["compared"]["int8"]
    assert compared["persons_lost"] == 0
    assert 0 < compared["score_change"]["median"] < 0.02
    # Vectors are those of fp32; only the box moves.
    assert compared["cosine"]["worst"] == 1
    assert 0.98 < compared["own_cosine"]["worst"] < 1
    lines = parity_lines(parity)
    assert lines[0] == f"int8 against fp32, 4 images, {parity['persons']} persons"
    assert "int8: persons lost: 0" in lines


def test_boxes_are_decoded_and_scored_in_fp32(run: Run) -> None:
    """Whatever is rounded to int8 is the input of a convolution."""
    run.load()
    model = networks.openvino().Core().read_model(network_files(run)[1])
    operations = model.get_ordered_ops()
    kinds = [operation.get_type_name() for operation in operations]
    assert {"Exp", "Sigmoid"} <= set(kinds)
    after = set(calibration._names_after_the_weights(model))
    rounded = [o.get_friendly_name() for o in operations if o.get_type_name() == "FakeQuantize"]
    assert len(rounded) > 80 and not after & set(rounded)


def test_what_is_kept_is_used_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = run.load()
    monkeypatch.setattr(calibration, "quantize", lambda *args: pytest.fail("calibrated again"))
    # A job that has no sample takes what is kept.
    again = run.load(sample=None)
    image = run.pictures[0].read().image
    for one, other in zip(*(d.detect([image])[0] for d in (detector, again)), strict=True):
        assert np.array_equal(one, other)


def test_who_has_nothing_to_calibrate_on_is_told_so(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"boxes in int8 is not in the cache .* fetch_weights$"):
        run.load(results=tmp_path, sample=None)
    others = Sample(write_manifest(tmp_path, small_pictures(tmp_path, 2), [0, 1], 1), str(tmp_path))
    with pytest.raises(InputError, match=r"calibrated on are missing; .* fetch_weights$"):
        run.load(results=tmp_path, sample=others)
    with pytest.raises(InputError, match="int8 needs pictures"):
        load_detector(SETTINGS)


@pytest.mark.torture
def test_the_same_pictures_give_the_same_network(run: Run, tmp_path: Path) -> None:
    run.load()
    first = network_files(run)[0].read_bytes()
    kept, run.results = run.results, tmp_path
    try:
        again = run.load()
        assert network_files(run)[0].read_bytes() == first
    finally:
        run.results = kept
    image = run.pictures[0].read().image
    for one, other in zip(*(d.detect([image])[0] for d in (run.load(), again)), strict=True):
        assert np.array_equal(one, other)


def state_of_even_maps() -> dict[str, torch.Tensor]:
    """Random weights of FASTER_RCNN whose norms hold what they saw, so that no map vanishes."""
    model = random_network(FASTER_RCNN, **SMALL)

    def fit(norm: Any, args: tuple[torch.Tensor]) -> None:
        norm.running_mean.copy_(args[0].mean(dim=(0, 2, 3)))
        norm.running_var.copy_(args[0].var(dim=(0, 2, 3)))

    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.register_forward_pre_hook(fit)
    with torch.inference_mode():
        model.backbone(torch.randn(1, 3, 160, 160, generator=torch.Generator().manual_seed(0)))
    return model.state_dict()


@pytest.mark.torture
def test_a_two_stage_detector_is_in_int8_with_its_box_head(run: Run, tmp_path: Path) -> None:
    """Random weights: its maps and its rows are similar, and vectors do not change."""
    weights = tmp_path / "w.pth"
    torch.save(state_of_even_maps(), weights)
    settings = replace(
        SETTINGS, name=FASTER_RCNN, weights=str(weights), score_threshold=0.0, **SMALL
    )
    described = describe(settings) | {"calibrated_on": run.sample.describe()}
    detectors = {
        precision: load_described(
            settings,
            described | {"precision": precision, "vector_precision": "fp32"},
            tmp_path / "results",
            run.sample,
        )
        for precision in ("fp32", "int8")
    }
    kept = {
        path.name.partition("-int8-")[0] for path in tmp_path.glob("results/cache/*/*/*-int8-*")
    }
    assert kept == {"maps", "box_head"}
    image = run.pictures[0].read().image
    [exact], [fast] = (detector.detect([image]) for detector in detectors.values())
    assert not np.array_equal(exact.scores, fast.scores)
    inputs = detectors["fp32"]._detector.whole_picture(image).inputs
    models = [detector._detector.model for detector in detectors.values()]
    for one, other in zip(*(model.backbone(inputs).values() for model in models), strict=True):
        assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.8
    pooled = torch.rand(5, 256, 7, 7)
    one, other = (model.roi_heads.box_head(pooled).clone() for model in models)
    assert torch.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.97
    box = exact.boxes[:1]
    one, other = (embed_boxes(d, image, box, EMBEDDING) for d in detectors.values())
    assert np.array_equal(one, other)


@pytest.mark.torture
def test_ap_in_int8_is_that_of_fp32(
    coco_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundled detector on real pictures, calibrated on some of them, as a run does it."""
    # `run` has others for as long as this module's tests take.
    for name, value in OF_A_RUN.items():
        monkeypatch.setattr(calibration, name, value)
    images = json.loads((coco_sample / "instances.json").read_text())["images"]
    images.sort(key=lambda image: image["id"])
    files = [coco_sample / "images" / image["file_name"] for image in images]
    root = coco_sample / "images"
    manifest = write_manifest(tmp_path, files, list(range(len(files))), 1, root)
    sample = Sample(manifest, str(root))
    described = describe(SETTINGS) | {"calibrated_on": sample.describe()}
    exact, fast = (
        load_described(SETTINGS, described | {"precision": precision}, tmp_path, sample)
        for precision in ("fp32", "int8")
    )
    pictures = [
        picture._replace(image_id=image["id"])
        for picture, image in zip(Pictures(manifest, str(root)), images, strict=True)
    ]
    parity = measure_parity(
        exact,
        {"int8": fast},
        pictures,
        "person",
        coco_sample / "instances.json",
        0.7,
        EMBEDDING,
    )
    assert parity["AP"]["fp32"] == pytest.approx(0.1753, abs=0.001)
    assert abs(parity["AP"]["int8"] - parity["AP"]["fp32"]) <= 0.003
    assert parity["persons"] > 90 and parity["compared"]["int8"]["persons_lost"] == 0


def test_int8_without_its_packages_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    computing.check_precision(SETTINGS)
    monkeypatch.setattr(computing, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"nncf is not installed; .* -r requirements-int8\.txt"):
        computing.check_precision(SETTINGS)
    computing.check_precision(replace(SETTINGS, precision="bf16"))
    with pytest.raises(InputError, match="OpenVINO is not installed; run pip install openvino"):
        computing.resolve(SETTINGS)


def test_int8_on_a_gpu_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computing, "_on_gpu", lambda device: True)
    with pytest.raises(InputError, match=r"this machine has a GPU; set detector\.device to cpu"):
        computing.resolve(SETTINGS)


def test_auto_is_never_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    for fast in (True, False):
        monkeypatch.setattr(networks, "has_bf16", lambda fast=fast: fast)
        vectors = "bf16" if fast else "fp32"
        resolved = computing.resolve(replace(SETTINGS, precision="auto"))
        assert resolved == ("openvino", vectors, vectors)
        assert computing.resolve(SETTINGS) == ("openvino", "int8", vectors)


def test_nncf_computes_on_one_thread(run: Run) -> None:
    """As the number of cores must not show in a result."""
    run.load()
    openvino = networks.openvino()
    calibration._import_nncf()
    from nncf.openvino.engine import OVNativeEngine

    model = openvino.Core().read_model(network_files(run)[1])
    plain = openvino.Core
    with calibration._one_thread():
        compiled = OVNativeEngine(model).engine.infer_request.get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert openvino.Core is plain


def test_nncf_reports_nothing_to_its_makers() -> None:
    code = (
        "import sys; from visualsearch.detect import calibration; calibration._import_nncf();"
        "from nncf.telemetry import telemetry;"
        "print(type(telemetry).__name__, sys.modules['openvino_telemetry'])"
    )
    # In another Python: nncf itself is silent where pytest is loaded.
    said = subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT / "workflow/scripts", text=True
    )
    assert said.split() == ["MagicMock", "None"]
