"""Neighbours of a query: never itself, not its own image unless asked, and one of each image."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from helpers import built_index, persons_table, unit_vectors, write_shards
from visualsearch.data.tables import HITS, write_table
from visualsearch.data.vectors import vector_column, vectors_of
from visualsearch.index.index import Index
from visualsearch.index.opening import open_index
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.search.full_length import FullLength, centred
from visualsearch.search.hits import search_all
from visualsearch.search.neighbours import find_candidates, within_limit
from visualsearch.settings import SearchSettings

N, LENGTH = 90, 8
VECTORS = unit_vectors(N, LENGTH)
PERSONS_TABLE = persons_table(VECTORS)
IMAGES = PERSONS_TABLE["image_id"].to_numpy()


def opened(folder: Path, table: pa.Table, backend: str) -> Index:
    sidecar = built_index(folder, vectors_of(table), backend, n_trees=10, search_k=1000)
    return open_index(folder / "index", sidecar)


@pytest.fixture(params=["annoy", "exact"])
def index(tmp_path: Path, request: pytest.FixtureRequest) -> Index:
    return opened(tmp_path, PERSONS_TABLE, request.param)


@pytest.fixture
def full_length(tmp_path: Path) -> FullLength:
    """Full-length vectors like the reduced ones."""
    (tmp_path / "full").mkdir()
    shards = write_shards(tmp_path / "full", PERSONS_TABLE, 3)
    return FullLength(shards, np.zeros(LENGTH, np.float32), VECTORS[:0])


def brute_force(vector: np.ndarray, allowed: np.ndarray, k: int) -> list[int]:
    cosines = np.where(allowed, VECTORS @ vector, -9)
    return np.argsort(-cosines, kind="stable")[:k].tolist()


def test_query_and_its_image_are_left_out(index: Index) -> None:
    rows, cosines = find_candidates(index, IMAGES, VECTORS[4], 10, own_row=4, own_image=IMAGES[4])
    assert rows.tolist() == brute_force(VECTORS[4], IMAGES[4] != IMAGES, 10)
    assert (np.diff(cosines) <= 0).all()


def test_a_full_image_is_searched_past(index: Index) -> None:
    """Where the nearest are all of the query's image, the search goes on until it has k."""
    images = np.where(np.argsort(np.argsort(-(VECTORS @ VECTORS[0]))) < 40, 1, IMAGES + 1)
    rows, _ = find_candidates(index, images, VECTORS[0], 10, own_row=0, own_image=1)
    assert rows.tolist() == brute_force(VECTORS[0], images != 1, 10)


def query_table(vectors: np.ndarray, persons: list[int | None], images: list) -> pa.Table:
    return pa.table(
        {
            "query": pa.array(range(len(persons)), pa.int16()),
            "person_id": pa.array(persons, pa.int64()),
            "image_id": pa.array(images, pa.int64()),
            "vector": vector_column(vectors),
        }
    )


def test_hits_of_a_person_and_of_a_picture(index: Index, full_length: FullLength) -> None:
    persons = PERSONS_TABLE.drop_columns("vector")
    person = persons["person_id"][7].as_py()
    queries = query_table(VECTORS[[7, 7]], [person, None], [int(IMAGES[7]), None])
    full_length = replace(full_length, own_pictures=VECTORS[7:8])
    hits = search_all(index, persons, queries, SearchSettings(neighbours=5), full_length)
    assert hits["rank"].to_pylist() == [1, 2, 3, 4, 5] * 2
    assert hits["same_image"].to_pylist() == [False] * 10
    assert person not in hits["person_id"].to_pylist()[:5]
    # The picture is not in the set, so its equal in the set is its first hit.
    assert hits["person_id"][5].as_py() == person
    assert hits["similarity"][5].as_py() == pytest.approx(1)


def test_fewer_others_than_asked_gives_those_there_are(
    index: Index, full_length: FullLength
) -> None:
    persons, queries = PERSONS_TABLE.drop_columns("vector"), query_table(VECTORS[:1], [1000], [1])
    hits = search_all(index, persons, queries, SearchSettings(neighbours=N), full_length)
    assert len(hits) == N / 3 - 1  # one of each other image
    every = SearchSettings(neighbours=N, hits_per_image=None)
    hits = search_all(index, persons, queries, every, full_length)
    assert len(hits) == N - 3
    every = replace(every, same_image=True)
    hits = search_all(index, persons, queries, every, full_length)
    assert sorted(hits["person_id"].to_pylist()) == persons["person_id"].to_pylist()[1:]
    own = hits["same_image"].to_pylist()
    assert own == [image == 1 for image in hits["image_id"].to_pylist()] and sum(own) == 2


@pytest.mark.parametrize("per_image", [1, 2])
@pytest.mark.parametrize("same_image", [False, True])
def test_the_best_of_each_image_are_found(index: Index, per_image: int, same_image: bool) -> None:
    """Compared with a loop over everybody by falling cosine."""
    for query in (4, 50):
        wanted: list[int] = []
        for row in np.argsort(-(VECTORS @ VECTORS[query]), kind="stable").tolist():
            of_image = sum(IMAGES[row] == IMAGES[other] for other in wanted)
            allowed = row != query and (same_image or IMAGES[row] != IMAGES[query])
            if allowed and of_image < per_image and len(wanted) < 20:
                wanted.append(row)
        rows, cosines = find_candidates(
            index, IMAGES, VECTORS[query], 20, per_image,
            own_row=query, own_image=IMAGES[query], same_image=same_image,
        )  # fmt: skip
        keep = within_limit(IMAGES[rows], per_image)
        rows, cosines = rows[keep], cosines[keep]
        assert rows.tolist() == wanted
        assert cosines == pytest.approx(VECTORS[wanted] @ VECTORS[query], abs=1e-6)


def test_a_limit_for_each_image_keeps_the_first() -> None:
    images = np.array([7, 3, 7, 3, 7, 9])
    for per_image, kept in ((1, [0, 1, 5]), (2, [0, 1, 2, 3, 5]), (None, [0, 1, 2, 3, 4, 5])):
        assert np.flatnonzero(within_limit(images, per_image)).tolist() == kept
    assert within_limit(images[:0], 1).tolist() == []


def test_no_queries_give_no_hits(index: Index, full_length: FullLength) -> None:
    none = query_table(VECTORS[:0], [], [])
    assert search_all(index, PERSONS_TABLE, none, SearchSettings(), full_length).schema == HITS


class Twins:
    """Persons whose full-length vectors tell other near-duplicates than the reduced ones.

    By the full-length vectors, persons 3, 6 and 9 are almost person 0, 1 is equal to it, and 0, 1
    and 2 share an image. The reduced vectors say nothing of it: they are
    drawn by chance, except that 3 is the nearest and 6 the second.
    """

    def __init__(self, folder: Path, backend: str) -> None:
        rng = np.random.default_rng(2)
        self.reduced = VECTORS.copy()
        for row, apart in ((3, 0.01), (6, 0.05)):
            near = self.reduced[0] + apart * rng.normal(size=LENGTH)
            self.reduced[row] = near / np.linalg.norm(near)
        full = unit_vectors(N, 24, seed=5)
        for row, apart in ((3, 0.01), (6, 0.05), (9, 0.1)):
            near = full[0] + apart / 3 * rng.normal(size=24)
            full[row] = 2 * near  # length is of no matter
        full[1] = full[0]
        self.table = persons_table(self.reduced)
        self.index = opened(folder, self.table, backend)
        self.query = query_table(self.reduced[:1], [1000], [1])
        (folder / "full").mkdir()
        shards = write_shards(folder / "full", persons_table(full), 3)
        mean = (full / np.linalg.norm(full, axis=1, keepdims=True)).mean(axis=0)
        self.full_length = FullLength(shards, mean, full[:0])
        unit = centred(full, mean)
        self.cosines = unit @ unit[0]

    def search(self, k: int, **settings: Any) -> pa.Table:
        persons = self.table.drop_columns("vector")
        asked = SearchSettings(**{"neighbours": k, "hits_per_image": None, **settings})
        return search_all(self.index, persons, self.query, asked, self.full_length)

    def marked(self, hits: pa.Table) -> list[int]:
        """Rows of the hits that are marked."""
        ids = self.table["person_id"].to_pylist()
        persons = hits.filter(hits["near_duplicate"])["person_id"].to_pylist()
        return [ids.index(person) for person in persons]


@pytest.fixture(params=["annoy", "exact"])
def twins(tmp_path: Path, request: pytest.FixtureRequest) -> Twins:
    return Twins(tmp_path, request.param)


def test_near_duplicates_are_marked_by_the_full_length_vectors(twins: Twins) -> None:
    by_cosine = np.argsort(-twins.cosines[[3, 6, 9]])
    assert by_cosine.tolist() == [0, 1, 2]
    limit = float(twins.cosines[6]) - 1e-4  # two of the three reach it
    hits = twins.search(6, near_duplicate=limit)
    assert hits["person_id"].to_pylist()[:2] == [2000, 3000]
    assert hits["near_duplicate"].to_pylist() == [True, True] + [False] * 4
    assert hits["index_rank"].equals(hits["rank"]) and hits["full_similarity"].null_count == 6
    # Person 9 is far by the reduced vectors, and marked all the same.
    every = twins.search(N, near_duplicate=float(twins.cosines[9]) - 1e-4)
    assert twins.marked(every)[:2] == [3, 6] and set(twins.marked(every)) == {3, 6, 9}
    assert hits["similarity"][2].as_py() > every["similarity"].to_pylist()[N // 2]
    shared = twins.search(N, near_duplicate=limit, same_image=True)
    (equal,) = (hit for hit in shared.to_pylist() if hit["person_id"] == 1001)
    assert equal["same_image"] and equal["near_duplicate"] and equal["similarity"] < 0.9


def test_equal_vectors_are_near_duplicates_at_the_highest_threshold(twins: Twins) -> None:
    hits = twins.search(N, near_duplicate=1.0, same_image=True)
    assert twins.marked(hits) == [1]


def test_excluded_near_duplicates_give_place_to_deeper_ones(twins: Twins) -> None:
    every = twins.search(20, near_duplicate=0.95)
    marked = sum(every["near_duplicate"].to_pylist())
    assert 1 <= marked <= 3
    hits = twins.search(10, near_duplicate=0.95, exclude_near_duplicates=True)
    others = every.filter(pc.invert(every["near_duplicate"]))
    assert hits["person_id"].to_pylist() == others["person_id"].to_pylist()[:10]
    assert hits["rank"].to_pylist() == hits["index_rank"].to_pylist() == list(range(1, 11))
    assert not any(hits["near_duplicate"].to_pylist())


def test_all_near_duplicates_leave_no_hit(twins: Twins) -> None:
    low = float(twins.cosines.min()) - 0.1
    hits = twins.search(5, near_duplicate=low, exclude_near_duplicates=True)
    assert len(hits) == 0 and hits.schema == HITS


class TwoLengths:
    """Full-length vectors whose order differs from that of the reduced ones."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(4)
        self.full = np.abs(rng.normal(size=(N, 24)) + rng.normal(size=24)).astype(np.float32)
        self.reduction = fit_reduction([self.full], N, 24, 6, 1.0)
        self.model = str(folder / "model.npz")
        self.reduction.save(self.model)
        self.short = self.reduction.transform(self.full)
        self.table = persons_table(self.short)
        self.index = opened(folder, self.table, "exact")
        (folder / "full").mkdir()
        self.shards = write_shards(folder / "full", persons_table(self.full), 3)
        # By hand: length 1, minus the mean of those, length 1.
        unit = self.full.astype(np.float64)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        unit -= unit.mean(axis=0)
        self.unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)

    def search(self, k: int, depth: int, rows: tuple[int, ...] = (30,), **how: Any) -> pa.Table:
        persons = self.table.drop_columns("vector")
        ids = [persons["person_id"][row].as_py() for row in rows]
        queries = query_table(self.short[list(rows)], ids, [i // 1000 for i in ids])
        how = {"neighbours": k, "rerank": depth, "hits_per_image": None, **how}
        full_length = FullLength.load(self.shards, self.model)
        return search_all(self.index, persons, queries, SearchSettings(**how), full_length)

    def rows(self, hits: pa.Table) -> list[int]:
        ids = self.table["person_id"].to_pylist()
        return [ids.index(person) for person in hits["person_id"].to_pylist()]


@pytest.fixture
def full(tmp_path: Path) -> TwoLengths:
    return TwoLengths(tmp_path)


@pytest.mark.parametrize("depth", [10, 40, 1000])
def test_reranking_sorts_by_the_full_length_vectors(full: TwoLengths, depth: int) -> None:
    hits = full.search(10, depth)
    others = np.flatnonzero(IMAGES[30] != IMAGES)
    by_index = others[np.argsort(-(full.short[others] @ full.short[30]), kind="stable")]
    seen = by_index[:depth]
    cosines = full.unit[seen] @ full.unit[30]
    order = np.argsort(-cosines, kind="stable")[:10]
    assert full.rows(hits) == seen[order].tolist()
    assert hits["index_rank"].to_pylist() == (order + 1).tolist() != list(range(1, 11))
    assert hits["rank"].to_pylist() == list(range(1, 11))
    assert hits["full_similarity"].to_pylist() == pytest.approx(cosines[order], abs=1e-5)
    reduced = full.short[seen[order]] @ full.short[30]
    assert hits["similarity"].to_pylist() == pytest.approx(reduced, abs=1e-5)
    assert any(order >= 10) == (depth > 10)


def test_never_fewer_are_reranked_than_are_shown(full: TwoLengths) -> None:
    assert full.search(10, 1).equals(full.search(10, 10))


@pytest.mark.parametrize("depth", [1, 15, 1000])
def test_reranking_shows_the_best_of_each_image_by_the_order_shown(
    full: TwoLengths, depth: int
) -> None:
    """Candidates go on until ten images are among them."""
    others = np.flatnonzero(IMAGES[30] != IMAGES)
    by_index = others[np.argsort(-(full.short[others] @ full.short[30]), kind="stable")].tolist()
    firsts = [
        place for place, row in enumerate(by_index) if IMAGES[row] not in IMAGES[by_index[:place]]
    ]
    candidates = by_index[: max(depth, firsts[9] + 1)]
    best: dict[int, int] = {}
    for row in sorted(candidates, key=lambda row: -full.unit[row] @ full.unit[30]):
        best.setdefault(int(IMAGES[row]), row)
    hits = full.search(10, depth, hits_per_image=1)
    assert full.rows(hits) == list(best.values())[:10]
    assert len(set(hits["image_id"].to_pylist())) == 10
    # The rank by the index is that of its image: no two hits have the same.
    in_order = [IMAGES[by_index[place]] for place in firsts]
    by_image = [1 + in_order.index(IMAGES[row]) for row in full.rows(hits)]
    assert hits["index_rank"].to_pylist() == by_image
    assert len(set(by_image)) == 10
    assert any(row not in (by_index[place] for place in firsts) for row in full.rows(hits))


def test_reranking_depends_neither_on_other_queries_nor_on_shards(
    full: TwoLengths, tmp_path: Path
) -> None:
    alone = full.search(10, 40, (30,))
    among = full.search(10, 40, (2, 30, 77))
    mine = among.filter(pc.equal(among["query"], 1)).drop_columns("query")
    assert mine.equals(alone.drop_columns("query"))
    full.shards = write_shards(tmp_path, persons_table(full.full), 1)
    assert full.search(10, 40).equals(alone)


def test_near_duplicates_are_left_out_before_reranking(full: TwoLengths) -> None:
    every = full.search(10, 40)
    cosines = full.unit @ full.unit[30]
    limit = float(np.sort(cosines[full.rows(every)])[-3])
    hits = full.search(10, 40, near_duplicate=limit, exclude_near_duplicates=True)
    others = np.flatnonzero((IMAGES[30] != IMAGES) & (cosines < limit - 1e-6))
    seen = others[np.argsort(-(full.short[others] @ full.short[30]), kind="stable")][:40]
    order = np.argsort(-(full.unit[seen] @ full.unit[30]), kind="stable")[:10]
    assert full.rows(hits) == seen[order].tolist() != full.rows(every)


def test_own_pictures_are_reranked_by_their_own_vectors(full: TwoLengths, tmp_path: Path) -> None:
    """Two pictures like rows 50 and 8, before and behind a person of the set."""
    own = full.full[[50, 8]] * 3  # length is of no matter
    table = pa.table([vector_column(own)], names=["vector"])
    write_table(tmp_path / "own.parquet", [table], table.schema)
    queries = query_table(full.short[[50, 8, 30]], [None, None, 11000], [None, None, 11])
    persons = full.table.drop_columns("vector")
    full_length = FullLength.load(full.shards, full.model, str(tmp_path / "own.parquet"))
    settings = SearchSettings(neighbours=5, rerank=40, hits_per_image=None)
    hits = search_all(full.index, persons, queries, settings, full_length)
    first = hits.filter(pc.equal(hits["rank"], 1))
    assert full.rows(first)[:2] == [50, 8]
    assert first["full_similarity"].to_pylist()[:2] == pytest.approx([1, 1], abs=1e-5)
    alone = full.search(5, 40).drop_columns("query")
    assert hits.slice(10).drop_columns("query").equals(alone)
