"""Detectors of the registry: built as torchvision builds them, weights checked before use."""

import hashlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment
from torchvision.models import WeightsEnum, get_model_builder, get_model_weights

from coco_server import BUSY, GARBAGE, RESET, SHORT, CocoServer
from helpers import one_line
from made_weights import SMALL, TORCHVISION, random_state, unset_weights
from visualsearch.core.errors import InputError
from visualsearch.detect import DETECTORS, describe, load_described, load_detector, weights
from visualsearch.detect.base import Detections, Detector, TorchDetector
from visualsearch.detect.run import detect_category
from visualsearch.detect.weights import download_weights
from visualsearch.embed.embedding import embed_boxes
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

CROPS = np.random.default_rng(1).integers(0, 255, (2, 96, 64, 3), dtype=np.uint8)
MOBILENET = "fasterrcnn_mobilenet_v3_large_fpn"
EXACT = {"precision": "fp32"}
# Folding norms may change a value by this share.
FOLDING = 1e-5


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(random_state(MOBILENET), path)
    return path


def picture(width: int = 160, height: int = 120) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


class Built(NamedTuple):
    name: str
    detector: TorchDetector
    converted: Detector
    state: dict[str, torch.Tensor]


@pytest.fixture(scope="module", params=TORCHVISION)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Built]:
    """A detector of torchvision's with random weights, read from a file, in both runtimes."""
    path = tmp_path_factory.mktemp("built") / "w.pth"
    state = random_state(request.param)
    torch.save(state, path)
    settings = DetectorSettings(
        request.param, str(path), "cpu", score_threshold=0.0, **SMALL, **EXACT
    )
    results = path.parent / "results"
    with unset_weights():
        converted = load_detector(replace(settings, runtime="openvino"), results)
        converted.crop_maps(CROPS)
        detector = load_detector(replace(settings, runtime="torch"))
    yield Built(request.param, detector.in_torch(), converted, state)
    path.unlink()
    shutil.rmtree(results)


def test_same_answers_as_the_model_torchvision_builds(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, detector, converted, state = built
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *args, **kwargs: state)
    threshold = DETECTORS[name].threshold
    with unset_weights():
        theirs = get_model_builder(name)(
            weights=get_model_weights(name).DEFAULT, **{threshold: 0.0}, **SMALL
        ).eval()
    crops = torch.from_numpy(CROPS).permute(0, 3, 1, 2) / 255
    mean, std = (
        torch.tensor(values).view(3, 1, 1)
        for values in (theirs.transform.image_mean, theirs.transform.image_std)
    )
    # torchvision's second map. That of MobileNetV3 has the stride of its last, so compare with the
    # expansion of the last block of stride 2.
    tapped: list[torch.Tensor] = []
    expansion = theirs.backbone.body["13"].block[0] if "mobilenet" in name else None
    if expansion:
        expansion.register_forward_hook(lambda module, inputs, output: tapped.append(output))
    with torch.inference_mode():
        *_, expected_before, expected = theirs.backbone.body((crops - mean) / std).values()
        found = theirs([torch.from_numpy(np.array(picture())).permute(2, 0, 1) / 255])[0]
    expected_before = tapped[0] if tapped else expected_before
    for each in (detector, converted):
        maps = {name: torch.from_numpy(m) for name, m in each.crop_maps(CROPS).items()}
        assert torch.isfinite(maps["last"]).all() and maps["last"].std() > 0
        assert (maps["before"] - expected_before).norm() < FOLDING * expected_before.norm()
        assert (maps["last"] - expected).norm() < FOLDING * expected.norm()
        assert maps["before"].shape == (2, detector.map_lengths["before"], 6, 4)
        assert maps["last"].shape == (2, detector.map_lengths["last"], 3, 2)
    assert detector.map_lengths["last"] == detector.details()["vector_length"]
    for length in detector.map_lengths.values():
        assert f"({length} channels" in detector.details()["featurizer"]
    for each in (detector, converted):
        [ours] = each.detect([picture()])
        check_same(ours, {key: value.numpy() for key, value in found.items()})


def check_same(ours: Detections, found: dict[str, NDArray[Any]]) -> None:
    assert ours.scores == pytest.approx(found["scores"], rel=FOLDING)
    # Each box has its own partner; boxes of nearly equal scores may be in another order.
    boxes, labels = found["boxes"], found["labels"]
    apart = np.abs(ours.boxes[:, None] - boxes).max(axis=2)
    apart[ours.labels[:, None] != labels] = 1e9
    # Some lie so close together that the nearest of two is the same.
    _, same = linear_sum_assignment(apart)
    # Random weights may give all the score 1; of equal scores the limit of detections keeps any.
    other = ours.labels != labels[same]
    assert other.mean() <= 0.02
    assert (ours.scores[other] <= (1 + FOLDING) * ours.scores.min()).all()
    assert ours.boxes[~other] == pytest.approx(boxes[same][~other], rel=FOLDING, abs=1e-3)
    assert (np.diff(ours.scores) <= 0).all()


def test_box_of_the_whole_picture_has_the_same_maps_by_every_region(built: Built) -> None:
    """At this size nothing is resized, and each position of a map is sampled at its centre."""
    box = np.array([[0, 0, 160, 96]], np.float32)
    settings = EmbeddingSettings(fit="stretch", size=(96, 160), maps="both", stripes=2)
    crop, last, before = (
        embed_boxes(built.converted, picture(160, 96), box, replace(settings, region=region))
        for region in ("crop", "roi_align_last", "roi_align_before")
    )
    lengths = built.detector.map_lengths
    assert crop.shape == (1, lengths["last"] + 2 * lengths["before"]) and crop.std() > 0
    assert last == pytest.approx(crop, abs=1e-4) and before == pytest.approx(crop, abs=1e-4)


def small_mobilenet(weights_file: Path, **settings: Any) -> Any:
    """A detector with random weights, by torch in fp32 on the CPU."""
    return load_detector(
        DetectorSettings(MOBILENET, str(weights_file), "cpu", "torch", **EXACT, **SMALL, **settings)
    )


def test_any_category_can_be_detected(weights_file: Path) -> None:
    detector = small_mobilenet(weights_file, score_threshold=0.0)
    [everything] = detector.detect([picture()])
    assert detector.categories.index("toothbrush") == 90  # COCO's id, not a position in the 80
    label = np.bincount(everything.labels).argmax()
    [(boxes, scores, category_id)] = detect_category(
        detector, [picture()], detector.categories[label]
    )
    assert category_id == label
    rows = everything.labels == label
    assert 0 < len(scores) == rows.sum() < len(rows)
    assert np.array_equal(boxes, everything.boxes[rows])
    with pytest.raises(InputError, match=r"dataset\.category is 'unicorn'"):
        detect_category(detector, [picture()], "unicorn")


@pytest.mark.parametrize("name", [MOBILENET, BUNDLED])
def test_inputs_of_the_backbone_are_those_of_detect(name: str, weights_file: Path) -> None:
    if name == BUNDLED:
        detector: Any = load_detector(
            DetectorSettings(BUNDLED, device="cpu", runtime="torch", **EXACT)
        )
        first, size, scale = detector.model.stem, (300, 300), (300 / 400, 300 / 250)
    else:
        detector = small_mobilenet(weights_file)
        # Resized to 153 pixels; the transform pads that to 160.
        first, size, scale = detector.model.backbone, (96, 160), (153 / 400, 96 / 250)
    seen: list[torch.Tensor] = []
    first.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    detector.detect([picture(400, 250)])
    whole = detector.whole_picture(picture(400, 250))
    assert torch.equal(whole.inputs, seen[0])
    assert whole.inputs.shape == (1, 3, *size) and whole.scale == scale
    assert name == BUNDLED or not whole.inputs[..., 153:].any()
    colour = torch.tensor(detector.mean_colour).view(1, 3, 1, 1) / 255
    assert detector.normalise(colour.expand(1, 3, 4, 4)).abs().max() < 0.01


def test_details_of_own_weights_claim_no_published_figures(weights_file: Path) -> None:
    details = small_mobilenet(weights_file).details()
    assert details["published_box_ap"] is None
    assert details["weights"] == "random.safetensors"
    assert details["weights_sha256"] == hashlib.sha256(weights_file.read_bytes()).hexdigest()
    assert details["score_threshold"] == 0.05
    assert details["detections_per_image"] == 100
    assert details["nms_iou_threshold"] == 0.5


def test_weights_other_than_described_are_refused(weights_file: Path) -> None:
    settings = DetectorSettings(MOBILENET, str(weights_file), "cpu")
    described = describe(settings)
    with pytest.raises(InputError, match="--forcerun fetch_weights"):
        load_described(settings, described | {"weights_sha256": "0" * 64})


def test_unknown_weights_and_detectors_name_the_known() -> None:
    with pytest.raises(InputError, match="to 'default', COCO_V1, or the path"):
        load_detector(DetectorSettings("fasterrcnn_resnet50_fpn", "COCO_V9"))
    with pytest.raises(InputError, match=f"the detectors are .*{BUNDLED}"):
        load_detector(DetectorSettings("yolo"))


CONTENT = b"weights" * 300_000
NAME = f"/model-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CocoServer]:
    """A server of weights; torch's cache is empty."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(weights, "BACKOFF_SECONDS", 0.01)
    with CocoServer(tmp_path, {}) as server:
        server.files[NAME] = CONTENT
        yield server


def test_download_is_kept_in_torch_cache_and_checked(server: CocoServer, tmp_path: Path) -> None:
    path = download_weights(server.url + NAME)
    assert path.read_bytes() == CONTENT and path.is_relative_to(tmp_path / "hub")
    assert download_weights(server.url + NAME) == path
    assert len(server.requests) == 1
    path.write_bytes(CONTENT[:100])
    with pytest.raises(InputError, match=r"is damaged .* remove it and run again"):
        download_weights(server.url + NAME)


@pytest.mark.parametrize("served", [b"<html>quota exceeded</html>", None])
def test_wrong_or_missing_download_is_one_clear_line(
    served: bytes | None, server: CocoServer, tmp_path: Path
) -> None:
    if served:
        server.files["/model-01234567.pth"] = served
    with pytest.raises(InputError, match=r"could not be fetched .* detector\.weights") as error:
        download_weights(f"{server.url}/model-01234567.pth")
    one_line(error)
    assert not list((tmp_path / "hub").rglob("*.pth"))


def test_weights_come_whole_through_faults(server: CocoServer) -> None:
    server.fail(NAME, BUSY, SHORT, GARBAGE, RESET)
    path = download_weights(server.url + NAME)
    assert path.read_bytes() == CONTENT and list(path.parent.iterdir()) == [path]
    assert [request.range for request in server.requests][-1] == "bytes=1048576-"


def test_weights_go_on_where_they_were_cut_off_and_are_fetched_once(
    server: CocoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "RETRIES", 0)
    server.fail(NAME, SHORT)
    with pytest.raises(InputError, match="could not be fetched"):
        download_weights(server.url + NAME)
    # Two runs that share the cache.
    with ThreadPoolExecutor(2) as runs:
        paths = list(runs.map(download_weights, [server.url + NAME] * 2))
    assert paths[0].read_bytes() == CONTENT and list(paths[0].parent.iterdir()) == [paths[1]]
    assert [request.range for request in server.requests] == [None, "bytes=1048576-"]
