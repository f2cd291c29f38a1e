"""Chooses the persons to search for."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.manifest import picture_sizes
from visualsearch.data.person_order import vectors_of_rows
from visualsearch.data.tables import BOX_COLUMNS, QUERIES, read_table
from visualsearch.data.vectors import stored_lengths, vector_column, with_vector
from visualsearch.reduce.reduction import Reduction
from visualsearch.search.local_density import local_density
from visualsearch.search.revealing import MAX_COMPARED, Choice, choose_revealing, surroundings
from visualsearch.settings import QueriesSettings

log = logging.getLogger(__name__)

# At most so many candidates, evenly spaced, to bound the memory of a strategy.
MAX_CANDIDATES = 10_000
# Share of the candidates, those of the lowest local density, that `choose_diverse` passes over.
OUTLIERS = 0.25


class Before(NamedTuple):
    """Queries chosen so far: their vectors, float32 [T, D], and images, int64 [T]."""

    vectors: NDArray[np.float32]
    image_ids: NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """Files that the strategy revealing reads: manifest, shards of embeddings, PCA model."""

    manifest: str
    embeddings: Sequence[str]
    model: str


def rows_of_persons(persons: pa.Table, person_ids: Sequence[int]) -> list[Choice]:
    """The persons that the configuration names.

    Raises InputError for an id that is not in the search set.
    """
    named = pa.array(person_ids, pa.int64())
    rows = pc.index_in(named, value_set=persons["person_id"]).to_pylist()
    if unknown := [person for person, row in zip(person_ids, rows, strict=True) if row is None]:
        raise InputError(
            f"queries.persons: {unknown[0]} is not in the search set; index/persons.parquet lists "
            "its ids, and search_set.min_score and search_set.min_height decide who is in it"
        )
    return [Choice(row, "named", "named in the configuration") for row in rows]


def candidates(persons: pa.Table, count: int) -> NDArray[np.int64]:
    """Rows of clear detections: score and height both at least the set's median.

    A blurred or doubtful detection would show the detector's faults and not the search. If fewer
    than `count` are clear, every row is a candidate.
    """
    score = persons["score"].to_numpy()
    height = persons["h"].to_numpy()
    clear = np.flatnonzero((score >= np.median(score)) & (height >= np.median(height)))
    rows = clear if len(clear) >= count else np.arange(len(score))
    return rows[evenly_spaced(len(rows), MAX_CANDIDATES)]


def choose_diverse(
    rows: NDArray[np.int64],
    vectors: NDArray[np.float32],
    image_ids: NDArray[np.int64],
    count: int,
    before: Before | None = None,
) -> list[Choice]:
    """Farthest-point choice: the most typical person, then each time the most different one.

    rows: int64 [C], candidates. vectors: float32 [C, D], theirs. image_ids: int64 [C]; no two
    queries share an image while other images are left. The quarter of lowest local density is
    passed over: otherwise it picks outliers, whose galleries would say nothing about the search.
    before: queries that are chosen already and are no candidates.
    """
    if not count or not len(rows):
        return []
    density = local_density(vectors, image_ids)
    dense = np.flatnonzero(density >= np.quantile(density, OUTLIERS))
    if len(dense) >= count:
        rows, vectors, image_ids = rows[dense], vectors[dense], image_ids[dense]
    mean = vectors.mean(axis=0)
    chosen: list[int] = []
    reasons: list[str] = []
    nearest = np.full(len(rows), -np.inf)
    used = np.empty(0, dtype=np.int64)
    if before is not None and len(before.vectors):
        nearest = (vectors @ before.vectors.T).max(axis=1)
        used = before.image_ids
    available = np.ones(len(rows), dtype=bool)
    while len(chosen) < min(count, len(rows)):
        fresh = available & ~np.isin(image_ids, np.concatenate([used, image_ids[chosen]]))
        pool = np.flatnonzero(fresh if fresh.any() else available)
        if not chosen and not len(used):
            pick = int(pool[np.argmax(vectors[pool] @ mean)])
            reasons.append("the most typical: nearest to the mean of the clear detections")
        else:
            pick = int(pool[np.argmin(nearest[pool])])
            most = round(float(nearest[pick]), 2) + 0.0  # no -0.00
            reasons.append(f"the least like the queries before it (cosine at most {most:.2f})")
        chosen.append(pick)
        available[pick] = False
        nearest = np.maximum(nearest, vectors @ vectors[pick])
    return [
        Choice(int(rows[pick]), "diverse", reason)
        for pick, reason in zip(chosen, reasons, strict=True)
    ]


def choose_random(rows: NDArray[np.int64], count: int, seed: int) -> list[Choice]:
    """Draw candidates without replacement, the same ones for the same seed."""
    drawn = np.random.default_rng(seed).choice(rows, size=min(count, len(rows)), replace=False)
    return [Choice(int(row), "random", f"drawn at random (seed {seed})") for row in drawn]


def select_queries(
    persons: pa.Table,
    reduced: Sequence[str],
    settings: QueriesSettings,
    query_images: str | None = None,
    evidence: Evidence | None = None,
) -> pa.Table:
    """The queries that the settings ask for.

    persons: the index's rows. reduced: shards of reduced vectors. query_images: table of the
    user's own pictures (QUERIES with vectors), which come first. evidence: needed by the strategy
    revealing. Returns QUERIES with vectors. Raises InputError for unknown person ids.
    """
    chosen = _chosen(persons, reduced, settings, evidence)
    rows = np.array([choice.row for choice in chosen], dtype=np.int64)
    found = persons.take(pa.array(rows))
    schema = with_vector(QUERIES, sum(stored_lengths(reduced[0]).values()))
    columns = {name: found[name] for name in ("person_id", "image_id", "score", *BOX_COLUMNS)}
    columns["role"] = pa.array([choice.role for choice in chosen], pa.string())
    columns["reason"] = pa.array([choice.reason for choice in chosen], pa.string())
    columns["picture"] = pa.nulls(len(chosen), pa.string())
    columns["query"] = np.arange(len(chosen))
    columns["vector"] = vector_column(vectors_of_rows(reduced, rows))
    table = pa.table({name: columns[name] for name in schema.names}).cast(schema)
    if query_images:
        table = pa.concat_tables([read_table(query_images, [*QUERIES.names, "vector"]), table])
        table = table.set_column(0, schema.field("query"), pa.array(range(len(table)), pa.int16()))
    return table


def _chosen(
    persons: pa.Table, reduced: Sequence[str], settings: QueriesSettings, evidence: Evidence | None
) -> list[Choice]:
    count, strategy = settings.count, settings.strategy
    if settings.persons:
        return rows_of_persons(persons, settings.persons)
    if len(persons) < count:
        log.warning("only %d of %d queries, because there are no more persons", len(persons), count)
    if not count or not len(persons):
        return []
    rows = candidates(persons, count)
    if strategy == "random":
        return choose_random(rows, count, settings.seed)
    image_ids = persons["image_id"].to_numpy()
    first: list[Choice] = []
    if strategy == "revealing":
        if evidence is None:
            raise ValueError("the strategy revealing needs its evidence")
        first = _revealing(persons, reduced, evidence, rows, count)
    taken = np.array([choice.row for choice in first], dtype=np.int64)
    missing = count - len(first)
    if not missing:
        return first
    rest = rows[~np.isin(rows, taken)]
    before = Before(vectors_of_rows(reduced, taken), image_ids[taken])
    vectors = vectors_of_rows(reduced, rest)
    return [*first, *choose_diverse(rest, vectors, image_ids[rest], missing, before)]


def _revealing(
    persons: pa.Table,
    reduced: Sequence[str],
    evidence: Evidence,
    rows: NDArray[np.int64],
    count: int,
) -> list[Choice]:
    compared = rows[evenly_spaced(len(rows), MAX_COMPARED)]
    image_ids = persons["image_id"].to_numpy()
    mean = Reduction.load(evidence.model).mean
    around = surroundings(compared, image_ids, reduced, evidence.embeddings, mean)
    sizes = picture_sizes(evidence.manifest, image_ids)
    return choose_revealing(persons, sizes, around, count)
