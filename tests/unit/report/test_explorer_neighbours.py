"""Everybody's neighbours in the explorer, the report's hits first."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from explorer_run import A_PICTURE, LENGTH, SHARDS, full_length_of, opened
from helpers import persons_table, unit_vectors
from visualsearch.data.tables import HITS, write_table
from visualsearch.explorer.report_hits import hits_of_persons, put_hits_first
from visualsearch.search.everyone import EVERYONE, exact_index, search_everyone
from visualsearch.search.hits import search_all
from visualsearch.settings import SearchSettings

N = 330


@pytest.mark.parametrize("backend", ["annoy", "exact", "faiss"])
@pytest.mark.parametrize(
    "search",
    [
        {"hits_per_image": None},
        {},
        {"hits_per_image": None, "same_image": True},
        {"near_duplicate": 0.8, "exclude_near_duplicates": True},
    ],
    ids=["elsewhere", "one-an-image", "same-image", "no-near-duplicates"],
)
def test_first_come_the_hits_of_the_report(
    tmp_path: Path, backend: str, search: dict[str, Any]
) -> None:
    """Though they are an index's, which misses some, and everybody's neighbours are exact."""
    table = persons_table(unit_vectors(N, LENGTH), A_PICTURE)
    index = opened(tmp_path, table, backend, search_k=1)
    settings, full_length = SearchSettings(**search), full_length_of(tmp_path)
    ids = table["person_id"].to_pylist()
    queries = table.select(["person_id", "image_id", "vector"])
    queries = queries.append_column("query", pa.array(np.arange(N)))
    hits = search_all(index, table.drop_columns("vector"), queries, settings, full_length)
    write_table(tmp_path / "queries.parquet", [queries], queries.schema)
    write_table(tmp_path / "hits.parquet", [hits], HITS)
    by_person = hits_of_persons(str(tmp_path / "queries.parquet"), str(tmp_path / "hits.parquet"))
    shards = [str(tmp_path / f"{shard}.parquet") for shard in range(SHARDS)]
    everyone = exact_index(shards)
    found: dict[int, dict[str, Any]] = {}
    exact: dict[int, list[int]] = {}
    for path in shards:
        for part in search_everyone(everyone, table, path, settings, 30, full_length):
            assert part.schema.equals(EVERYONE)
            exact |= {row["person_id"]: row["neighbours"] for row in part.to_pylist()}
            columns = part.to_pydict()
            put_hits_first(columns, by_person, settings.hits_per_image, 30)
            rows = zip(*columns.values(), strict=True)
            found |= {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert sorted(found) == ids
    assert sorted(by_person) == ids
    assert {len(neighbours) for neighbours in exact.values()} == {30}
    for person in ids:
        person_found = found[person]
        for name, column in (
            ("neighbours", "person_id"),
            ("similarity", "similarity"),
            ("same_image", "same_image"),
            ("near_duplicate", "near_duplicate"),
        ):
            assert person_found[name][:10] == [hit[column] for hit in by_person[person]], person
        # Then the nearest that are not among them.
        shown = person_found["neighbours"]
        assert len(set(shown) - {person}) == 30
        further = [other for other in exact[person] if other not in shown[:10]]
        if settings.hits_per_image == 1:
            assert len({n // 1000 for n in shown}) == 30
            images = {other // 1000 for other in shown[:10]}
            further = [other for other in further if other // 1000 not in images]
        assert shown[10:] == further[:20][: len(shown) - 10]
    if backend == "annoy":
        assert any(found[person]["neighbours"] != exact[person] for person in ids)


def test_a_query_of_an_own_picture_changes_nobody(tmp_path: Path) -> None:
    nobody = pa.array([None], pa.int64())
    queries = pa.table({"query": pa.array([0], pa.int16()), "person_id": nobody})
    write_table(tmp_path / "queries.parquet", [queries], queries.schema)
    hits = pa.Table.from_pylist([{"query": 0, "person_id": 1000}], HITS)
    write_table(tmp_path / "hits.parquet", [hits], HITS)
    assert hits_of_persons(str(tmp_path / "queries.parquet"), str(tmp_path / "hits.parquet")) == {}


@pytest.mark.parametrize("count", [1, 4, 30])
def test_as_many_neighbours_as_asked(tmp_path: Path, count: int) -> None:
    table = persons_table(unit_vectors(N, LENGTH), A_PICTURE)
    index = opened(tmp_path, table, "exact")
    search = SearchSettings(neighbours=4)
    parts = search_everyone(
        index, table, str(tmp_path / "0.parquet"), search, count, full_length_of(tmp_path)
    )
    lists = [row["neighbours"] for part in parts for row in part.to_pylist()]
    assert {len(found) for found in lists} == {count}
