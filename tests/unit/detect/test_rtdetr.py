"""RT-DETR: what transformers finds with the same weights, and a file that is checked before use."""

import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.models import get_model_weights

from coco_server import MOVED, OTHER, SHORT, CocoServer
from conftest import ROOT
from helpers import one_line
from made_weights import random_rtdetr
from processors import skip_without_bf16
from running import sampled
from visualsearch import detect
from visualsearch.core.errors import InputError
from visualsearch.detect import DETECTORS, check_detector, load_detector, rtdetr_boxes, weights
from visualsearch.detect.precision import DTYPES
from visualsearch.detect.run import detect_category
from visualsearch.embed.embedding import embed_boxes
from visualsearch.settings import DetectorSettings, EmbeddingSettings, checking
from visualsearch.settings.names import CATEGORIES, RTDETR

transformers = pytest.importorskip(
    "transformers", reason="NOT TESTED: RT-DETR, as transformers is not installed"
)
from visualsearch.detect.rtdetr import build_model, published_names  # noqa: E402

# Width and height; the last but one would be too thin for other detectors.
SIZES = [(640, 480), (480, 640), (333, 500), (1200, 90), (33, 700), (64, 64), (1600, 1200)]
SIZES += [(7, 9), (1400, 1), (640, 640)]
# Folding norms may change a map by this share.
FOLDING = 1e-4
CROPS = np.random.default_rng(0).integers(0, 256, (2, 192, 130, 3), dtype=np.uint8)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth noise, which has edges at several scales."""
    rng = np.random.default_rng([seed, width, height])
    coarse = Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of random weights, with the names that the published file has."""
    path = tmp_path_factory.mktemp("rtdetr") / "random.safetensors"
    save_file(random_rtdetr(), path, metadata={"format": "pt"})
    yield path
    path.unlink()


def load(path: Path, results: Path | None = None, **settings: Any) -> Any:
    given = {"precision": "fp32", "runtime": "torch", **settings}
    return load_detector(DetectorSettings(RTDETR, str(path), "cpu", **given), results)


@pytest.fixture(scope="module")
def in_torch(weights_file: Path) -> Any:
    return load(weights_file)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keeps converted networks, each of which takes seconds to convert."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module", params=["torch", "openvino"])
def detector(request: pytest.FixtureRequest, weights_file: Path, results: Path) -> Any:
    return load(weights_file, results, runtime=request.param)


@pytest.fixture(scope="module")
def theirs(weights_file: Path) -> Any:
    """The network as transformers itself builds it from the file, under names of its own."""
    model, read = transformers.RTDetrForObjectDetection.from_pretrained(
        None,
        config=build_model().config,
        state_dict=load_file(weights_file),
        output_loading_info=True,
    )
    assert not any(read.values())
    return model.eval()


def found_by(model: Any, image: Image.Image, pixels: Any) -> tuple[dict[str, np.ndarray], float]:
    """What transformers' steps find in a picture, and by how much the 300th proposal won.

    pixels: the picture, scaled.
    """
    with torch.inference_mode():
        outputs = model(pixels)
    proposals = outputs.enc_outputs_class.max(-1).values[0].topk(301).values
    size = (image.height, image.width)
    processor = transformers.RTDetrImageProcessor()
    [found] = processor.post_process_object_detection(outputs, 0.0, [size])
    arrays = {name: value.numpy() for name, value in found.items()}
    return arrays, float(proposals[-2] - proposals[-1])


def scaled_by_transformers(image: Image.Image) -> Any:
    return transformers.RTDetrImageProcessor()(images=image, return_tensors="pt")["pixel_values"]


def scaled_by_pillow(image: Image.Image) -> Any:
    return torch.from_numpy(rtdetr_boxes.scaled(image)[None].copy()).permute(0, 3, 1, 2) / 255


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pillow_scales_pictures_as_transformers_does(size: tuple[int, int]) -> None:
    """It rounds up to a tenth of the values the other way."""
    image = picture(*size)
    apart = 255 * (scaled_by_pillow(image) - scaled_by_transformers(image)).abs()
    assert apart.max() < 1.001 and apart.mean() < 0.1


@pytest.mark.parametrize("detector", ["torch", "openvino"], indirect=True)
@pytest.mark.parametrize("size", sampled(SIZES, [(640, 480), (1400, 1)]), ids=str)
def test_same_answers_as_transformers(detector: Any, theirs: Any, size: tuple[int, int]) -> None:
    for seed in range(10):
        image = picture(*size, seed)
        scaled = scaled_by_transformers if detector.in_torch() is detector else scaled_by_pillow
        expected, lead = found_by(theirs, image, scaled(image))
        # Else rounding decides which of two proposals is the last to be looked at.
        if lead > 1e-4:
            break
    [ours] = detector.detect([image])
    assert len(ours.scores) == 300 and (np.diff(ours.scores) <= 0).all()
    assert np.abs(ours.scores - expected["scores"]).max() < 1e-4
    assert np.ptp(ours.scores) > 0.1 and len(np.unique(ours.labels)) > 3
    # Boxes of nearly equal scores may be in another order; each has its partner.
    inside = expected["boxes"].clip(0, [*size, *size])
    names = np.array([detector.categories.index(CATEGORIES[each]) for each in expected["labels"]])
    apart = np.abs(ours.boxes[:, None] - inside).max(axis=2)
    same_score = np.abs(ours.scores[:, None] - expected["scores"]) < 1e-4
    apart[~same_score | (ours.labels[:, None] != names)] = np.inf
    assert apart.min(axis=1).max() < 0.1 and apart.min(axis=0).max() < 0.1


def test_maps_are_those_of_its_own_backbone(detector: Any, theirs: Any) -> None:
    maps = detector.crop_maps(CROPS)
    last, before = (torch.from_numpy(maps[name]) for name in ("last", "before"))
    with torch.inference_mode():
        inputs = torch.from_numpy(CROPS).permute(0, 3, 1, 2) / 255
        *_, expected_before, expected = theirs.model.backbone.model(inputs).feature_maps
    assert before.shape == (2, 1024, 12, 9) and last.shape == (2, 2048, 6, 5)
    assert last.min() == 0 and last.std() > 0.1
    assert (before - expected_before).norm() < FOLDING * expected_before.norm()
    assert (last - expected).norm() < FOLDING * expected.norm()


@pytest.mark.torture
def test_box_of_the_whole_picture_has_the_same_maps_by_every_region(in_torch: Any) -> None:
    box = np.array([[0, 0, 640, 640]], np.float32)
    settings = EmbeddingSettings(fit="stretch", size=(640, 640), maps="both", mirrored=False)
    crop, last, before = (
        embed_boxes(in_torch, picture(640, 640), box, replace(settings, region=region))
        for region in ("crop", "roi_align_last", "roi_align_before")
    )
    assert crop.shape == (1, 1024 + 2048) and crop.std() > 0
    assert last == pytest.approx(crop, abs=1e-4) and before == pytest.approx(crop, abs=1e-4)


def test_what_is_found_depends_on_no_other_picture_of_the_batch(
    in_torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In OpenVINO, which runs on CPUs only, a batch has one picture."""
    monkeypatch.setattr(in_torch, "batch_size", 2)
    image, other = (picture(*size) for size in SIZES[:2])
    # Of one picture, and of two of different sizes; the network sees two each time.
    alone, beside = (in_torch.detect(batch) for batch in ([image], [image, other]))
    assert (len(alone), len(beside)) == (1, 2)
    for ours, expected in zip(beside[0], alone[0], strict=True):
        assert np.array_equal(ours, expected)


def test_any_category_can_be_detected_by_its_coco_id(in_torch: Any) -> None:
    detector = in_torch
    assert (
        detector.categories
        == get_model_weights("fasterrcnn_resnet50_fpn").DEFAULT.meta["categories"]
    )
    assert [detector.categories[number] for number in rtdetr_boxes.COCO_IDS] == [*CATEGORIES]
    [everything] = detector.detect([picture(640, 480)])
    assert set(everything.labels) <= set(rtdetr_boxes.COCO_IDS)
    label = np.bincount(everything.labels).argmax()
    name = detector.categories[label]
    [(boxes, _, category_id)] = detect_category(detector, [picture(640, 480)], name)
    assert category_id == label
    assert np.array_equal(boxes, everything.boxes[everything.labels == label])
    with pytest.raises(InputError, match=r"dataset\.category is 'unicorn'"):
        detect_category(detector, [picture(640, 480)], "unicorn")


def test_only_scores_above_the_threshold_are_kept() -> None:
    logits = np.array([[0, -3, 2], [1, -1, -2]], np.float32)
    boxes = np.array([[0.5, 0.5, 0.2, 0.4], [0.9, 0.1, 0.4, 0.1]], np.float32)
    found = rtdetr_boxes.select_boxes(logits, boxes, (100, 50), 0.0)
    assert found.labels.tolist() == [3, 1] and (np.diff(found.scores) < 0).all()
    assert found.boxes == pytest.approx(np.array([[40, 15, 60, 35], [70, 2.5, 100, 7.5]]))
    kept = rtdetr_boxes.select_boxes(logits, boxes, (100, 50), float(found.scores[1]))
    assert kept.labels.tolist() == [3]


@pytest.mark.parametrize(
    ("runtime", "precision"),
    [
        ("torch", "bf16"),
        ("openvino", "bf16"),
        # A CPU takes ten times as long for it.
        pytest.param("torch", "fp16", marks=pytest.mark.torture),
    ],
)
def test_maps_in_16_bits_are_similar_and_boxes_stay_in_fp32(
    in_torch: Any, weights_file: Path, results: Path, runtime: str, precision: str
) -> None:
    skip_without_bf16(precision)
    fast = load(weights_file, results, runtime=runtime, precision=precision)
    exact, close = (each.crop_maps(CROPS)["last"].flatten() for each in (in_torch, fast))
    assert exact @ close / np.linalg.norm(exact) / np.linalg.norm(close) > 0.999
    assert (exact != close).mean() > 0.1
    # Random weights choose proposals by a hair, so that many boxes are in one of the two only.
    [exact], [close] = (each.detect([picture(640, 480)]) for each in (in_torch, fast))
    nearest = np.abs(exact.boxes[:, None] - close.boxes).max(axis=2).min(axis=1)
    assert 0.01 < np.median(nearest) < 1
    if runtime == "torch":
        assert fast.map_before(torch.rand(1, 3, 64, 64)).dtype == DTYPES[precision]
        with torch.inference_mode():
            outputs = fast.model(fast.whole_picture(picture(640, 480)).inputs)
        assert outputs.logits.dtype == outputs.pred_boxes.dtype == torch.float32


def test_a_job_with_kept_networks_needs_no_torch(
    in_torch: Any, weights_file: Path, results: Path
) -> None:
    settings = {"name": RTDETR, "weights": str(weights_file), "device": "cpu"}
    settings |= {"runtime": "openvino", "precision": "fp32"}
    load_detector(DetectorSettings.of(settings), results)
    code = """
import json, sys
from pathlib import Path
from PIL import Image
from visualsearch.detect import load_detector
from visualsearch.settings import DetectorSettings
settings, results = json.loads(sys.argv[1])
detector = load_detector(DetectorSettings.of(settings), Path(results))
[found] = detector.detect([Image.new("RGB", (64, 48), (90, 10, 200))])
print(json.dumps([detector.weights_sha256, len(found.scores), sorted(sys.modules)]))
"""
    sha256, count, modules = json.loads(
        subprocess.check_output(
            [sys.executable, "-c", code, json.dumps([settings, str(results)])],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "workflow/scripts")},
            text=True,
        )
    )
    assert sha256 == in_torch.weights_sha256 and count == 300
    assert not {"torch", "transformers"} & set(modules)


# Of the 764 lines "name shape" that transformers 4.42.4 writes, which published the file.
NAMES_SHA256 = "04dffdcd2a7555ded7a5102cfe007adc8f322c384fd96c01a309d17071ff96e3"


def test_names_and_shapes_are_those_of_published_files() -> None:
    expected = published_names(build_model())
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in expected.items())
    assert len(lines) == 764
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == NAMES_SHA256
    assert sum(each.numel() * each.element_size() for each in expected.values()) == 172_077_824


def test_a_file_with_other_names_or_shapes_is_one_line(tmp_path: Path) -> None:
    state = dict(random_rtdetr())
    path = tmp_path / "other.safetensors"
    first = "model.encoder.encoder.0.layers.0.fc1.weight"
    others = {
        "1 tensors are missing": {n: t for n, t in state.items() if n != first},
        "1 tensors are unknown, first x": {**state, "x": torch.zeros(1)},
        "shapes differ": {**state, "model.decoder.class_embed.0.bias": torch.zeros(5)},
    }
    for expected, changed in others.items():
        save_file(changed, path)
        with pytest.raises(InputError, match=f"does not fit {RTDETR}: .*{expected}") as caught:
            load(path)
        assert str(path) in one_line(caught)


def test_without_its_file_it_is_refused_in_one_line(tmp_path: Path) -> None:
    for runtime in ("torch", "openvino"):
        with pytest.raises(InputError, match=r"detector\.weights: no file .*none\.safe") as error:
            load(tmp_path / "none.safetensors", runtime=runtime)
        one_line(error)


def test_counters_of_training_steps_may_be_there_or_not(tmp_path: Path) -> None:
    """The published file's frozen norms may have some: transformers passes over these too."""
    state = {n: t for n, t in random_rtdetr().items() if not n.endswith("num_batches_tracked")}
    assert len(random_rtdetr()) - len(state) == 42
    frozen = "model.backbone.model.embedder.embedder.0.normalization.num_batches_tracked"
    path = tmp_path / "counters.safetensors"
    save_file({**state, frozen: torch.tensor(7)}, path)
    assert load(path).vector_length == 2048


def test_details_of_own_weights_claim_no_published_figures(in_torch: Any) -> None:
    details = in_torch.details()
    assert details["published_box_ap"] is None and details["weights"] == "random.safetensors"
    assert details["vector_length"] == 2048 and details["detections_per_image"] == 300
    assert "(2048 channels, stride 32)" in details["featurizer"]
    assert "(1024 channels, stride 16)" in details["featurizer"]


def test_it_is_built_without_a_network(weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert load(weights_file).vector_length == 2048


def test_without_its_package_it_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    check_detector(RTDETR)
    monkeypatch.setattr(detect, "find_spec", lambda name: None)
    check_detector("fasterrcnn_resnet50_fpn")
    for refused in (check_detector, lambda name: load_detector(DetectorSettings(name))):
        with pytest.raises(
            InputError, match=r"transformers .* -r requirements-rtdetr\.txt"
        ) as error:
            refused(RTDETR)
        one_line(error)


def test_another_transformers_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    # Version 4, which many Pythons have, has no such module.
    monkeypatch.setitem(sys.modules, "transformers.core_model_loading", None)
    monkeypatch.delitem(sys.modules, "visualsearch.detect.rtdetr")
    with pytest.raises(
        InputError, match=r"does not fit it .* -r requirements-rtdetr\.txt"
    ) as error:
        load_detector(DetectorSettings(RTDETR))
    one_line(error)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"weights": "COCO_V1"}, "detector.weights: 'COCO_V1' .* default, or the path"),
        ({"min_size": 400}, "detector.min_size: 400 .* 640 x 640 only"),
    ],
)
def test_settings_that_it_does_not_have_are_refused(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        checking.checked({"detector": {"name": RTDETR, **given}}, False, {})


PUBLISHED = DETECTORS[RTDETR]
HUB = "/PekingU/rtdetr_r50vd/resolve/ba74566142f4b2af096a2a0eaf1392804b6ea921/model.safetensors"


@pytest.fixture
def hub(
    weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CocoServer]:
    """A server of the hub's layout, which sends every request for the file to another host."""
    assert isinstance(PUBLISHED, detect.RTDetrEntry)
    assert PUBLISHED.weights_url == f"https://huggingface.co{HUB}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(weights, "BACKOFF_SECONDS", 0.01)
    detect.load_in_torch.cache_clear()
    content = weights_file.read_bytes()
    with CocoServer(tmp_path, {}) as server:
        server.files[HUB] = content
        server.fail(HUB, MOVED, forever=True)
        sha256 = hashlib.sha256(content).hexdigest()
        entry = replace(PUBLISHED, weights_url=server.url + HUB, sha256=sha256)
        monkeypatch.setitem(DETECTORS, RTDETR, entry)
        yield server


def test_the_published_file_is_downloaded_resumed_and_checked(
    hub: CocoServer, weights_file: Path, tmp_path: Path
) -> None:
    settings = DetectorSettings(RTDETR, device="cpu", runtime="torch", precision="fp32")
    hub.fail(f"/moved{HUB}", SHORT)
    detector = load_detector(settings)
    [path] = (path for path in (tmp_path / "hub").rglob("*") if path.is_file())
    assert path.name == f"{RTDETR}.safetensors" and path.read_bytes() == weights_file.read_bytes()
    ranges = [each.range for each in hub.requests if each.path.startswith("/moved/")]
    assert ranges[0] is None and int(ranges[1].removeprefix("bytes=").rstrip("-")) > 80_000_000
    details = detector.details()
    assert details["weights_are_published"] and details["published_box_ap"] == 53.1
    assert details["weights_url"] == hub.url + HUB
    asked = len(hub.requests)
    path.write_bytes(path.read_bytes()[:-1])
    detect.load_in_torch.cache_clear()
    with pytest.raises(InputError, match=r"is damaged .* remove it and run again") as error:
        load_detector(settings)
    one_line(error)
    assert len(hub.requests) == asked


def test_another_file_than_the_published_is_one_line(hub: CocoServer, tmp_path: Path) -> None:
    hub.fail(f"/moved{HUB}", OTHER, forever=True)
    with pytest.raises(InputError, match=r"its sha256 is .* detector\.weights") as error:
        load_detector(DetectorSettings(RTDETR, device="cpu"))
    one_line(error)
    assert not list((tmp_path / "hub").rglob("*.safetensors"))
