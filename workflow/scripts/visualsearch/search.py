"""Neighbours of a query, and exact search to compare an index with."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.index import Index
from visualsearch.tables import PERSONS

HITS = pa.schema(
    [
        ("query", pa.int16()),
        ("rank", pa.int16()),
        *PERSONS,
        ("similarity", pa.float32()),
        ("same_image", pa.bool_()),
    ]
)


def find_neighbours(
    index: Index,
    image_ids: NDArray[np.int64],
    vector: NDArray[np.float32],
    k: int,
    own_row: int | None = None,
    own_image: int | None = None,
    same_image: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k rows of an index most like `vector`, without the query itself.

    image_ids: int64 [N], the image of each row. own_row: the query's row, never returned.
    own_image: the query's image, whose other persons are returned only with `same_image`.
    Returns rows and cosines by falling cosine; fewer than k where the set holds no more.
    """
    fetch = k + 1
    while True:
        rows, cosines = index.query(vector, fetch)
        keep = np.ones(len(rows), dtype=bool)
        if own_row is not None:
            keep &= rows != own_row
        if own_image is not None and not same_image:
            keep &= image_ids[rows] != own_image
        if keep.sum() >= k or fetch >= len(index):
            return rows[keep][:k], cosines[keep][:k]
        fetch *= 2


def search_all(
    index: Index, persons: pa.Table, queries: pa.Table, k: int, same_image: bool
) -> pa.Table:
    """Neighbours of every query, as rows of HITS.

    persons: the index's rows (PERSONS). queries: columns query, person_id (null for a picture
    that is not part of the set), image_id (null likewise) and vector.
    """
    image_ids = persons["image_id"].to_numpy()
    row_of = {person: row for row, person in enumerate(persons["person_id"].to_pylist())}
    tables = []
    for query in queries.to_pylist():
        rows, cosines = find_neighbours(
            index,
            image_ids,
            np.array(query["vector"], dtype=np.float32),
            k,
            own_row=row_of.get(query["person_id"]),
            own_image=query["image_id"],
            same_image=same_image,
        )
        found = persons.take(rows)
        columns: dict[str, Any] = {name: found[name] for name in PERSONS.names}
        columns["query"] = np.full(len(rows), query["query"])
        columns["rank"] = np.arange(1, len(rows) + 1)
        columns["similarity"] = cosines
        columns["same_image"] = pa.array(
            [i == query["image_id"] for i in image_ids[rows]], pa.bool_()
        )
        tables.append(pa.table({name: columns[name] for name in HITS.names}).cast(HITS))
    return pa.concat_tables(tables) if tables else HITS.empty_table()


def exact_neighbours(
    batches: Iterable[NDArray[np.float32]], queries: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k most alike of all rows for each query, by comparing with every one.

    batches: the set's unit vectors, float32 [rows, D] each. queries: float32 [Q, D].
    Returns rows int64 [Q, k] and cosines float32 [Q, k], falling; k must not exceed the rows.
    Holds one batch and the best k so far.
    """
    best_rows = np.empty((len(queries), 0), dtype=np.int64)
    best = np.empty((len(queries), 0), dtype=np.float32)
    seen = 0
    for batch in batches:
        rows = np.broadcast_to(np.arange(seen, seen + len(batch)), (len(queries), len(batch)))
        best_rows = np.concatenate([best_rows, rows], axis=1)
        best = np.concatenate([best, queries @ batch.T], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]
        best_rows = np.take_along_axis(best_rows, order, axis=1)
        best = np.take_along_axis(best, order, axis=1)
        seen += len(batch)
    return best_rows, best


def recall_of_index(
    index: Index,
    batches: Iterable[NDArray[np.float32]],
    rows: NDArray[np.int64],
    ks: tuple[int, ...],
) -> dict[str, float]:
    """Share of the exact k nearest neighbours that the index finds, for each k.

    batches: the indexed vectors in row order. rows: the sample that is searched for, each row's
    own vector left out of its neighbours. A neighbour as near as the k-th exact one counts as
    found, so that ties do not count against the index.
    """
    queries = np.stack([index.vector(int(row)) for row in rows])
    depth = min(max(ks) + 1, len(index))
    exact_rows, exact = exact_neighbours(batches, queries, depth)
    found = dict.fromkeys(ks, 0)
    wanted = dict.fromkeys(ks, 0)
    for query, row in enumerate(rows):
        others = exact_rows[query] != row
        truth = exact[query][others][: depth - 1]
        neighbours, cosines = index.query(queries[query], depth)
        cosines = cosines[neighbours != row][: depth - 1]
        for k in ks:
            k_here = min(k, len(truth))
            wanted[k] += k_here
            found[k] += int((cosines[:k_here] >= truth[k_here - 1] - 1e-5).sum()) if k_here else 0
    return {f"recall@{k}": found[k] / wanted[k] if wanted[k] else 1.0 for k in ks}


def evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the rows 0..n-1, evenly spread, always the same ones."""
    return (
        np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
        if n
        else np.empty(0, np.int64)
    )
