"""The explorer as a target of its own, on the demo's results."""

import base64
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from page_text import page_of
from running import Workspace, demo_config, sampled
from visualsearch.data.person_order import vectors_of_rows
from visualsearch.data.tables import count_rows
from visualsearch.explorer.vectors import as_text, quantised, restored
from visualsearch.index.nearest import share_found

OWN_RULES = {"search_everyone", "project_persons", "build_explorer"}


@pytest.mark.parametrize("own_pictures", sampled([False, True], [False]))
def test_it_runs_its_own_rules(demo: Workspace, tmp_path: Path, own_pictures: bool) -> None:
    if own_pictures:
        pytest.importorskip("onnx", reason="NOT TESTED: own pictures, as onnx is not installed")
    config = demo_config(explorer={"own_pictures": own_pictures})
    workspace = demo.copy(tmp_path / "demo", config)
    exported = {"export_networks"} if own_pictures else set()
    assert workspace.planned("explorer") - {"explorer"} == OWN_RULES | exported


def payload(explored: Workspace, name: str) -> Any:
    """What a data file of the explorer hands to the page."""
    text = (explored.results / f"report/explorer/data/{name}.js").read_text(encoding="ascii")
    return json.loads(text[text.index(",") + 1 : -3])


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
    packed = base64.b64decode(payload(explored, "neighbours-0000"))
    rows = np.frombuffer(packed, "<u4", len(persons) * 30).reshape(-1, 30)
    queries = pq.read_table(explored.results / "search/queries.parquet")["person_id"].to_pylist()
    hits = pq.read_table(explored.results / "search/hits.parquet").to_pylist()
    for number, person in enumerate(queries):
        wanted = [hit["person_id"] for hit in hits if hit["query"] == number]
        assert [persons[row] for row in rows[persons.index(person), :10]] == wanted
        assert len(wanted) == 10


def test_the_vectors_of_the_page_find_the_neighbours_of_the_tables(explored: Workspace) -> None:
    paths = sorted((explored.results / "reduced").glob("*.parquet"))
    exact = vectors_of_rows(paths, np.arange(count_rows(paths)))
    scales = np.frombuffer(base64.b64decode(payload(explored, "scales")), "<f4")
    starts, text = payload(explored, "vectors-0000")
    codes = quantised(exact, scales)
    assert scales.size == exact.shape[1] and text == as_text(codes)
    images = pq.read_table(explored.results / "index/persons.parquet")["image_id"].to_numpy()
    bits = np.unpackbits(np.frombuffer(base64.b64decode(starts), np.uint8))[: len(images)]
    assert (np.cumsum(bits) - 1 == np.unique(images, return_inverse=True)[1]).all()
    near = restored(codes, scales)
    nearest = [np.argsort(-(v @ v.T) + 9 * np.eye(len(v)), axis=1)[:, :10] for v in (exact, near)]
    assert share_found(*nearest).mean() >= 0.99


def test_a_person_has_the_same_numbers_wherever_they_are_shown(explored: Workspace) -> None:
    """Each is the table's number, rounded once."""
    report = explored.results / "report"
    views = page_of(report).data("large-views")
    details = {row[0]: row for row in payload(explored, "details-0000")}
    order = sorted(details)
    packed = base64.b64decode(payload(explored, "persons"))
    hundredths = dict(zip(order, packed[-3 * len(order) : -2 * len(order)], strict=True))
    lines = (report / "report.md").read_text(encoding="utf-8").splitlines()
    markdown = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    neighbours = {}
    packed = base64.b64decode(payload(explored, "neighbours-0000"))
    rows = np.frombuffer(packed, "<u4", len(order) * 30).reshape(-1, 30)
    cosines = np.frombuffer(packed, "<i2", rows.size, 4 * rows.size).reshape(rows.shape)
    for query in pq.read_table(explored.results / "search/queries.parquet").to_pylist():
        place = order.index(query["person_id"])
        neighbours[query["query"]] = dict(zip(rows[place], cosines[place], strict=True))
    with (report / "hits.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    hits = pq.read_table(explored.results / "search/hits.parquet").to_pylist()
    assert len(hits) == len(table) == 50
    for hit, row in zip(hits, table, strict=True):
        person = hit["person_id"]
        x, y, w, h = box = [f"{hit[side]:.1f}" for side in "xywh"]
        score, similarity = f"{hit['score']:.3f}", f"{hit['similarity']:.3f}"
        assert [f"{float(row[side]):.1f}" for side in "xywh"] == box
        assert (int(row["person_id"]), f"{float(row['score']):.3f}") == (person, score)
        facts = dict(views[hit["query"]][hit["rank"]]["facts"])
        assert facts["detector score"] == score and facts["person id"] == str(person)
        assert facts["box"] == f"{w} × {h} px at {x}, {y}"
        assert facts["cosine similarity"].replace("−", "-") == similarity
        cosine = neighbours[hit["query"]][order.index(person)]
        assert f"{cosine / 1000:.3f}" == similarity
        told = [
            line
            for line in markdown
            if line[:3] == [str(hit["rank"]), facts["cosine similarity"], str(person)]
        ]
        assert told and all(line[5] == score for line in told)
        assert [f"{side:.1f}" for side in details[person][2]] == box
        assert f"{details[person][1]:.3f}" == score
        assert f"{hundredths[person] / 100:.2f}" == f"{hit['score']:.2f}"


def test_a_report_that_links_to_the_explorer_brings_it(demo: Workspace) -> None:
    linked = Workspace(demo.folder, demo_config(report={"explorer": True}))
    for target in ("report", "all"):
        assert linked.planned(target) == OWN_RULES | {"render_report"}


@pytest.mark.parametrize(
    ("section", "change", "rerun"),
    [
        ("explorer", {"neighbours": 5}, {"search_everyone", "build_explorer"}),
        ("explorer", {"thumbnail_height": 64}, {"build_explorer"}),
        ("explorer", {"pictures": True}, {"build_explorer"}),
        ("explorer", {"projection": "pca"}, {"project_persons", "build_explorer"}),
        ("search", {"same_image": True}, {"search_everyone", "build_explorer"}),
        ("search", {"hits_per_image": 3}, {"search_everyone", "build_explorer"}),
        # The explorer says that it does not rerank.
        ("search", {"rerank": 50}, {"build_explorer"}),
        ("evaluation", {"resamples": 500}, set()),
    ],
)
def test_a_changed_parameter_reruns_what_depends_on_it(
    explored: Workspace, section: str, change: dict, rerun: set[str]
) -> None:
    config = explored.config | {section: {**explored.config.get(section, {}), **change}}
    changed = Workspace(explored.folder, config)
    assert changed.planned("explorer") & OWN_RULES == rerun
