"""Each measure on a case made by hand, whose value is known."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from visualsearch.core.statistics import Bootstrap
from visualsearch.data.tables import PERSONS
from visualsearch.evaluate.mean_average_precision import average_precision
from visualsearch.evaluate.person_facts import match, normalised_keypoints, person_facts
from visualsearch.evaluate.relevance import (
    KEYPOINT_SIGMAS,
    by_height,
    context_overlap,
    pose_similarity,
    summary,
)


def corners(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("detected", "annotated", "expected"),
    [
        (  # the annotation that it overlaps most
            [(20, 1, 30, 11), (0, 0, 10, 12), (50, 50, 60, 60)],
            [(0, 0, 10, 10), (20, 0, 30, 10)],
            [1, 0, -1],
        ),
        # An annotation is taken once, by the detection of the better score.
        ([(0, 0, 10, 14), (0, 0, 10, 10)], [(0, 0, 10, 10)], [0, -1]),
        # An overlap of less than half is no match.
        ([(0, 0, 10, 10)], [(0, 0, 10, 20.1)], [-1]),
        ([(0, 0, 10, 10)], [(0, 0, 10, 20)], [0]),
        ([(0, 0, 10, 10)], [], [-1]),
    ],
)
def test_detections_are_matched_with_annotations(
    detected: list, annotated: list, expected: list[int]
) -> None:
    assert match(corners(*detected), corners(*annotated)).tolist() == expected


def person(x: float, y: float, w: float, h: float, labelled: int = 17) -> tuple[np.ndarray, list]:
    """The same pose in any box: keypoint i is at (i / 17, i / 34) of it."""
    points = np.zeros((17, 3))
    i = np.arange(17)
    points[:, 0], points[:, 1] = x + w * i / 17, y + h * i / 34
    points[:labelled, 2] = 2
    return points, [x, y, w, h]


def normalised(*persons: tuple[np.ndarray, list]) -> np.ndarray:
    return normalised_keypoints(
        np.stack([p[0] for p in persons]), np.array([p[1] for p in persons])
    )


def test_place_and_size_of_a_pose_do_not_count() -> None:
    first, second = normalised(person(0, 0, 100, 200), person(300, 50, 20, 77))
    assert pose_similarity(first, second) == pytest.approx(1)


def test_pose_similarity_is_cocos_with_the_box_as_unit() -> None:
    points, box = person(0, 0, 100, 200)
    moved = points.copy()
    moved[:, 0] += 10  # a tenth of the box's width
    first, second = normalised((points, box), (moved, box))
    expected = np.exp(-(0.1**2) / (2 * (2 * KEYPOINT_SIGMAS) ** 2)).mean()
    assert pose_similarity(first, second) == pytest.approx(expected)


def in_one_scale(*persons: tuple[np.ndarray, list]) -> np.ndarray:
    """The keypoints of persons that are each alone in an image, as person_facts finds them."""
    annotations = {
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {
                "image_id": i,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": box,
                "keypoints": points.ravel().tolist(),
            }
            for i, (points, box) in enumerate(persons)
        ],
    }
    boxes = np.array([box for _, box in persons], dtype=np.float32).T
    table = pa.table({"image_id": np.arange(len(persons)), **dict(zip("xywh", boxes, strict=True))})
    facts = person_facts(annotations, table, "person")
    return facts.in_one_scale(np.arange(len(persons)))


def test_in_one_scale_a_lying_person_is_not_posed_as_a_standing_one() -> None:
    """Pose by the sides of the box takes both for the same; by one length they differ."""
    standing, lying = person(0, 0, 50, 200), person(0, 0, 200, 50)
    assert pose_similarity(*normalised(standing, lying)) == pytest.approx(1)
    first, second = in_one_scale(standing, lying)
    # Keypoint i lies at (i / 17, i / 34) of the box; the root of both areas is 100.
    i = np.arange(17)
    x, y = (i / 17 - 0.5) * 1.5, (i / 34 - 0.5) * 1.5
    expected = np.exp(-(x**2 + y**2) / (2 * (2 * KEYPOINT_SIGMAS) ** 2)).mean()
    assert pose_similarity(first, second) == pytest.approx(expected, rel=1e-5)
    assert expected < 0.1


def test_in_one_scale_place_and_size_do_not_count_and_a_move_counts_as_in_coco() -> None:
    points, box = person(0, 0, 50, 200)
    moved = points.copy()
    moved[:, 0] += 10
    first, elsewhere, second = in_one_scale((points, box), person(300, 50, 25, 100), (moved, box))
    assert pose_similarity(first, elsewhere) == pytest.approx(1)
    # COCO's: squared distance by the area and by (2 sigma) squared, halved.
    expected = np.exp(-(10**2) / (50 * 200) / (2 * (2 * KEYPOINT_SIGMAS) ** 2)).mean()
    assert pose_similarity(first, second) == pytest.approx(expected, rel=1e-5)


def test_facts_are_those_of_the_matched_annotation() -> None:
    rows = [(1000, 1, 0, 0), (1001, 1, 50, 0), (2000, 2, 0, 0), (3000, 3, 0, 0)]
    persons = pa.table(
        {
            "person_id": [row[0] for row in rows],
            "image_id": [row[1] for row in rows],
            "det_index": [0, 1, 0, 0],
            "score": [0.9] * 4,
            "x": [row[2] for row in rows],
            "y": [row[3] for row in rows],
            "w": [20] * 4,
            "h": [100] * 4,
        }
    ).cast(PERSONS)
    points = [10, 50, 2, *[0] * 48]

    def annotation(image: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
        return {"image_id": image, "category_id": category, "bbox": box, "iscrowd": 0} | more

    annotations = {
        "categories": [
            {"id": 1, "name": "person"}, {"id": 7, "name": "train"}, {"id": 9, "name": "boat"},
        ],
        "annotations": [
            annotation(1, 1, [50, 0, 20, 100], keypoints=points),
            annotation(1, 9, [0, 0, 5, 5]),
            annotation(2, 1, [0, 0, 20, 100], iscrowd=1),
            annotation(2, 7, [0, 0, 5, 5]),
        ],
    }  # fmt: skip
    facts = person_facts(annotations, persons, "person")
    assert facts.matched.tolist() == [False, True, False, False]
    assert facts.context[1].tolist() == [False, True]  # train, boat
    assert not facts.context[[0, 2, 3]].any()
    assert facts.keypoints[1, 0] == pytest.approx([(10 - 50) / 20, 0.5])
    # From the centre, (60, 50), by the root of 20 x 100.
    assert facts.in_one_scale(np.array([1]))[0, 0] == pytest.approx([-50 / 2000**0.5, 0])
    assert np.isnan(facts.in_one_scale(np.array([0, 2, 3]))).all()
    assert np.isnan(facts.keypoints[1, 1:]).all()


def test_only_keypoints_labelled_in_both_count() -> None:
    whole, half = normalised(person(0, 0, 100, 200), person(0, 0, 100, 200, labelled=8))
    assert pose_similarity(whole, half) == pytest.approx(1)
    nothing = normalised(person(0, 0, 100, 200, labelled=0))[0]
    assert np.isnan(pose_similarity(whole, nothing))


def test_context_is_the_jaccard_overlap() -> None:
    def shows(*categories: int) -> np.ndarray:
        return np.isin(np.arange(6), categories)

    assert context_overlap(shows(0, 1, 2), shows(1, 2, 3)) == pytest.approx(2 / 4)
    assert context_overlap(shows(0), shows(0)) == 1
    assert context_overlap(shows(), shows()) == 0
    assert context_overlap(shows(4), shows()) == 0


def test_average_precision_by_hand() -> None:
    assert average_precision(np.array([1, 0, 1, 0], bool)) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert average_precision(np.array([0, 0, 0, 1], bool)) == pytest.approx(1 / 4)
    assert np.isnan(average_precision(np.array([0, 0], bool)))


def test_interval_of_a_mean_is_near_the_normal_one() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(5, 2, size=400)
    low, high = Bootstrap(np.arange(400), 2000, seed=0).interval(values) or (0, 0)
    assert low == pytest.approx(values.mean() - 1.96 * 0.1, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * 0.1, abs=0.03)


def test_persons_of_one_image_are_drawn_together() -> None:
    """Twenty persons of one image say no more than one, if they say the same."""
    values = np.repeat(np.random.default_rng(0).normal(size=20), 20)
    images = np.repeat(np.arange(20), 20)

    def width(image_ids: np.ndarray) -> float:
        low, high = Bootstrap(image_ids, 1000, seed=0).interval(values) or (0, 0)
        return high - low

    assert width(images) > 3 * width(np.arange(400))


def test_summary_leaves_out_what_is_not_known() -> None:
    values = np.array([0.5, np.nan, 1.0, 0.3])
    chance = np.array([0.1, 0.9, np.nan, 0.1])
    found = summary(values, Bootstrap(np.arange(4), 200, 0), chance)
    assert found["persons"] == 2
    assert found["value"] == pytest.approx(0.4)
    assert found["chance"] == pytest.approx(0.1)
    assert found["lift"] == pytest.approx(0.3)
    low, high = found["lift_interval"]
    assert 0.2 <= low <= 0.3 <= high <= 0.4
    nothing = summary(np.full(4, np.nan), Bootstrap(np.arange(4), 200, 0))
    assert nothing == {"persons": 0, "value": None, "interval": None}


def test_a_range_of_heights_holds_its_lower_edge() -> None:
    values = np.array([1.0, 0.0, 0.5, np.nan])
    heights = np.array([50.0, 96.0, 191.0, 400.0])
    strata = by_height(values, heights, (96, 192), Bootstrap(np.arange(4), 100, 0))
    assert [(s["height_from"], s["height_below"], s["value"]) for s in strata] == [
        (0, 96, 1),
        (96, 192, 0.25),
    ]


def test_difference_is_of_the_persons_known_in_both() -> None:
    values = np.array([0.5, 0.7, np.nan, 0.9])
    base = np.array([0.4, np.nan, 0.1, 0.6])
    found = summary(values, Bootstrap(np.arange(4), 500, 0), base=base)
    assert found["value"] == pytest.approx(0.7)
    assert found["difference"] == pytest.approx(0.2)
    assert found["difference_interval"] == [pytest.approx(0.1), pytest.approx(0.3)]


def test_a_small_sample_without_a_miss_is_not_sure() -> None:
    """Wilson: 1 - z^2 / (n + z^2), where n counts images."""
    images = np.repeat(np.arange(5), 2)
    found = summary(np.ones(10), Bootstrap(images, 200, 0))
    assert found["interval"] == [pytest.approx(1 - 3.8415 / 8.8415, abs=1e-4), 1]
    none = summary(np.zeros(10), Bootstrap(images, 200, 0))
    assert none["interval"] == [0, pytest.approx(3.8415 / 8.8415, abs=1e-4)]
