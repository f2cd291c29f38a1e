"""The networks for the explorer's page give the run's own vectors and boxes, whatever runs them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from running import sampled
from visualsearch import explorer
from visualsearch.core.errors import InputError
from visualsearch.data.vectors import full_length_columns, vectors_of, with_full_length
from visualsearch.detect import DETECTORS
from visualsearch.detect.networks import openvino
from visualsearch.embed.persons import vector_lengths
from visualsearch.embed.pooling import pool
from visualsearch.explorer import check_own_pictures
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import Reduction, identity_reduction
from visualsearch.settings import (
    DetectorSettings,
    EmbeddingSettings,
    ExplorerSettings,
    SearchSetSettings,
)
from visualsearch.settings.names import BUNDLED

DEFAULT = EmbeddingSettings()
OTHERS = {
    "last map": replace(DEFAULT, maps="last", size=(192, 192)),
    "gem": replace(DEFAULT, pooling="gem", mirrored=False),
    "max": replace(DEFAULT, pooling="max", stripes=5),
}


def onnx_networks() -> Any:
    for package in explorer.PACKAGES:
        pytest.importorskip(package, reason=f"NOT TESTED: own pictures, as {package} is missing")
    from visualsearch.export import onnx_networks

    return onnx_networks


def run(network: bytes, pixels: np.ndarray) -> list[np.ndarray]:
    """What OpenVINO computes with a network in ONNX."""
    core = openvino().Core()
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model=network), "CPU", options)
    return [np.array(value) for value in compiled([pixels]).values()]


def fitted(length: int) -> Reduction:
    vectors = np.random.default_rng(0).random((40, length), dtype=np.float32)
    return fit_reduction([vectors], len(vectors), length, 16, 0.25)


def compare(settings: DetectorSettings, embedding: EmbeddingSettings, fits: bool) -> None:
    networks = onnx_networks()
    detector = DETECTORS[settings.name].load_in_torch(settings, "fp32")
    lengths = vector_lengths(detector.map_lengths, embedding)
    total = sum(lengths.values())
    reduction = fitted(total) if fits else identity_reduction(total, 0.25, 1)
    network = networks.describing_network(settings, embedding, reduction)
    assert b"/visualsearch/" not in network and b".py" not in network
    crop = np.random.default_rng(1).integers(0, 256, (1, *embedding.size, 3)).astype(np.uint8)
    views = [crop, crop[:, :, ::-1]] if embedding.mirrored else [crop]
    vectors = pool(detector.crop_maps(np.concatenate(views)), embedding)
    schema = with_full_length(pa.schema([]), lengths)
    stored = pa.table(full_length_columns(vectors, lengths)).cast(schema)
    wanted = reduction.transform(vectors_of(stored))[0]
    (vector,) = run(network, crop)
    assert vector.shape == wanted.shape and vector.dtype == np.float32
    assert vector @ wanted > 0.9999


@pytest.mark.parametrize("name", sampled(["default", "one person", *OTHERS], ["default"]))
def test_a_crop_has_the_vector_of_the_run(name: str) -> None:
    settings = DetectorSettings(BUNDLED, device="cpu", precision="fp32")
    compare(settings, OTHERS.get(name, DEFAULT), fits=name != "one person")


@pytest.mark.torture
def test_a_crop_has_the_vector_of_a_resnet(tmp_path: Path) -> None:
    import torch

    from made_weights import random_weights

    name = "fasterrcnn_resnet50_fpn"
    torch.save(random_weights(name, 0), tmp_path / "weights.pth")
    weights = str(tmp_path / "weights.pth")
    compare(DetectorSettings(name, weights=weights, device="cpu"), DEFAULT, fits=True)


@pytest.mark.torture
def test_the_bundled_detector_finds_the_same_boxes_and_has_the_same_bytes() -> None:
    networks = onnx_networks()
    settings = DetectorSettings(BUNDLED, device="cpu", precision="fp32")
    detector = DETECTORS[BUNDLED].load_in_torch(settings, "fp32")
    pixels = np.random.default_rng(2).integers(0, 256, (1, 300, 300, 3)).astype(np.uint8)
    network = networks.finding_network()
    assert network == networks.finding_network()
    boxes, scores = run(network, pixels)
    wanted_boxes, wanted_scores = detector._find(pixels)
    np.testing.assert_allclose(boxes, wanted_boxes, atol=0.01)
    np.testing.assert_allclose(scores, wanted_scores, atol=0.005)


def test_the_page_offers_persons_below_the_search_sets_score() -> None:
    facts_of = onnx_networks().facts_of
    mean = (0.485, 0.456, 0.406)
    for least, offered in ((0.7, 0.3), (0.1, 0.1)):
        facts = facts_of(DEFAULT, SearchSetSettings(min_score=least), mean, True)
        assert facts["find"]["score"] == offered
    assert facts["crop"]["fill"] == [124, 116, 104]
    assert facts_of(DEFAULT, SearchSetSettings(), mean, False)["find"] is None


def test_missing_packages_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "find_spec", lambda name: None)
    check_own_pictures(ExplorerSettings())
    with pytest.raises(InputError, match=r"onnx is not installed; .* -r requirements-onnx\.txt"):
        check_own_pictures(ExplorerSettings(own_pictures=True))
