"""A map of all persons: two coordinates each, so that look-alikes lie together."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from visualsearch.data.person_order import rows_of_shards, vectors_of_rows
from visualsearch.data.tables import write_table

log = logging.getLogger(__name__)

# One row a person of the search set, in person order. The file's metadata names the method.
MAP = pa.schema([("person_id", pa.int64()), ("x", pa.float32()), ("y", pa.float32())])

PERPLEXITY = 30
SEED = 0
# Fewer persons have no neighbourhoods that could be kept.
LEAST_FOR_TSNE = 8
# By no more than this, equal vectors differ.
ROUNDING = 1e-6


def write_map(path: str | Path, reduced: Sequence[str], method: str) -> None:
    """Project the vectors of all shards; a row of MAP for each person. method: tsne or pca."""
    person_ids = rows_of_shards(reduced, ["person_id"])["person_id"]
    vectors = vectors_of_rows(reduced, np.arange(len(person_ids)))
    places, method = project(vectors, method)
    table = pa.table([person_ids, places[:, 0], places[:, 1]], schema=MAP)
    write_table(path, [table], MAP, {"method": method})


def project(vectors: NDArray[np.float32], method: str) -> tuple[NDArray[np.float32], str]:
    """Places of reduced vectors [N, D], float32 [N, 2], and the method used.

    "pca" takes their first two values, as those of the strongest components. "tsne" is
    t-SNE (van der Maaten and Hinton, JMLR 2008; van der Maaten, JMLR 2014), by scikit-learn;
    where there is too little for it, pca is used.
    """
    if method == "tsne":
        enough = len(vectors) >= LEAST_FOR_TSNE and vectors.shape[1] > 1
        if enough and np.ptp(vectors, axis=0).max() > ROUNDING:
            return _tsne(vectors), method
        log.warning("too little differs for t-SNE; the map shows two principal components instead")
    places = np.zeros((len(vectors), 2), dtype=np.float32)
    places[:, : vectors.shape[1]] = vectors[:, :2]
    return places, "pca"


def _tsne(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    log.info("t-SNE of %d persons; no progress is known until it is done", len(vectors))
    # A sum's last bits depend on the threads, and t-SNE makes much of little.
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(vectors)
