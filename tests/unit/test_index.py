"""Indexes against brute force, and the self-test that a broken one must fail."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import persons_table, unit_vectors, write_shards
from visualsearch.errors import InputError
from visualsearch.index import SUFFIXES, annoy_backend, open_index
from visualsearch.index.building import build_index

SETTINGS = {"n_trees": 20, "search_k": 5000, "seed": 0}


def built(
    folder: Path, vectors: np.ndarray, backend: str, shards: int = 2, **settings: Any
) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    paths = write_shards(folder, persons_table(vectors), shards)
    build_index(
        paths,
        SETTINGS | {"backend": backend} | settings,
        index=str(folder / "index"),
        persons=str(folder / "persons.parquet"),
        sidecar=str(folder / "index.json"),
    )
    return json.loads((folder / "index.json").read_text())


@pytest.mark.parametrize("backend", SUFFIXES)
def test_neighbours_are_those_of_brute_force(tmp_path: Path, backend: str) -> None:
    vectors = unit_vectors(1000, 16)
    sidecar = built(tmp_path, vectors, backend)
    index = open_index(tmp_path / "index", sidecar)
    for row in (0, 17, 999):
        truth = np.argsort(-(vectors @ vectors[row]), kind="stable")[:10]
        rows, cosines = index.query(vectors[row], 10)
        assert rows.tolist() == truth.tolist()
        assert cosines == pytest.approx(vectors[truth] @ vectors[row], abs=1e-6)
    assert sidecar["recall"] == {"recall@1": 1.0, "recall@10": 1.0, "persons_sampled": 500}


def test_measured_recall_tells_a_forest_that_is_too_small(tmp_path: Path) -> None:
    sidecar = built(tmp_path, unit_vectors(3000, 64), "annoy", n_trees=1, search_k=1)
    assert sidecar["recall"]["recall@10"] < 0.5


@pytest.mark.parametrize("backend", SUFFIXES)
def test_more_neighbours_than_items_gives_all(tmp_path: Path, backend: str) -> None:
    sidecar = built(tmp_path, unit_vectors(4, 8), backend)
    rows, _ = open_index(tmp_path / "index", sidecar).query(unit_vectors(1, 8)[0], 50)
    assert sorted(rows.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("backend", SUFFIXES)
def test_equal_vectors_come_by_rising_row(tmp_path: Path, backend: str) -> None:
    vectors = np.repeat(unit_vectors(3, 8), 5, axis=0)
    sidecar = built(tmp_path, vectors, backend)
    rows, cosines = open_index(tmp_path / "index", sidecar).query(vectors[7], 5)
    assert rows.tolist() == [5, 6, 7, 8, 9]
    assert len(set(cosines.tolist())) == 1


@pytest.mark.parametrize("backend", SUFFIXES)
def test_bytes_do_not_depend_on_shards(tmp_path: Path, backend: str) -> None:
    vectors = unit_vectors(500, 12)
    for shards in (1, 5):
        built(tmp_path / str(shards), vectors, backend, shards=shards)
    for name in ("index", "persons.parquet", "index.json"):
        first, second = ((tmp_path / str(shards) / name).read_bytes() for shards in (1, 5))
        assert first == second, name


@pytest.mark.parametrize("backend", SUFFIXES)
def test_a_sidecar_of_another_index_is_refused(tmp_path: Path, backend: str) -> None:
    sidecar = built(tmp_path, unit_vectors(200, 16), backend)
    with pytest.raises(InputError, match="rerun build_index"):
        open_index(tmp_path / "index", sidecar | {"n_items": 150})
    with pytest.raises(InputError, match="rerun build_index"):
        open_index(tmp_path / "index", sidecar | {"dimension": 24})


def test_wrong_metric_is_refused(tmp_path: Path) -> None:
    sidecar = built(tmp_path, unit_vectors(200, 16), "annoy")
    with pytest.raises(InputError, match="built for metric euclidean"):
        open_index(tmp_path / "index", sidecar | {"metric": "euclidean"})


def test_dimension_that_fits_the_file_by_chance_is_refused(tmp_path: Path) -> None:
    """A dimension whose node size divides the file: Annoy loads it and answers nonsense."""
    sidecar = built(tmp_path, unit_vectors(256, 16), "annoy")
    with pytest.raises(InputError):
        open_index(tmp_path / "index", sidecar | {"dimension": 7})


def test_annoy_that_gives_one_neighbour_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar = built(tmp_path, unit_vectors(200, 16), "annoy")
    honest = annoy_backend.query

    def single(handle: Any, vector: np.ndarray, k: int) -> Any:
        rows, vectors = honest(handle, vector, k)
        return rows[:1], vectors[:1]

    monkeypatch.setattr(annoy_backend, "query", single)
    with pytest.raises(InputError, match="this build of annoy is broken"):
        open_index(tmp_path / "index", sidecar)


def test_index_that_does_not_hold_what_it_should_is_refused(tmp_path: Path) -> None:
    sidecar = built(tmp_path, unit_vectors(200, 16), "exact")
    vectors = np.load(tmp_path / "index")
    np.save(tmp_path / "scaled.npy", vectors * 3)
    with pytest.raises(InputError, match="does not find itself"):
        open_index(tmp_path / "scaled.npy", sidecar)


def test_missing_index_is_named(tmp_path: Path) -> None:
    sidecar = built(tmp_path, unit_vectors(20, 4), "annoy")
    with pytest.raises(InputError, match="nowhere"):
        open_index(tmp_path / "nowhere", sidecar)
