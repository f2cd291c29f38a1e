"""Distorted crops: how boxes are moved, and vectors of real persons with moved boxes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import ImageOps
from test_embedding import PLAIN

from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.boxes import clip_to_image, mirror, xywh_to_xyxy
from visualsearch.data.images import read_image
from visualsearch.data.manifest import FetchedImage, ListedImage, write_manifest
from visualsearch.data.pictures import Pictures
from visualsearch.data.vectors import vectors_of
from visualsearch.detect import load_detector
from visualsearch.detect.base import Detector
from visualsearch.embed.distortion import (
    DISTORTED,
    MIRRORED,
    UNMIRRORED,
    distorted_boxes,
    with_both_ways,
)
from visualsearch.embed.embedding import embed_boxes, embed_items_both_ways, embed_pictures
from visualsearch.embed.persons import corners_of, distorted_persons, with_vectors
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import BUNDLED

IMAGES = 12
SCHEMA = with_both_ways(DISTORTED, {"vector": 1280})


def test_sides_move_independently_by_up_to_a_tenth() -> None:
    ids = np.arange(500) * 1000
    boxes = np.tile(np.array([[100, 200, 150, 300]], np.float32), (500, 1))
    shares = (distorted_boxes(ids, boxes, 0) - boxes) / np.array([50, 100, 50, 100])
    assert np.abs(shares).max(axis=0).min() > 0.095 and np.abs(shares).max() < 0.1 + 1e-6
    assert np.abs(shares.mean(axis=0)).max() < 0.01
    assert np.abs(np.corrcoef(shares.T) - np.eye(4)).max() < 0.15


def test_a_move_depends_on_the_person_and_the_seed_only() -> None:
    ids = np.array([7, 10**15 - 1, 9])
    boxes = np.array([[0, 0, 50, 60], [10, 10, 90, 95], [5, 5, 6, 6]], np.float32)
    moved = distorted_boxes(ids, boxes, 3)
    assert moved.dtype == np.float32
    assert np.array_equal(distorted_boxes(ids[[2, 1]], boxes[[2, 1]], 3), moved[[2, 1]])
    assert not np.isclose(distorted_boxes(ids, boxes, 4), moved).any()
    assert distorted_boxes(ids[:0], boxes[:0], 3).shape == (0, 4)


@pytest.mark.parametrize(
    ("count", "limit", "rows"),
    [(5, 10, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8]), (9, 1, [0]), (0, 3, [])],
)
def test_evenly_spaced_persons(count: int, limit: int, rows: list[int]) -> None:
    assert evenly_spaced(count, limit).tolist() == rows


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load_detector(DetectorSettings(BUNDLED, device="cpu"))


@pytest.fixture(scope="module")
def persons(coco_sample: Path) -> pa.Table:
    """Annotated persons of at least 48 pixels in the first pictures that hold any."""
    annotations = json.loads((coco_sample / "instances.json").read_text())["annotations"]
    found: dict[int, list[list[float]]] = {}
    for annotation in annotations:
        people = annotation["category_id"] == 1 and not annotation["iscrowd"]
        if people and annotation["bbox"][3] >= 48:
            found.setdefault(annotation["image_id"], []).append(annotation["bbox"])
    rows = [
        (image_id * 1000 + n, image_id, *box)
        for image_id in sorted(found)[:IMAGES]
        for n, box in enumerate(found[image_id])
    ]
    columns = zip(*rows, strict=True)
    names = ["person_id", "image_id", "x", "y", "w", "h"]
    return pa.table(dict(zip(names, map(np.array, columns), strict=True)))


@pytest.fixture(scope="module")
def pictures(coco_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    path = tmp_path_factory.mktemp("dataset") / "manifest.parquet"
    images = json.loads((coco_sample / "instances.json").read_text())["images"]
    fetched = [
        FetchedImage(
            ListedImage(image["id"], image["file_name"]), image["width"], image["height"], ""
        )
        for image in images
    ]
    write_manifest(path, fetched, 1)
    return Pictures(path, str(coco_sample / "images"))


def distorted(
    detector: Detector, pictures: Pictures, persons: pa.Table, **settings: Any
) -> pa.Table:
    items = distorted_persons(pictures, persons, seed=0)
    vectors = embed_items_both_ways(detector, items, replace(PLAIN, **settings), "distorted")
    rows = with_vectors(zip(items, vectors, strict=True), SCHEMA)
    return pa.concat_tables(list(rows))


@pytest.fixture(scope="module")
def plain(detector: Detector, pictures: Pictures, persons: pa.Table) -> pa.Table:
    return distorted(detector, pictures, persons)


def test_vectors_are_those_of_the_moved_box_both_ways_round(
    detector: Detector, pictures: Pictures, persons: pa.Table, plain: pa.Table
) -> None:
    assert plain.schema == SCHEMA
    assert plain["person_id"].to_pylist() == sorted(persons["person_id"].to_pylist())
    picture = next(p for p in pictures if p.image_id == persons["image_id"][0].as_py())
    image = read_image(picture.path).image
    mine = persons.filter(pa.compute.equal(persons["image_id"], picture.image_id))
    moved = distorted_boxes(mine["person_id"].to_numpy(), corners_of(mine), 0)
    moved = clip_to_image(moved, *image.size)
    n = len(mine)
    assert corners_of(plain.slice(0, n)) == pytest.approx(moved, abs=1e-3)
    expected = embed_boxes(detector, image, moved, PLAIN)
    assert np.array_equal(vectors_of(plain, "_unmirrored")[:n], expected.astype(np.float16))
    turned = embed_boxes(detector, ImageOps.mirror(image), mirror(moved, image.width), PLAIN)
    assert np.array_equal(vectors_of(plain)[:n], turned.astype(np.float16))
    assert not np.allclose(turned, expected, atol=1e-2)


def test_same_bytes_again_and_same_boxes_whoever_else_is_there(
    detector: Detector, pictures: Pictures, persons: pa.Table, plain: pa.Table
) -> None:
    chosen = np.arange(0, len(persons), 5)
    some, again = (distorted(detector, pictures, persons.take(chosen)) for _ in range(2))
    assert some.equals(again)
    among_all = plain.take(chosen)
    columns = ["person_id", "image_id", "x", "y", "w", "h"]
    assert some.select(columns).equals(among_all.select(columns))
    for name in (MIRRORED, UNMIRRORED):
        assert vectors_of(some, name) == pytest.approx(vectors_of(among_all, name), abs=1e-4)


def test_boxes_stay_in_the_picture(pictures: Pictures, plain: pa.Table) -> None:
    sizes = {picture.image_id: (picture.width, picture.height) for picture in pictures}
    limits = np.array([sizes[image] for image in plain["image_id"].to_pylist()])
    corners = xywh_to_xyxy(np.column_stack([plain[name].to_numpy() for name in "xywh"]))
    assert (corners[:, :2] >= 0).all() and (corners[:, 2:] <= limits + 1e-3).all()


def ranks(distorted: NDArray[np.float32], originals: NDArray[np.float32]) -> NDArray[np.int64]:
    units = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (distorted, originals)]
    cosines = units[0] @ units[1].T
    return (cosines > np.diag(cosines)[:, None]).sum(axis=1)


def test_most_distorted_persons_find_themselves_first(
    detector: Detector, pictures: Pictures, persons: pa.Table, plain: pa.Table
) -> None:
    ids = persons["image_id"].to_numpy()
    boxes = corners_of(persons)
    occupied = [picture for picture in pictures if picture.image_id in set(ids)]
    each = [(None, picture.read().image, boxes[ids == picture.image_id]) for picture in occupied]
    originals = np.concatenate([vectors for _, vectors in embed_pictures(detector, each, PLAIN)])
    both = (ranks(vectors_of(plain, name), originals) for name in (MIRRORED, UNMIRRORED))
    first, first_unmirrored = ((ranked == 0).mean() for ranked in both)
    assert len(persons) > 25 and 0.5 < first < first_unmirrored


def test_mirroring_is_no_distortion_where_it_is_averaged_in(
    detector: Detector, pictures: Pictures, persons: pa.Table
) -> None:
    """It is computed once: the vector of the mirrored picture is the same, but for rounding."""
    settings = replace(PLAIN, mirrored=True)
    items = list(distorted_persons(pictures, persons.slice(0, 3), seed=0))
    vectors = embed_items_both_ways(detector, items, settings, "distorted")
    for item, table in zip(items, vectors, strict=True):
        assert isinstance(table, pa.Table)
        assert table["vector"].equals(table["vector_unmirrored"])
        image = item.picture.read().image
        turned = mirror(item.boxes, image.width)
        expected = embed_boxes(detector, ImageOps.mirror(image), turned, settings)
        assert vectors_of(table) == pytest.approx(expected, abs=2e-3)
