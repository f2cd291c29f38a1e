"""The torch port against what the TensorFlow graph answered (../shared/ssdlite-reference)."""

import contextlib
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from safetensors import safe_open
from torch import Tensor
from torchvision.ops import box_iou, nms

from helpers import one_line
from visualsearch.core.errors import InputError
from visualsearch.detect import (
    DETECTORS,
    bundled,
    load_detector,
    load_in_torch,
    ssd_boxes,
    ssd_graph,
    ssdlite,
)
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import BUNDLED

RESOURCE = Path(__file__).parents[3] / "resources" / "ssdlite_mobilenet_v2_person"
WEIGHTS = RESOURCE / "model.safetensors"
IMAGES = ("image0", "image1")
TOLERANCE = 2e-4
LOWEST_SCORE = 0.01


@pytest.fixture(scope="module")
def model() -> ssdlite.SSDLiteMobileNetV2:
    return ssdlite.load_ssdlite(WEIGHTS)


@pytest.fixture
def reference(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "ssdlite-reference" / "tensors.npz") as tensors:
        return dict(tensors)


def to_nchw(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).permute(0, 3, 1, 2)


def to_xyxy(boxes: np.ndarray) -> Tensor:
    return torch.from_numpy(boxes)[..., [1, 0, 3, 2]]


def check_close(ours: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def find(
    model: ssdlite.SSDLiteMobileNetV2, pixels: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The chosen boxes and their scores in pixels uint8 [N, 300, 300, 3]."""
    with torch.inference_mode():
        boxes, scores = model.boxes(torch.from_numpy(pixels))
    found = zip(boxes.numpy(), scores.numpy(), strict=True)
    return [ssd_graph.select_boxes(*of_one) for of_one in found]


def prepare(reference: dict[str, np.ndarray], image: str) -> Tensor:
    return ssdlite.normalize(to_nchw(reference[f"{image}_input_uint8"]))


def test_anchors_are_the_graphs(reference: dict[str, np.ndarray]) -> None:
    check_close(ssd_boxes.make_anchors(), to_xyxy(reference["anchors"]), 1e-6)


@pytest.mark.parametrize("image", IMAGES)
def test_every_stage_agrees_with_the_graph(
    model: ssdlite.SSDLiteMobileNetV2, reference: dict[str, np.ndarray], image: str
) -> None:
    def expected(stage: str) -> Tensor:
        return torch.from_numpy(reference[f"{image}_{stage}"])

    x = prepare(reference, image)
    check_close(x, to_nchw(reference[f"{image}_prep"]), 1e-6)
    with torch.inference_mode():
        check_close(model.stem(x), to_nchw(reference[f"{image}_conv0"]))
        maps = model.features(x)
        check_close(maps[0], to_nchw(reference[f"{image}_block13_expand"]))
        check_close(maps[1], to_nchw(reference[f"{image}_conv1280"]))
        check_close(model.backbone(x), maps[1], 0)
        encodings, logits = model(x)
    assert [m.shape[1] for m in maps] == list(ssdlite.LEVEL_CHANNELS)
    assert [m.shape[2] for m in maps] == list(ssd_boxes.GRID_SIZES)
    check_close(encodings, expected("box_encodings"))
    check_close(logits, expected("logits"))
    check_close(logits.sigmoid(), expected("scores"))
    locations = to_xyxy(reference[f"{image}_box_locations"])
    check_close(ssd_boxes.decode_boxes(encodings, model.anchors), locations)
    # The graph pads its answer to 100 rows with zeros.
    kept = reference[f"{image}_det_scores"][0] > 0
    boxes, scores = (
        to_xyxy(reference[f"{image}_det_boxes"])[0, kept],
        expected("det_scores")[0, kept],
    )
    graph_scores = expected("scores")[0, :, ssdlite.PERSON_CLASS]
    of_the_graph = ssd_graph.select_boxes(locations[0].numpy(), graph_scores.numpy())
    [detected] = find(model, reference[f"{image}_input_uint8"])
    for ours, tolerances in (
        (of_the_graph, (1e-6, 1e-6)),
        (detected, (1 / ssdlite.INPUT_SIZE, TOLERANCE)),
    ):
        check_close(torch.from_numpy(ours[0]), boxes, tolerances[0])
        check_close(torch.from_numpy(ours[1]), scores, tolerances[1])
    assert (np.diff(detected[1]) <= 0).all()


def test_a_batch_answers_as_its_images_do_alone(
    model: ssdlite.SSDLiteMobileNetV2, reference: dict[str, np.ndarray]
) -> None:
    images = [reference[f"{image}_input_uint8"] for image in IMAGES]
    together = find(model, np.concatenate(images))
    assert len(together) == len(images)
    for image, (boxes, scores) in zip(images, together, strict=True):
        [(alone_boxes, alone_scores)] = find(model, image)
        assert boxes == pytest.approx(alone_boxes, abs=TOLERANCE)
        assert scores == pytest.approx(alone_scores, abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(20))
def test_suppression_is_torchvisions(seed: int) -> None:
    """Boxes at any scale, some equal, some empty, with equal scores."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 400))
    corners = rng.uniform(-0.2, 1.2, (n, 2)).astype(np.float32)
    sides = rng.exponential(rng.uniform(0.02, 0.5), (n, 2)).astype(np.float32)
    sides[rng.random(n) < 0.05] = 0
    boxes = np.concatenate([corners, corners + sides], axis=1)
    boxes[: n // 8] = boxes[n - n // 8 :]
    scores = rng.integers(1, 50, n).astype(np.float32) / 50
    for threshold in (0.1, ssd_graph.NMS_IOU_THRESHOLD):
        expected = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold).numpy()
        assert ssd_graph.suppress(boxes, scores, threshold, 100).tolist() == expected[:100].tolist()


def test_select_boxes_suppresses_before_it_clips_and_drops_empty_boxes() -> None:
    boxes = np.array(
        [
            [0.90, 0.2, 1.9, 0.8],
            [0.90, 0.2, 1.3, 0.8],
            [1.10, 0.2, 1.2, 0.8],
            [0.10, 0.1, 0.5, 0.5],
            [0.10, 0.1, 0.5, 0.4],
            [0.60, 0.6, 0.8, 0.8],
        ],
        np.float32,
    )
    scores = np.array([0.9, 0.8, 0.95, 0.5, 0.7, 1e-9], np.float32)
    # 0 and 1 are one box once clipped, but overlap by 0.4 before; 2 lies outside; 3 falls to 4;
    # 5 is below the graph's score threshold.
    kept, kept_scores = ssd_graph.select_boxes(boxes, scores)
    assert np.array_equal(kept_scores, scores[[0, 1, 4]])
    assert np.array_equal(kept, boxes[[0, 1, 4]].clip(0, 1))


def test_boxes_outside_the_image_count_among_the_hundred() -> None:
    left = np.linspace(-150.0, 0.5, 150, dtype=np.float32)
    boxes = np.stack([left, np.zeros_like(left), left + 0.5, np.full_like(left, 0.5)], axis=1)
    scores = np.linspace(0.1, 0.9, 150, dtype=np.float32)
    kept, _ = ssd_graph.select_boxes(boxes, scores)
    assert len(kept) == 1
    kept, _ = ssd_graph.select_boxes(boxes, scores[::-1])
    assert len(kept) == 0


@pytest.mark.parametrize(("height", "width"), [(256, 128), (300, 300), (97, 61)])
def test_backbone_takes_any_size(
    model: ssdlite.SSDLiteMobileNetV2, height: int, width: int
) -> None:
    with torch.inference_mode():
        before = model.map_before(torch.zeros(2, 3, height, width))
        out = model.last_stage(before)
        assert torch.equal(out, model.backbone(torch.zeros(2, 3, height, width)))
    assert before.shape == (2, ssdlite.EXPANSION_CHANNELS, -(-height // 16), -(-width // 16))
    assert out.shape == (2, ssdlite.FEATURE_CHANNELS, -(-height // 32), -(-width // 32))
    assert out.isfinite().all()


def test_boxes_are_refused_for_another_size(model: ssdlite.SSDLiteMobileNetV2) -> None:
    with pytest.raises(ValueError, match="300"):
        model.boxes(torch.zeros(1, 320, 320, 3, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("length", "stride", "expected"),
    [(300, 2, (0, 1)), (75, 2, (1, 1)), (1, 2, (1, 1)), (19, 1, (1, 1)), (2, 2, (0, 1))],
)
def test_same_padding(length: int, stride: int, expected: tuple[int, int]) -> None:
    assert ssdlite.same_padding(length, 3, stride) == expected


def test_weights_are_the_documented_ones() -> None:
    readme = (RESOURCE / "README.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([\w.]+)` \|.*\| `([0-9a-f]{64})` \|$", readme, re.M))
    assert set(documented) == {"model.safetensors", "LICENSE"}
    for name, sha256 in documented.items():
        assert hashlib.sha256((RESOURCE / name).read_bytes()).hexdigest() == sha256
    assert documented["model.safetensors"] == ssdlite.WEIGHTS_SHA256
    assert WEIGHTS.stat().st_size < 13_000_000


def test_constants_are_those_read_from_the_graph() -> None:
    with safe_open(WEIGHTS, "pt") as weights:
        graph = weights.metadata()
    assert np.float32(graph["nms_iou_threshold"]) == np.float32(ssd_graph.NMS_IOU_THRESHOLD)
    assert np.float32(graph["nms_score_threshold"]) == np.float32(ssd_graph.NMS_SCORE_THRESHOLD)
    assert np.float32(graph["batch_norm_eps"]) == np.float32(ssdlite.BATCH_NORM_EPS)
    assert int(graph["max_detections"]) == ssd_graph.MAX_DETECTIONS
    assert graph["license"].startswith("MIT")


def test_bad_weights_are_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = WEIGHTS.read_bytes()
    path = tmp_path / "model.safetensors"
    for content in (None, whole[:-1] + bytes([whole[-1] ^ 1]), whole[: len(whole) // 2], b""):
        if content is not None:
            path.write_bytes(content)
        said = "cannot read" if content is None else "damaged or another file .SHA-256 differs"
        with pytest.raises(InputError, match=said) as caught:
            ssdlite.load_ssdlite(path)
        assert str(path) in one_line(caught)
    monkeypatch.setitem(DETECTORS, BUNDLED, replace(DETECTORS[BUNDLED], weights=path))
    load_in_torch.cache_clear()
    with pytest.raises(InputError, match="SHA-256 differs"):
        load_detector(DetectorSettings(BUNDLED, device="cpu", runtime="torch"))


def person_ap(truth: COCO, results: list[dict], images: list[int]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.params.catIds = [1]
        evaluation.params.imgIds = images
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def detect_persons(
    model: ssdlite.SSDLiteMobileNetV2, folder: Path, images: list[dict]
) -> list[dict]:
    """COCO results for pictures that Pillow shrinks."""
    results = []
    for image in images:
        with Image.open(folder / image["file_name"]) as picture:
            pixels = bundled.scaled(picture.convert("RGB"))
        [(boxes, scores)] = find(model, pixels[None])
        width, height = image["width"], image["height"]
        for (x0, y0, x1, y1), score in zip(boxes.tolist(), scores.tolist(), strict=True):
            if score >= LOWEST_SCORE:
                box = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height]
                results.append(
                    {"image_id": image["id"], "category_id": 1, "bbox": box, "score": score}
                )
    return results


@pytest.mark.parametrize(
    ("count", "tolerance"), [(30, 0.01), pytest.param(140, 0.005, marks=pytest.mark.torture)]
)
def test_person_ap_and_boxes_are_the_graphs(
    model: ssdlite.SSDLiteMobileNetV2, coco_sample: Path, shared: Path, count: int, tolerance: float
) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(coco_sample / "instances.json"))
    images = truth.dataset["images"][:count]
    ids = [image["id"] for image in images]
    assert len(ids) == count
    results = detect_persons(model, coco_sample / "images", images)
    ours = person_ap(truth, results, ids)
    # The graph's own resize reads other pixels than Pillow's.
    for resize, apart in {"full": tolerance, "bilinear": 0.001}.items():
        file = shared / "ssdlite-reference" / f"coco_sample_results_{resize}.json"
        reference = [row for row in json.loads(file.read_text()) if row["image_id"] in ids]
        assert ours == pytest.approx(person_ap(truth, reference, ids), abs=apart)
    check_same_detections(results, reference)


def check_same_detections(ours: list[dict], theirs: list[dict]) -> None:
    """Each of the graph's boxes, fed the same pixels, has its twin here and the other way round."""
    # A score beside the cut may fall on either side of it.
    assert len(ours) == pytest.approx(len(theirs), abs=5)

    def of_image(detections: list[dict], image_id: int) -> tuple[Tensor, Tensor]:
        chosen = [d for d in detections if d["image_id"] == image_id]
        boxes = torch.tensor([d["bbox"] for d in chosen]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes, torch.tensor([d["score"] for d in chosen])

    twins = 0
    for image_id in {d["image_id"] for d in theirs}:
        our_boxes, our_scores = of_image(ours, image_id)
        their_boxes, their_scores = of_image(theirs, image_id)
        same_box = box_iou(their_boxes, our_boxes) > 0.98
        same_score = (their_scores[:, None] - our_scores).abs() < 1e-3
        twins += int((same_box & same_score).any(dim=1).sum())
    assert twins >= len(theirs) - 5
