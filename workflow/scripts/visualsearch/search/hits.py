"""The hits of queries: their neighbours by the index, reranked or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.data.tables import HITS, PERSONS
from visualsearch.index.index import Index
from visualsearch.search.full_length import FullLength
from visualsearch.search.neighbours import (
    Found,
    are_near_duplicates,
    find_candidates,
    find_for_all,
    within_limit,
)
from visualsearch.settings import SearchSettings


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
    its cosines before the best are taken, so that the best of an image are chosen by what the hits
    are sorted by.
    """
    image_ids = persons["image_id"].to_numpy()
    asked = queries.to_pylist()
    # None for a query that is not in the set.
    own_rows = pc.index_in(queries["person_id"], value_set=persons["person_id"]).to_pylist()
    per_image = settings.hits_per_image

    def find(n: int, k: int, depth: int) -> Found:
        return find_candidates(
            index,
            image_ids,
            np.array(asked[n]["vector"], dtype=np.float32),
            k,
            per_image,
            depth,
            own_row=own_rows[n],
            own_image=asked[n]["image_id"],
            same_image=settings.same_image,
        )

    found = find_for_all(
        find, own_rows, image_ids, settings.neighbours, settings.rerank, settings, full_length
    )
    full = full_length.cosines(own_rows, [rows for rows, _ in found])
    tables = []
    for n, (query, (rows, cosines)) in enumerate(zip(asked, found, strict=True)):
        # By falling full-length cosine; equal ones keep the index's order.
        order = np.argsort(-full[n], kind="stable") if settings.rerank else np.arange(len(rows))
        order = order[within_limit(image_ids[rows[order]], per_image)][: settings.neighbours]
        index_ranks = _index_ranks(image_ids[rows], per_image)
        hits = persons.take(rows[order])
        columns: dict[str, Any] = {name: hits[name] for name in PERSONS.names}
        columns["query"] = np.full(len(order), query["query"])
        columns["rank"] = np.arange(1, len(order) + 1)
        columns["similarity"] = cosines[order]
        columns["same_image"] = pa.array(
            [i == query["image_id"] for i in image_ids[rows[order]]], pa.bool_()
        )
        columns["near_duplicate"] = are_near_duplicates(full[n][order], settings)
        columns["index_rank"] = index_ranks[order]
        columns["full_similarity"] = full[n][order] if settings.rerank else pa.nulls(len(order))
        tables.append(pa.table({name: columns[name] for name in HITS.names}).cast(HITS))
    return pa.concat_tables(tables) if tables else HITS.empty_table()


def _index_ranks(image_ids: NDArray[np.int64], per_image: int | None) -> NDArray[np.int64]:
    """Return the rank that each candidate has without reranking, int64 [N].

    image_ids: of the candidates, the nearest first. One that the limit of its image leaves out has
    the rank of the last of this image that it keeps, whose place it takes if it becomes a hit.
    """
    ranks: list[int] = []
    rank = 0
    rank_of_image: dict[int, int] = {}
    for image, kept in zip(image_ids.tolist(), within_limit(image_ids, per_image), strict=True):
        if kept:
            rank += 1
            rank_of_image[image] = rank
        ranks.append(rank_of_image[image])
    return np.array(ranks, np.int64)
