"""Box arithmetic against hand-made cases."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from visualsearch.data.boxes import (
    Boxes,
    clip_to_image,
    grow,
    grow_to_aspect,
    iou,
    mirror,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

clip = partial(clip_to_image, width=100, height=50)


@pytest.mark.parametrize(
    ("change", "box", "expected"),
    [
        (xyxy_to_xywh, [1, 2, 4, 8], [1, 2, 3, 6]),
        (xywh_to_xyxy, [1, 2, 3, 6], [1, 2, 4, 8]),
        (clip, [-5, -5, 5, 5], [0, 0, 5, 5]),
        (clip, [90, 40, 120, 60], [90, 40, 100, 50]),
        (clip, [200, 10, 220, 20], [99, 10, 100, 20]),  # outside: one pixel at the border is left
        (clip, [10, 10, 10, 10], [10, 10, 11, 11]),  # empty: one pixel
        (clip, [-9, -9, -1, -1], [0, 0, 1, 1]),
        (partial(grow, margin=0.25), [10, 20, 30, 60], [5, 10, 35, 70]),
        (partial(grow, margin=0), [0.5, 0.1, 7.7, 9.9], [0.5, 0.1, 7.7, 9.9]),
        (partial(grow_to_aspect, aspect=2), [10, 10, 20, 30], [-5, 10, 35, 30]),  # too narrow
        (partial(grow_to_aspect, aspect=2), [10, 10, 50, 20], [10, 5, 50, 25]),  # too low
        (partial(grow_to_aspect, aspect=0.5), [0, 0, 20, 40], [0, 0, 20, 40]),
        (partial(mirror, width=100), [0, 5, 30, 60], [70, 5, 100, 60]),
        (partial(mirror, width=100), [90, 0, 100, 50], [0, 0, 10, 50]),
    ],
)
def test_boxes_by_hand(change: Callable[..., Boxes], box: list[float], expected: list[int]) -> None:
    changed = change(np.array([box], np.float32))
    assert np.array_equal(changed, np.array([expected], np.float32))
    assert change(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_iou_of_known_pairs() -> None:
    first = np.array([[0, 0, 2, 2], [5, 5, 5, 5]], np.float32)
    second = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [9, 9, 10, 10]], np.float32)
    assert iou(first, second) == pytest.approx(np.array([[1, 1 / 7, 0], [0, 0, 0]]))
    assert iou(first[:0], second[:0]).shape == (0, 0)
