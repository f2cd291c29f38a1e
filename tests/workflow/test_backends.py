"""A run with one index backend, then with another; and its tables in a vector database."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import ROOT
from documented import code_of
from running import Workspace, demo_config


@pytest.fixture(scope="module")
def exact(demo: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The demo with exact search. The tests go on with it, one after another."""
    folder = tmp_path_factory.mktemp("runs") / "exact"
    workspace = demo.copy(folder, demo_config(index={"backend": "exact"}))
    workspace.run("search")
    return workspace


def index_files(workspace: Workspace) -> set[str]:
    """Files in the folder `index`, hidden ones too."""
    return {path.name.removeprefix(".") for path in (workspace.results / "index").iterdir()}


def test_the_tables_of_a_run_load_into_the_database_of_the_documentation(
    exact: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lancedb", reason="NOT TESTED: lancedb is not installed")
    hits = pq.read_table(exact.results / "search/hits.parquet").to_pylist()
    query = pq.read_table(exact.results / "search/queries.parquet").to_pylist()[0]
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs/past-one-machine.md"
    found = code_of(page, 0, run=str(exact.results), person=query["person_id"])
    got = found["nearest"].to_pylist()
    expected = [hit for hit in hits if hit["query"] == query["query"]]
    assert len(expected) == 10
    assert [row["person_id"] for row in got] == [hit["person_id"] for hit in expected]
    similarities = [1 - row["_distance"] for row in got]
    assert similarities == pytest.approx([hit["similarity"] for hit in expected], abs=1e-5)


def test_another_backend_keeps_the_promise_and_leaves_no_file_of_the_former(
    exact: Workspace,
) -> None:
    hits = pq.read_table(exact.results / "search/hits.parquet")
    exact.config["index"] = {"backend": "faiss"}
    assert exact.planned("search") == {"build_index", "search_persons", "select_queries", "search"}
    exact.run("search")
    sidecar = json.loads((exact.results / "index/index.json").read_text())
    assert sidecar["target_reached"] and sidecar["recall"]["recall@10"] >= 0.99
    assert any(name.startswith("persons.faiss") for name in index_files(exact))
    assert not any(name.startswith("persons.npy") for name in index_files(exact))
    again = pq.read_table(exact.results / "search/hits.parquet")
    # Of so few persons faiss finds all, so the hits are the same, in the same order.
    assert again["person_id"].equals(hits["person_id"])
