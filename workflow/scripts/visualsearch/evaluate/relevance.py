"""Measures of relevance for pictures that do not say who is in them, and their summaries.

Two persons are alike if their keypoints show the same pose, and if their images show the same other
categories. Summaries give each mean an interval, and compare it with chance.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.statistics import Bootstrap

# Standard deviations of the annotators for the 17 keypoints of COCO's persons, in units of the
# root of the person's area: https://cocodataset.org/#keypoints-eval
KEYPOINT_SIGMAS = (
    np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
)

# The interval of a measure of fewer persons is too narrow to be trusted.
FEWEST_PERSONS = 20

Values = NDArray[np.float64]


def pose_similarity(first: NDArray[Any], second: NDArray[Any]) -> Values:
    """Similarity of the poses of pairs of persons, 0 to 1.

    first, second: keypoints [..., 17, 2] in units of their box. COCO's object keypoint similarity,
    exp(-d^2 / (2 (2 sigma)^2)), averaged over the keypoints labelled in both; nan where no keypoint
    is. COCO divides both axes by one length, the root of the person's area.
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
    """Mean of the values that are not nan; nan where all are."""
    known = ~np.isnan(values)
    total, number = np.where(known, values, 0).sum(axis=axis), known.sum(axis=axis)
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def summary(
    values: Values, bootstrap: Bootstrap, chance: Values | None = None, base: Values | None = None
) -> dict[str, Any]:
    """Mean of a measure over persons, with its interval; compared with chance and with a base.

    values, chance, base: [Q], one value a person; persons whose value is nan are left out.
    chance: the same measure for pairs drawn at random. base: the same measure of another search.
    Returns value, interval and persons; with `chance` also chance, lift and lift_interval; with
    `base` also difference, which is `values` minus `base`, and difference_interval, of the persons
    known in both. None where nothing is known.
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


def above_chance(found: dict[str, Any]) -> bool:
    """Whether a `summary` of FEWEST_PERSONS or more lies above chance, by its interval.

    Shares of copies, whose chance is next to nothing, need only lie above 0.
    """
    ends = found["lift_interval" if "lift" in found else "interval"]
    return found["persons"] >= FEWEST_PERSONS and ends is not None and bool(ends[0] > 0)


def _rounded_mean(values: Values) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None


def by_height(
    values: Values,
    heights: Values,
    edges: Sequence[float],
    bootstrap: Bootstrap,
    chance: Values | None = None,
) -> list[dict[str, Any]]:
    """A `summary` for each range of box height.

    heights: [Q], pixels. edges: rising, pixels; a range includes its lower edge only. Ranges
    without a known value are left out.
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
