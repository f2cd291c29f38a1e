"""Box arithmetic against hand-made cases."""

import numpy as np
import pytest

from visualsearch.data.boxes import (
    clip_to_image,
    grow,
    grow_to_aspect,
    iou,
    mirror,
    xywh_to_xyxy,
    xyxy_to_xywh,
)


def test_layouts_are_each_others_inverse() -> None:
    corners = np.array([[1, 2, 4, 8], [0, 0, 10, 5]], np.float32)
    assert xyxy_to_xywh(corners).tolist() == [[1, 2, 3, 6], [0, 0, 10, 5]]
    assert np.array_equal(xywh_to_xyxy(xyxy_to_xywh(corners)), corners)


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ([-5, -5, 5, 5], [0, 0, 5, 5]),
        ([90, 40, 120, 60], [90, 40, 100, 50]),
        ([200, 10, 220, 20], [99, 10, 100, 20]),  # outside: one pixel at the border is left
        ([10, 10, 10, 10], [10, 10, 11, 11]),  # empty: one pixel
        ([-9, -9, -1, -1], [0, 0, 1, 1]),
    ],
)
def test_clipped_box_is_inside_and_not_empty(box: list[int], clipped: list[int]) -> None:
    assert clip_to_image(np.array([box], np.float32), width=100, height=50).tolist() == [clipped]


def test_a_margin_is_a_share_of_each_side() -> None:
    box = np.array([[10, 20, 30, 60]], np.float32)
    assert grow(box, 0.25).tolist() == [[5, 10, 35, 70]]
    awkward = np.array([[1 / 3, 0.1, 7.7, 9.9]], np.float32)
    assert np.array_equal(grow(awkward, 0), awkward)


@pytest.mark.parametrize(
    ("box", "aspect", "grown"),
    [
        ([10, 10, 20, 30], 2, [-5, 10, 35, 30]),  # too narrow
        ([10, 10, 50, 20], 2, [10, 5, 50, 25]),  # too low
        ([0, 0, 20, 40], 0.5, [0, 0, 20, 40]),
    ],
)
def test_a_box_grows_to_an_aspect_about_its_centre(
    box: list[int], aspect: float, grown: list[int]
) -> None:
    assert grow_to_aspect(np.array([box], np.float32), aspect).tolist() == [grown]


def test_mirroring_twice_changes_nothing() -> None:
    boxes = np.array([[0, 5, 30, 60], [90, 0, 100, 50]], np.float32)
    assert mirror(boxes, 100).tolist() == [[70, 5, 100, 60], [0, 0, 10, 50]]
    assert np.array_equal(mirror(mirror(boxes, 100), 100), boxes)


def test_iou_of_known_pairs() -> None:
    first = np.array([[0, 0, 2, 2], [5, 5, 5, 5]], np.float32)
    second = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [9, 9, 10, 10]], np.float32)
    assert iou(first, second) == pytest.approx(np.array([[1, 1 / 7, 0], [0, 0, 0]]))


def test_no_boxes_stay_no_boxes() -> None:
    empty = np.empty((0, 4), np.float32)
    assert xyxy_to_xywh(empty).shape == clip_to_image(empty, 9, 9).shape == (0, 4)
    assert iou(empty, empty).shape == (0, 0)
    assert grow(empty, 0.5).shape == grow_to_aspect(empty, 2).shape == (0, 4)
    assert mirror(empty, 9).shape == (0, 4)
