"""fp16, for GPUs without bf16: as near to fp32 as stated, and an overflow is said.

A CPU multiplies it in torch's own half kernels, slowly.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import one_line
from made_weights import SMALL, TORCHVISION, random_network, random_state, unset_weights
from rounding import calibrate, coco_pictures, cosine, pixels
from visualsearch.core.errors import InputError
from visualsearch.data.pictures import Picture
from visualsearch.detect import computing, load_detector
from visualsearch.detect.computing import Computing, resolve
from visualsearch.detect.failures import Overflow
from visualsearch.detect.run import detect_images
from visualsearch.detect.torchvision_models import make_fast
from visualsearch.embed.embedding import embed_boxes, embed_items
from visualsearch.embed.persons import PictureBoxes
from visualsearch.evaluate.parity import measure_parity
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

CPU = torch.device("cpu")
MOBILENET = "fasterrcnn_mobilenet_v3_large_fpn"
EMBEDDING = EmbeddingSettings(fit="stretch", size=(96, 96), pooling="average", mirrored=False)


@pytest.mark.parametrize("name", TORCHVISION)
def test_maps_and_heads_are_those_of_fp32(name: str) -> None:
    """Random filters amplify rounding; fp16 has three bits more than bf16."""
    plain = random_network(name, score_threshold=0.0, **SMALL)
    calibrate(plain)
    fast = deepcopy(plain)
    make_fast(plain, torch.float32, CPU)
    make_fast(fast, torch.float16, CPU)
    inputs = pixels(96, 128)
    with torch.inference_mode():
        exact, close = plain.backbone(inputs), fast.backbone(inputs)
        for level, expected in exact.items():
            assert close[level].dtype == torch.float16
            assert cosine(expected, close[level]) > 0.99
        heads = [getattr(model, "rpn", model).head([*exact.values()]) for model in (plain, fast)]
        [found] = fast([inputs[0]])
    for expected, answer in zip(*map(flat, heads), strict=True):
        assert answer.dtype == torch.float32
        assert cosine(expected, answer) > 0.9999
    assert found["boxes"].dtype == found["scores"].dtype == torch.float32


def flat(answer: Any) -> Iterator[torch.Tensor]:
    if isinstance(answer, torch.Tensor):
        yield answer
    else:
        for part in answer.values() if isinstance(answer, dict) else answer:
            yield from flat(part)


@pytest.mark.parametrize(
    ("count", "change"),
    # A score that changes by little moves the AP of few pictures by more.
    [(3, 0.005), pytest.param(140, 0.001, marks=pytest.mark.torture)],
)
def test_ap_in_fp16_is_that_of_fp32(coco_sample: Path, count: int, change: float) -> None:
    """The bundled detector's real weights on real pictures."""
    exact, fast = (
        load_detector(DetectorSettings(BUNDLED, device="cpu", runtime="torch", precision=each))
        for each in ("fp32", "fp16")
    )
    parity = measure_parity(
        exact,
        {"fp16": fast},
        coco_pictures(coco_sample)[:count],
        "person",
        coco_sample / "instances.json",
        0.7,
        EMBEDDING,
    )
    assert parity["AP"]["fp16"] == pytest.approx(parity["AP"]["fp32"], abs=change)
    compared = parity["compared"]["fp16"]
    assert parity["persons"] > count / 3 and compared["persons_lost"] == 0
    assert compared["box_shift_pixels"]["median"] < 0.5
    assert compared["score_change"]["median"] < 0.002
    assert compared["cosine"]["worst"] > 0.9999


def test_the_bundled_weights_cannot_overflow() -> None:
    """Its ReLU6 would hide an infinite number in the map before it."""
    model: Any = load_detector(
        DetectorSettings(BUNDLED, device="cpu", runtime="torch", precision="fp32")
    )
    largest = 0.0
    for block in model.model.blocks:
        conv = block.project.conv
        # The largest number that this convolution can make of numbers in 0..6.
        reached = float((6 * conv.weight.abs().sum((1, 2, 3)) + conv.bias.abs()).max().detach())
        largest = reached + (largest if block.is_residual else 0)
        assert largest < 10_000


def overflowing(folder: Path) -> Any:
    """A detector in fp16 whose numbers get too large with contrast: a grey picture gives none."""
    state = dict(random_state(MOBILENET))
    state["backbone.body.0.0.weight"] = state["backbone.body.0.0.weight"] * 1e5
    torch.save(state, folder / "w.pth")
    with unset_weights():
        return load_detector(
            DetectorSettings(
                MOBILENET,
                str(folder / "w.pth"),
                "cpu",
                runtime="torch",
                precision="fp16",
                score_threshold=0.0,
                **SMALL,
            )
        )


def test_an_overflow_stops_the_job_and_names_the_picture(tmp_path: Path) -> None:
    detector = overflowing(tmp_path)
    rng = np.random.default_rng(0)
    pictures = []
    for number in range(4):
        image = Image.new("RGB", (160, 96), detector.mean_colour)
        if number == 2:
            image = Image.fromarray(rng.integers(0, 255, (96, 160, 3), dtype=np.uint8))
        image.save(tmp_path / f"{number}.png")
        pictures.append(Picture(number, tmp_path / f"{number}.png", 160, 96))
    box = np.array([[10, 10, 90, 90]], np.float32)
    items = [PictureBoxes(picture, np.array([0]), box) for picture in pictures]
    # On a GPU a batch has several pictures.
    settings = replace(EMBEDDING, size=(32, 32))
    for detector.batch_size in (1, 2):
        for rows in (
            detect_images(detector, pictures, "person", "detect"),
            embed_items(detector, items, settings, "embed"),
        ):
            with pytest.raises(
                InputError, match=r"/2\.png: .* set detector\.precision to"
            ) as error:
                list(rows)
            one_line(error)


@pytest.mark.parametrize("region", ["crop", "roi_align_last", "roi_align_before"])
def test_no_vector_is_made_of_what_overflowed(tmp_path: Path, region: str) -> None:
    detector = overflowing(tmp_path)
    settings = EmbeddingSettings(region=region, size=(96, 96))
    noise = np.random.default_rng(0).integers(0, 255, (96, 160, 3), dtype=np.uint8)
    box = np.array([[10, 10, 90, 90]], np.float32)
    with pytest.raises(Overflow):
        embed_boxes(detector, Image.fromarray(noise), box, settings)
    grey = Image.new("RGB", (160, 96), detector.mean_colour)
    assert np.isfinite(embed_boxes(detector, grey, box, settings)).all()


def test_auto_is_fp16_on_gpus_that_are_fast_in_it_and_lack_bf16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(computing, "_on_gpu", lambda device: True)
    for capability, expected in (((6, 1), "fp32"), ((7, 5), "fp16"), ((8, 0), "bf16")):
        has_bf16 = capability >= (8, 0)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, has=has_bf16: has
        )
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda has=capability: has)
        assert resolve(DetectorSettings()) == Computing("torch", expected, expected)
    assert resolve(DetectorSettings(precision="fp16")) == Computing("torch", "fp16", "fp16")


@pytest.mark.parametrize("runtime", ["auto", "openvino"])
def test_a_cpu_takes_it_only_when_asked_for_torch(runtime: str) -> None:
    settings = DetectorSettings(device="cpu", runtime=runtime, precision="fp16")
    with pytest.raises(InputError, match=r"needs a GPU.* set detector\.runtime to torch") as error:
        resolve(settings)
    one_line(error)
    settings = DetectorSettings(device="cpu", runtime="torch", precision="fp16")
    assert resolve(settings) == Computing("torch", "fp16", "fp16")
