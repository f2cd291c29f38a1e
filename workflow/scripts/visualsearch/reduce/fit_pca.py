"""Fits the reduction with scikit-learn."""

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import IncrementalPCA
from threadpoolctl import threadpool_limits

from visualsearch.core.errors import InputError
from visualsearch.data.vectors import l2_normalised
from visualsearch.reduce.reduction import Reduction, identity_reduction

log = logging.getLogger(__name__)

# The most components, as a share of the persons. The last directions of a small set are of single
# persons: whitening makes their noise count as much as what persons share (docs/design.md).
MOST_PER_PERSON = 0.5
# Sets of fewer than 60 persons may keep so many: a handful makes everybody alike.
FEW = 30

# Rounding alone leaves less total variance than this between equal vectors of length 1.
NO_VARIANCE = 1e-10


def fit_reduction(
    batches: Iterable[NDArray[np.float32]],
    n_persons: int,
    length: int,
    n_components: float,
    whiten_power: float,
) -> Reduction:
    """Fit the reduction in one pass with scikit-learn's IncrementalPCA.

    batches: float32 [rows, length], n_persons rows together. Memory grows with the size of a batch,
    not with n_persons. n_components: a number of components or, below 1, the share of the variance
    that they must explain together; at most `most_components` are fitted. whiten_power: see
    `reduction`. With fewer than two persons, logs a warning and returns an identity reduction
    without reading `batches`. Raises InputError if all vectors are equal or one is not finite.
    https://scikit-learn.org/stable/modules/generated/sklearn.decomposition.IncrementalPCA.html
    """
    if n_persons < 2:
        log.warning(
            "the search set holds %s and a search needs at least 2; lower search_set.min_score or "
            "search_set.min_height, or give more pictures",
            "1 person" if n_persons else "nobody",
        )
        return identity_reduction(length, whiten_power, n_persons)
    limit = most_components(n_persons, length)
    fitted = limit if n_components < 1 else min(int(n_components), limit)
    if n_components > limit:
        log.info("%d components for %d persons, of %s asked for", limit, n_persons, n_components)
    pca = IncrementalPCA(n_components=fitted)
    with threadpool_limits(1):
        for batch in _of_at_least(fitted, batches):
            pca.partial_fit(l2_normalised(batch))
    if not pca.explained_variance_.sum() > NO_VARIANCE:
        raise InputError(
            "all persons of the search set have the same vector, so a search cannot rank them; "
            "give more pictures, or pictures that differ"
        )
    kept = fitted
    if n_components < 1:
        cumulative = np.cumsum(pca.explained_variance_ratio_)
        kept = min(int(np.searchsorted(cumulative, n_components - 1e-12)) + 1, fitted)
    return Reduction(
        pca.mean_.astype(np.float32),
        pca.components_[:kept].astype(np.float32),
        pca.explained_variance_,
        pca.explained_variance_ratio_,
        whiten_power,
        n_persons,
    )


def most_components(n_persons: int, length: int) -> int:
    """The most components that are kept for so many persons and vectors of this length.

    Half as many as persons: with half, 99 % of re-saved copies and more have a reduced cosine of
    0.9 to their original; with all, 83 to 92 %. The other measures differ little (docs/design.md).
    """
    return min(max(int(MOST_PER_PERSON * n_persons), min(n_persons - 1, FEW)), length)


def _of_at_least(
    rows: int, batches: Iterable[NDArray[np.float32]]
) -> Iterable[NDArray[np.float32]]:
    """Join batches until each has at least `rows` rows, as IncrementalPCA needs.

    The last batch also takes the rows that are left over.
    """
    ready: list[NDArray[np.float32]] = []
    waiting: list[NDArray[np.float32]] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= rows:
            if ready:
                yield np.concatenate(ready)
            ready, waiting = waiting, []
    if ready or waiting:
        yield np.concatenate(ready + waiting)
