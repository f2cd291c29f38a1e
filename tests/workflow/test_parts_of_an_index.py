"""An index of several parts in the workflow: what one gives, and nothing of another's left."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import ROOT
from documented import code_of
from running import SHORT, Workspace, results_of

PARTED = {"plan_index", "build_index_part", "build_index"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A short run with exact search by one file. The tests go on with it, one after another."""
    workspace = Workspace(tmp_path_factory.mktemp("runs"), SHORT | {"index": {"backend": "exact"}})
    workspace.run("search")
    return workspace


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same with three forests; for the slow tests, which go on with it."""
    index = {"backend": "annoy", "shards": 3}
    workspace = Workspace(tmp_path_factory.mktemp("parted"), SHORT | {"index": index})
    workspace.run("search")
    return workspace


def with_index(workspace: Workspace, **index: object) -> Workspace:
    workspace.config["index"] = index
    return workspace


def parts_there(workspace: Workspace) -> set[str]:
    folder = workspace.results / "index"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not Path(name).name.startswith(".")}


def of_parts(parts: int, suffix: str) -> set[str]:
    made = {
        f"parts/{part}-of-{parts}{end}"
        for part in range(parts)
        for end in (f".{suffix}", ".json", ".nearest.parquet")
    }
    return made | {"parts/plan.json", "parts/sample.parquet", "persons.parquet", "index.json"}


def test_parts_give_the_hits_of_one(runs: Workspace) -> None:
    one = results_of(runs)
    assert parts_there(runs) == {"persons.npy", "persons.parquet", "index.json"}
    with_index(runs, backend="exact", shards=3)
    assert runs.planned("search") == PARTED | {"select_queries", "search_persons", "search"}
    runs.run("search", cores=2)
    several = results_of(runs)
    for name in ("search/hits.parquet", "search/queries.parquet", "index/persons.parquet"):
        assert several[name] == one[name], name
    assert parts_there(runs) == of_parts(3, "npy")
    sidecar = json.loads((runs.results / "index/index.json").read_text())
    sizes = [part["n_items"] for part in sidecar["parts"]]
    assert len(sizes) == 3 and sum(sizes) == sidecar["n_items"] and max(sizes) - min(sizes) <= 1
    assert not runs.planned("search")


def test_forests_keep_the_promise(runs: Workspace) -> None:
    exact = pq.read_table(runs.results / "search/hits.parquet")
    with_index(runs, backend="annoy", shards=3)
    runs.run("search")
    sidecar = json.loads((runs.results / "index/index.json").read_text())
    assert sidecar["target_reached"] and sidecar["recall"]["recall@10"] >= 0.99
    assert parts_there(runs) == of_parts(3, "ann")
    hits = pq.read_table(runs.results / "search/hits.parquet")
    pairs = [
        set(zip(*(table[name].to_pylist() for name in ("query", "person_id")), strict=True))
        for table in (exact, hits)
    ]
    assert len(pairs[0] & pairs[1]) >= 0.99 * len(pairs[0])


def test_the_tables_of_a_run_load_into_the_database_of_the_documentation(
    runs: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lancedb", reason="NOT TESTED: lancedb is not installed")
    hits = pq.read_table(runs.results / "search/hits.parquet").to_pylist()
    query = pq.read_table(runs.results / "search/queries.parquet").to_pylist()[0]
    monkeypatch.chdir(tmp_path)
    found = code_of(
        ROOT / "docs/past-one-machine.md", 0, run=str(runs.results), person=query["person_id"]
    )
    got = found["nearest"].to_pylist()
    expected = [hit for hit in hits if hit["query"] == query["query"]]
    assert len(expected) == 10
    assert [row["person_id"] for row in got] == [hit["person_id"] for hit in expected]
    similarities = [1 - row["_distance"] for row in got]
    assert similarities == pytest.approx([hit["similarity"] for hit in expected], abs=1e-5)


@pytest.mark.beyond
def test_a_changed_number_of_parts_leaves_none_of_the_others(parted: Workspace) -> None:
    three = results_of(parted)
    with_index(parted, backend="annoy", shards=1)
    parted.run("search")
    assert parts_there(parted) == {"persons.ann", "persons.parquet", "index.json"}
    with_index(parted, backend="annoy", shards=2)
    assert parted.planned("search") >= PARTED
    parted.run("search")
    assert parts_there(parted) == of_parts(2, "ann")
    with_index(parted, backend="annoy", shards=3)
    parted.run("search", cores=1)
    assert results_of(parted) == three


@pytest.mark.beyond
def test_a_damaged_part_is_named_and_made_anew(parted: Workspace) -> None:
    part = parted.results / "index/parts/1-of-3.ann"
    whole = part.read_bytes()
    part.write_bytes(whole[:-8])
    said = parted.run("search", "--forcerun", "search_persons", fails=True)
    assert "1-of-3.ann" in said and "delete it and run the same command again" in said
    part.unlink()
    parted.run("search", "--forcerun", "search_persons")
    assert part.read_bytes() == whole


@pytest.mark.beyond
@pytest.mark.parametrize("backend", ["annoy", "exact", "hnsw"])
def test_all_that_reads_an_index_reads_one_of_parts(tmp_path: Path, backend: str) -> None:
    """Report, explorer, times and notebook; more parts than one can cut well."""
    config = SHORT | {
        "index": {"backend": backend, "shards": 7},
        "report": {"explorer": True, "timings": True},
    }
    workspace = Workspace(tmp_path, config)
    workspace.run()
    for page in ("index.html", "report.md"):
        text = (workspace.results / "report" / page).read_text(encoding="utf-8").replace("\\", "")
        assert "The index has 7 parts (index.shards)" in text
        assert "cut the index into parts" in text and "build a part of the index" in text
    assert (workspace.results / "report/explorer/index.html").is_file()
    timing = json.loads((workspace.results / "index/timing.json").read_text())
    assert timing["threads"] == 2 and timing["threads_milliseconds"] > 0
    workspace.run("notebook")
    assert (workspace.results / "notebook/walkthrough.ipynb").is_file()


@pytest.mark.beyond
@pytest.mark.parametrize("persons", [0, 1, 2])
def test_fewer_persons_than_parts(tmp_path: Path, persons: int) -> None:
    config = SHORT | {
        "dataset": {"source": "openpeople", "max_images": max(persons, 1)},
        "search_set": {"min_score": 0.9, "min_height": 300 if persons else 1e9},
        "index": {"backend": "annoy", "shards": 3},
    }
    workspace = Workspace(tmp_path, config)
    output = workspace.run()
    assert "Traceback" not in output and "ERROR" not in output
    assert len(pq.read_table(workspace.results / "index/persons.parquet")) == persons
