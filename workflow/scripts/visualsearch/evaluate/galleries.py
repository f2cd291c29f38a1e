"""Measures what each query has in common with its own hits, and with random persons."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.data.boxes import at_edges, xywh_to_xyxy
from visualsearch.data.tables import boxes_of
from visualsearch.evaluate.neighbour_measures import (
    NeighbourMeasures,
    Rows,
    Sample,
    Values,
    sample_of,
)
from visualsearch.evaluate.person_facts import PersonFacts
from visualsearch.evaluate.relevance import mean_of_known
from visualsearch.search.neighbours import within_limit

# Two persons are of like height if the taller box has at most so many times the other's height.
LIKE_HEIGHT = 1.5


def measure_galleries(
    persons: pa.Table,
    queries: pa.Table,
    hits: pa.Table,
    sizes: NDArray[np.int64],
    facts: PersonFacts | None,
    labels: pd.DataFrame,
    seed: int,
    per_image: int | None,
) -> list[dict[str, Any]]:
    """What is known of each query and its hits, for the queries that are persons of the set.

    persons: the index's rows. queries, hits: rows of QUERIES and HITS. sizes: int64 [N, 2], width
    and height of each person's picture. facts, labels: as for NeighbourMeasures. seed: of the
    random persons. per_image: search.hits_per_image, which holds for the random persons too.

    Returns for each `query`, by its number: `cut_off`, whether its box ends at an edge of its
    picture; and `measures`, by name: those of NeighbourMeasures, and the shares of hits of like
    `height` and as `cut_off` as the query, or as whole. Each has `hits`, of how many it is known;
    `value`, its mean over these; and `chance`, its mean over random persons in other images.
    """
    place = pc.index_in(queries["person_id"], value_set=persons["person_id"])
    asked = queries.filter(pc.is_valid(place))
    rows = place.drop_null().to_numpy().astype(np.int64)
    if not len(rows):
        return []
    numbers = asked["query"].to_pylist()
    neighbours = _rows_of_hits(persons, hits, numbers)
    sample = sample_of(persons, rows, resamples=0, seed=seed)
    sample = replace(sample, random=_limited(sample, per_image, seed))
    alike = NeighbourMeasures(sample, facts, labels)
    found = {name: (alike.pairs(name, neighbours), alike.chance[name]) for name in alike.names}
    edges = at_edges(xywh_to_xyxy(boxes_of(persons)), sizes)
    cut_off: NDArray[np.bool_] = np.logical_or.reduce(edges, axis=1)
    heights = persons["h"].to_numpy()
    for name, share in (
        ("height", lambda others: _like(heights[rows], heights[others])),
        ("cut_off", lambda others: cut_off[rows][:, None] == cut_off[others]),
    ):
        pairs, random = (
            np.where(others >= 0, share(others), np.nan) for others in (neighbours, sample.random)
        )
        found[name] = pairs, mean_of_known(random)
    return [
        {
            "query": number,
            "cut_off": bool(cut_off[row]),
            "measures": {
                name: {
                    "hits": int((~np.isnan(pairs[n])).sum()),
                    "value": round(float(mean_of_known(pairs[n])), 6),
                    "chance": round(float(chance[n]), 6),
                }
                for name, (pairs, chance) in found.items()
                if not np.isnan(pairs[n]).all() and not np.isnan(chance[n])
            },
        }
        for n, (number, row) in enumerate(zip(numbers, rows.tolist(), strict=True))
    ]


def _limited(sample: Sample, per_image: int | None, seed: int) -> Rows:
    """The random persons of each query as they could be its hits: so many of a picture, or -1."""
    random = np.random.default_rng(seed).permuted(sample.random, axis=1)
    for others in random:
        others[~within_limit(sample.image_ids[others], per_image)] = -1
    return random


def _rows_of_hits(persons: pa.Table, hits: pa.Table, queries: list[int]) -> Rows:
    """The hits of each query as rows of the set, int64 [Q, k]; -1 where there are fewer."""
    row_of = pc.index_in(hits["person_id"], value_set=persons["person_id"]).to_numpy()
    of_query = hits["query"].to_numpy()
    found = [row_of[of_query == query] for query in queries]
    rows = np.full((len(queries), max(map(len, found))), -1, dtype=np.int64)
    for place, own in zip(rows, found, strict=True):
        place[: len(own)] = own
    return rows


def _like(own: Values, others: Values) -> NDArray[np.bool_]:
    """Whether heights [Q, m] are like each query's [Q]."""
    low, high = np.minimum(own[:, None], others), np.maximum(own[:, None], others)
    return high <= LIKE_HEIGHT * low
