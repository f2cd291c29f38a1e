"""How a box becomes a vector, with the bundled detector and two of torchvision."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from made_weights import SMALL, random_network, random_state, unset_weights
from processors import skip_without_bf16
from running import sampled
from visualsearch.data.boxes import mirror
from visualsearch.detect import DETECTORS, describe, load_detector
from visualsearch.detect.base import Detector
from visualsearch.detect.ssdlite import load_ssdlite
from visualsearch.embed.crops import crop_boxes
from visualsearch.embed.embedding import (
    REGIONS_PER_BATCH,
    embed_boxes,
    embed_pictures,
)
from visualsearch.embed.persons import MAPS, embedding_metadata, vector_lengths
from visualsearch.embed.pooling import POOLINGS
from visualsearch.embed.regions import REGIONS
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

PLAIN = EmbeddingSettings(maps="last", mirrored=False)
RED, GREY = (255, 0, 0), (1, 2, 3)

RUNTIMES, PRECISIONS = ["openvino", "torch"], ["fp32", "bf16"]
SAMPLE = [
    *product([BUNDLED], RUNTIMES, PRECISIONS),
    *product(["fasterrcnn_resnet50_fpn"], ["openvino"], PRECISIONS),
]
NETWORKS = sampled(
    list(
        product(
            [BUNDLED, "fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_fpn"],
            RUNTIMES,
            PRECISIONS,
        )
    ),
    SAMPLE,
)
Network = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(DetectorSettings(BUNDLED, device="cpu", precision="fp32"))


@pytest.fixture(scope="module")
def photo(coco_sample: Any) -> Image.Image:
    return Image.open(coco_sample / "images/000000005001.jpg").convert("RGB")


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def boxes(*corners: list[float]) -> NDArray[np.float32]:
    return np.array(corners, np.float32).reshape(-1, 4)


def many_boxes(n: int, width: int, height: int) -> NDArray[np.float32]:
    shares = np.random.default_rng(1).uniform(0, 0.5, (n, 4))
    corners = np.column_stack([shares[:, :2], shares[:, :2] + 0.1 + 0.8 * shares[:, 2:]])
    return (corners * [width, height, width, height]).astype(np.float32)


def cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.fixture(scope="module", params=NETWORKS, ids="-".join)
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Detector, str, Network]]:
    """A detector, its precision, and the plain network of its last map; random if torchvision's."""
    name, runtime, precision = request.param
    skip_without_bf16(precision)
    if name == BUNDLED:
        plain = load_ssdlite(DETECTORS[BUNDLED].weights).backbone
        yield (
            load_detector(DetectorSettings(name, "default", "cpu", runtime, precision)),
            precision,
            plain,
        )
        return
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(random_state(name), path)
    settings = DetectorSettings(name, str(path), "cpu", runtime, precision, **SMALL)
    with unset_weights():
        detector = load_detector(settings)
        model = random_network(name)
        model.load_state_dict(random_state(name))
        yield detector, precision, lambda crops: [*model.backbone.body(crops).values()][-1]
    path.unlink()


def test_fast_path_gives_what_a_plain_loop_gives(
    network: tuple[Detector, str, Network], photo: Image.Image
) -> None:
    """The plain loop: one crop after another in fp32, of the picture and its mirror image."""
    detector, precision, plain = network
    corners = many_boxes(REGIONS_PER_BATCH[precision] // 2 + 1, *photo.size)
    turned = zip(corners.tolist(), mirror(corners, photo.width).tolist(), strict=True)
    expected = []
    for boxes_of_one in turned:
        pooled = []
        for picture, box in zip((photo, ImageOps.mirror(photo)), boxes_of_one, strict=True):
            crop = np.asarray(picture.resize((64, 96), Image.Resampling.BILINEAR, box=box))
            inputs = detector.in_torch().normalise(
                torch.from_numpy(crop / np.float32(255)).permute(2, 0, 1)
            )
            with torch.inference_mode():
                pooled.append(plain(inputs.reshape(1, 3, 96, 64)).mean(dim=(2, 3))[0].numpy())
        expected.append((pooled[0] + pooled[1]) / 2)
    settings = replace(PLAIN, size=(96, 64), mirrored=True)
    vectors = embed_boxes(detector, photo, corners, settings)
    assert (
        vectors.shape == (len(corners), detector.map_lengths["last"])
        and vectors.dtype == np.float32
    )
    for vector, wanted in zip(vectors, expected, strict=True):
        assert cosine(vector, wanted) > (0.999 if precision == "bf16" else 0.9999)
        assert np.linalg.norm(vector) == pytest.approx(np.linalg.norm(wanted), rel=0.02)


@pytest.mark.parametrize("region", REGIONS)
def test_vectors_have_the_same_bits_whatever_else_is_embedded(
    network: tuple[Detector, str, Network], region: str
) -> None:
    """Neither the batch nor the row in it changes a vector, so shards and cores do not either."""
    detector, _, _ = network
    settings = replace(PLAIN, region=region, size=(64, 32), mirrored=True, maps="both")
    pictures = [
        (n, noise(100 + n, 120), many_boxes(boxes_of_it, 100 + n, 120))
        for n, boxes_of_it in enumerate(
            [3, 0, 1, REGIONS_PER_BATCH[detector.vector_precision] + 1, 2, 0]
        )
    ]
    together = dict(embed_pictures(detector, pictures, settings))
    assert list(together) == [n for n, _, _ in pictures]
    turned = dict(embed_pictures(detector, pictures[::-1], settings))
    for n, image, corners in pictures:
        lengths = vector_lengths(detector.map_lengths, settings)
        assert together[n].shape == (len(corners), sum(lengths.values()))
        assert np.array_equal(together[n], turned[n])
        if len(corners):
            row = len(corners) // 2
            alone = embed_boxes(detector, image, corners[row : row + 1], settings)
            assert np.array_equal(alone[0], together[n][row])
    several = together[3]
    assert len(np.unique(several, axis=0)) == len(several)


@pytest.mark.parametrize("region", REGIONS)
def test_every_setting_gives_vectors_of_the_length_it_promises(
    detector: Detector, region: str
) -> None:
    expected = {"last": {"vector": 1280}, "both": {"vector": 1280, "before": 3 * 576}}
    corners = boxes([10, 20, 90, 180], [30, 5, 120, 100])
    image = noise(150, 200)
    for maps in MAPS:
        settings = replace(PLAIN, region=region, maps=maps, stripes=3, size=(64, 32))
        nobody = embed_boxes(detector, image, boxes(), settings)
        lengths = vector_lengths(DETECTORS[BUNDLED].featurizer.lengths, settings)
        assert lengths == vector_lengths(detector.map_lengths, settings) == expected[maps]
        total = sum(lengths.values())
        assert nobody.shape == (0, total) and nobody.dtype == np.float32
        for pooling, mirrored in product(POOLINGS, (False, True)):
            settings = replace(settings, pooling=pooling, mirrored=mirrored)
            vectors = embed_boxes(detector, image, corners, settings)
            assert vectors.shape == (2, total)
            assert np.isfinite(vectors).all() and vectors.std() > 0
            assert not np.array_equal(vectors[0], vectors[1])


def test_poolings_of_known_maps() -> None:
    maps = np.array([[[[0, 2]], [[5, 5]], [[-3, 1]], [[0, 0]]]], np.float32)
    pooled = {name: pool(maps)[0].tolist() for name, pool in POOLINGS.items()}
    assert pooled["average"] == [1, 5, -1, 0]
    assert pooled["max"] == [2, 5, 1, 0]
    # Values below 0 count as 0.
    expected = [4 ** (1 / 3), 5, 0.5 ** (1 / 3), 0]
    assert pooled["gem"] == pytest.approx(expected, abs=2e-6)


def test_pad_keeps_the_aspect_and_is_grey_beside_the_box() -> None:
    image = Image.new("RGB", (100, 100), RED)
    crop = crop_boxes(image, boxes([30, 40, 70, 60]), (64, 64), "pad", GREY)[0]
    assert crop.shape == (64, 64, 3)
    pixels = crop.tolist()
    assert all(pixel == list(RED) for row in pixels[16:48] for pixel in row)
    assert all(pixel == list(GREY) for row in pixels[:16] + pixels[48:] for pixel in row)
    upright = crop_boxes(image, boxes([30, 40, 70, 60]), (40, 20), "pad", GREY)[0]
    assert upright[:, 5, 0].tolist() == [1] * 15 + [255] * 10 + [1] * 15


def test_surroundings_are_the_pictures_own_as_far_as_it_goes() -> None:
    image = noise(100, 100)
    square = crop_boxes(image, boxes([40, 0, 60, 100]), (64, 64), "surroundings", GREY)
    whole = crop_boxes(image, boxes([0, 0, 100, 100]), (64, 64), "stretch", GREY)
    assert np.array_equal(square, whole)
    # Four tenths of the crop lie left of the picture.
    pixels = crop_boxes(image, boxes([0, 0, 20, 100]), (100, 100), "surroundings", GREY)[0]
    assert (pixels[:, :40] == GREY).all()
    assert np.array_equal(pixels[:, 40:], np.asarray(image)[:, :60])


@pytest.mark.parametrize("fit", ["pad", "surroundings"])
@pytest.mark.parametrize("box", [[0, 0, 100, 1], [99, 0, 100, 50], [20, 10, 21, 11]])
def test_thinnest_boxes_can_be_shown(fit: str, box: list[float]) -> None:
    crop = crop_boxes(Image.new("RGB", (100, 50), RED), boxes(box), (256, 128), fit, GREY)[0]
    assert (crop[..., 0] == 255).any()


def test_boxes_over_the_border_are_cut_to_the_picture() -> None:
    image = noise(50, 60)
    crops = crop_boxes(image, boxes([-10, -10, 500, 500]), (60, 50), "stretch", GREY)
    assert np.array_equal(crops[0], np.array(image))


@pytest.mark.parametrize("region", REGIONS)
def test_a_margin_grows_the_box_as_far_as_the_picture_goes(detector: Detector, region: str) -> None:
    image, settings = noise(200, 300), replace(PLAIN, region=region)
    grown = embed_boxes(detector, image, boxes([20, 50, 60, 150]), replace(settings, margin=0.75))
    assert np.array_equal(grown, embed_boxes(detector, image, boxes([0, 0, 90, 225]), settings))


@pytest.mark.parametrize("stripes", [1, 2, 3])
def test_the_map_before_is_pooled_in_stripes(detector: Detector, stripes: int) -> None:
    """A stripe of the map before is what the map's rows there give; the last map stays whole."""
    corners, image = many_boxes(3, 200, 300), noise(200, 300)
    settings = replace(PLAIN, size=(192, 64), maps="both", mirrored=True)
    last, before = np.split(
        embed_boxes(detector, image, corners, replace(settings, stripes=stripes)), [1280], axis=1
    )
    alone = embed_boxes(detector, image, corners, replace(settings, maps="last"))
    assert np.array_equal(last, alone)
    rows = embed_boxes(detector, image, corners, replace(settings, stripes=12))[:, 1280:]
    # The map is 192 / 16 = 12 rows high.
    of_rows = rows.reshape(3, stripes, 12 // stripes, 576).mean(axis=2).reshape(3, -1)
    assert before == pytest.approx(of_rows, abs=1e-5)
    assert stripes == 1 or np.ptp(before.reshape(3, stripes, 576), axis=1).max() > 0.01


@pytest.mark.parametrize(
    ("region", "fit", "maps"),
    [
        ("crop", "stretch", "last"),
        ("crop", "pad", "both"),
        ("crop", "surroundings", "both"),
        ("roi_align_last", "stretch", "both"),
        ("roi_align_before", "stretch", "both"),
    ],
)
def test_with_mirrored_a_mirrored_picture_has_the_same_vectors(
    detector: Detector, photo: Image.Image, region: str, fit: str, maps: str
) -> None:
    corners = many_boxes(2, *photo.size)
    turned, mirrored = ImageOps.mirror(photo), mirror(corners, photo.width)
    for averaged in (True, False):
        settings = replace(PLAIN, region=region, fit=fit, maps=maps, mirrored=averaged)
        one = embed_boxes(detector, photo, corners, settings)
        other = embed_boxes(detector, turned, mirrored, settings)
        same = np.abs(one - other).max() < 1e-3 * np.abs(one).max()
        assert same == averaged


@pytest.mark.parametrize("region", ["roi_align_last", "roi_align_before"])
def test_roi_align_finds_its_box_in_a_picture_of_another_shape(
    detector: Detector, photo: Image.Image, region: str
) -> None:
    """The picture is shrunk to half its width and not in height; 256 px are 4 strides then."""
    person = photo.resize((192, 192))
    settings = replace(PLAIN, region=region, size=(128, 128))
    vectors = []
    for left in (32, 288):
        image = Image.new("RGB", (600, 300), (128, 128, 128))
        image.paste(person, (left, 64))
        there = boxes([left, 64, left + 192, 256], [320 - left, 64, 512 - left, 256])
        vectors.append(embed_boxes(detector, image, there, settings))
    (here, empty), (moved, _) = vectors
    assert cosine(here, moved) > 0.96
    assert cosine(here, empty) < 0.9


def test_metadata_hold_every_setting() -> None:
    settings = replace(PLAIN, size=(64, 32), margin=0.1)
    described = describe(DetectorSettings(BUNDLED, device="cpu", precision="fp32"))
    metadata = embedding_metadata(described, settings)
    assert asdict(PLAIN).keys() <= metadata.keys()
    assert metadata["size"] == (64, 32) and metadata["margin"] == 0.1
    assert metadata["weights_sha256"] == described["weights_sha256"]
    assert metadata["precision"] == "fp32"
