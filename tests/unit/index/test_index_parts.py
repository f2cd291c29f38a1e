"""An index of several parts: searched as one, built by jobs that see their own persons alone."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import annoy
import numpy as np
import pyarrow.parquet as pq
import pytest
import usearch.index
from hypothesis import given
from hypothesis import strategies as st

from helpers import persons_table, unit_vectors, write_shards
from visualsearch import index as registry
from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json, write_json
from visualsearch.core.hashing import sha256_file
from visualsearch.index import (
    PARTS,
    SUFFIXES,
    annoy_backend,
    exact_backend,
    hnsw_backend,
    index_files,
    parts_of,
)
from visualsearch.index.building import BATCH_ROWS, build_index, build_part, finish_index, make_plan
from visualsearch.index.opening import Index, load_index, open_index
from visualsearch.index.parts import read_part, read_plan, remove_others, write_part, write_plan
from visualsearch.index.recall import exact_cosines, sampled_rows
from visualsearch.index.timing import time_index

SETTINGS: dict[str, Any] = {
    "backend": "annoy",
    "target_recall": 0.99,
    "n_trees": None,
    "search_k": None,
    "seed": 0,
}


def cut(vectors: np.ndarray, parts: int) -> list[np.ndarray]:
    return [part for part in np.array_split(vectors, parts) if len(part)]


def exact(vectors: np.ndarray, parts: int = 1, threads: int = 1) -> Index:
    return Index({"n_items": len(vectors)}, exact_backend, cut(vectors, parts), threads=threads)


def forests(vectors: np.ndarray, parts: int, effort: int, threads: int = 1) -> Index:
    grown = []
    for part in cut(vectors, parts):
        forest = annoy.AnnoyIndex(vectors.shape[1], "angular")
        forest.set_seed(0)
        for row, vector in enumerate(part):
            forest.add_item(row, vector)
        forest.build(5, n_jobs=1)
        grown.append(forest)
    return Index({"n_items": len(vectors)}, annoy_backend, grown, effort, threads)


def graphs(vectors: np.ndarray, parts: int, effort: int, threads: int = 1) -> Index:
    made = []
    for part in cut(vectors, parts):
        graph = usearch.index.Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
        graph.add(np.arange(len(part), dtype=np.uint64), part, threads=1)
        made.append(graph)
    return Index({"n_items": len(vectors)}, hnsw_backend, made, effort, threads)


def answers(index: Index, queries: np.ndarray, k: int) -> list[tuple[list[int], list[float]]]:
    found = [index.query(query, k) for query in queries]
    return [(rows.tolist(), cosines.tolist()) for rows, cosines in found]


# The merge.


@given(st.data())
def test_exact_parts_give_what_one_gives_to_the_last_bit(data: st.DataObject) -> None:
    """Few different values, so that many cosines are equal, or differ by rounding alone."""
    n, length = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 6))
    values = data.draw(st.lists(st.integers(-2, 2), min_size=n * length, max_size=n * length))
    vectors = np.array(values, dtype=np.float32).reshape(n, length)
    vectors[(vectors == 0).all(axis=1)] = 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    k, parts = data.draw(st.integers(1, n + 2)), data.draw(st.integers(2, 8))
    one, several = exact(vectors), exact(vectors, parts)
    assert answers(several, vectors, k) == answers(one, vectors, k)
    for row in range(n):
        assert (several.vector(row) == vectors[row]).all()
        *found, compared = several.counted_query(vectors[row], k)
        assert [part.tolist() for part in found] == list(answers(one, vectors[[row]], k)[0])
        assert compared == n


def test_exact_search_is_exact_where_float32_is_not() -> None:
    """Of a thousand that float32 cannot tell apart, the nearest ten in float64, by one or five."""
    rng = np.random.default_rng(3)
    base = unit_vectors(1, 64)[0]
    vectors = (base + 1e-7 * rng.normal(size=(1000, 64))).astype(np.float32)
    wide = np.array([float(np.dot(v.astype(np.float64), base.astype(np.float64))) for v in vectors])
    truth = np.lexsort((np.arange(1000), -wide))[:10]
    product = vectors @ base
    assert set(np.argsort(-product, kind="stable")[:10]) != set(truth)
    for parts in (1, 5):
        assert exact(vectors, parts).query(base, 10)[0].tolist() == truth.tolist()


@pytest.mark.parametrize("make", [forests, graphs])
@pytest.mark.parametrize("parts", [2, 5])
def test_parts_that_look_everywhere_give_what_exact_search_gives(
    make: Callable[..., Index], parts: int
) -> None:
    vectors = np.concatenate([unit_vectors(600, 16), unit_vectors(3, 16)])  # three of them twice
    queries = vectors[::40]
    truth = answers(exact(vectors), queries, 10)
    assert answers(make(vectors, 1, 10_000), queries, 10) == truth
    assert answers(make(vectors, parts, 10_000), queries, 10) == truth
    *_, compared = make(vectors, parts, 10_000).counted_query(queries[0], 10)
    assert compared == 603


@pytest.mark.parametrize("make", [forests, graphs])
def test_answers_do_not_depend_on_threads(make: Callable[..., Index]) -> None:
    vectors = unit_vectors(2000, 32)
    one, several = (make(vectors, 5, 40, threads) for threads in (1, 3))
    assert answers(one, vectors[::50], 10) == answers(several, vectors[::50], 10)
    assert answers(exact(vectors, 5, 3), vectors[::50], 10) == answers(
        exact(vectors), vectors[::50], 10
    )


# Building.


def folder_of(
    folder: Path, vectors: np.ndarray, parts: int, shards: int = 2, **settings: Any
) -> tuple[list[str], dict[str, Any], list[Path]]:
    """Shards of reduced vectors, the settings, and the index's files to be."""
    folder.mkdir(parents=True, exist_ok=True)
    used = SETTINGS | {"shards": parts} | settings
    files = [folder / "index" / name for name in index_files(used)]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    return write_shards(folder, persons_table(vectors), shards), used, files


def built(folder: Path, vectors: np.ndarray, parts: int, **settings: Any) -> dict[str, Any]:
    """Build it part by part, as jobs do that hand on files."""
    reduced, used, files = folder_of(folder, vectors, parts, **settings)
    index = folder / "index"
    plan_files = [str(index / PARTS / name) for name in ("plan.json", "sample.parquet")]
    write_plan(make_plan(reduced, used, parts), *plan_files)
    for number, file in enumerate(files):
        part = build_part(reduced, read_plan(*plan_files), number, file)
        write_part(part, *handed_on(file))
    finish(folder, reduced, used, files)
    return read_json(index / "index.json")


def handed_on(file: Path) -> list[str]:
    return [str(file.with_suffix(end)) for end in (".json", ".nearest.parquet")]


def finish(folder: Path, reduced: list[str], used: dict[str, Any], files: list[Path]) -> None:
    index = folder / "index"
    plan = read_plan(*(str(index / PARTS / name) for name in ("plan.json", "sample.parquet")))
    read = [read_part(plan, *handed_on(file)) for file in files]
    written = [str(index / name) for name in ("persons.parquet", "index.json")]
    finish_index(reduced, used, plan, read, files, *written, threads=2)


def opened(folder: Path, **keys: Any) -> Index:
    sidecar = read_json(folder / "index/index.json")
    files = [folder / "index" / part["file"] for part in sidecar["parts"]]
    return open_index(files, sidecar, **keys)


@pytest.mark.parametrize("backend", SUFFIXES)
def test_parts_find_what_is_promised(tmp_path: Path, backend: str) -> None:
    vectors = unit_vectors(900, 24)
    sidecar = built(tmp_path, vectors, 3, backend=backend)
    assert [part["n_items"] for part in sidecar["parts"]] == [300, 300, 300]
    assert sidecar["n_items"] == 900 and "index_sha256" not in sidecar
    assert sidecar["index_bytes"] == sum(part["index_bytes"] for part in sidecar["parts"])
    assert sidecar["target_reached"] and sidecar["recall"]["recall@10"] >= 0.99
    index = opened(tmp_path, threads=2)
    rows = np.arange(0, 900, 30)
    share = [
        len(set(index.query(vectors[row], 10)[0]) & set(np.argsort(-vectors @ vectors[row])[:10]))
        for row in rows
    ]
    assert np.mean(share) >= 9.8
    assert [len(part) for part in index.parts()] == [300, 300, 300]
    for row in (0, 299, 300, 899):
        assert (index.vector(row) == vectors[row]).all()
    curve = sidecar["tuning"]["curve"]
    # All parts together are counted, and no more than all.
    assert all(10 < point["compared"] <= 900 for point in curve)
    assert (len(curve) > 0) == (backend != "exact")


def test_persons_are_cut_evenly_whatever_the_shards(tmp_path: Path) -> None:
    vectors = unit_vectors(1000, 8)
    plans = []
    for shards in (1, 4):
        reduced, used, _ = folder_of(tmp_path / str(shards), vectors, 3, shards)
        plans.append(make_plan(reduced, used, 3))
    assert plans[0].facts == plans[1].facts and plans[0].sha256 == plans[1].sha256
    cuts = plans[0].facts["parts"]
    assert [part["n_items"] for part in cuts] == [333, 333, 334]
    ids = persons_table(vectors)["person_id"].to_pylist()
    assert [(part["first"], part["last"]) for part in cuts] == [
        (ids[0], ids[332]),
        (ids[333], ids[665]),
        (ids[666], ids[999]),
    ]


@pytest.mark.parametrize("backend", SUFFIXES)
def test_same_bytes_whatever_the_shards_and_the_jobs(tmp_path: Path, backend: str) -> None:
    vectors = unit_vectors(700, 12)
    built(tmp_path / "a", vectors, 3, backend=backend)
    built(tmp_path / "b", vectors, 3, shards=5, backend=backend)
    # One job that builds part after part, as a library's user may.
    reduced, used, files = folder_of(tmp_path / "c", vectors, 3, backend=backend)
    written = [str(tmp_path / "c/index" / name) for name in ("persons.parquet", "index.json")]
    build_index(reduced, used, files, *written)
    names = [f"index/{name}" for name in (*index_files(used), "persons.parquet", "index.json")]
    for name in names:
        first, *others = ((tmp_path / run / name).read_bytes() for run in "abc")
        assert others == [first, first], name


def test_the_sample_meets_its_exact_neighbours_whatever_the_parts(tmp_path: Path) -> None:
    """Each part keeps the nearest it has; of all these the nearest are the truth."""
    vectors = unit_vectors(1200, 16)
    reduced, used, files = folder_of(tmp_path, vectors, 4)
    plan = make_plan(reduced, used | {"backend": "exact"}, 4)
    parts = [build_part(reduced, plan, number, file) for number, file in enumerate(files)]
    rows = np.concatenate(sampled_rows(1200))
    truth = exact_cosines([vectors], vectors[rows], rows, 10)
    together = -np.sort(-np.concatenate([part.cosines for part in parts], axis=1), axis=1)
    assert together[:, :10] == pytest.approx(truth, abs=1e-6)
    assert (truth < 0.999).all()  # Nobody is its own neighbour.


def test_a_part_reads_its_own_persons_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = unit_vectors(6000, 8)
    reduced, used, files = folder_of(tmp_path, vectors, 4, backend="exact")
    plan = make_plan(reduced, used, 4)
    read: list[int] = []
    honest = pq.ParquetFile.read_row_group

    def noted(self: Any, *arguments: Any, **keys: Any) -> Any:
        table = honest(self, *arguments, **keys)
        read.append(len(table))
        return table

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", noted)
    part = build_part(reduced, plan, 2, files[2])
    assert part.facts["n_items"] == 1500 > BATCH_ROWS
    # Of each of the two shards at most the rest of a first and of a last group of 256 rows.
    assert 1500 <= sum(read) <= 1500 + 4 * 256
    assert (np.load(files[2]) == vectors[3000:4500]).all()


@pytest.mark.parametrize("persons", [0, 1, 2, 4])
@pytest.mark.parametrize("backend", SUFFIXES)
def test_fewer_persons_than_parts(tmp_path: Path, backend: str, persons: int) -> None:
    vectors = unit_vectors(persons, 8).reshape(persons, 8)
    sidecar = built(tmp_path, vectors, 3, backend=backend)
    index = opened(tmp_path)
    assert len(index) == persons == sum(part["n_items"] for part in sidecar["parts"])
    assert sorted(index.query(unit_vectors(1, 8)[0], 10)[0].tolist()) == list(range(persons))
    assert sidecar["recall"]["recall@10"] == 1 and sidecar["target_reached"]
    files = [tmp_path / "index" / part["file"] for part in sidecar["parts"]]
    timing = tmp_path / "timing.json"
    shards = sorted(map(str, tmp_path.glob("[0-9].parquet")))
    time_index(shards, files, str(tmp_path / "index/index.json"), str(timing), threads=2)
    assert ("threads_milliseconds" in read_json(timing)) == bool(persons)


def test_one_part_has_the_sidecar_of_one(tmp_path: Path) -> None:
    reduced, used, files = folder_of(tmp_path, unit_vectors(200, 8), 1)
    assert [file.name for file in files] == ["persons.ann"]
    written = [str(tmp_path / "index" / name) for name in ("persons.parquet", "index.json")]
    build_index(reduced, used, files[0], *written)
    sidecar = read_json(tmp_path / "index/index.json")
    assert "parts" not in sidecar and parts_of(sidecar) == [sidecar]
    assert sidecar["index_sha256"] == sha256_file(files[0])


def test_times_have_the_parts_asked_at_once(tmp_path: Path) -> None:
    sidecar = built(tmp_path, unit_vectors(300, 16), 3, n_trees=10)
    files = [tmp_path / "index" / part["file"] for part in sidecar["parts"]]
    shards = sorted(map(str, tmp_path.glob("[0-9].parquet")))
    timing = tmp_path / "timing.json"
    time_index(shards, files, str(tmp_path / "index/index.json"), str(timing), threads=2)
    told = read_json(timing)
    assert told["threads"] == 2 and 0 < told["threads_milliseconds"] < 1000
    assert told["projection"][0]["index_bytes"] == sum(file.stat().st_size for file in files)


# Damage.


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    built(folder, unit_vectors(300, 8), 3)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another run, of as many persons, whose files are of the same sizes."""
    folder = tmp_path_factory.mktemp("other")
    built(folder, unit_vectors(300, 8, seed=1), 3)
    return folder


def missing(path: Path, _: Path) -> None:
    path.unlink()


def truncated(path: Path, _: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def changed(path: Path, _: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def foreign(path: Path, other: Path) -> None:
    shutil.copyfile(other / "index" / PARTS / path.name, path)


def neighbouring(path: Path, _: Path) -> None:
    shutil.copyfile(path.with_name(path.name.replace("1-of", "2-of")), path)


DAMAGES = [missing, truncated, changed, foreign, neighbouring]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_named(
    whole: Path, other: Path, tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    part = tmp_path / "run/index/parts/1-of-3.ann"
    opened(tmp_path / "run")
    damage(part, other)
    with pytest.raises(InputError, match=r"1-of-3\.ann .*; rerun build_index_part$") as told:
        opened(tmp_path / "run")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "damage"),
    [("1-of-3.ann", changed), ("1-of-3.ann", foreign)]
    + [("1-of-3.json", damage) for damage in DAMAGES]
    + [("1-of-3.nearest.parquet", damage) for damage in DAMAGES]
    + [("sample.parquet", foreign)],
)
def test_what_a_part_hands_on_is_known_again(
    whole: Path, other: Path, tmp_path: Path, name: str, damage: Callable[[Path, Path], None]
) -> None:
    """As where the checksums beside the files got lost: the contents alone tell."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    damage(folder / "index/parts" / name, other)
    used = SETTINGS | {"shards": 3}
    files = [folder / "index" / file for file in index_files(used)]
    shards = sorted(map(str, folder.glob("[0-9].parquet")))
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as told:
        finish(folder, shards, used, files)
    assert "\n" not in str(told.value)


def test_a_part_of_another_plan_is_refused(whole: Path, tmp_path: Path) -> None:
    """Whole in itself, checksum and all: built when there were other settings."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    facts = folder / "index/parts/2-of-3.json"
    write_json(facts, read_json(facts) | {"plan_sha256": "0" * 64})
    used = SETTINGS | {"shards": 3}
    files = [folder / "index" / file for file in index_files(used)]
    shards = sorted(map(str, folder.glob("[0-9].parquet")))
    with pytest.raises(InputError, match=r"2-of-3\.json is of a part of another plan; rerun"):
        finish(folder, shards, used, files)


def test_too_few_files_are_refused(whole: Path) -> None:
    sidecar = read_json(whole / "index/index.json")
    with pytest.raises(InputError, match="files of 1 parts, the sidecar tells of 3"):
        load_index(whole / "index/parts/0-of-3.ann", sidecar)


def test_a_backend_that_gives_one_neighbour_is_refused_however_many_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve parts that give one each give more than the ten asked for."""
    built(tmp_path, unit_vectors(240, 8), 12)
    honest = annoy_backend.query

    def single(*arguments: Any) -> Any:
        rows, vectors = honest(*arguments)
        return rows[:1], vectors[:1]

    monkeypatch.setattr(registry.backend("annoy"), "query", single)
    with pytest.raises(InputError, match=r"0-of-12\.ann gives 1 neighbours .* is broken"):
        opened(tmp_path)


def test_what_other_settings_left_is_removed(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(whole / "index", folder)
    for name in ("persons.ann", ".persons.ann.sha256", "parts/0-of-2.ann", "parts/0-of-3.npy"):
        (folder / name).write_text("of another run")
    before = {path.name for path in (whole / "index").rglob("*")}
    remove_others(folder, SETTINGS | {"shards": 3})
    assert {path.name for path in folder.rglob("*")} == before
    (folder / "persons.ann").write_text("of this run")
    remove_others(folder, SETTINGS | {"shards": 1})
    assert {path.name for path in folder.iterdir()} == {
        "persons.ann",
        "persons.parquet",
        "index.json",
    }
