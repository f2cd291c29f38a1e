"""The explorer as a target of its own, on the demo's results."""

import base64
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from running import Workspace, demo_config

OWN_RULES = {"search_everyone", "project_persons", "build_explorer"}


@pytest.fixture(scope="module")
def explored(demo: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The demo's results, with the explorer made from them."""
    workspace = demo.copy(tmp_path_factory.mktemp("explored") / "demo", demo_config())
    assert workspace.planned("explorer") - {"explorer"} == OWN_RULES
    workspace.run("explorer")
    return workspace


def test_a_second_call_has_nothing_to_do(explored: Workspace) -> None:
    assert explored.planned("explorer") == set()


def test_every_person_of_the_search_set_is_in_it(explored: Workspace) -> None:
    persons = pq.read_table(explored.results / "index/persons.parquet")["person_id"].to_pylist()
    data = explored.results / "report/explorer/data"
    shown = []
    for file in sorted(data.glob("details-*.js")):
        text = file.read_text(encoding="ascii")
        shown += [row[0] for row in json.loads(text[text.index(",") + 1 : -3])]
    assert shown == persons and len(persons) > 50
    places = pq.read_table(explored.results / "search/map.parquet")
    assert places["person_id"].to_pylist() == persons
    assert json.loads(places.schema.metadata[b"visualsearch"]) == {"method": "tsne"}


def test_the_reports_hits_come_first(explored: Workspace) -> None:
    persons = pq.read_table(explored.results / "index/persons.parquet")["person_id"].to_pylist()
    text = (explored.results / "report/explorer/data/neighbours-0000.js").read_text()
    packed = base64.b64decode(json.loads(text[text.index(",") + 1 : -3]))
    rows = np.frombuffer(packed, "<u4", len(persons) * 30).reshape(-1, 30)
    queries = pq.read_table(explored.results / "search/queries.parquet")["person_id"].to_pylist()
    hits = pq.read_table(explored.results / "search/hits.parquet").to_pylist()
    for number, person in enumerate(queries):
        wanted = [hit["person_id"] for hit in hits if hit["query"] == number]
        assert [persons[row] for row in rows[persons.index(person), :10]] == wanted
        assert len(wanted) == 10


def test_a_report_that_links_to_the_explorer_brings_it(demo: Workspace) -> None:
    linked = Workspace(demo.folder, demo_config(report={"explorer": True}))
    for target in ("report", "all"):
        assert linked.planned(target) == OWN_RULES | {"render_report"}


@pytest.mark.parametrize(
    ("section", "change", "rerun"),
    [
        ("explorer", {"neighbours": 5}, {"search_everyone", "build_explorer"}),
        ("explorer", {"thumbnail_height": 64}, {"build_explorer"}),
        ("explorer", {"projection": "pca"}, {"project_persons", "build_explorer"}),
        ("search", {"same_image": True}, {"search_everyone", "build_explorer"}),
        # The explorer says that it does not rerank.
        ("search", {"rerank": 50}, {"build_explorer"}),
        ("evaluation", {"resamples": 500}, set()),
    ],
)
def test_a_changed_parameter_reruns_what_depends_on_it(
    explored: Workspace, section: str, change: dict, rerun: set[str]
) -> None:
    changed = Workspace(explored.folder, demo_config(**{section: change}))
    assert changed.planned("explorer") & OWN_RULES == rerun
