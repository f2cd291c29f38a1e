"""Indexes against brute force, the tuning to a recall, and the self-test a broken one must fail."""

import json
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import annoy
import numpy as np
import pytest
import usearch.index

from helpers import persons_table, unit_vectors, write_shards
from small_disk import in_shell_with_disk, python
from visualsearch import index as registry
from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json
from visualsearch.core.hashing import sha256_file
from visualsearch.index import SUFFIXES, annoy_backend, check_backend, exact_backend, hnsw_backend
from visualsearch.index.building import build_index
from visualsearch.index.opening import Index, open_index
from visualsearch.index.recall import (
    Searched,
    exact_cosines,
    found,
    least,
    measured_recall,
    sampled_rows,
)
from visualsearch.index.timing import advice_on, time_index, timed
from visualsearch.index.tuning import Point, Tried, compared_at, growth_exponent

OPEN = {"target_recall": 0.99, "n_trees": None, "search_k": None, "seed": 0}
SETTINGS = OPEN | {"n_trees": 20, "search_k": 5000}
KNOBS = {"annoy": "search_k", "hnsw": "expansion_search"}


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
    return read_json(folder / "index.json")


@pytest.mark.parametrize("backend", SUFFIXES)
def test_neighbours_are_those_of_brute_force(tmp_path: Path, backend: str) -> None:
    vectors = unit_vectors(1000, 16)
    sidecar = built(tmp_path, vectors, backend, target_recall=1.0)
    index = open_index(tmp_path / "index", sidecar)
    for row in (0, 17, 999):
        truth = np.argsort(-(vectors @ vectors[row]), kind="stable")[:10]
        rows, cosines = index.query(vectors[row], 10)
        assert rows.tolist() == truth.tolist()
        assert cosines == pytest.approx(vectors[truth] @ vectors[row], abs=1e-6)
        counted_rows, counted_cosines, compared = index.counted_query(vectors[row], 10)
        assert (counted_rows.tolist(), counted_cosines.tolist()) == (
            rows.tolist(),
            cosines.tolist(),
        )
        assert 10 <= compared <= 1000
    assert sidecar["recall"]["persons_sampled"] == 500
    assert sidecar["recall"]["recall@1"] == 1
    assert sidecar["recall"]["recall@10"] > 0.999


def test_exact_index_is_the_array_that_numpy_writes(tmp_path: Path) -> None:
    vectors = unit_vectors(5000, 8)  # two batches
    built(tmp_path, vectors, "exact")
    np.save(tmp_path / "numpy.npy", vectors)
    assert (tmp_path / "index").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


@pytest.mark.parametrize("backend", SUFFIXES)
def test_more_neighbours_than_items_gives_all(tmp_path: Path, backend: str) -> None:
    sidecar = built(tmp_path, unit_vectors(4, 8), backend)
    rows, _ = open_index(tmp_path / "index", sidecar).query(unit_vectors(1, 8)[0], 50)
    assert sorted(rows.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize("persons", [1, 2, 12])
@pytest.mark.parametrize("backend", SUFFIXES)
def test_few_persons_are_all_found(tmp_path: Path, backend: str, persons: int) -> None:
    vectors = unit_vectors(persons, 8)
    sidecar = built(tmp_path, vectors, backend, **OPEN)
    index = open_index(tmp_path / "index", sidecar)
    assert sorted(index.query(vectors[0], 50)[0].tolist()) == list(range(persons))
    assert sidecar["recall"]["recall@10"] == 1
    low, high = sidecar["recall"]["recall@10_interval"]
    # Where all were compared there is no doubt; so few that all were found are no proof.
    assert high == 1 and (low == 1) == index.counts_exactly
    assert sidecar["target_reached"]


@pytest.mark.parametrize("backend", SUFFIXES)
def test_equal_vectors_come_by_rising_row(tmp_path: Path, backend: str) -> None:
    vectors = np.repeat(unit_vectors(3, 8), 5, axis=0)
    sidecar = built(tmp_path, vectors, backend)
    rows, cosines = open_index(tmp_path / "index", sidecar).query(vectors[7], 5)
    assert rows.tolist() == [5, 6, 7, 8, 9]
    assert len(set(cosines.tolist())) == 1


@pytest.mark.parametrize("backend", SUFFIXES)
def test_bytes_do_not_depend_on_shards(tmp_path: Path, backend: str) -> None:
    """With everything left open, so that what is chosen is the same too."""
    vectors = unit_vectors(2000, 24)
    for shards in (1, 5):
        built(tmp_path / str(shards), vectors, backend, shards=shards, **OPEN)
    for name in ("index", "persons.parquet", "index.json"):
        first, second = ((tmp_path / str(shards) / name).read_bytes() for shards in (1, 5))
        assert first == second, name


def test_a_forest_grown_in_its_file_is_the_one_grown_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = unit_vectors(2000, 24)
    built(tmp_path / "memory", vectors, "annoy", **OPEN)
    monkeypatch.setattr(annoy_backend, "MOST_BYTES_IN_MEMORY", 0)
    grown_on_disk = []
    monkeypatch.setattr(annoy_backend.annoy, "AnnoyIndex", spying(grown_on_disk))
    built(tmp_path / "file", vectors, "annoy", **OPEN)
    assert str(tmp_path / "file") in grown_on_disk[-1]
    for name in ("index", "persons.parquet", "index.json"):
        first, second = ((tmp_path / place / name).read_bytes() for place in ("memory", "file"))
        assert first == second, name


def spying(paths: list[str]) -> type:
    """Annoy's class, which notes where it is asked to grow a forest on disk."""

    class Spying(annoy.AnnoyIndex):
        def on_disk_build(self, path: str) -> Any:
            paths.append(path)
            return super().on_disk_build(path)

    return Spying


@pytest.mark.parametrize("trees", [10, 100])
def test_the_size_of_a_forest_is_known_beforehand(tmp_path: Path, trees: int) -> None:
    vectors = unit_vectors(5000, 64)
    sidecar = built(tmp_path, vectors, "annoy", n_trees=trees)
    expected = annoy_backend.expected_bytes(vectors.shape, trees)
    assert expected == pytest.approx(sidecar["index_bytes"], rel=0.1)


BUILD_ON_DISK = """
import sys
from pathlib import Path
from test_index import built, unit_vectors
built(Path(sys.argv[1]), unit_vectors(5000, 64), sys.argv[2])
"""


@pytest.mark.parametrize("backend", SUFFIXES)
def test_no_room_for_an_index_is_said_in_one_line(tmp_path: Path, backend: str) -> None:
    """There Annoy would die as its file grows, and usearch not say why."""
    disk = tmp_path / "disk"
    done = in_shell_with_disk(disk, 2.2, python(BUILD_ON_DISK, disk, backend))
    line = done.stdout.strip().splitlines()[-1]
    assert f"InputError: {disk}/index" in line and "MB left; make room" in line


# The tuning.


@pytest.mark.parametrize(("backend", "targets"), [("annoy", (0.8, 0.95)), ("hnsw", (0.9, 0.98))])
def test_target_is_met_on_persons_held_out(
    tmp_path: Path, backend: str, targets: tuple[float, float]
) -> None:
    vectors = unit_vectors(4000, 128 if backend == "hnsw" else 32)
    compared = []
    for target in targets:
        folder = tmp_path / str(target)
        sidecar = built(folder, vectors, backend, **OPEN | {"target_recall": target})
        assert sidecar["target_reached"]
        low, high = sidecar["recall"]["recall@10_interval"]
        assert target <= sidecar["recall"]["recall@10"] < 1
        assert low < sidecar["recall"]["recall@10"] < high
        curve, chosen = sidecar["tuning"]["curve"], sidecar["tuning"]["chosen"]
        assert [point[KNOBS[backend]] for point in curve] == sorted(
            point[KNOBS[backend]] for point in curve
        )
        assert sidecar[KNOBS[backend]] == chosen[KNOBS[backend]]
        (point,) = (p for p in curve if p[KNOBS[backend]] == chosen[KNOBS[backend]])
        assert point["recall@10"] >= target
        compared.append(point["compared"])
        assert 0 < sidecar["tuning"]["growth_exponent"] < 1
    assert 10 < compared[0] < compared[1] < 4000


def test_what_is_tuned_is_not_what_is_reported(tmp_path: Path) -> None:
    for persons in (1, 2, 12, 1999, 2000, 45_000):
        tuning, held_out = sampled_rows(persons)
        assert not set(tuning) & set(held_out)
        assert len(tuning) <= len(held_out) <= 1000
        assert {*tuning, *held_out} <= set(range(persons))
        assert len(tuning) + len(held_out) == min(persons, 2000)


def test_fewer_comparisons_decide_the_forest(tmp_path: Path) -> None:
    sidecar = built(tmp_path, unit_vectors(2000, 32), "annoy", **OPEN)
    builds = sidecar["tuning"]["builds"]
    assert sidecar["n_trees"] == builds[-1]["n_trees"] > annoy_backend.TREES[0]
    for before, after in pairwise(builds):
        assert after["compared"] < 0.9 * before["compared"]


def test_what_the_user_sets_is_kept(tmp_path: Path) -> None:
    vectors = unit_vectors(1000, 16)
    both = built(tmp_path / "both", vectors, "annoy", n_trees=7, search_k=300)
    assert (both["n_trees"], both["search_k"]) == (7, 300)
    trees = built(tmp_path / "trees", vectors, "annoy", n_trees=7, search_k=None)
    assert trees["n_trees"] == 7 and trees["search_k"] != 300 and trees["target_reached"]
    searched = built(tmp_path / "k", vectors, "annoy", n_trees=None, search_k=3000)
    assert searched["search_k"] == 3000 and searched["n_trees"] in annoy_backend.TREES
    assert searched["target_reached"]


def test_a_missed_target_is_said_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        sidecar = built(tmp_path, unit_vectors(1000, 64), "annoy", n_trees=1, search_k=1)
    assert sidecar["recall"]["recall@10"] < 0.5
    assert sidecar["target_reached"] is False
    assert "below index.target_recall 0.99" in caplog.text
    assert "leave index.n_trees and index.search_k null" in caplog.text
    open_index(tmp_path / "index", sidecar)


def test_only_the_backends_own_settings_are_advised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """n_trees and search_k are set here, and mean nothing to a graph."""
    monkeypatch.setattr(hnsw_backend, "MOST_EXPANSION", hnsw_backend.LEAST_EXPANSION)
    with caplog.at_level(logging.WARNING):
        sidecar = built(tmp_path, unit_vectors(3000, 128), "hnsw")
    assert sidecar["target_reached"] is False
    assert "set index.backend: exact to find all" in caplog.text
    assert "leave index." not in caplog.text


@pytest.mark.parametrize("backend", ["annoy", "hnsw"])
def test_all_compared_means_none_missed_only_where_the_count_is_exact(
    tmp_path: Path, backend: str
) -> None:
    """Too few to be sure of a recall: the widest search is taken, or one known to compare all."""
    sidecar = built(tmp_path, unit_vectors(185, 16), backend, **OPEN)
    curve = sidecar["tuning"]["curve"]
    assert all(point["compared"] <= 185 for point in curve)
    for point in curve:
        sure = backend == "annoy" and point["compared"] == 185
        assert point["low"] == point["recall@10"] if sure else point["low"] < point["recall@10"]
    last = curve[-1]
    assert (last["compared"], last["recall@10"]) == (185, 1)
    assert last["low"] == 1 if backend == "annoy" else 0.9 < last["low"] < 0.99
    if backend == "hnsw":
        assert sidecar["expansion_search"] == last["expansion_search"] == 185
    assert sidecar["target_reached"]


def test_work_is_read_off_the_curve_where_it_crosses_the_target() -> None:
    curve = [Point(1, 0.5, 0.4, 100.0), Point(2, 0.9, 0.8, 400.0), Point(4, 1.0, 1.0, 900.0)]
    assert compared_at(curve, 0.4) == 100
    assert compared_at(curve, 0.7) == pytest.approx(200)
    assert compared_at(curve, 0.9) == pytest.approx(400)
    assert compared_at(curve[:2], 0.99) == 400


def test_growth_is_a_power_of_the_persons() -> None:
    tried = Tried({}, n_items=1000, recall=1.0, compared=10.0, at_target=10.0)
    assert growth_exponent(tried, 4000, 20.0) == pytest.approx(0.5)
    assert growth_exponent(tried, 4000, 400.0) == 1
    assert growth_exponent(tried, 4000, 5.0) == 0
    assert growth_exponent(tried, 1000, 10.0) is None


# The measure of recall.


def test_exact_cosines_leave_out_the_person_itself() -> None:
    vectors = unit_vectors(50, 6)
    rows = np.array([0, 20, 49])
    got = exact_cosines([vectors[:21], vectors[21:]], vectors[rows], rows, 4)
    for row, cosines in zip(rows, got, strict=True):
        others = np.delete(vectors, row, axis=0) @ vectors[row]
        assert cosines == pytest.approx(np.sort(others)[::-1][:4], abs=1e-6)


class Forgetful(Index):
    """Misses the nearest other of every row."""

    def counted_query(self, vector: np.ndarray, k: int) -> Any:
        rows, cosines, compared = super().counted_query(vector, min(k + 1, len(self)))
        return np.delete(rows, 1), np.delete(cosines, 1), compared


def sample_of(vectors: np.ndarray, image_ids: np.ndarray | None = None) -> Searched:
    rows = np.arange(len(vectors))
    truth = exact_cosines([vectors], vectors, rows, 10)
    return Searched(rows, rows if image_ids is None else image_ids, vectors, truth)


def test_recall_of_an_index_that_misses_the_nearest() -> None:
    vectors = unit_vectors(100, 8)
    index = Forgetful({"n_items": 100}, exact_backend, [vectors])
    recall = measured_recall(index, sample_of(vectors), seed=0)
    assert (recall["recall@1"], recall["recall@10"]) == (0, 0.9)
    assert recall["recall@1_interval"] == [0, 0]
    assert recall["recall@10_interval"] == [0.9, 0.9]


def test_ties_do_not_count_against_an_index() -> None:
    """Eleven equal others: which ten come is open. Without nine of them, ten are found still."""
    vectors = np.repeat(unit_vectors(2, 8), 12, axis=0)
    index = Forgetful({"n_items": 24}, exact_backend, [vectors])
    hits, compared = found(index, sample_of(vectors))
    assert (hits[1] == 1).all() and (hits[10] == 10).all() and (compared == 24).all()


def test_least_draws_whole_images() -> None:
    values = np.repeat([0.0, 1.0], 50)
    assert least(values, np.repeat([1, 2], 50), 0, 0.95) == 0
    assert least(values, np.tile([1, 2], 50), 0, 0.95) == 0.5
    # The normal approximation: 0.5 - 1.96 * 0.5 / sqrt(100).
    assert least(values, np.arange(100), 0, 0.95) == pytest.approx(0.402, abs=0.02)


# The self-test.


def file_facts(folder: Path) -> dict:
    """What a sidecar says of the file as it is: the checks of what it holds are yet to come."""
    path = folder / "index"
    return {"index_bytes": path.stat().st_size, "index_sha256": sha256_file(path)}


def replaced(folder: Path, sidecar: dict, forest: Any, **said: Any) -> dict:
    """Put another Annoy file in the index's place, under a sidecar that has the file right."""
    forest.save(str(folder / "index"))
    return sidecar | file_facts(folder) | said


def forest_of(vectors: np.ndarray, metric: Any, trees: int) -> Any:
    forest = annoy.AnnoyIndex(vectors.shape[1], metric)
    forest.set_seed(0)
    for row, vector in enumerate(vectors):
        forest.add_item(row, vector)
    forest.build(trees, n_jobs=1)
    return forest


def test_too_few_trees_are_noticed(tmp_path: Path) -> None:
    vectors = unit_vectors(3000, 48)
    sidecar = built(tmp_path, vectors, "annoy", n_trees=40, search_k=None)
    open_index(tmp_path / "index", sidecar)
    poor = replaced(tmp_path, sidecar, forest_of(vectors, "angular", 2))
    with pytest.raises(InputError, match="nearest neighbours and found"):
        open_index(tmp_path / "index", poor)
    with pytest.raises(InputError, match="of different runs"):
        open_index(tmp_path / "index", sidecar)


def test_graph_of_too_few_connections_is_noticed(tmp_path: Path) -> None:
    vectors = unit_vectors(3000, 48)
    sidecar = built(tmp_path, vectors, "hnsw")
    open_index(tmp_path / "index", sidecar)
    poor = usearch.index.Index(ndim=48, metric="ip", connectivity=2, expansion_add=2, dtype="f32")
    poor.add(np.arange(3000), vectors, threads=1)
    poor.save(str(tmp_path / "index"))
    said = file_facts(tmp_path)
    with pytest.raises(InputError, match="connectivity"):
        open_index(tmp_path / "index", sidecar | said)
    with pytest.raises(InputError, match="nearest neighbours and found"):
        open_index(tmp_path / "index", sidecar | said | {"connectivity": poor.connectivity})


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "dot"])
def test_annoy_file_of_another_metric_is_refused(tmp_path: Path, metric: str) -> None:
    vectors = unit_vectors(200, 16)
    sidecar = built(tmp_path, vectors, "annoy")
    other = replaced(tmp_path, sidecar, forest_of(vectors, metric, 20))
    with pytest.raises(InputError, match="rerun build_index"):
        open_index(tmp_path / "index", other)


def test_annoy_file_of_another_metric_with_nodes_of_equal_size_is_refused(tmp_path: Path) -> None:
    """Euclidean nodes have four bytes more: one value less makes them fit, and nothing match."""
    vectors = unit_vectors(200, 16)
    sidecar = built(tmp_path, vectors, "annoy")
    other = replaced(tmp_path, sidecar, forest_of(vectors[:, :15], "euclidean", 20))
    with pytest.raises(InputError, match="holds other vectors"):
        open_index(tmp_path / "index", other | {"n_items": 200})


@pytest.mark.parametrize("metric", ["l2sq", "cos"])
def test_usearch_file_of_another_metric_is_refused(tmp_path: Path, metric: str) -> None:
    vectors = unit_vectors(200, 16)
    sidecar = built(tmp_path, vectors, "hnsw")
    other = usearch.index.Index(ndim=16, metric=metric, connectivity=16, dtype="f32")
    other.add(np.arange(200), vectors, threads=1)
    other.save(str(tmp_path / "index"))
    said = {"index_bytes": (tmp_path / "index").stat().st_size}
    with pytest.raises(InputError, match="was built for metric"):
        open_index(tmp_path / "index", sidecar | said)


def test_a_sidecar_of_another_metric_is_refused(tmp_path: Path) -> None:
    sidecar = built(tmp_path, unit_vectors(200, 16), "annoy")
    with pytest.raises(InputError, match="built for metric euclidean"):
        open_index(tmp_path / "index", sidecar | {"metric": "euclidean"})


@pytest.mark.parametrize("backend", SUFFIXES)
def test_a_backend_that_gives_one_neighbour_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """As some builds of Annoy do; here every backend's answer is cut short."""
    sidecar = built(tmp_path, unit_vectors(200, 16), backend)
    module = registry.backend(backend)
    honest = module.query

    def single(*arguments: Any) -> Any:
        rows, vectors = honest(*arguments)
        return rows[:1], vectors[:1]

    monkeypatch.setattr(module, "query", single)
    with pytest.raises(InputError, match=f"this build of {backend} is broken"):
        open_index(tmp_path / "index", sidecar)
    with pytest.raises(InputError, match=f"this build of {backend} is broken"):
        built(tmp_path / "new", unit_vectors(200, 16), backend)


@pytest.mark.parametrize("backend", SUFFIXES)
def test_index_and_sidecar_of_different_runs_are_noticed(tmp_path: Path, backend: str) -> None:
    """Same persons, same settings, vectors of another model."""
    built(tmp_path / "a", unit_vectors(300, 16, seed=1), backend)
    sidecar = built(tmp_path / "b", unit_vectors(300, 16, seed=2), backend)
    said = file_facts(tmp_path / "a")
    with pytest.raises(InputError, match="is not the file that its sidecar tells of"):
        open_index(tmp_path / "a/index", sidecar | {"index_bytes": said["index_bytes"]})
    with pytest.raises(InputError, match="holds other vectors"):
        open_index(tmp_path / "a/index", sidecar | said)


@pytest.mark.parametrize("backend", SUFFIXES)
def test_a_changed_byte_is_noticed(tmp_path: Path, backend: str) -> None:
    sidecar = built(tmp_path, unit_vectors(300, 16), backend)
    data = bytearray((tmp_path / "index").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "index").write_bytes(data)
    with pytest.raises(InputError, match="is damaged; rerun build_index"):
        open_index(tmp_path / "index", sidecar)


@pytest.mark.parametrize("backend", SUFFIXES)
def test_a_sidecar_of_another_size_is_refused(tmp_path: Path, backend: str) -> None:
    sidecar = built(tmp_path, unit_vectors(200, 16), backend)
    for wrong in ({"n_items": 150}, {"dimension": 24}, {"index_bytes": 5}):
        with pytest.raises(InputError, match="rerun build_index"):
            open_index(tmp_path / "index", sidecar | wrong)


def test_dimension_that_fits_the_file_by_chance_is_refused(tmp_path: Path) -> None:
    """A dimension whose node size divides the file: Annoy loads it and answers nonsense."""
    sidecar = built(tmp_path, unit_vectors(256, 16), "annoy")
    with pytest.raises(InputError):
        open_index(tmp_path / "index", sidecar | {"dimension": 7})


@pytest.mark.parametrize("backend", SUFFIXES)
def test_a_damaged_file_is_refused(tmp_path: Path, backend: str) -> None:
    sidecar = built(tmp_path, unit_vectors(200, 16), backend)
    whole = (tmp_path / "index").read_bytes()
    (tmp_path / "index").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="of different runs"):
        open_index(tmp_path / "index", sidecar)
    (tmp_path / "index").write_bytes(b"\xff" * len(whole))
    with pytest.raises(InputError, match="rerun build_index"):
        open_index(tmp_path / "index", sidecar)


def test_missing_index_is_named(tmp_path: Path) -> None:
    sidecar = built(tmp_path, unit_vectors(20, 4), "annoy")
    with pytest.raises(InputError, match="nowhere"):
        open_index(tmp_path / "nowhere", sidecar)


def test_a_backend_that_is_not_installed_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_backend("hnsw")
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"package usearch is not installed; .*-hnsw\.txt"):
        check_backend("hnsw")
    with pytest.raises(InputError, match="not installed"):
        built(tmp_path, unit_vectors(20, 4), "hnsw")
    with pytest.raises(InputError, match="known are annoy, exact, hnsw"):
        check_backend("faiss")


# The clock.


@pytest.mark.parametrize("backend", SUFFIXES)
def test_timing_has_the_curve_and_exact_search_beside_it(tmp_path: Path, backend: str) -> None:
    sidecar = built(tmp_path, unit_vectors(400, 16), backend, **OPEN)
    shards = sorted(map(str, tmp_path.glob("[0-9].parquet")))
    time_index(
        shards, str(tmp_path / "index"), str(tmp_path / "index.json"), str(tmp_path / "t.json")
    )
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    timing = json.loads((tmp_path / "t.json").read_text())
    points = [
        {key: value for key, value in point.items() if key != "milliseconds"}
        for point in timing["curve"]
    ]
    knob = KNOBS.get(backend, "")
    assert points == [
        {knob: point[knob], "recall@10": point["recall@10"]} for point in sidecar["tuning"]["curve"]
    ]
    times = [timing["chosen_milliseconds"], timing["exact_milliseconds"]]
    times += [point["milliseconds"] for point in timing["curve"]]
    assert all(0 < time < 1000 for time in times)
    assert timing["advice"] in {"annoy": ("keep", "use exact"), "hnsw": ("keep", "use exact")}.get(
        backend, (None,)
    )
    assert [entry["n_items"] for entry in timing["projection"]] == [400, 4000, 40_000]
    assert timing["projection"][0]["index_bytes"] == (tmp_path / "index").stat().st_size
    assert timing["projection"][0]["milliseconds"] == timing["chosen_milliseconds"]


@pytest.mark.parametrize(
    ("chosen", "plain", "advice", "how"),
    [
        (0.79, 1.0, "keep", "worth keeping"),
        (0.8, 1.0, "keep", "worth keeping"),
        (0.81, 1.0, "use exact", "about as fast"),
        (1.0, 1.0, "use exact", "about as fast"),
        (1.0, 0.81, "use exact", "about as fast"),
        (1.0, 0.8, "use exact", "is faster"),
        (3.0, 1.0, "use exact", "is faster"),
    ],
)
def test_near_equality_the_advice_does_not_follow_the_clock(
    chosen: float, plain: float, advice: str, how: str
) -> None:
    sidecar = {"backend": "annoy", "n_items": 9000, "target_reached": True}
    got, text = advice_on(sidecar, chosen, plain)
    assert got == advice and how in text and "9,000 persons" in text
    assert advice_on(sidecar | {"backend": "exact"}, chosen, plain)[0] is None


def test_exact_search_is_advised_where_it_is_faster(tmp_path: Path) -> None:
    """Annoy compares all of forty vectors too, and has to walk its trees for it."""
    vectors = unit_vectors(40, 16)
    sidecar = built(tmp_path, vectors, "annoy", n_trees=1000, search_k=40_000)
    timing = timed(open_index(tmp_path / "index", sidecar), vectors)
    assert timing["exact_milliseconds"] < timing["chosen_milliseconds"]
    assert timing["advice"] == "use exact"
    assert "set index.backend: exact" in timing["advice_text"]


def test_index_is_kept_where_it_is_faster(tmp_path: Path) -> None:
    """A search that looks into one leaf against 20,000 comparisons."""
    vectors = unit_vectors(20_000, 64)
    sidecar = built(tmp_path, vectors, "annoy", n_trees=1, search_k=1, target_recall=0.01)
    timing = timed(open_index(tmp_path / "index", sidecar), vectors)
    assert timing["advice"] == "keep"
    assert timing["advice_text"].endswith("the index is worth keeping.")
    once, ten, hundred = timing["projection"]
    assert hundred["exact_bytes"] == 128 + 4 * 64 * 2_000_000
    assert ten["exact_milliseconds"] == pytest.approx(10 * once["exact_milliseconds"], rel=1e-3)
    power = sidecar["tuning"]["growth_exponent"]
    assert hundred["milliseconds"] == pytest.approx(once["milliseconds"] * 100**power, rel=1e-2)
    assert "not measured" in timing["projection_basis"]
    missed = sidecar | {"target_recall": 0.99, "target_reached": False}
    timing = timed(open_index(tmp_path / "index", missed), vectors)
    assert "below the target of 0.99" in timing["advice_text"]
