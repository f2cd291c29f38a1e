"""Neighbours of a query: never itself, and not its own image unless asked."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from helpers import persons_table, unit_vectors, write_shards
from visualsearch.index import Index, open_index
from visualsearch.index.building import build_index
from visualsearch.search import exact_neighbours, find_neighbours, recall_of_index, search_all
from visualsearch.tables import QUERIES, vector_column, with_vector

N, LENGTH = 90, 8
VECTORS = unit_vectors(N, LENGTH)
PERSONS_TABLE = persons_table(VECTORS)
IMAGES = PERSONS_TABLE["image_id"].to_numpy()


@pytest.fixture(params=["annoy", "exact"])
def index(tmp_path: Path, request: pytest.FixtureRequest) -> Index:
    settings = {"backend": request.param, "n_trees": 10, "search_k": 1000, "seed": 0}
    sidecar = tmp_path / "index.json"
    paths = write_shards(tmp_path, PERSONS_TABLE, 2)
    build_index(paths, settings, str(tmp_path / "i"), str(tmp_path / "p"), str(sidecar))
    import json

    return open_index(tmp_path / "i", json.loads(sidecar.read_text()))


def brute_force(vector: np.ndarray, allowed: np.ndarray, k: int) -> list[int]:
    cosines = np.where(allowed, VECTORS @ vector, -9)
    return np.argsort(-cosines, kind="stable")[:k].tolist()


def test_query_and_its_image_are_left_out(index: Index) -> None:
    rows, cosines = find_neighbours(index, IMAGES, VECTORS[4], 10, own_row=4, own_image=IMAGES[4])
    assert rows.tolist() == brute_force(VECTORS[4], IMAGES[4] != IMAGES, 10)
    assert (np.diff(cosines) <= 0).all()


def test_own_image_can_be_let_in(index: Index) -> None:
    rows, _ = find_neighbours(
        index, IMAGES, VECTORS[4], N, own_row=4, own_image=IMAGES[4], same_image=True
    )
    assert sorted(rows.tolist()) == [row for row in range(N) if row != 4]


def test_a_full_image_is_searched_past(index: Index) -> None:
    """Where the nearest are all of the query's image, the search goes on until it has k."""
    images = np.where(np.argsort(np.argsort(-(VECTORS @ VECTORS[0]))) < 40, 1, IMAGES + 1)
    rows, _ = find_neighbours(index, images, VECTORS[0], 10, own_row=0, own_image=1)
    assert rows.tolist() == brute_force(VECTORS[0], images != 1, 10)


def test_fewer_others_than_asked_gives_those_there_are(index: Index) -> None:
    rows, _ = find_neighbours(index, IMAGES, VECTORS[0], 500, own_row=0, own_image=IMAGES[0])
    assert len(rows) == N - 3


def test_hits_of_a_person_and_of_a_picture(index: Index) -> None:
    schema = with_vector(QUERIES, LENGTH)
    queries = pa.table(
        {
            "query": [0, 1],
            "reason": ["", ""],
            "person_id": [int(PERSONS_TABLE["person_id"][7].as_py()), None],
            "image_id": [int(IMAGES[7]), None],
            "picture": [None, "mine.jpg"],
            "score": [0.9, 0.9],
            **{name: [0.0, 0.0] for name in ("x", "y", "w", "h")},
            "vector": vector_column(VECTORS[[7, 7]]),
        }
    ).cast(schema)
    persons = PERSONS_TABLE.drop_columns("vector")
    hits = search_all(index, persons, queries, 5, same_image=False)
    assert hits["rank"].to_pylist() == [1, 2, 3, 4, 5] * 2
    own, picture = hits.slice(0, 5), hits.slice(5)
    assert persons["person_id"][7].as_py() not in own["person_id"].to_pylist()
    # A picture is no part of the set, so that its twin in the set is its first hit.
    assert picture["person_id"][0].as_py() == persons["person_id"][7].as_py()
    assert picture["similarity"][0].as_py() == pytest.approx(1)
    assert hits["same_image"].to_pylist() == [False] * 10


def test_same_image_is_marked(index: Index) -> None:
    queries = {
        "query": [0], "person_id": [1000], "image_id": [1], "vector": vector_column(VECTORS[:1]),
    }  # fmt: skip
    persons = PERSONS_TABLE.drop_columns("vector")
    hits = search_all(index, persons, pa.table(queries), N, same_image=True)
    assert sum(hits["same_image"].to_pylist()) == 2
    assert set(hits.filter(hits["same_image"])["image_id"].to_pylist()) == {1}


def test_no_queries_give_no_hits(index: Index) -> None:
    empty = with_vector(QUERIES, LENGTH).empty_table()
    assert len(search_all(index, PERSONS_TABLE, empty, 5, same_image=False)) == 0


def test_exact_neighbours_do_not_depend_on_batches() -> None:
    whole = exact_neighbours([VECTORS], VECTORS[:5], 7)
    parts = exact_neighbours([VECTORS[:10], VECTORS[10:11], VECTORS[11:]], VECTORS[:5], 7)
    assert np.array_equal(whole[0], parts[0])
    assert whole[0][:, 0].tolist() == [0, 1, 2, 3, 4]


def test_recall_is_the_share_found(index: Index) -> None:
    """An index that misses one known neighbour of ten."""

    class Forgetful:
        def __len__(self) -> int:
            return N

        def vector(self, row: int) -> np.ndarray:
            return VECTORS[row]

        def query(self, vector: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
            rows, cosines = index.query(vector, min(k + 1, N))
            keep = np.arange(len(rows)) != 3  # the third neighbour, after the query itself
            return rows[keep][:k], cosines[keep][:k]

    recall = recall_of_index(Forgetful(), [VECTORS], np.arange(20), (1, 10))  # type: ignore[arg-type]
    assert recall == {"recall@1": 1.0, "recall@10": pytest.approx(0.9)}
