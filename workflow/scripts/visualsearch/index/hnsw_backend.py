"""usearch: a hierarchical navigable small-world graph, memory-mapped.

Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical
navigable small world graphs" (TPAMI 2018). https://github.com/unum-cloud/USearch
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import usearch.index

from visualsearch.core.errors import InputError
from visualsearch.core.files import check_room
from visualsearch.index.base import Rows, Vector
from visualsearch.settings import IndexSettings

# The inner product of unit vectors is their cosine.
METRIC = "ip"
BUILD = {"connectivity": 16, "expansion_add": 128}
MIN_EXPANSION = 16
MAX_EXPANSION = 1 << 14


class HnswBackend:
    """Builds and opens usearch's graphs."""

    name = "hnsw"
    effort_name: str | None = "expansion_search"
    # usearch counts a vector again on each level where it meets it.
    counts_exactly = False

    def user_effort(self, settings: IndexSettings) -> int | None:
        return None

    def builds(self, settings: IndexSettings) -> list[dict[str, Any]]:
        """One graph serves every recall."""
        return [BUILD]

    def efforts(self, build: dict[str, Any], n_items: int) -> Iterator[int]:
        """The last expansion_search follows every link, up to a limit."""
        most = min(n_items, MAX_EXPANSION)
        effort = MIN_EXPANSION
        while effort < most:
            yield effort
            effort *= 2
        yield most

    def build(
        self, vectors: Iterable[Vector], path: str, shape: tuple[int, int], build: dict[str, Any]
    ) -> dict[str, Any]:
        """One thread adds the vectors in order, and usearch draws levels with a fixed seed, so the
        bytes are the same."""
        kept = {key: build[key] for key in BUILD}
        graph = usearch.index.Index(ndim=shape[1], metric=METRIC, dtype="f32", **kept)
        row = 0
        for batch in vectors:
            graph.add(np.arange(row, row + len(batch), dtype=np.uint64), batch, threads=1)
            row += len(batch)
        # usearch does not report a save that failed.
        check_room(path, graph.serialized_length)
        graph.save(path)
        return kept | {"metric": METRIC}

    def load(self, path: str, sidecar: dict[str, Any]) -> "Graph":
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
        return Graph(graph)


class Graph:
    """A graph in memory. graph: usearch.index.Index."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    def __len__(self) -> int:
        return len(self.graph)

    def query(self, vector: Vector, k: int, effort: int) -> tuple[Rows, Vector]:
        rows, vectors, _ = self.counted_query(vector, k, effort)
        return rows, vectors

    def counted_query(self, vector: Vector, k: int, effort: int) -> tuple[Rows, Vector, int]:
        """The count is an upper limit, at most all vectors."""
        self.graph.expansion_search = max(effort, k)
        matches = self.graph.search(vector, k, threads=1)
        vectors = np.array(self.graph.get(matches.keys), dtype=np.float32)
        compared = min(int(matches.computed_distances), len(self))
        return matches.keys.astype(np.int64), vectors, compared

    def vector(self, row: int) -> Vector:
        return np.array(self.graph.get(row), dtype=np.float32)
