"""Everybody's neighbours: compared in blocks, and as if each person were searched for alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from helpers import built_index, persons_table, unit_vectors, write_shards
from visualsearch.data.person_order import rows_of_shards
from visualsearch.data.tables import read_table, write_table
from visualsearch.index import REGISTRY
from visualsearch.index.base import cosines_with
from visualsearch.index.opening import open_index
from visualsearch.search import everyone
from visualsearch.search.everyone import EVERYONE, exact_index, search_everyone
from visualsearch.search.full_length import FullLength
from visualsearch.search.neighbours import find_candidates, within_limit
from visualsearch.settings import SearchSettings

N, LENGTH, COUNT = 150, 16, 10


def plain() -> pa.Table:
    return persons_table(unit_vectors(N, LENGTH), 3)


def a_crowd() -> pa.Table:
    """Half of all are in one picture, and alike."""
    vectors = unit_vectors(N, LENGTH)
    vectors[: N // 2] = vectors[0] + 0.2 * vectors[: N // 2]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = persons_table(vectors, 3)
    image_ids = np.where(np.arange(N) < N // 2, 1, table["image_id"].to_numpy())
    place = table.schema.get_field_index("image_id")
    return table.set_column(place, "image_id", pa.array(image_ids))


def copies() -> pa.Table:
    """More equal vectors than are looked at in blocks, so that no product tells who is nearer."""
    vectors = unit_vectors(N, LENGTH)
    vectors[::3] = vectors[0]
    return persons_table(vectors, 3)


@pytest.mark.parametrize("made", [plain, a_crowd, copies])
@pytest.mark.parametrize(
    "search",
    [
        {},
        {"hits_per_image": None, "same_image": True},
        {"hits_per_image": 2},
        {"near_duplicate": 0.9, "exclude_near_duplicates": True},
    ],
    ids=["one-an-image", "same-image", "two-an-image", "no-near-duplicates"],
)
def test_each_person_gets_what_exact_search_finds(
    tmp_path: Path, made: Callable[[], pa.Table], search: dict[str, Any]
) -> None:
    table, settings = made(), SearchSettings(**search)
    person_ids, image_ids = (table[name].to_numpy() for name in ("person_id", "image_id"))
    vectors = np.stack(table["vector"].to_numpy())
    results = []
    for shards in (1, 4):
        folder = tmp_path / str(shards)
        folder.mkdir()
        paths = write_shards(folder, table, shards)
        full_length = FullLength(paths, np.zeros(LENGTH, np.float32), vectors[:0])
        index = exact_index(paths)
        for n, path in enumerate(paths):
            found = search_everyone(index, table, path, settings, COUNT, full_length)
            write_table(folder / f"everyone-{n}", found, EVERYONE)
        written = [folder / f"everyone-{n}" for n in range(shards)]
        results.append(rows_of_shards(written, EVERYONE.names).combine_chunks())
    assert results[0].equals(results[1])

    for own, row in enumerate(results[0].to_pylist()):
        depth = N if settings.exclude_near_duplicates else 0
        rows, cosines = find_candidates(
            index, image_ids, vectors[own], COUNT, settings.hits_per_image, depth,
            own_row=own, own_image=int(image_ids[own]), same_image=settings.same_image,
        )  # fmt: skip
        if settings.exclude_near_duplicates:  # the full-length vectors are the same here
            rows, cosines = (part[cosines < 0.9 - 1e-6] for part in (rows, cosines))
        keep = np.flatnonzero(within_limit(image_ids[rows], settings.hits_per_image))[:COUNT]
        assert row["person_id"] == person_ids[own]
        assert row["neighbours"] == person_ids[rows[keep]].tolist()
        assert row["similarity"] == cosines[keep].astype(np.float32).tolist()
        assert len(keep) == COUNT


def test_few_are_searched_for_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose nearest are all of a few pictures, or copies of each other."""
    alone: list[int] = []

    def counted(*arguments: Any, own_row: int, **others: Any) -> Any:
        alone.append(own_row)
        return find_candidates(*arguments, own_row=own_row, **others)

    monkeypatch.setattr(everyone, "find_candidates", counted)
    for made in (plain, copies):
        table = made()
        paths = write_shards(tmp_path, table, 1)
        full_length = FullLength(paths, np.zeros(LENGTH, np.float32), unit_vectors(0, LENGTH))
        found = search_everyone(
            exact_index(paths), table, paths[0], SearchSettings(), COUNT, full_length
        )
        assert sum(map(len, found)) == N
        assert set(alone) >= set(range(0, N, 3)) if made is copies else not alone


@pytest.mark.parametrize("backend", REGISTRY)
def test_an_index_that_does_not_compare_with_all_is_asked(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of faiss holds all vectors, and must not be taken for exact search."""
    table = plain()
    sidecar = built_index(tmp_path, np.stack(table["vector"].to_numpy()), backend, shards=1)
    compared = []
    in_blocks = everyone._certain_nearest
    monkeypatch.setattr(
        everyone, "_certain_nearest", lambda *args: compared.append(1) or in_blocks(*args)
    )
    paths = [str(tmp_path / "0.parquet")]
    full_length = FullLength(paths, np.zeros(LENGTH, np.float32), np.empty((0, LENGTH)))
    index = open_index(tmp_path / "index", sidecar)
    persons = read_table(tmp_path / "persons.parquet", ["person_id", "image_id"])
    found = search_everyone(index, persons, paths[0], SearchSettings(), COUNT, full_length)
    assert sum(len(rows) for rows in found) == N
    assert bool(compared) == (backend == "exact")


def test_cosines_are_dot_products_one_by_one() -> None:
    """To the last bit, wherever a row lies."""
    vectors = unit_vectors(61, 256)
    for n in (0, 60):
        for rows in (np.arange(61), np.arange(7, 30, 3), np.array([5]), np.array([], dtype=int)):
            wide = vectors[n].astype(np.float64)
            alone = [float(np.dot(vectors[row].astype(np.float64), wide)) for row in rows]
            assert cosines_with(vectors[n], vectors[rows]).tolist() == alone
            assert cosines_with(vectors[n], (vectors[row] for row in rows)).tolist() == alone
