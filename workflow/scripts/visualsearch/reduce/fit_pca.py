"""Fit the reduction. The only module that needs scikit-learn."""

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import IncrementalPCA
from threadpoolctl import threadpool_limits

from visualsearch.core.errors import InputError
from visualsearch.reduce.reduction import Reduction, l2_normalised, unreduced

log = logging.getLogger(__name__)

# Of vectors of length 1: what rounding alone leaves between equal ones is below.
NO_VARIANCE = 1e-10


def fit_reduction(
    batches: Iterable[NDArray[np.float32]],
    n_persons: int,
    length: int,
    n_components: float,
    whiten_power: float,
) -> Reduction:
    """Fit the reduction in one pass with scikit-learn's IncrementalPCA.

    batches: float32 [rows, length], n_persons rows together; memory grows with the batch and not
    with n_persons. n_components: a number of components, or below 1 the share of the variance
    they must explain together. Fewer persons than components give as many as there can be, and
    fewer than two, who differ from nobody, leave vectors their length and `batches` unread.
    Raises InputError where all are the same.
    https://scikit-learn.org/stable/modules/generated/sklearn.decomposition.IncrementalPCA.html
    """
    if n_persons < 2:
        log.warning(
            "the search set holds %s and a search needs at least 2; lower search_set.min_score or "
            "search_set.min_height, or give more pictures",
            "1 person" if n_persons else "nobody",
        )
        return unreduced(length, whiten_power, n_persons)
    most = min(n_persons - 1, length)
    asked = most if n_components < 1 else min(int(n_components), most)
    pca = IncrementalPCA(n_components=asked)
    with threadpool_limits(1):
        for batch in _of_at_least(asked, batches):
            pca.partial_fit(l2_normalised(batch))
    if not pca.explained_variance_.sum() > NO_VARIANCE:
        raise InputError(
            "all persons of the search set have the same vector, so none is more alike than "
            "another; give more pictures, or pictures that differ"
        )
    kept = asked
    if n_components < 1:
        cumulative = np.cumsum(pca.explained_variance_ratio_)
        kept = min(int(np.searchsorted(cumulative, n_components - 1e-12)) + 1, asked)
    return Reduction(
        pca.mean_.astype(np.float32),
        pca.components_[:kept].astype(np.float32),
        pca.explained_variance_,
        pca.explained_variance_ratio_,
        whiten_power,
        n_persons,
    )


def _of_at_least(
    rows: int, batches: Iterable[NDArray[np.float32]]
) -> Iterable[NDArray[np.float32]]:
    """Join batches until each has `rows` rows or more, which IncrementalPCA asks for."""
    held: NDArray[np.float32] | None = None
    ready: NDArray[np.float32] | None = None
    for batch in batches:
        held = batch if held is None else np.concatenate([held, batch])
        if len(held) >= rows:
            if ready is not None:
                yield ready
            ready, held = held, None
    parts = [part for part in (ready, held) if part is not None]
    if parts:
        yield np.concatenate(parts)
