"""Opening an index, with its self-test, and searching it, whatever its backend.

An index has one part, or several (`index.shards`) that are searched as one: the persons, in their
order, are cut into as many runs of nearly equal length, and each has a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.index import BUILDS_ONE, backend, parts_of, rerun

Rows = NDArray[np.int64]
Paths = str | Path | Sequence[str | Path]
Given = TypeVar("Given")
Gives = TypeVar("Gives")


@dataclass(frozen=True)
class Index:
    """An opened index over unit vectors, whatever its backend and however many its parts.

    sidecar: what is known of the whole. effort: how far a search goes in each part, in the
    backend's own measure; None for exact search. threads: how many parts are asked at a time, which
    no result depends on.
    """

    sidecar: dict[str, Any]
    _module: ModuleType
    _handles: Sequence[Any]
    effort: int | None = None
    threads: int = 1

    def __len__(self) -> int:
        return int(self.sidecar["n_items"])

    @property
    def counts_exactly(self) -> bool:
        """Whether `counted_query` counts every vector once, so that n_items means all of them."""
        return bool(self._module.COUNTS_EXACTLY)

    def query(
        self, vector: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The k nearest rows to `vector` [D]: rows int64 [min(k, len)], cosines float64, falling.

        Equal cosines come by rising row. Each part gives its own k nearest, and the best k of all
        remain.
        """
        return self._best(vector, k, self._asked(self._module.query, vector, k))

    def counted_query(
        self, vector: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
        """What `query` returns, and the number of stored vectors compared with `vector`.

        An upper bound, at most len, where not `counts_exactly`.
        """
        found = self._asked(self._module.counted_query, vector, k)
        rows, cosines = self._best(vector, k, [part[:2] for part in found])
        return rows, cosines, sum(compared for *_, compared in found)

    def at(self, effort: int | None) -> Index:
        """The same index, searching with another effort."""
        return replace(self, effort=effort)

    def vector(self, row: int) -> NDArray[np.float32]:
        """The stored vector of a row, float32 [D]."""
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._module.vector(self._handles[part], row - int(self._starts[part]))

    def parts(self) -> list[Index]:
        """Each part as an index of its own, whose rows count from 0."""
        return [
            replace(self, sidecar=self.sidecar | {"n_items": items}, _handles=[handle], threads=1)
            for handle, items in zip(self._handles, self._sizes, strict=True)
        ]

    @cached_property
    def _sizes(self) -> list[int]:
        return [self._module.count(handle) for handle in self._handles]

    @cached_property
    def _starts(self) -> Rows:
        """The row of the whole at which each part begins."""
        return np.cumsum([0, *self._sizes[:-1]])

    def _asked(self, query: Callable[..., Gives], vector: NDArray[np.float32], k: int) -> list[Any]:
        def ask(part: int) -> Gives:
            return query(self._handles[part], vector, min(k, self._sizes[part]), self.effort)

        return in_threads(ask, range(len(self._handles)), self.threads)

    def _best(
        self, vector: NDArray[np.float32], k: int, found: Sequence[tuple[Rows, Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        rows = np.concatenate([s + part for s, (part, _) in zip(self._starts, found, strict=True)])
        cosines = np.concatenate([cosines_with(vector, vectors) for _, vectors in found])
        order = np.lexsort((rows, -cosines))[:k]
        return rows[order], cosines[order]


def in_threads(work: Callable[[Given], Gives], items: Sequence[Given], threads: int) -> list[Gives]:
    """What `work` makes of each item, in their order. Alone, it is done by this thread."""
    if threads == 1 or len(items) == 1:
        return [work(item) for item in items]
    return list(_pool(threads).map(work, items))


def cosines_with(
    vector: NDArray[np.float32], vectors: Iterable[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Cosines of a unit vector [D] with each of others [D], float64.

    Every backend's are computed this way, one row at a time, so that they compare to the last bit.
    """
    wide = vector.astype(np.float64)
    return np.array([float(np.dot(v.astype(np.float64), wide)) for v in vectors])


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def paths_of(paths: Paths) -> list[Path]:
    """The files of an index, given as one or as several."""
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]


def load_index(paths: Paths, sidecar: dict[str, Any], threads: int = 1) -> Index:
    """Open the files of an index as its sidecar describes them, without trying it.

    paths: of the one file, or of each part in turn. Raises InputError where the size, the number of
    items or what else a file tells of itself is not as the sidecar says.
    """
    module = backend(sidecar["backend"])
    files, parts = paths_of(paths), parts_of(sidecar)
    if len(files) != len(parts):
        raise InputError(
            f"{files[0].parent} has the files of {len(files)} parts, the sidecar tells of "
            f"{len(parts)}; rerun {BUILDS_ONE}"
        )
    pairs = list(zip(files, parts, strict=True))
    for file, part in pairs:
        _check_size(file, part, sidecar)
    # A part of nobody is an empty file.
    handles = [_loaded(module, *pair, sidecar) for pair in pairs if pair[1]["index_bytes"]]
    effort = sidecar[module.PARAMETER] if module.PARAMETER else None
    return Index(sidecar, module, handles, effort, threads)


def _check_size(path: Path, part: dict[str, Any], sidecar: dict[str, Any]) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}; {rerun(sidecar)}") from error
    if size != part["index_bytes"]:
        raise InputError(
            f"{path} has {size} bytes, its sidecar says {part['index_bytes']}: they are of "
            f"different runs; {rerun(sidecar)}"
        )


def _loaded(module: ModuleType, path: Path, part: dict[str, Any], sidecar: dict[str, Any]) -> Any:
    try:
        handle = module.load(str(path), sidecar)
    except InputError as error:
        raise InputError(f"{error}; {rerun(sidecar)}") from error
    items = module.count(handle)
    if items != part["n_items"]:
        raise InputError(
            f"{path} holds {items} items, its sidecar says {part['n_items']}; {rerun(sidecar)}"
        )
    return handle


def open_index(paths: Paths, sidecar: dict[str, Any], threads: int = 1) -> Index:
    """Open the files of an index as its sidecar describes them, and test that it does what was
    measured.

    Besides what `load_index` checks, it must hold the vectors that the sidecar tells of, give as
    many neighbours as are asked, and find as many of a few rows' exact neighbours as when it was
    built. Costs some tens of queries, and reads each file once. Raises InputError that says what
    failed and what to rerun.
    """
    from visualsearch.index.self_test import run_self_test

    index = load_index(paths, sidecar, threads)
    run_self_test(index, paths_of(paths))
    return index
