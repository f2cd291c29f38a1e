"""Projects all persons to two dimensions, so that similar persons lie close together."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from openTSNE import TSNE
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors
from threadpoolctl import threadpool_limits

from visualsearch.core.progress import progress
from visualsearch.data.person_order import rows_of_shards, vectors_of_rows
from visualsearch.data.tables import write_table
from visualsearch.index.nearest import BATCH_ROWS, Nearest

log = logging.getLogger(__name__)

# A row for each person of the search set, in person order. The file's metadata names the method.
MAP = pa.schema([("person_id", pa.int64()), ("x", pa.float32()), ("y", pa.float32())])

PERPLEXITY = 30
SEED = 0
MIN_PERSONS_FOR_TSNE = 8
# openTSNE's own schedule: 250 steps that pull neighbours together, and 500 more.
STEPS_A_ROUND = 50
EXAGGERATION = [12] * 5 + [1] * 10
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
    openTSNE's t-SNE (van der Maaten and Hinton, JMLR 2008; Policar, Strazar and Zupan, JSS 2024);
    pca replaces it, with a warning, if there are few persons or their vectors are equal.
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
    # The number of threads changes a sum's last bits, and t-SNE amplifies that.
    with threadpool_limits(1):
        neighbours = PrecomputedNeighbors(*_nearest(vectors, int(3 * perplexity)))
        affinities = PerplexityBasedNN(perplexity=perplexity, knn_index=neighbours)
        tsne = TSNE(initialization="pca", random_state=SEED)
        places = tsne.prepare_initial(vectors, affinities)
        for exaggeration in progress(EXAGGERATION, "map", f"rounds of {STEPS_A_ROUND} steps"):
            places.optimize(STEPS_A_ROUND, exaggeration=exaggeration, inplace=True)
    return np.asarray(places, dtype=np.float32)


def _nearest(vectors: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest others of each unit vector, int64 [N, k], and their distances, float64 [N, k].

    Exact. openTSNE's own search is by Annoy, compiled with flags that the project does not choose.
    """
    nearest = Nearest(vectors, k, np.arange(len(vectors)))
    for start in progress(range(0, len(vectors), BATCH_ROWS), "neighbours for the map", "batches"):
        nearest.add(vectors[start : start + BATCH_ROWS])
    # Rounding may leave a cosine just above 1.
    apart = np.maximum(2 - 2 * nearest.cosines.astype(np.float64), 0)
    return nearest.neighbours, np.sqrt(apart)
