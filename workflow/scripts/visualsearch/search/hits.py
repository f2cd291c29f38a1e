"""The hits of queries: their neighbours by the index, reranked or not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.data.tables import HITS, PERSONS
from visualsearch.index.index import Index
from visualsearch.search.rerank import Reranker
from visualsearch.settings import SearchSettings

# Rounding may leave a cosine of equal vectors just below 1.
ROUNDING = 1e-6


def find_neighbours(
    index: Index,
    image_ids: NDArray[np.int64],
    vector: NDArray[np.float32],
    k: int,
    per_image: int | None = None,
    **which: Any,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k rows of an index that are nearest to `vector`, at most `per_image` of an image.

    which: as for `find_candidates`. Returns rows and cosines by falling cosine; fewer than k where
    the set has no more.
    """
    rows, cosines = find_candidates(index, image_ids, vector, k, per_image, **which)
    keep = within_limit(image_ids[rows], per_image)
    return rows[keep], cosines[keep]


def find_candidates(
    index: Index,
    image_ids: NDArray[np.int64],
    vector: NDArray[np.float32],
    k: int,
    per_image: int | None = None,
    depth: int = 0,
    own_row: int | None = None,
    own_image: int | None = None,
    same_image: bool = False,
    below: float = math.inf,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest rows, of which k remain when at most `per_image` of an image are kept.

    image_ids: int64 [N], the image of each row. depth: return at least so many rows. own_row: the
    query's row, which is left out. own_image: the query's image, whose other persons are left out
    unless `same_image`. below: persons of at least this cosine are left out.
    Returns rows and cosines by falling cosine; all that are allowed where the set has no more.
    """
    fetch = max(k, depth) + 1
    while True:
        rows, cosines = index.query(vector, fetch)
        keep = cosines < below
        if own_row is not None:
            keep &= rows != own_row
        if own_image is not None and not same_image:
            keep &= image_ids[rows] != own_image
        rows, cosines = rows[keep], cosines[keep]
        kept = np.flatnonzero(within_limit(image_ids[rows], per_image))
        if len(kept) >= k and len(rows) >= depth:
            enough = max(int(kept[k - 1]) + 1, depth)
            return rows[:enough], cosines[:enough]
        if fetch >= len(index):
            return rows, cosines
        fetch *= 2


def within_limit(image_ids: NDArray[np.int64], per_image: int | None) -> NDArray[np.bool_]:
    """Which persons are among the first `per_image` of their image; all if it is None.

    image_ids: int64 [n], the image of each person, the best person first.
    """
    if per_image is None:
        return np.ones(len(image_ids), dtype=bool)
    order = np.argsort(image_ids, kind="stable")
    images = image_ids[order]
    place = np.arange(len(images)) - np.searchsorted(images, images)
    keep = np.empty(len(images), dtype=bool)
    keep[order] = place < per_image
    return keep


def search_all(
    index: Index,
    persons: pa.Table,
    queries: pa.Table,
    settings: SearchSettings,
    reranker: Reranker | None = None,
) -> pa.Table:
    """The settings.neighbours hits of every query, as rows of HITS.

    persons: the index's rows (PERSONS). queries: columns query, person_id (null for one of the
    user's own pictures), image_id (null for a picture that is not in the set), and vector.
    reranker: sorts the settings.rerank nearest anew before the best are taken, so that the best of
    an image are chosen by what the hits are sorted by; None leaves the index's order.
    """
    image_ids = persons["image_id"].to_numpy()
    asked = queries.to_pylist()
    # None for a query that is not in the set.
    own_rows = pc.index_in(queries["person_id"], value_set=persons["person_id"]).to_pylist()
    k, limit = settings.neighbours, settings.near_duplicate - ROUNDING
    per_image = settings.hits_per_image
    found = [
        find_candidates(
            index,
            image_ids,
            np.array(query["vector"], dtype=np.float32),
            k,
            per_image,
            depth=settings.rerank if reranker else 0,
            own_row=own_row,
            own_image=query["image_id"],
            same_image=settings.same_image,
            below=limit if settings.exclude_near_duplicates else math.inf,
        )
        for query, own_row in zip(asked, own_rows, strict=True)
    ]
    full = reranker.cosines(own_rows, [rows for rows, _ in found]) if reranker else None
    tables = []
    for n, (query, (rows, cosines)) in enumerate(zip(asked, found, strict=True)):
        # By falling full-length cosine; equal ones keep the index's order.
        order = np.argsort(-full[n], kind="stable") if full else np.arange(len(rows))
        order = order[within_limit(image_ids[rows[order]], per_image)][:k]
        # The rank without reranking: behind those before it that the limit keeps.
        kept = within_limit(image_ids[rows], per_image)
        index_ranks = 1 + np.cumsum(kept) - kept
        hits = persons.take(rows[order])
        columns: dict[str, Any] = {name: hits[name] for name in PERSONS.names}
        columns["query"] = np.full(len(order), query["query"])
        columns["rank"] = np.arange(1, len(order) + 1)
        columns["similarity"] = cosines[order]
        columns["same_image"] = pa.array(
            [i == query["image_id"] for i in image_ids[rows[order]]], pa.bool_()
        )
        columns["near_duplicate"] = cosines[order] >= limit
        columns["index_rank"] = index_ranks[order]
        columns["full_similarity"] = full[n][order] if full else pa.nulls(len(order))
        tables.append(pa.table({name: columns[name] for name in HITS.names}).cast(HITS))
    return pa.concat_tables(tables) if tables else HITS.empty_table()
