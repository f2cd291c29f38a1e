"""Which persons to search for."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.errors import InputError
from visualsearch.search import evenly_spaced
from visualsearch.tables import (
    BOX_COLUMNS,
    QUERIES,
    in_person_order,
    read_table,
    vector_column,
    vector_length,
    vectors_of,
    with_vector,
)

log = logging.getLogger(__name__)

# Candidates that a strategy looks at; more are thinned out evenly, to bound its memory.
MOST_CANDIDATES = 10_000
NEIGHBOURS_AS_COMPANY = 10
LEAST_COMPANY = 0.25


def rows_of_persons(persons: pa.Table, person_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Rows of the persons that the configuration names, with the reason to show.

    Raises InputError for an id that is not in the search set.
    """
    row_of = {person: row for row, person in enumerate(persons["person_id"].to_pylist())}
    if unknown := [person for person in person_ids if person not in row_of]:
        raise InputError(
            f"queries.persons: {unknown[0]} is not in the search set; index/persons.parquet lists "
            "its ids, and search_set.min_score and search_set.min_height decide who is in it"
        )
    return [(row_of[person], "named in the configuration") for person in person_ids]


def candidates(persons: pa.Table, count: int) -> NDArray[np.int64]:
    """Rows fit to be queries: score and height both at least the set's median.

    A blurred speck or a doubtful box would show the detector's faults and not the search. Where
    fewer than `count` are so clear, every row is a candidate.
    """
    score = persons["score"].to_numpy()
    height = persons["h"].to_numpy()
    clear = np.flatnonzero((score >= np.median(score)) & (height >= np.median(height)))
    rows = clear if len(clear) >= count else np.arange(len(score))
    return rows[evenly_spaced(len(rows), MOST_CANDIDATES)]


def company(vectors: NDArray[np.float32], image_ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """How much company each vector has: its mean cosine with the ten nearest in other images.

    vectors: float32 [C, D] of length 1. Returns float32 [C]; -1 where there is no other image.
    """
    result = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), 512):
        part = slice(start, start + 512)
        cosines = vectors[part] @ vectors.T
        cosines[image_ids[part, None] == image_ids] = np.nan
        nearest = -np.sort(-cosines, axis=1)[:, :NEIGHBOURS_AS_COMPANY]  # nan comes last
        there = ~np.isnan(nearest)
        total = np.where(there, nearest, 0).sum(axis=1)
        result[part] = np.where(there.any(axis=1), total / np.maximum(there.sum(axis=1), 1), -1)
    return result


def choose_diverse(
    rows: NDArray[np.int64], vectors: NDArray[np.float32], image_ids: NDArray[np.int64], count: int
) -> list[tuple[int, str]]:
    """Farthest-point choice among persons in company: the most typical, then the most different.

    rows: int64 [C], candidates. vectors: float32 [C, D], theirs. image_ids: int64 [C]; no two
    queries share an image while others are left. The quarter with the least company is passed
    over: left to itself, the choice would pick what resembles nothing, and its gallery would show
    nothing of the search. Returns (row, reason) pairs.
    """
    near = company(vectors, image_ids)
    in_company = np.flatnonzero(near >= np.quantile(near, LEAST_COMPANY))
    if len(in_company) >= count:
        rows, vectors, image_ids = rows[in_company], vectors[in_company], image_ids[in_company]
    mean = vectors.mean(axis=0)
    chosen: list[int] = []
    reasons: list[str] = []
    nearest = np.full(len(rows), -np.inf)
    available = np.ones(len(rows), dtype=bool)
    while len(chosen) < min(count, len(rows)):
        fresh = available & ~np.isin(image_ids, image_ids[chosen])
        pool = np.flatnonzero(fresh if fresh.any() else available)
        if not chosen:
            pick = int(pool[np.argmax(vectors[pool] @ mean)])
            reasons.append("the most typical: nearest to the mean of the clear detections")
        else:
            pick = int(pool[np.argmin(nearest[pool])])
            most = round(float(nearest[pick]), 2) + 0.0  # no -0.00
            reasons.append(f"the least like the queries before it (cosine at most {most:.2f})")
        chosen.append(pick)
        available[pick] = False
        nearest = np.maximum(nearest, vectors @ vectors[pick])
    return [(int(rows[pick]), reason) for pick, reason in zip(chosen, reasons, strict=True)]


def choose_random(rows: NDArray[np.int64], count: int, seed: int) -> list[tuple[int, str]]:
    """Draw candidates without putting back, the same ones for the same seed."""
    drawn = np.random.default_rng(seed).choice(rows, size=min(count, len(rows)), replace=False)
    return [(int(row), f"drawn at random (seed {seed})") for row in drawn]


def select_queries(
    persons: pa.Table,
    reduced: Sequence[str],
    settings: dict[str, Any],
    query_images: str | None = None,
) -> pa.Table:
    """Queries as the `queries` section of the configuration asks for them.

    persons: the index's rows. reduced: shards of reduced vectors. query_images: table of the
    user's own pictures (QUERIES with vectors), which come first. Returns QUERIES with vectors.
    """
    chosen = _chosen(persons, reduced, settings)
    rows = np.array([row for row, _ in chosen], dtype=np.int64)
    found = persons.take(pa.array(rows))
    schema = with_vector(QUERIES, vector_length(reduced[0]))
    columns = {name: found[name] for name in ("person_id", "image_id", "score", *BOX_COLUMNS)}
    columns["reason"] = pa.array([reason for _, reason in chosen], pa.string())
    columns["picture"] = pa.nulls(len(chosen), pa.string())
    columns["query"] = np.arange(len(chosen))
    columns["vector"] = vector_column(vectors_of_rows(reduced, rows))
    table = pa.table({name: columns[name] for name in schema.names}).cast(schema)
    if query_images:
        table = pa.concat_tables([read_table(query_images), table])
        table = table.set_column(0, schema.field("query"), pa.array(range(len(table)), pa.int16()))
    return table


def _chosen(
    persons: pa.Table, reduced: Sequence[str], settings: dict[str, Any]
) -> list[tuple[int, str]]:
    count = settings["count"]
    if settings["persons"]:
        return rows_of_persons(persons, settings["persons"])
    if len(persons) < count:
        log.warning("only %d of %d queries: no more persons are there", len(persons), count)
    rows = candidates(persons, count)
    if settings["strategy"] == "random":
        return choose_random(rows, count, settings["seed"])
    images = persons["image_id"].to_numpy()[rows]
    return choose_diverse(rows, vectors_of_rows(reduced, rows), images, count)


def vectors_of_rows(reduced: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Vectors of some rows of the index, float32 [len(rows), k], read in one pass."""
    vectors = np.empty((len(rows), vector_length(reduced[0])), dtype=np.float32)
    order = np.argsort(rows, kind="stable")
    start = 0
    for table in in_person_order(reduced, 4096):
        inside = order[(rows[order] >= start) & (rows[order] < start + len(table))]
        vectors[inside] = vectors_of(table)[rows[inside] - start]
        start += len(table)
    return vectors
