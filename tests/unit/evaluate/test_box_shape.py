"""Neighbours by box shape, on boxes made by hand."""

import numpy as np
import pyarrow as pa
import pytest

from visualsearch.data.boxes import at_edges, xywh_to_xyxy
from visualsearch.evaluate.box_shape import box_features, nearest_by_shape

SIZE = (200, 100)


def persons(*boxes: tuple[float, float, float, float]) -> pa.Table:
    columns = np.array(boxes, dtype=np.float32).reshape(-1, 4).T
    return pa.table(dict(zip("xywh", columns, strict=True)))


def features_of(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    return box_features(persons(*boxes), np.array([SIZE] * len(boxes)).reshape(-1, 2))


def test_the_edges_that_a_box_touches() -> None:
    boxes = np.array([(0, 0, 200, 100), (50, 20, 10, 10), (1.9, 50, 40, 49.5), (2.1, 50, 40, 48)])
    assert at_edges(xywh_to_xyxy(boxes), np.array([SIZE] * 4)).tolist() == [
        [True, True, True, True],
        [False, False, False, False],
        [True, False, False, True],  # within a hundredth of the width and the height
        [False, False, False, False],
    ]


def test_features_are_aspect_height_and_edges_in_units_of_their_spread() -> None:
    found = features_of((50, 20, 20, 40), (50, 20, 40, 40), (50, 20, 20, 40), (50, 60, 40, 40))
    # Two are twice as wide, one of these ends at the bottom, and all are of one height.
    assert found[:, 0] == pytest.approx([-1, 1, -1, 1])
    assert found[:, 1:5] == pytest.approx(0)
    assert found[:, 5] == pytest.approx(np.array([-1, -1, -1, 3]) / np.sqrt(3))


def test_height_is_the_share_of_the_own_picture() -> None:
    sizes = np.array([(100, 100), (400, 400), (100, 100)])
    found = box_features(persons((9, 9, 20, 40), (9, 9, 80, 160), (9, 9, 10, 20)), sizes)
    assert found[0] == pytest.approx(found[1])
    assert found[0, 1] > found[2, 1]


def test_the_nearest_are_of_other_images_and_equal_ones_come_by_row() -> None:
    wide, tall = (50, 20, 40, 20), (50, 20, 20, 40)
    features = features_of(wide, tall, wide, tall, tall, wide, tall)
    images = np.array([1, 1, 2, 2, 3, 3, 4])
    found = nearest_by_shape(features, np.array([0, 4]), images, 4)
    # Of row 0, the wide rows 2 and 5 first, then the tall ones elsewhere.
    assert found.tolist() == [[2, 5, 3, 4], [1, 3, 6, 0]]


def test_fewer_than_asked_are_filled_up() -> None:
    features = features_of((50, 20, 40, 20), (50, 20, 20, 40), (50, 20, 20, 40))
    found = nearest_by_shape(features, np.arange(3), np.array([1, 1, 2]), 2)
    assert found.tolist() == [[2, -1], [2, -1], [1, 0]]
    alone = nearest_by_shape(features[:1], np.arange(1), np.array([1]), 2)
    assert alone.tolist() == [[-1, -1]]
    assert nearest_by_shape(features_of(), np.arange(0), np.arange(0), 2).shape == (0, 2)
