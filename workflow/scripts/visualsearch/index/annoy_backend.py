"""Annoy: a forest of random projection trees, memory-mapped. https://github.com/spotify/annoy"""

from collections.abc import Iterable
from typing import Any, Literal

import annoy
import numpy as np
from numpy.typing import NDArray

from visualsearch.errors import InputError

METRIC: Literal["angular"] = "angular"


def build(
    vectors: Iterable[NDArray[np.float32]], path: str, dimension: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Build the index of unit vectors at `path`; return what the sidecar keeps to query it.

    settings: n_trees, search_k, seed. Same vectors and settings give the same bytes: the seed is
    set and the forest is grown by one thread.
    """
    forest = annoy.AnnoyIndex(dimension, METRIC)
    forest.set_seed(settings["seed"])
    row = 0
    for batch in vectors:
        for vector in batch:
            forest.add_item(row, vector)
            row += 1
    forest.build(settings["n_trees"], n_jobs=1)
    forest.save(path)
    return {key: settings[key] for key in ("n_trees", "search_k", "seed")} | {"metric": METRIC}


def load(path: str, sidecar: dict[str, Any]) -> Any:
    """Map the file into memory."""
    if sidecar["metric"] != METRIC:
        raise InputError(
            f"{path} was built for metric {sidecar['metric']}, not {METRIC}; rerun build_index"
        )
    forest = annoy.AnnoyIndex(sidecar["dimension"], METRIC)
    try:
        forest.load(path)
    except OSError as error:
        raise InputError(
            f"{path} is no Annoy index of this dimension ({error}); rerun build_index"
        ) from error
    return forest, sidecar["search_k"]


def query(
    handle: Any, vector: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows [k] near `vector` [D] and their vectors [k, D], in no promised order."""
    forest, search_k = handle
    rows = forest.get_nns_by_vector(vector, k, search_k=max(search_k, k * forest.get_n_trees()))
    vectors = [forest.get_item_vector(row) for row in rows]
    return np.array(rows, dtype=np.int64), np.array(vectors, dtype=np.float32)


def vector(handle: Any, row: int) -> NDArray[np.float32]:
    """The stored vector of a row, [D]."""
    return np.array(handle[0].get_item_vector(row), dtype=np.float32)


def count(handle: Any) -> int:
    """Items in the index."""
    return int(handle[0].get_n_items())
