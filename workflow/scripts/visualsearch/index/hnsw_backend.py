"""usearch: a hierarchical navigable small-world graph, memory-mapped.

Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical
navigable small world graphs" (TPAMI 2018). https://github.com/unum-cloud/USearch
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import usearch.index
from numpy.typing import NDArray

from visualsearch.core.disk import check_room
from visualsearch.core.errors import InputError

# Of unit vectors the inner product is the cosine.
METRIC = "ip"
PARAMETER = "expansion_search"
# usearch counts a vector again on each level where it meets it.
COUNTS_EXACTLY = False
BUILD = {"connectivity": 16, "expansion_add": 128}
LEAST_EXPANSION = 16
MOST_EXPANSION = 1 << 14


def builds(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Settings of `build` to choose from: one graph serves every recall."""
    return [BUILD]


def efforts(build: dict[str, Any], n_items: int) -> Iterator[int]:
    """Values of expansion_search to try, rising; the last follows every link, up to a limit."""
    most = min(n_items, MOST_EXPANSION)
    effort = LEAST_EXPANSION
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

    shape: [N, D]. settings: connectivity, expansion_add. Same vectors and settings give the same
    bytes: vectors are added in order by one thread, and usearch draws a node's level with a fixed
    seed. Raises NoRoom where the disk has none.
    """
    kept = {key: settings[key] for key in BUILD}
    graph = usearch.index.Index(ndim=shape[1], metric=METRIC, dtype="f32", **kept)
    row = 0
    for batch in vectors:
        graph.add(np.arange(row, row + len(batch), dtype=np.uint64), batch, threads=1)
        row += len(batch)
    # What goes wrong while it saves, usearch does not say.
    check_room(path, graph.serialized_length)
    graph.save(path)
    return kept | {"metric": METRIC}


def load(path: str, sidecar: dict[str, Any]) -> Any:
    """Map the file into memory."""
    try:
        graph: Any = usearch.index.Index.restore(path, view=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is no usearch index ({error})") from error
    if graph is None:
        raise InputError(f"{path} is no usearch index")
    expected = {
        "dimension": (graph.ndim, sidecar["dimension"]),
        "metric": (graph.metric_kind.name.lower(), sidecar["metric"]),
        "connectivity": (graph.connectivity, sidecar["connectivity"]),
    }
    for name, (has, said) in expected.items():
        if has != said:
            raise InputError(f"{path} was built for {name} {has}, its sidecar says {said}")
    return graph


def query(
    handle: Any, vector: NDArray[np.float32], k: int, effort: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows [k] near `vector` [D] and their vectors [k, D], in no promised order."""
    rows, vectors, _ = counted_query(handle, vector, k, effort)
    return rows, vectors


def counted_query(
    handle: Any, vector: NDArray[np.float32], k: int, effort: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """What `query` returns, and how many vectors were compared, at most."""
    handle.expansion_search = max(effort, k)
    matches = handle.search(vector, k, threads=1)
    vectors = np.array(handle.get(matches.keys), dtype=np.float32)
    compared = min(int(matches.computed_distances), len(handle))
    return matches.keys.astype(np.int64), vectors, compared


def vector(handle: Any, row: int) -> NDArray[np.float32]:
    """The stored vector of a row, [D]."""
    return np.array(handle.get(row), dtype=np.float32)


def count(handle: Any) -> int:
    """Vectors in the graph."""
    return len(handle)
