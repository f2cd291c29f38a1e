"""Annoy: a forest of random projection trees, memory-mapped. https://github.com/spotify/annoy"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import annoy
import numpy as np
from numpy.typing import NDArray

from visualsearch.core.disk import check_room
from visualsearch.core.errors import InputError

METRIC: Literal["angular"] = "angular"
PARAMETER = "search_k"
COUNTS_EXACTLY = True
# Forests to choose from. A tree costs about 13 bytes an item: a hundred more than double the file
# of 256 values an item.
TREES = (12, 25, 50, 100)
# A larger forest grows in its file, so that its pages are the file's and the system may drop them;
# its bytes are the same. A smaller one needs no mapped file to write to, which network file systems
# are slow at.
MOST_BYTES_IN_MEMORY = 1 << 30
# Ten neighbours and the query itself, from every tree.
LEAST_SEARCHED = 11


def builds(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Settings of `build` to choose from, the cheapest first; one alone where the user set it."""
    trees = [settings["n_trees"]] if settings["n_trees"] else TREES
    return [{"n_trees": number} for number in trees]


def efforts(build: dict[str, Any], n_items: int) -> Iterator[int]:
    """Values of search_k to try, rising; the last looks into every leaf of every tree."""
    most = min(n_items * build["n_trees"], np.iinfo(np.int32).max)
    effort = LEAST_SEARCHED * build["n_trees"]
    while effort < most:
        yield effort
        effort *= 2
    yield most


def build(
    vectors: Iterable[NDArray[np.float32]],
    path: str,
    shape: tuple[int, int],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Build the index of unit vectors at `path`; return what the sidecar keeps of it.

    shape: [N, D]. settings: n_trees, seed. Same vectors and settings give the same bytes: the seed
    is set and the forest is grown by one thread. Raises NoRoom, as Annoy, growing a forest in its
    file on a full disk, would crash.
    """
    forest = annoy.AnnoyIndex(shape[1], METRIC)
    forest.set_seed(settings["seed"])
    size = expected_bytes(shape, settings["n_trees"])
    in_file = size > MOST_BYTES_IN_MEMORY
    check_room(path, size)
    if in_file:
        forest.on_disk_build(path)
    row = 0
    for batch in vectors:
        for vector in batch:
            forest.add_item(row, vector)
            row += 1
    forest.build(settings["n_trees"], n_jobs=1)
    if not in_file:
        forest.save(path)
    return {"n_trees": settings["n_trees"], "seed": settings["seed"], "metric": METRIC}


def expected_bytes(shape: tuple[int, int], n_trees: int) -> int:
    """About as many bytes as a forest will have, for vectors of `shape` [N, D]."""
    return shape[0] * (12 + 4 * shape[1] + 13 * n_trees)


def load(path: str, sidecar: dict[str, Any]) -> Any:
    """Map the file into memory."""
    if sidecar["metric"] != METRIC:
        raise InputError(f"{path} was built for metric {sidecar['metric']}, not {METRIC}")
    forest = annoy.AnnoyIndex(sidecar["dimension"], METRIC)
    try:
        forest.load(path)
    except OSError as error:
        raise InputError(f"{path} is no Annoy index of this dimension ({error})") from error
    return forest


def query(
    handle: Any, vector: NDArray[np.float32], k: int, effort: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows [k] near `vector` [D] and their vectors [k, D], in no promised order."""
    rows = handle.get_nns_by_vector(vector, k, search_k=max(effort, k * handle.get_n_trees()))
    return _with_vectors(handle, rows)


def counted_query(
    handle: Any, vector: NDArray[np.float32], k: int, effort: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """What `query` returns, and how many vectors were compared.

    Asked for as many neighbours as there are items, Annoy returns all it has come across.
    """
    effort = max(effort, k * handle.get_n_trees())
    rows = handle.get_nns_by_vector(vector, handle.get_n_items(), search_k=effort)
    return *_with_vectors(handle, rows[:k]), len(rows)


def _with_vectors(handle: Any, rows: list[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    vectors = [handle.get_item_vector(row) for row in rows]
    return np.array(rows, dtype=np.int64), np.array(vectors, dtype=np.float32)


def vector(handle: Any, row: int) -> NDArray[np.float32]:
    """The stored vector of a row, [D]."""
    return np.array(handle.get_item_vector(row), dtype=np.float32)


def count(handle: Any) -> int:
    """Items in the index."""
    return int(handle.get_n_items())
