"""Neighbours of queries, with or without a second look."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.data.tables import HITS, PERSONS
from visualsearch.index.index import Index

if TYPE_CHECKING:
    from visualsearch.search.rerank import SecondLook

# Rounding leaves equal vectors a cosine just below 1.
ROUNDING = 1e-6


def find_neighbours(
    index: Index,
    image_ids: NDArray[np.int64],
    vector: NDArray[np.float32],
    k: int,
    own_row: int | None = None,
    own_image: int | None = None,
    same_image: bool = False,
    below: float = math.inf,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k rows of an index most like `vector`, without the query itself.

    image_ids: int64 [N], the image of each row. own_row: the query's row, never returned.
    own_image: the query's image, whose other persons are returned only with `same_image`.
    below: persons of at least this cosine are not returned.
    Returns rows and cosines by falling cosine; fewer than k where the set holds no more.
    """
    fetch = k + 1
    while True:
        rows, cosines = index.query(vector, fetch)
        keep = cosines < below
        if own_row is not None:
            keep &= rows != own_row
        if own_image is not None and not same_image:
            keep &= image_ids[rows] != own_image
        if keep.sum() >= k or fetch >= len(index):
            return rows[keep][:k], cosines[keep][:k]
        fetch *= 2


def search_all(
    index: Index,
    persons: pa.Table,
    queries: pa.Table,
    k: int,
    same_image: bool,
    near_duplicate: float = 1.0,
    exclude_near_duplicates: bool = False,
    second_look: SecondLook | None = None,
) -> pa.Table:
    """Neighbours of every query, as rows of HITS.

    persons: the index's rows (PERSONS). queries: columns query, person_id (null for a picture
    that is not part of the set), image_id (null likewise) and vector. near_duplicate: cosine of
    the reduced vectors from which a hit is marked as one, or left out. second_look: how to sort
    the nearest anew by their full-length vectors before the best k are taken.
    """
    image_ids = persons["image_id"].to_numpy()
    asked = queries.to_pylist()
    # Null where the query is none of the set.
    own_rows = pc.index_in(queries["person_id"], value_set=persons["person_id"]).to_pylist()
    limit = near_duplicate - ROUNDING
    found = [
        find_neighbours(
            index,
            image_ids,
            np.array(query["vector"], dtype=np.float32),
            max(k, second_look.depth) if second_look else k,
            own_row=own_row,
            own_image=query["image_id"],
            same_image=same_image,
            below=limit if exclude_near_duplicates else math.inf,
        )
        for query, own_row in zip(asked, own_rows, strict=True)
    ]
    full = second_look.cosines(own_rows, [rows for rows, _ in found]) if second_look else None
    tables = []
    for n, (query, (rows, cosines)) in enumerate(zip(asked, found, strict=True)):
        # By falling full-length cosine, equal ones as the index has them.
        order = np.argsort(-full[n], kind="stable")[:k] if full else np.arange(len(rows))
        hits = persons.take(rows[order])
        columns: dict[str, Any] = {name: hits[name] for name in PERSONS.names}
        columns["query"] = np.full(len(order), query["query"])
        columns["rank"] = np.arange(1, len(order) + 1)
        columns["similarity"] = cosines[order]
        columns["same_image"] = pa.array(
            [i == query["image_id"] for i in image_ids[rows[order]]], pa.bool_()
        )
        columns["near_duplicate"] = cosines[order] >= limit
        columns["index_rank"] = order + 1
        columns["full_similarity"] = full[n][order] if full else pa.nulls(len(order))
        tables.append(pa.table({name: columns[name] for name in HITS.names}).cast(HITS))
    return pa.concat_tables(tables) if tables else HITS.empty_table()
