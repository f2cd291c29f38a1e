"""Which persons a query finds: the nearest by the index, without those that are not wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from visualsearch.search.full_length import FullLengthCosines
from visualsearch.settings import SearchSettings

# Who takes only the limit for each image needs no index's package.
if TYPE_CHECKING:
    from visualsearch.index.index import Index

# Rounding may leave a cosine of equal vectors just below 1.
ROUNDING = 1e-6

# Rows of the index and their cosines, by falling cosine.
Found = tuple[NDArray[np.int64], NDArray[np.float64]]


def find_candidates(
    index: Index,
    image_ids: NDArray[np.int64],
    vector: NDArray[np.float32],
    k: int,
    per_image: int | None = None,
    depth: int = 0,
    own_row: int | None = None,
    own_image: int | None = None,
    same_image: bool = False,
) -> Found:
    """The nearest rows, of which k remain when at most `per_image` of an image are kept.

    image_ids: int64 [N], the image of each row. depth: return at least so many rows. own_row: the
    query's row, which is left out. own_image: the query's image, whose other persons are left out
    unless `same_image`.
    Returns rows and cosines by falling cosine; all that are allowed where the set has no more.
    """
    fetch = max(k, depth) + 1
    while True:
        rows, cosines = index.query(vector, fetch)
        keep = np.ones(len(rows), dtype=bool)
        if own_row is not None:
            keep &= rows != own_row
        if own_image is not None and not same_image:
            keep &= image_ids[rows] != own_image
        rows, cosines = rows[keep], cosines[keep]
        enough = first_enough(image_ids[rows], per_image, k, depth)
        if enough is not None:
            return rows[:enough], cosines[:enough]
        if fetch >= len(index):
            return rows, cosines
        fetch *= 2


def find_for_all(
    find: Callable[[int, int, int], Found],
    own_rows: Sequence[int | None],
    image_ids: NDArray[np.int64],
    k: int,
    depth: int,
    settings: SearchSettings,
    full_length: FullLengthCosines,
) -> list[Found]:
    """The candidates of each query, without near-duplicates if the settings leave them out.

    find: `find_candidates` of a query, by its place in own_rows, with k and depth. Asks for twice
    as many for the queries that have too few left, until each has enough or there are no more.
    """
    if not settings.exclude_near_duplicates:
        return [find(n, k, depth) for n in range(len(own_rows))]
    per_image = settings.hits_per_image
    result: dict[int, Found] = {}
    left, asked = list(range(len(own_rows))), max(k, depth)
    while left:
        found = [find(n, k, asked) for n in left]
        full = full_length.cosines([own_rows[n] for n in left], [rows for rows, _ in found])
        for n, (rows, cosines), full_cosines in zip(left, found, full, strict=True):
            others = ~are_near_duplicates(full_cosines, settings)
            no_more = len(rows) < asked
            rows, cosines = rows[others], cosines[others]
            enough = first_enough(image_ids[rows], per_image, k, depth)
            if enough is not None or no_more:
                result[n] = rows[:enough], cosines[:enough]
        left = [n for n in left if n not in result]
        asked *= 2
    return [result[n] for n in range(len(own_rows))]


def first_enough(
    image_ids: NDArray[np.int64], per_image: int | None, k: int, depth: int
) -> int | None:
    """How many of the first rows hold k within the limit and are `depth` or more; None if all are
    too few."""
    kept = np.flatnonzero(within_limit(image_ids, per_image))
    if len(kept) < k or len(image_ids) < depth:
        return None
    return max(int(kept[k - 1]) + 1 if k else 0, depth)


def within_limit(image_ids: NDArray[np.int64], per_image: int | None) -> NDArray[np.bool_]:
    """Which persons are among the first `per_image` of their image; all if it is None.

    image_ids: int64 [n], the image of each person, the best person first.
    """
    if per_image is None:
        return np.ones(len(image_ids), dtype=bool)
    order = np.argsort(image_ids, kind="stable")
    images = image_ids[order]
    place = np.arange(len(images)) - np.searchsorted(images, images)
    keep = np.empty(len(images), dtype=bool)
    keep[order] = place < per_image
    return keep


def are_near_duplicates(
    full_cosines: NDArray[np.float64], settings: SearchSettings
) -> NDArray[np.bool_]:
    """Whether neighbours with these cosines of full-length vectors are near-duplicates.

    The reduced vectors cannot tell: in a small set most of their components are noise, in which a
    copy differs from its original as much as another person does.
    """
    return full_cosines >= settings.near_duplicate - ROUNDING
