"""Hits by the last map alone, against a loop over everybody."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from helpers import persons_table, write_shards
from visualsearch.data.tables import HITS, PERSONS, QUERIES
from visualsearch.data.vectors import l2_normalised, vector_column, vectors_of, with_full_length
from visualsearch.evaluate.last_map import hits_by_last_map
from visualsearch.settings import SearchSettings

N, LAST, BEFORE = 60, 5, 7
RNG = np.random.default_rng(4)
LAST_MAP = RNG.random((N, LAST)).astype(np.float16).astype(np.float32)
MAP_BEFORE = RNG.random((N, BEFORE)).astype(np.float16).astype(np.float32)
PERSONS_TABLE = persons_table(LAST_MAP, 3).drop_columns("vector")
IMAGES = PERSONS_TABLE["image_id"].to_numpy()
JOINED = PERSONS_TABLE.append_column("vector", vector_column(LAST_MAP)).append_column(
    "before", vector_column(MAP_BEFORE)
)
SCHEMA = with_full_length(PERSONS, {"vector": LAST, "before": BEFORE})
MEAN = l2_normalised(vectors_of(JOINED)).mean(axis=0)


def queries_of(rows: list[int]) -> pa.Table:
    """Queries of some rows, and one of the user's own picture before them."""
    taken = PERSONS_TABLE.take(pa.array(rows, pa.int64()))
    nothing = {name: pa.nulls(len(rows) + 1, QUERIES.field(name).type) for name in QUERIES.names}
    ids = [None, *taken["person_id"].to_pylist()]
    columns = nothing | {"query": np.arange(len(ids)), "person_id": pa.array(ids, pa.int64())}
    return pa.table(columns).cast(QUERIES)


@pytest.mark.parametrize("same_image", [True, False])
@pytest.mark.parametrize("per_image", [1, None])
def test_hits_are_the_nearest_by_the_last_map(
    tmp_path: Path, same_image: bool, per_image: int | None
) -> None:
    asked = [40, 3]
    shards = write_shards(tmp_path, JOINED.cast(SCHEMA), 3)
    settings = SearchSettings(neighbours=8, same_image=same_image, hits_per_image=per_image)
    hits = hits_by_last_map(shards, PERSONS_TABLE, queries_of(asked), MEAN, settings)
    assert hits.schema == HITS
    unit = l2_normalised(LAST_MAP)
    unit = l2_normalised(unit - unit.mean(axis=0))
    for number, query in enumerate(asked, start=1):
        wanted: list[int] = []
        for row in np.argsort(-(unit @ unit[query]), kind="stable").tolist():
            of_image = sum(IMAGES[row] == IMAGES[other] for other in wanted)
            allowed = row != query and (same_image or IMAGES[row] != IMAGES[query])
            if allowed and of_image < (per_image or N) and len(wanted) < 8:
                wanted.append(row)
        mine = hits.filter(pa.compute.equal(hits["query"], number))
        assert mine["rank"].to_pylist() == list(range(1, 9))
        assert mine["person_id"].to_pylist() == PERSONS_TABLE["person_id"].take(wanted).to_pylist()
        assert mine["similarity"].to_numpy() == pytest.approx(unit[wanted] @ unit[query], abs=1e-5)
        assert mine["same_image"].to_pylist() == (IMAGES[wanted] == IMAGES[query]).tolist()


def test_fewer_others_than_asked_gives_those_there_are(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, JOINED.cast(SCHEMA), 1)
    settings = SearchSettings(neighbours=100)
    hits = hits_by_last_map(shards, PERSONS_TABLE, queries_of([0]), MEAN, settings)
    assert len(hits) == N / 3 - 1
    every = replace(settings, hits_per_image=None, same_image=True)
    assert len(hits_by_last_map(shards, PERSONS_TABLE, queries_of([0]), MEAN, every)) == N - 1


def test_without_another_column_or_query_there_are_none(tmp_path: Path) -> None:
    settings = SearchSettings()
    single = write_shards(tmp_path, persons_table(LAST_MAP, 3), 1)
    none = hits_by_last_map(single, PERSONS_TABLE, queries_of([0]), MEAN, settings)
    assert none.equals(HITS.empty_table())
    shards = write_shards(tmp_path, JOINED.cast(SCHEMA), 1)
    none = hits_by_last_map(shards, PERSONS_TABLE, queries_of([]), MEAN, settings)
    assert none.equals(HITS.empty_table())
