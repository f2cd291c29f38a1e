"""Annoy: a forest of random projection trees, memory-mapped. https://github.com/spotify/annoy"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import annoy
import numpy as np

from visualsearch.core.errors import InputError
from visualsearch.core.files import check_room
from visualsearch.index.base import Rows, Vector
from visualsearch.settings import IndexSettings

METRIC: Literal["angular"] = "angular"
# Forests to choose from. A tree costs about 13 bytes an item: a hundred trees more than double the
# file of 256 values an item.
TREES = (12, 25, 50, 100)
# A larger forest grows in its file, so that the system may drop its pages from memory; the bytes
# are the same. A smaller one grows in memory, as network file systems are slow at mapped writes.
MAX_BYTES_IN_MEMORY = 1 << 30
# search_k a tree: ten neighbours and the query itself.
MIN_SEARCHED_A_TREE = 11


class AnnoyBackend:
    """Builds and opens Annoy's forests."""

    name = "annoy"
    effort_name: str | None = "search_k"

    def user_effort(self, settings: IndexSettings) -> int | None:
        return settings.search_k

    def builds(self, settings: IndexSettings) -> list[dict[str, Any]]:
        trees = [settings.n_trees] if settings.n_trees else TREES
        return [{"n_trees": number} for number in trees]

    def efforts(self, build: dict[str, Any], n_items: int) -> Iterator[int]:
        """The last search_k looks into every leaf of every tree."""
        most = min(n_items * build["n_trees"], np.iinfo(np.int32).max)
        effort = MIN_SEARCHED_A_TREE * build["n_trees"]
        while effort < most:
            yield effort
            effort *= 2
        yield most

    def build(
        self, vectors: Iterable[Vector], path: str, shape: tuple[int, int], build: dict[str, Any]
    ) -> dict[str, Any]:
        """One thread and a fixed seed make the bytes the same.

        Checks the room first: Annoy would crash while growing a forest on a full disk.
        """
        forest = annoy.AnnoyIndex(shape[1], METRIC)
        forest.set_seed(build["seed"])
        size = expected_bytes(shape, build["n_trees"])
        in_file = size > MAX_BYTES_IN_MEMORY
        check_room(path, size)
        if in_file:
            forest.on_disk_build(path)
        row = 0
        for batch in vectors:
            for vector in batch:
                forest.add_item(row, vector)
                row += 1
        forest.build(build["n_trees"], n_jobs=1)
        if not in_file:
            forest.save(path)
        return {"n_trees": build["n_trees"], "seed": build["seed"], "metric": METRIC}

    def load(self, path: str, sidecar: dict[str, Any]) -> "Forest":
        if sidecar["metric"] != METRIC:
            raise InputError(f"{path} was built for metric {sidecar['metric']}, not {METRIC}")
        forest = annoy.AnnoyIndex(sidecar["dimension"], METRIC)
        try:
            forest.load(path)
        except OSError as error:
            raise InputError(f"{path} is not an Annoy index of this dimension ({error})") from error
        return Forest(forest)


class Forest:
    """A forest in memory. forest: annoy.AnnoyIndex."""

    def __init__(self, forest: Any) -> None:
        self.forest = forest

    def __len__(self) -> int:
        # Annoy reads a negative number from some damaged files, which len() does not allow.
        return max(self.forest.get_n_items(), 0)

    def query(self, vector: Vector, k: int, effort: int) -> tuple[Rows, Vector]:
        rows = self.forest.get_nns_by_vector(vector, k, search_k=self._search_k(k, effort))
        return self._with_vectors(rows)

    def counted_query(self, vector: Vector, k: int, effort: int) -> tuple[Rows, Vector, int]:
        """When asked for as many neighbours as there are items, Annoy returns all it compared."""
        rows = self.forest.get_nns_by_vector(vector, len(self), search_k=self._search_k(k, effort))
        return *self._with_vectors(rows[:k]), len(rows)

    def vector(self, row: int) -> Vector:
        return np.array(self.forest.get_item_vector(row), dtype=np.float32)

    def _search_k(self, k: int, effort: int) -> int:
        return max(effort, k * self.forest.get_n_trees())

    def _with_vectors(self, rows: list[int]) -> tuple[Rows, Vector]:
        vectors = [self.forest.get_item_vector(row) for row in rows]
        return np.array(rows, dtype=np.int64), np.array(vectors, dtype=np.float32)


def expected_bytes(shape: tuple[int, int], n_trees: int) -> int:
    """About how many bytes a forest takes, for vectors of `shape` [N, D]."""
    return shape[0] * (12 + 4 * shape[1] + 13 * n_trees)
