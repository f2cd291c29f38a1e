"""Measures of how alike neighbours are, for pictures that do not say who is in them.

Keypoints tell whether two persons hold the same pose, the other categories in their images whether
they are in the same surroundings, labels what else is known. Without any annotation there is the
distorted copy: it should find the person that it was made of.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.statistics import Bootstrap
from visualsearch.data.boxes import Boxes, iou

# Standard deviations of the annotators for the 17 keypoints of COCO's persons, in units of the
# root of the person's area: https://cocodataset.org/#keypoints-eval
KEYPOINT_SIGMAS = (
    np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
)
MATCHING_IOU = 0.5

Values = NDArray[np.float64]


def match(detected: Boxes, annotated: Boxes, least_iou: float = MATCHING_IOU) -> NDArray[np.int64]:
    """Pair detections of one image with its annotations, one to one.

    detected: corners [N, 4] by falling score; each in turn takes the free annotation that it
    overlaps most, as in COCO's evaluation. annotated: corners [M, 4]. Returns int64 [N]: the
    annotation of each detection, -1 where none of at least `least_iou` is left.
    """
    found = np.full(len(detected), -1, dtype=np.int64)
    if not len(annotated):
        return found
    overlaps = iou(detected, annotated)
    for row in range(len(detected)):
        best = int(np.argmax(overlaps[row]))
        if overlaps[row, best] >= least_iou:
            found[row] = best
            overlaps[:, best] = -1
    return found


def normalised_keypoints(keypoints: NDArray[Any], boxes: NDArray[Any]) -> Values:
    """Keypoints in units of their person's box, so that place and size do not count.

    keypoints: [N, 17, 3], x, y and visibility as COCO has them. boxes: x, y, w, h [N, 4].
    Returns [N, 17, 2]; nan for keypoints without a label (visibility 0).
    """
    places = (keypoints[:, :, :2] - boxes[:, None, :2]) / np.maximum(boxes[:, None, 2:], 1)
    return np.where(keypoints[:, :, 2:] > 0, places, np.nan)


def pose_similarity(first: NDArray[Any], second: NDArray[Any]) -> Values:
    """How alike poses are, 0 to 1, for pairs of persons.

    first, second: normalised keypoints [..., 17, 2]. COCO's object keypoint similarity with the
    box as the unit of area, exp(-d^2 / (2 (2 sigma)^2)), averaged over the keypoints labelled in
    both; nan where there is none.
    """
    squared = ((first - second) ** 2).sum(axis=-1)
    alike = np.exp(-squared / (8 * KEYPOINT_SIGMAS**2))
    both = ~np.isnan(alike)
    total, number = np.where(both, alike, 0).sum(axis=-1), both.sum(axis=-1)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def context_overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Values:
    """Jaccard overlap of two sets of categories, 0 to 1, for pairs; 0 where both are empty.

    first, second: bool [..., C], which categories an image shows.
    """
    both = (first & second).sum(axis=-1)
    either = (first | second).sum(axis=-1)
    return np.divide(both, either, out=np.zeros(both.shape), where=either > 0)


def mean_of_known(values: Values, axis: int = -1) -> Values:
    """Mean of the values that are not nan; nan where none is."""
    known = ~np.isnan(values)
    total, number = np.where(known, values, 0).sum(axis=axis), known.sum(axis=axis)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def average_precision(relevant: NDArray[np.bool_]) -> float:
    """Mean of the precisions at each relevant place of a ranking; nan where nothing is relevant."""
    places = np.flatnonzero(relevant) + 1
    if not len(places):
        return float("nan")
    return float((np.arange(1, len(places) + 1) / places).mean())


def summary(
    values: Values,
    bootstrap: Bootstrap,
    chance: Values | None = None,
    base: Values | None = None,
) -> dict[str, Any]:
    """Mean of one value a person with its interval; what lies above chance; and what differs.

    values, chance, base: [Q]; nan where a person's value is not known, who then counts for nothing.
    chance: the same measure for pairs drawn at random. base: the same measure of something else,
    person by person.
    Returns value, interval and persons; with `chance` also chance, lift and lift_interval; with
    `base` also difference, `values` less `base`, and difference_interval, of the persons known in
    both. None where nothing is known.
    """
    known = ~np.isnan(values) if chance is None else ~np.isnan(values) & ~np.isnan(chance)
    result: dict[str, Any] = {"persons": int(known.sum())}
    result["value"] = _rounded_mean(values[known])
    result["interval"] = bootstrap.share_interval(np.where(known, values, np.nan))
    if chance is not None:
        lift = np.where(known, values - chance, np.nan)
        result["chance"] = _rounded_mean(chance[known])
        result["lift"] = _rounded_mean(lift[known])
        result["lift_interval"] = bootstrap.interval(lift)
    if base is not None:
        difference = np.where(known, values - base, np.nan)
        result["difference"] = _rounded_mean(difference[~np.isnan(difference)])
        result["difference_interval"] = bootstrap.interval(difference)
    return result


def _rounded_mean(values: Values) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None


def by_height(
    values: Values,
    heights: Values,
    edges: Sequence[float],
    bootstrap: Bootstrap,
    chance: Values | None = None,
) -> list[dict[str, Any]]:
    """`summary` of the persons of each range of box height.

    heights: [Q], pixels. edges: rising, pixels; a range holds its lower edge and not its upper.
    Ranges with no known value are left out.
    """
    bounds = [0.0, *edges, float("inf")]
    strata = []
    for low, high in pairwise(bounds):
        inside = (heights >= low) & (heights < high)
        found = summary(np.where(inside, values, np.nan), bootstrap, chance)
        if found["persons"]:
            height = {"height_from": low, "height_below": None if high == float("inf") else high}
            strata.append(height | found)
    return strata
