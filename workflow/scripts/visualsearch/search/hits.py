"""The hits of queries: their neighbours by the index, reranked or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.data.tables import HITS, PERSONS
from visualsearch.index.index import Index
from visualsearch.search.full_length import FullLength
from visualsearch.settings import SearchSettings

# Rounding may leave a cosine of equal vectors just below 1.
ROUNDING = 1e-6

# Rows of the index and their cosines, by falling cosine.
Found = tuple[NDArray[np.int64], NDArray[np.float64]]


def find_neighbours(
    index: Index,
    image_ids: NDArray[np.int64],
    vector: NDArray[np.float32],
    k: int,
    own_row: int | None = None,
    own_image: int | None = None,
    same_image: bool = False,
) -> Found:
    """The k rows of an index that are nearest to `vector`, without the query itself.

    image_ids: int64 [N], the image of each row. own_row: the query's row, which is left out.
    own_image: the query's image, whose other persons are left out unless `same_image`.
    Returns rows and cosines by falling cosine; fewer than k where the set has no more.
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


def are_near_duplicates(
    full_cosines: NDArray[np.float64], settings: SearchSettings
) -> NDArray[np.bool_]:
    """Whether neighbours with these cosines of full-length vectors are near-duplicates.

    The reduced vectors cannot tell: in a small set most of their components are noise, in which a
    copy differs from its original as much as another person does.
    """
    return full_cosines >= settings.near_duplicate - ROUNDING


def find_for_all(
    find: Callable[[int, int], Found],
    own_rows: Sequence[int | None],
    k: int,
    full_length: FullLength,
    settings: SearchSettings,
) -> list[Found]:
    """The k neighbours of each query, without near-duplicates if the settings leave them out.

    find: the neighbours of a query, by its place in own_rows, so many of them. Asks for twice as
    many for the queries that have too few left, until each has k or there are no more.
    """
    if not settings.exclude_near_duplicates:
        return [find(n, k) for n in range(len(own_rows))]
    result: dict[int, Found] = {}
    left, asked = list(range(len(own_rows))), k
    while left:
        found = [find(n, asked) for n in left]
        full = full_length.cosines([own_rows[n] for n in left], [rows for rows, _ in found])
        for n, (rows, cosines), full_cosines in zip(left, found, full, strict=True):
            others = ~are_near_duplicates(full_cosines, settings)
            if others.sum() >= k or len(rows) < asked:
                result[n] = rows[others][:k], cosines[others][:k]
        left = [n for n in left if n not in result]
        asked *= 2
    return [result[n] for n in range(len(own_rows))]


def search_all(
    index: Index,
    persons: pa.Table,
    queries: pa.Table,
    settings: SearchSettings,
    full_length: FullLength,
) -> pa.Table:
    """The settings.neighbours hits of every query, as rows of HITS.

    persons: the index's rows (PERSONS). queries: columns query, person_id (null for one of the
    user's own pictures), image_id (null for a picture that is not in the set), and vector.
    full_length: tells near-duplicates. With settings.rerank, so many nearest are sorted anew by
    its cosines before the best are taken.
    """
    image_ids = persons["image_id"].to_numpy()
    asked = queries.to_pylist()
    # None for a query that is not in the set.
    own_rows = pc.index_in(queries["person_id"], value_set=persons["person_id"]).to_pylist()
    k = settings.neighbours

    def find(n: int, count: int) -> Found:
        return find_neighbours(
            index,
            image_ids,
            np.array(asked[n]["vector"], dtype=np.float32),
            count,
            own_row=own_rows[n],
            own_image=asked[n]["image_id"],
            same_image=settings.same_image,
        )

    found = find_for_all(find, own_rows, max(k, settings.rerank), full_length, settings)
    full = full_length.cosines(own_rows, [rows for rows, _ in found])
    tables = []
    for n, (query, (rows, cosines)) in enumerate(zip(asked, found, strict=True)):
        # By falling full-length cosine; equal ones keep the index's order.
        order = np.arange(len(rows))
        if settings.rerank:
            order = np.argsort(-full[n], kind="stable")[:k]
        hits = persons.take(rows[order])
        columns: dict[str, Any] = {name: hits[name] for name in PERSONS.names}
        columns["query"] = np.full(len(order), query["query"])
        columns["rank"] = np.arange(1, len(order) + 1)
        columns["similarity"] = cosines[order]
        columns["same_image"] = pa.array(
            [i == query["image_id"] for i in image_ids[rows[order]]], pa.bool_()
        )
        columns["near_duplicate"] = are_near_duplicates(full[n][order], settings)
        columns["index_rank"] = order + 1
        columns["full_similarity"] = full[n][order] if settings.rerank else pa.nulls(len(order))
        tables.append(pa.table({name: columns[name] for name in HITS.names}).cast(HITS))
    return pa.concat_tables(tables) if tables else HITS.empty_table()
