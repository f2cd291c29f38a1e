"""Lower precision and faster pooling: the same detections within stated bounds."""

from collections import OrderedDict
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision.ops import MultiScaleRoIAlign, roi_align

from made_weights import TORCHVISION, random_network
from processors import skip_without_bf16
from rounding import calibrate, coco_pictures, cosine, pixels
from visualsearch.data.pictures import Picture
from visualsearch.detect import describe, load_described, load_detector, load_in_torch
from visualsearch.detect.computing import Computing
from visualsearch.detect.precision import DTYPES, compute_in, resolve
from visualsearch.detect.roi_pooling import RowRoIAlign, roi_align_rows
from visualsearch.detect.torchvision_models import make_fast
from visualsearch.evaluate.parity import measure_parity, parity_lines
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

CPU = torch.device("cpu")
EMBEDDING = EmbeddingSettings(fit="stretch", size=(96, 96), pooling="average", mirrored=False)


def boxes_of_all_kinds(n: int, width: int, height: int) -> torch.Tensor:
    """Small and large, thin, without extent, at every border and beyond it."""
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(n, 2, generator=generator) * torch.tensor([width, height])
    sides = torch.rand(n, 2, generator=generator) ** 3 * torch.tensor([width, height])
    boxes = torch.cat([first, first + sides], dim=1)
    edges = [[0, 0, width, height], [width, height, width, height], [-40, -9, 5, 5], [3, 3, 3, 60]]
    far = [[width - 1, 0, width + 90, height + 90], [width + 50, 10, width + 60, 20]]
    return torch.cat([boxes, torch.tensor(edges + far, dtype=torch.float32)])


@pytest.mark.parametrize(("scale", "size", "samples"), [(0.25, (7, 7), 2), (0.5, (3, 5), 3)])
def test_rows_are_pooled_as_torchvisions_kernel_does(
    scale: float, size: tuple[int, int], samples: int
) -> None:
    features = torch.randn(1, 32, 40, 56, generator=torch.Generator().manual_seed(1))
    rois = boxes_of_all_kinds(200, int(56 / scale), int(40 / scale))
    theirs = roi_align(features, [rois], size, scale, samples).permute(0, 2, 3, 1)
    ours = roi_align_rows(features, rois, scale, size, samples)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1e-4
    halved = roi_align_rows(features.bfloat16(), rois, scale, size, samples)
    assert halved.dtype == torch.bfloat16
    assert (halved.float() - theirs).norm() < 0.01 * theirs.norm()


@pytest.mark.parametrize("names", [["0", "1", "2", "3"], ["0", "1", "pool"]])
def test_boxes_are_pooled_from_the_levels_that_torchvision_takes(names: list[str]) -> None:
    strides = [4, 8, 16, 32] if len(names) == 4 else [32, 32, 64]
    maps = OrderedDict(
        (name, torch.randn(1, 8, 384 // stride, 512 // stride))
        for name, stride in zip(names, strides, strict=True)
    )
    # The pyramid has a map that no box is pooled from.
    maps["unused"] = torch.randn(1, 8, 3, 4)
    rois = boxes_of_all_kinds(300, 512, 384)[:300]
    theirs = MultiScaleRoIAlign(names, 7, 2)(maps, [rois], [(384, 512)])
    ours = RowRoIAlign(names, 7, 2)(maps, [rois], [(384, 512)])
    assert ours.shape == theirs.shape and (ours - theirs).abs().max() < 1e-4
    nobody = RowRoIAlign(names, 7, 2)(maps, [torch.empty(0, 4)], [(384, 512)])
    assert nobody.shape == (0, 8, 7, 7)


@pytest.fixture(scope="module", params=TORCHVISION)
def models(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A network with random weights as torchvision builds it, and made fast in both precisions."""
    plain = random_network(request.param, score_threshold=0.0, min_size=96, max_size=160)
    calibrate(plain)
    built = {"plain": plain, "fp32": deepcopy(plain), "bf16": deepcopy(plain)}
    for name in ("fp32", "bf16"):
        make_fast(built[name], DTYPES[name], CPU)
    yield built


def test_maps_of_the_fast_networks_are_those_of_the_plain_one(models: dict[str, Any]) -> None:
    """Random filters amplify rounding, so bf16 is compared with torch's autocast."""
    with torch.inference_mode():
        maps = {name: model.backbone(pixels(96, 128)) for name, model in models.items()}
        with torch.autocast("cpu", torch.bfloat16):
            autocast = models["plain"].backbone(pixels(96, 128))
    for level, expected in maps["plain"].items():
        assert maps["bf16"][level].dtype == torch.bfloat16
        assert (maps["fp32"][level] - expected).norm() < 2e-4 * expected.norm()
        bound = cosine(expected, autocast[level]) - 0.01
        assert cosine(expected, maps["bf16"][level]) > bound > 0.7


def test_maps_of_resnet_50_in_bf16_are_similar_to_fp32() -> None:
    plain = random_network("fasterrcnn_resnet50_fpn")
    for key, value in plain.state_dict().items():
        if key.endswith("running_var"):
            value.fill_(2.5)  # keeps sums of residual blocks from growing
    maps = []
    for model, precision in ((deepcopy(plain), "fp32"), (plain, "bf16")):
        make_fast(model, DTYPES[precision], CPU)
        with torch.inference_mode():
            maps.append([*model.backbone.body(pixels(96, 128).to(DTYPES[precision])).values()])
            maps[-1] += model.backbone(pixels(96, 128)).values()
    assert len(maps[0]) == 9
    assert min(map(cosine, *maps)) >= 0.999


def test_anchors_stay_on_whole_pixels_in_bf16(models: dict[str, Any]) -> None:
    """bf16 has 8 bits: 805 would become 804, and a person's proposal would move with it."""
    seen: list[torch.Tensor] = []
    generator = getattr(models["bf16"], "rpn", models["bf16"]).anchor_generator
    hook = generator.register_forward_hook(lambda _, args, output: seen.append(output[0]))
    image = torch.rand(3, 90, 160)
    with torch.inference_mode():
        models["bf16"]([image])
        hook.remove()
        for name in ("plain", "fp32"):
            model = models[name]
            images, _ = model.transform([image])
            maps = list(model.backbone(images.tensors).values())
            seen += getattr(model, "rpn", model).anchor_generator(images, maps)
    in_bf16, plain, in_fp32 = seen
    assert in_bf16.dtype == in_fp32.dtype == torch.float32
    assert torch.equal(in_bf16, plain) and torch.equal(in_fp32, plain)


def test_auto_is_bf16_only_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, expected in (("avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("avx512_f", "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {has: True})
        assert resolve("auto", on_gpu=False) == expected
    assert resolve("bf16", on_gpu=False) == "bf16"
    # torch before 2.10.
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert resolve("auto", on_gpu=False) == "fp32"


def test_all_jobs_take_the_precision_of_the_first() -> None:
    settings = DetectorSettings(BUNDLED, device="cpu", runtime="torch", precision="bf16")
    described = describe(settings)
    assert (described["runtime"], described["precision"]) == ("torch", "bf16")
    elsewhere = load_described(DetectorSettings(BUNDLED, device="cpu"), described)
    assert elsewhere is load_in_torch(
        DetectorSettings(BUNDLED, device="cpu"), Computing("torch", "bf16", "bf16")
    )
    assert elsewhere.vector_precision == "bf16"


def test_modules_in_bf16_return_the_dtype_asked_for() -> None:
    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 4, 1)

        def forward(self, maps: list[torch.Tensor], number: int) -> dict[str, object]:
            return {"maps": tuple(self.conv(m) for m in maps), "number": number}

    module = compute_in(Both(), torch.bfloat16, torch.float32)
    answer = module([torch.rand(1, 3, 5, 6)] * 2, 7)
    assert answer["number"] == 7 and module.conv.weight.dtype == torch.bfloat16
    assert all(m.dtype == torch.float32 and m.shape == (1, 4, 5, 6) for m in answer["maps"])


@pytest.mark.parametrize(
    ("count", "ap", "change", "persons"),
    # A score that changes by little moves the AP of few pictures by more.
    [(30, 0.1641, 0.005, 10), pytest.param(140, 0.1753, 0.001, 90, marks=pytest.mark.torture)],
)
@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_ap_in_bf16_is_that_of_fp32(
    runtime: str, coco_sample: Path, count: int, ap: float, change: float, persons: int
) -> None:
    """The bundled detector's real weights on real pictures: the bound of `snakemake parity`."""
    skip_without_bf16("bf16")
    exact, fast = (
        load_detector(DetectorSettings(BUNDLED, device="cpu", runtime=runtime, precision=p))
        for p in ("fp32", "bf16")
    )
    parity = measure_parity(
        exact,
        {"bf16": fast},
        coco_pictures(coco_sample)[:count],
        "person",
        coco_sample / "instances.json",
        0.7,
        EMBEDDING,
    )
    assert parity["AP"]["fp32"] == pytest.approx(ap, abs=0.001)
    assert abs(parity["AP"]["bf16"] - parity["AP"]["fp32"]) <= change
    compared = parity["compared"]["bf16"]
    assert parity["persons"] > persons and compared["persons_lost"] == 0
    assert compared["box_shift_pixels"]["median"] < 1
    assert compared["score_change"]["median"] < 0.005
    assert compared["cosine"]["worst"] > 0.999
    lines = parity_lines(parity)
    assert lines[0].startswith(f"bf16 against fp32, {count} images, {parity['persons']} persons")


def test_parity_of_pictures_without_persons_says_so(tmp_path: Path) -> None:
    detector = load_detector(DetectorSettings(BUNDLED, device="cpu", precision="fp32"))
    Image.new("RGB", (60, 40)).save(tmp_path / "1.png")
    pictures = [Picture(1, tmp_path / "1.png", 60, 40)]
    parity = measure_parity(detector, {"bf16": detector}, pictures, "person", None, 0.7, EMBEDDING)
    assert parity["AP"] is None and parity["persons"] == 0
    assert parity["compared"]["bf16"]["persons_lost"] == 0
    assert parity_lines(parity) == ["bf16 against fp32, 1 images, 0 persons"]
