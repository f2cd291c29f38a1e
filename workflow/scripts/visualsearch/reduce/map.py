"""Projects all persons to two dimensions, so that similar persons lie close together."""

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

# A row for each person of the search set, in person order. The file's metadata names the method.
MAP = pa.schema([("person_id", pa.int64()), ("x", pa.float32()), ("y", pa.float32())])

PERPLEXITY = 30
SEED = 0
MIN_PERSONS_FOR_TSNE = 8
# Rounding makes equal vectors differ by at most this.
ROUNDING = 1e-6


def write_map(path: str | Path, reduced: Sequence[str], method: str) -> None:
    """Project the vectors of all shards, and write a row of MAP for each person.

    reduced: tables of reduced vectors. method: see `project`.
    """
    person_ids = rows_of_shards(reduced, ["person_id"])["person_id"]
    vectors = vectors_of_rows(reduced, np.arange(len(person_ids)))
    places, method = project(vectors, method)
    table = pa.table([person_ids, places[:, 0], places[:, 1]], schema=MAP)
    write_table(path, [table], MAP, {"method": method})


def project(vectors: NDArray[np.float32], method: str) -> tuple[NDArray[np.float32], str]:
    """Project reduced vectors, float32 [N, D], to float32 [N, 2]; also return the method used.

    method: "pca" takes the first two values of each vector, its two strongest components. "tsne" is
    scikit-learn's t-SNE (van der Maaten and Hinton, JMLR 2008; van der Maaten, JMLR 2014); pca
    replaces it, with a warning, if there are few persons or their vectors are equal.
    """
    if method == "tsne":
        enough = len(vectors) >= MIN_PERSONS_FOR_TSNE and vectors.shape[1] > 1
        if enough and np.ptp(vectors, axis=0).max() > ROUNDING:
            return _tsne(vectors), method
        log.warning("too few different vectors for t-SNE; the map shows two components")
    places = np.zeros((len(vectors), 2), dtype=np.float32)
    places[:, : vectors.shape[1]] = vectors[:, :2]
    return places, "pca"


def _tsne(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    log.info("t-SNE of %d persons; it shows no progress", len(vectors))
    # The number of threads changes a sum's last bits, and t-SNE amplifies that.
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(vectors)
