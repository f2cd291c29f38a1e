"""What must hold for any image ids, shards, boxes and skipped pictures. Inputs by hypothesis."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from any_values import texts, writable
from visualsearch.data.boxes import (
    clip_to_image,
    grow,
    grow_to_aspect,
    iou,
    mirror,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from visualsearch.data.manifest import (
    MANIFEST_SCHEMA,
    MAX_IMAGE_ID,
    FetchedImage,
    ListedImage,
    merge_manifests,
    person_id,
    read_manifest,
    shard_of,
    split_person_id,
    write_manifest,
)
from visualsearch.data.skipped import Skipped, read_skipped, write_skipped
from visualsearch.fetch.folder import id_of_name

image_ids = st.integers(0, MAX_IMAGE_ID)
shards = st.integers(1, 512)


@given(st.lists(image_ids, unique=True, max_size=60), shards)
def test_every_picture_is_in_one_shard(ids: list[int], count: int) -> None:
    of = [shard_of(i, count) for i in ids]
    assert all(0 <= shard < count for shard in of)
    assert shard_of(np.array(ids, dtype=np.int64), count).tolist() == of


@given(st.lists(image_ids, unique=True, max_size=12), st.integers(1, 4), st.randoms())
def test_a_manifest_is_the_same_for_any_order_and_shards(
    ids: list[int], count: int, random: Any
) -> None:
    """The size is that of the file, not the one that its source promised."""
    images = [
        FetchedImage(ListedImage(i, f"{i}.jpg", 9, 9, license_id=4), 3 + n, 2, "0" * 64)
        for n, i in enumerate(ids)
    ]
    random.shuffle(images)
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{shard}.parquet" for shard in range(count)]
        for shard, path in enumerate(paths):
            own = [image for image in images if shard_of(image.listed.image_id, count) == shard]
            write_manifest(path, own, count)
        whole = Path(name) / "whole.parquet"
        assert merge_manifests(paths, whole) == len(ids)
        table = read_manifest(whole)
        assert table.schema.equals(MANIFEST_SCHEMA)
        columns = ["image_id", "width", "license_id", "shard"]
        rows = read_manifest(whole, columns).to_pylist()
    expected = [(i, 3 + n, 4, shard_of(i, count)) for n, i in enumerate(ids)]
    assert [tuple(row[column] for column in columns) for row in rows] == sorted(expected)


@given(st.integers(0, MAX_IMAGE_ID - 2000), st.integers(1, 2000), shards)
def test_numbered_pictures_fill_shards_evenly(first: int, n: int, count: int) -> None:
    sizes = np.bincount(shard_of(np.arange(first, first + n), count), minlength=count)
    assert sizes.max() - sizes.min() <= 1


@given(texts.filter(str.isprintable), st.integers(2, 64))
def test_pictures_of_a_folder_fill_shards_evenly(prefix: str, count: int) -> None:
    n = 50 * count
    ids = np.array([id_of_name(f"{prefix}{number}.jpg") for number in range(n)])
    sizes = np.bincount(shard_of(ids, count), minlength=count)
    # In a fair draw, six standard deviations happen once in a thousand million shards.
    assert np.abs(sizes - 50).max() <= 6 * np.sqrt(50)


@given(image_ids, st.integers(0, 999))
def test_a_person_id_is_image_and_number(image: int, number: int) -> None:
    packed = person_id(np.array([image], np.int64), np.array([number], np.int16))
    assert packed.dtype == np.int64 and packed.tolist() == [image * 1000 + number]
    assert len(str(packed[0])) <= 15 and packed[0] == person_id(image, number)
    assert [part.tolist() for part in split_person_id(packed)] == [[image], [number]]


# Coordinates as pictures have them: float32 is then exact to 1/128 of a pixel, and to a relative
# 2^-23 after each step.
LARGEST = 2.0**15
STEP = LARGEST * 2.0**-23
coordinates = st.floats(-LARGEST, LARGEST, width=32)
anywhere = arrays.arrays(np.float32, st.tuples(st.integers(0, 6), st.just(4)), elements=coordinates)
sides = st.integers(1, 20_000)


@st.composite
def corners(draw: st.DrawFn) -> np.ndarray:
    """Boxes whose sides are not negative."""
    halves = np.split(draw(anywhere), 2, 1)
    return np.concatenate([np.minimum(*halves), np.maximum(*halves)], 1)


@given(anywhere, sides)
def test_layouts_and_mirrors_are_inverses(boxes: np.ndarray, width: int) -> None:
    for twice in (
        xywh_to_xyxy(xyxy_to_xywh(boxes)),
        xyxy_to_xywh(xywh_to_xyxy(boxes)),
        mirror(mirror(boxes, width), width),
    ):
        assert np.allclose(twice, boxes, rtol=0, atol=4 * STEP)


@given(anywhere, sides, sides)
def test_a_clipped_box_is_inside_and_stays(boxes: np.ndarray, width: int, height: int) -> None:
    clipped = clip_to_image(boxes, width, height)
    assert (clipped[:, :2] >= 0).all() and (clipped[:, 2:] <= [width, height]).all()
    assert (clipped[:, 2:] - clipped[:, :2] >= 1 - STEP).all()
    assert np.array_equal(clip_to_image(clipped, width, height), clipped)


@given(corners(), sides)
def test_a_mirrored_box_is_as_large_and_as_far_in(boxes: np.ndarray, width: int) -> None:
    mirrored = mirror(boxes, width)
    sizes = [xyxy_to_xywh(b)[:, 2:] for b in (mirrored, boxes)]
    assert np.allclose(*sizes, rtol=0, atol=4 * STEP)
    assert np.allclose(mirrored[:, 2], width - boxes[:, 0], rtol=0, atol=STEP)


@given(corners(), st.floats(0, 1), st.floats(1 / 32, 32))
def test_a_grown_box_holds_the_box(boxes: np.ndarray, margin: float, aspect: float) -> None:
    grown = grow(boxes, margin)
    assert (grown[:, :2] <= boxes[:, :2]).all() and (grown[:, 2:] >= boxes[:, 2:]).all()
    grown = grow_to_aspect(boxes, aspect)
    assert (grown[:, :2] <= boxes[:, :2] + STEP).all()
    assert (grown[:, 2:] >= boxes[:, 2:] - STEP).all()
    width, height = xyxy_to_xywh(grown)[:, 2:].T.astype(np.float64)
    # A side may be off by a few steps of the coordinates, whatever its length.
    assert (np.abs(width - aspect * height) <= 64 * STEP * (1 + aspect)).all()
    centres = [(b[:, :2].astype(np.float64) + b[:, 2:]) / 2 for b in (boxes, grown)]
    assert np.allclose(*centres, rtol=1e-6, atol=64 * STEP)


@given(anywhere, anywhere)
def test_iou_is_a_share_and_the_same_both_ways(first: np.ndarray, second: np.ndarray) -> None:
    overlaps = iou(first, second)
    assert overlaps.shape == (len(first), len(second))
    assert (overlaps >= 0).all() and (overlaps <= 1 + 1e-6).all()
    assert np.array_equal(overlaps, iou(second, first).T)


@given(corners())
def test_iou_of_a_box_with_itself_is_one(boxes: np.ndarray) -> None:
    # Products of tiny sides vanish in float32.
    solid = boxes[(boxes[:, 2:] - boxes[:, :2] >= 2**-10).all(axis=1)]
    assert np.allclose(np.diagonal(iou(solid, solid)), 1, rtol=1e-6)


@given(st.lists(writable, max_size=4))
@example(["\ud7fc", "\u200d\xa0", "\U000e0001", "\\x1b", "\\u2028", "\\U", "=1", "\r\n\t"])
def test_skipped_pictures_are_read_as_they_were_written(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "skipped.tsv"
        skipped = [Skipped(number, f"{number}{text}", text) for number, text in enumerate(texts)]
        write_skipped(path, skipped)
        assert read_skipped(path) == skipped
        written = path.read_text(encoding="utf-8")
        assert all(char.isprintable() for char in written if char not in "\n\t")
