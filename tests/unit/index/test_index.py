"""Every backend against brute force, and what building chooses."""

import logging
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import annoy
import numpy as np
import pytest

from helpers import built_index, unit_vectors
from small_disk import in_shell_with_disk, python
from visualsearch import index as registry
from visualsearch.core.errors import InputError
from visualsearch.index import REGISTRY, annoy_backend, check_backend, faiss_backend
from visualsearch.index.exact_backend import ExactBackend, ExactFile
from visualsearch.index.index import Index
from visualsearch.index.opening import open_index
from visualsearch.index.tuning import Point, TriedBuild, compared_at, growth_exponent


def exact(vectors: np.ndarray) -> Index:
    return Index({}, ExactBackend(), ExactFile(vectors))


@pytest.mark.parametrize("backend", REGISTRY)
def test_neighbours_are_those_of_brute_force(tmp_path: Path, backend: str) -> None:
    vectors = unit_vectors(500, 16)
    sidecar = built_index(tmp_path, vectors, backend, target_recall=1.0)
    index = open_index(tmp_path / "index", sidecar)
    for row in (0, 17, 499):
        truth = np.argsort(-(vectors @ vectors[row]), kind="stable")[:10]
        rows, cosines = index.query(vectors[row], 10)
        assert rows.tolist() == truth.tolist()
        assert cosines == pytest.approx(vectors[truth] @ vectors[row], abs=1e-6)
        *counted, compared = index.counted_query(vectors[row], 10)
        assert [each.tolist() for each in counted] == [rows.tolist(), cosines.tolist()]
        assert 10 <= compared <= 500
        assert (index.vector(row) == vectors[row]).all()
    assert sidecar["recall"]["persons_sampled"] == 100
    assert sidecar["recall"]["recall@1"] == 1
    assert sidecar["recall"]["recall@10"] > 0.999


def test_exact_index_is_the_array_that_numpy_writes(tmp_path: Path) -> None:
    vectors = unit_vectors(5000, 8)  # several batches
    built_index(tmp_path, vectors, "exact")
    np.save(tmp_path / "numpy.npy", vectors)
    assert (tmp_path / "index").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_exact_search_finds_the_nearest_in_float64() -> None:
    """float32 cannot tell these thousand vectors apart."""
    rng = np.random.default_rng(3)
    base = unit_vectors(1, 64)[0]
    vectors = (base + 1e-7 * rng.normal(size=(1000, 64))).astype(np.float32)
    wide = np.array([float(np.dot(v.astype(np.float64), base.astype(np.float64))) for v in vectors])
    truth = np.lexsort((np.arange(1000), -wide))[:10]
    assert set(np.argsort(-(vectors @ base), kind="stable")[:10]) != set(truth)
    assert exact(vectors).query(base, 10)[0].tolist() == truth.tolist()


@pytest.mark.parametrize("persons", [0, 1, 2, 12])
@pytest.mark.parametrize("backend", REGISTRY)
def test_few_persons_are_all_found(tmp_path: Path, backend: str, persons: int) -> None:
    vectors = unit_vectors(persons, 8)
    sidecar = built_index(tmp_path, vectors, backend, n_trees=None, search_k=None)
    index = open_index(tmp_path / "index", sidecar)
    assert sorted(index.query(unit_vectors(1, 8)[0], 50)[0].tolist()) == list(range(persons))
    assert sidecar["recall"]["recall@10"] == 1 and sidecar["target_reached"]
    low, high = sidecar["recall"]["recall@10_interval"]
    # There is no doubt where all were compared.
    assert high == low == 1


@pytest.mark.parametrize("backend", REGISTRY)
def test_equal_vectors_come_by_rising_row(tmp_path: Path, backend: str) -> None:
    vectors = np.repeat(unit_vectors(3, 8), 5, axis=0)
    sidecar = built_index(tmp_path, vectors, backend)
    rows, cosines = open_index(tmp_path / "index", sidecar).query(vectors[7], 5)
    assert rows.tolist() == [5, 6, 7, 8, 9]
    assert len(set(cosines.tolist())) == 1


@pytest.mark.parametrize("backend", REGISTRY)
def test_bytes_do_not_depend_on_shards(tmp_path: Path, backend: str) -> None:
    """The user sets nothing, so the choices must be the same too."""
    vectors = unit_vectors(1100, 12)
    for shards in (1, 5):
        built_index(tmp_path / str(shards), vectors, backend, shards, n_trees=None, search_k=None)
    for name in ("index", "persons.parquet", "index.json"):
        one, five = ((tmp_path / shards / name).read_bytes() for shards in ("1", "5"))
        assert one == five, name


BUILD_CODES = """
import sys
from helpers import unit_vectors
from visualsearch.index.faiss_backend import FaissBackend
vectors = unit_vectors(20_000, 64)
FaissBackend().build([vectors], sys.argv[1], vectors.shape, {"seed": int(sys.argv[2])})
"""


def test_codes_do_not_depend_on_threads(tmp_path: Path) -> None:
    """faiss takes as many as it is allowed, unless told otherwise."""
    written = {}
    for name, threads, seed in (("one", "1", "0"), ("many", "7", "0"), ("seeded", "1", "1")):
        environment = {"OMP_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", BUILD_CODES, str(tmp_path / name), seed]
        subprocess.run(command, env=os.environ | environment, check=True)
        written[name] = (tmp_path / name).read_bytes()
    assert written["one"] == written["many"] != written["seeded"]


def grow(path: Path, vectors: np.ndarray, trees: int) -> dict[str, Any]:
    build = {"n_trees": trees, "seed": 0}
    return annoy_backend.AnnoyBackend().build([vectors], str(path), vectors.shape, build)


def test_a_forest_grown_in_its_file_is_the_one_grown_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = unit_vectors(2000, 24)
    in_memory = grow(tmp_path / "memory", vectors, 20)
    grown_on_disk = []

    class Spying(annoy.AnnoyIndex):
        def on_disk_build(self, path: str) -> Any:
            grown_on_disk.append(path)
            return super().on_disk_build(path)

    monkeypatch.setattr(annoy_backend, "MAX_BYTES_IN_MEMORY", 0)
    monkeypatch.setattr(annoy_backend.annoy, "AnnoyIndex", Spying)
    assert grow(tmp_path / "file", vectors, 20) == in_memory
    assert grown_on_disk == [str(tmp_path / "file")]
    assert (tmp_path / "file").read_bytes() == (tmp_path / "memory").read_bytes()


@pytest.mark.parametrize("trees", [10, 100])
def test_expected_bytes_are_near_the_size_of_the_forest(tmp_path: Path, trees: int) -> None:
    vectors = unit_vectors(5000, 64)
    grow(tmp_path / "index", vectors, trees)
    expected = annoy_backend.expected_bytes(vectors.shape, trees)
    assert expected == pytest.approx((tmp_path / "index").stat().st_size, rel=0.1)


BUILD_ON_DISK = """
import sys
from pathlib import Path
from helpers import built_index, unit_vectors
built_index(Path(sys.argv[1]), unit_vectors(5000, 64), sys.argv[2])
"""


@pytest.mark.parametrize("backend", REGISTRY)
def test_no_room_for_an_index_is_said_in_one_line(tmp_path: Path, backend: str) -> None:
    """Without the check Annoy would crash as its file grows, and a write that fails says so."""
    disk = tmp_path / "disk"
    done = in_shell_with_disk(disk, 2.2, python(BUILD_ON_DISK, disk, backend))
    line = done.stdout.strip().splitlines()[-1]
    assert f"InputError: {disk}/index" in line and "MB left; make room" in line


def test_a_backend_that_is_not_installed_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_backend("faiss")
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"package faiss is not installed; .*-faiss\.txt"):
        check_backend("faiss")
    with pytest.raises(InputError, match="not installed"):
        built_index(tmp_path, unit_vectors(20, 4), "faiss")
    with pytest.raises(InputError, match="the backends are annoy, exact, faiss"):
        check_backend("hnsw")


# Tuning.


@pytest.mark.parametrize(("backend", "targets"), [("annoy", (0.8, 0.95)), ("faiss", (0.9, 0.98))])
def test_target_is_met_on_persons_held_out_with_the_fewest_comparisons(
    tmp_path: Path, backend: str, targets: tuple[float, float]
) -> None:
    vectors = unit_vectors(4000, 128 if backend == "faiss" else 32)
    name, compared = {"annoy": "search_k", "faiss": "candidates"}[backend], []
    for target in targets:
        sidecar = built_index(
            tmp_path / str(target),
            vectors,
            backend,
            sampled=300,
            n_trees=None,
            search_k=None,
            target_recall=target,
        )
        assert sidecar["target_reached"]
        low, high = sidecar["recall"]["recall@10_interval"]
        assert target <= sidecar["recall"]["recall@10"] < 1
        assert low < sidecar["recall"]["recall@10"] < high
        tuning = sidecar["tuning"]
        efforts = [point[name] for point in tuning["curve"]]
        assert efforts == sorted(efforts) and sidecar[name] == tuning["chosen"][name]
        point = tuning["curve"][efforts.index(sidecar[name])]
        assert point["recall@10"] >= target
        compared.append(point["compared"])
        assert 0 < tuning["growth_exponent"] < 1
        for before, after in pairwise(tuning["builds"]):
            assert after["compared"] < 0.9 * before["compared"]
    if backend == "annoy":
        assert sidecar["n_trees"] == tuning["builds"][-1]["n_trees"] > annoy_backend.TREES[0]
    assert 10 < compared[0] < compared[1] < 4000


@pytest.mark.parametrize(("n_trees", "search_k"), [(7, 300), (7, None), (None, 3000)])
def test_what_the_user_sets_is_kept(
    tmp_path: Path, n_trees: int | None, search_k: int | None
) -> None:
    sidecar = built_index(
        tmp_path, unit_vectors(500, 16), "annoy", n_trees=n_trees, search_k=search_k
    )
    assert sidecar["n_trees"] == n_trees or sidecar["n_trees"] in annoy_backend.TREES
    assert sidecar["search_k"] == search_k or search_k is None
    assert sidecar["target_reached"] or (n_trees and search_k)


@pytest.mark.parametrize("backend", ["annoy", "faiss"])
def test_a_missed_target_is_a_warning_that_advises_the_backends_own_settings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """n_trees and search_k are set for both, and mean nothing to codes."""
    monkeypatch.setattr(faiss_backend, "MAX_CANDIDATES", faiss_backend.MIN_CANDIDATES)
    vectors = unit_vectors(3000, 128)
    with caplog.at_level(logging.WARNING):
        sidecar = built_index(tmp_path, vectors, backend, n_trees=1, search_k=1)
    assert sidecar["target_reached"] is False
    assert sidecar["recall"]["recall@10"] < (0.5 if backend == "annoy" else 0.99)
    assert "below index.target_recall 0.99; set index.backend: exact to find all" in caplog.text
    advised = "leave index.n_trees and index.search_k null" in caplog.text
    assert advised == (backend == "annoy") == ("leave index." in caplog.text)
    open_index(tmp_path / "index", sidecar)


@pytest.mark.parametrize("backend", ["annoy", "faiss"])
def test_only_comparing_all_is_certain(tmp_path: Path, backend: str) -> None:
    """Too few persons to be sure of a recall: the widest search is taken."""
    sidecar = built_index(tmp_path, unit_vectors(185, 16), backend, n_trees=None, search_k=None)
    curve = sidecar["tuning"]["curve"]
    assert all(point["compared"] <= 185 for point in curve)
    for point in curve:
        sure = point["compared"] == 185
        assert point["low"] == point["recall@10"] if sure else point["low"] < point["recall@10"]
    last = curve[-1]
    assert (last["compared"], last["recall@10"], last["low"]) == (185, 1, 1)
    assert sidecar["target_reached"]


def test_comparisons_at_the_target_are_interpolated() -> None:
    curve = [Point(1, 0.5, 0.4, 100.0), Point(2, 0.9, 0.8, 400.0), Point(4, 1.0, 1.0, 900.0)]
    assert compared_at(curve, 0.4) == 100
    assert compared_at(curve, 0.7) == pytest.approx(200)
    assert compared_at(curve, 0.9) == pytest.approx(400)
    assert compared_at(curve[:2], 0.99) == 400


def test_growth_is_a_power_of_the_persons() -> None:
    tried = TriedBuild({}, n_items=1000, recall=1.0, compared=10.0, at_target=10.0)
    assert growth_exponent(tried, 4000, 20.0) == pytest.approx(0.5)
    assert growth_exponent(tried, 4000, 400.0) == 1
    assert growth_exponent(tried, 4000, 5.0) == 0
    assert growth_exponent(tried, 1000, 10.0) is None
