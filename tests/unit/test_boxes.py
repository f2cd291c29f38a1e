"""Box arithmetic against hand-made cases."""

import numpy as np
import pytest

from visualsearch.boxes import clip_to_image, iou, xywh_to_xyxy, xyxy_to_xywh


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


def test_iou_of_known_pairs() -> None:
    first = np.array([[0, 0, 2, 2], [5, 5, 5, 5]], np.float32)
    second = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [9, 9, 10, 10]], np.float32)
    assert iou(first, second) == pytest.approx(np.array([[1, 1 / 7, 0], [0, 0, 0]]))


def test_no_boxes_stay_no_boxes() -> None:
    empty = np.empty((0, 4), np.float32)
    assert xyxy_to_xywh(empty).shape == clip_to_image(empty, 9, 9).shape == (0, 4)
    assert iou(empty, empty).shape == (0, 0)
