"""The demo's pictures through the whole workflow, and what a rerun does."""

import csv
import html
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from running import (
    Workspace,
    copy_of_the_workflow,
    demo_config,
    sampled,
    with_results_in,
)
from visualsearch.workflow.machine import memory_mb

AFTER_QUERIES = {"search_persons", "evaluate_galleries", "render_report"}
AFTER_INDEX = {"select_queries"} | AFTER_QUERIES
AFTER_REDUCTION = {"build_index", "time_index"} | AFTER_INDEX
AFTER_EMBEDDING = {"fit_pca", "reduce_vectors", "evaluate_search"} | AFTER_REDUCTION


def test_five_queries_have_ten_neighbours_from_other_images(demo: Workspace) -> None:
    queries = pq.read_table(demo.results / "search/queries.parquet").to_pylist()
    hits = pq.read_table(demo.results / "search/hits.parquet").to_pylist()
    assert len(queries) == 5
    for query in queries:
        own = [hit for hit in hits if hit["query"] == query["query"]]
        assert [hit["rank"] for hit in own] == list(range(1, 11))
        assert query["image_id"] not in {hit["image_id"] for hit in own}
        similarity = [hit["similarity"] for hit in own]
        assert similarity == sorted(similarity, reverse=True)


def test_the_search_is_measured_on_persons_that_were_not_tuned_on(demo: Workspace) -> None:
    measured = json.loads((demo.results / "evaluation/search.json").read_text())
    sidecar = json.loads((demo.results / "index/index.json").read_text())
    for recall in (sidecar["recall"], measured["reduced_against_full_length"]):
        low, high = recall["recall@10_interval"]
        assert 0 < low <= recall["recall@10"] <= high <= 1
    assert sidecar["target_reached"] and sidecar["recall"]["recall@10"] >= 0.99
    sampled = [sidecar[name]["persons_sampled"] for name in ("recall", "tuning")]
    assert sum(sampled) <= sidecar["n_items"]


def test_copies_find_their_person_and_neighbours_share_the_view(demo: Workspace) -> None:
    measures = json.loads((demo.results / "evaluation/search.json").read_text())["measures"]
    low, _ = measures["self"]["rank1"]["interval"]
    assert low > 20 / measures["self"]["rank1"]["persons"]
    assert set(measures) == {"self", "self_unmirrored", "label:person", "label:view"}
    view = measures["label:view"]
    assert view["interval"][0] > 3 * view["chance"]


def test_box_shape_and_other_settings_stand_beside_the_search(demo: Workspace) -> None:
    measured = json.loads((demo.results / "evaluation/search.json").read_text())
    beside = measured["box_shape"]["label:view"]
    # Boxes tell much of the view, as head shots and whole figures differ in shape.
    assert beside["lift_interval"][0] > 0.2
    own = measured["measures"]["label:view"]["value"]
    assert beside["difference"] == pytest.approx(own - beside["value"], abs=2e-6)
    low, high = beside["difference_interval"]
    assert low < beside["difference"] < high
    settings = [(row["n_components"], row["whiten_power"]) for row in measured["by_setting"]]
    assert settings == [(n, power) for power in (0, 0.25, 0.5) for n in (8, 16, 32, 44)]
    page = (demo.results / "report/index.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    for told in ("by box shape alone 71 %", "Of 12 settings of components and"):
        assert told in page
        assert told in (demo.results / "report/report.md").read_text(encoding="utf-8")


def test_five_queries_show_different_things(demo: Workspace) -> None:
    queries = pq.read_table(demo.results / "search/queries.parquet").to_pylist()
    roles = [query["role"] for query in queries]
    assert roles == ["typical", "rare", "small", "crowd", "surest"]
    assert len({query["image_id"] for query in queries}) == 5
    page = (demo.results / "report/index.html").read_text(encoding="utf-8")
    page = page.replace("\u00a0", " ")
    for query in queries:
        # The number that the choice goes by stands at the end of its reason.
        assert html.escape(query["reason"].rsplit(": ", 1)[-1]) in page, query["role"]


def test_details_of_the_detector_are_written(demo: Workspace) -> None:
    detector = json.loads((demo.results / "detections/detector.json").read_text())
    keys = ("builder", "weights_sha256", "parameters", "score_threshold", "featurizer", "versions")
    for key in keys:
        assert detector[key], key


def test_detections_are_coco_results(demo: Workspace) -> None:
    rows = json.loads((demo.results / "detections/persons.json").read_text())
    assert len(rows) > 100
    assert {tuple(row) for row in rows} == {("image_id", "category_id", "bbox", "score")}
    assert min(row["score"] for row in rows) < 0.1


def test_detections_are_a_coco_data_set_too(demo: Workspace) -> None:
    """Measured against itself, every detection is right; by its id, it is a person of the index."""
    truth = COCO(str(demo.results / "detections/coco.json"))
    measured = COCOeval(truth, truth.loadRes(str(demo.results / "detections/persons.json")), "bbox")
    measured.evaluate()
    measured.accumulate()
    measured.summarize()
    assert measured.stats[0] == pytest.approx(1)
    assert len(truth.imgs) == 60 and {image["license"] for image in truth.imgs.values()} == {1}
    boxes = {entry["person_id"]: entry["bbox"] for entry in truth.anns.values()}
    assert len(boxes) == len(truth.anns)
    persons = pq.read_table(demo.results / "index/persons.parquet").to_pylist()
    for person in persons:
        assert boxes[person["person_id"]] == [round(person[side], 3) for side in "xywh"]


def test_embeddings_name_where_they_come_from(demo: Workspace) -> None:
    table = pq.read_table(demo.results / "embeddings/0.parquet")
    facts = json.loads(table.schema.metadata[b"visualsearch"])
    assert facts["detector"] == "ssdlite_mobilenet_v2_person"
    assert facts["pooling"] == "average" and facts["stripes"] == 6 and facts["mirrored"] is True
    assert len(facts["weights_sha256"]) == 64
    assert table.schema.field("vector").type.list_size == 1280
    assert table.schema.field("before").type.list_size == 6 * 576


def test_a_second_run_has_nothing_to_do(demo: Workspace) -> None:
    assert "Nothing to be done" in demo.run()


def test_jobs_share_the_memory_of_this_machine(demo: Workspace) -> None:
    logs = "".join(path.read_text() for path in demo.folder.glob(".snakemake/log/*.log"))
    assert f'mem_mb=Resource("mem_mb", {memory_mb()})' in logs


def test_a_python_in_a_path_with_a_space_is_one_line(tmp_path: Path) -> None:
    """The environment of these tests, under another path."""
    there = tmp_path / "my environment"
    (there / "bin").mkdir(parents=True)
    (there / "bin/python").symlink_to(sys.executable)
    for name in ("lib", "pyvenv.cfg"):
        (there / name).symlink_to(Path(sys.prefix, name))
    command = Workspace(tmp_path / "run", demo_config()).command("--dry-run")
    command[0] = str(there / "bin/python")
    done = subprocess.run(command, cwd=tmp_path / "run", capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "cannot start scripts" in line]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert len(said) == 1 and "install into a folder without it" in said[0]


def test_what_one_needs_to_know_to_repeat_the_run_is_written(demo: Workspace) -> None:
    facts = json.loads((demo.results / "report/run.json").read_text())
    detector = json.loads((demo.results / "detections/detector.json").read_text())
    assert facts["same"]["weights"]["sha256"] == detector["weights_sha256"]
    ran = facts["may_differ"]
    assert ran["command"].startswith("snakemake --snakefile ") and "test.yaml" in ran["command"]
    assert "test.yaml" in ran["configuration"] and ran["seconds"] > 1
    assert {"detect_persons", "render_report"} <= set(ran["rules"])
    # One environment for all: each job's note was found.
    (stages,) = ran["python"].values()
    assert len(stages) == 8 and "Embedding" in stages
    (stages,) = ran["packages"]["annoy"].values()
    assert "Index" in stages and "Dataset" not in stages


def test_hits_table_has_a_row_a_hit(demo: Workspace) -> None:
    with (demo.results / "report/hits.csv").open(newline="", encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 50


@pytest.fixture(scope="module")
def unremembered(demo: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The demo's results under another name, in a folder where Snakemake has no record of them."""
    folder = tmp_path_factory.mktemp("unremembered")
    shutil.copytree(demo.results, folder / "results/renamed", copy_function=shutil.copy2)
    return with_results_in("results/renamed", Workspace(folder, demo.config))


def test_renamed_results_are_complete(unremembered: Workspace) -> None:
    assert unremembered.planned() == set()


def test_results_by_their_absolute_path_from_elsewhere(demo: Workspace, tmp_path: Path) -> None:
    elsewhere = Workspace(tmp_path, demo.config)
    assert with_results_in(str(demo.results), elsewhere).planned() == set()


def test_a_fresh_clone_of_the_same_commit_runs_nothing(demo: Workspace, tmp_path: Path) -> None:
    """Its files are newer than all results."""
    clone = copy_of_the_workflow(tmp_path / "clone")
    assert Workspace(demo.folder, demo.config, root=clone).planned() == set()
    beside = Workspace(clone, demo.config, root=clone)
    assert with_results_in(str(demo.results), beside).planned() == set()


def test_touched_results_run_nothing(demo: Workspace, tmp_path: Path) -> None:
    """Also files of a table's size: Snakemake by itself compares the content of small ones only."""
    touched = demo.copy(tmp_path / "touched", demo.config)
    for path in touched.results.rglob("*"):
        if path.is_file() and path.parts[-2] in ("dataset", "embeddings", "reduced", "index"):
            path.touch()
    assert touched.planned() == set()
    assert touched.planned("--max-checksum-file-size", "1000") != set()


def test_changed_settings_are_named(unremembered: Workspace) -> None:
    changed = demo_config(reduction={"n_components": 32}, report={"title": "Another"})
    said = with_results_in("results/renamed", Workspace(unremembered.folder, changed))
    lines = said.run("--dry-run").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Changed since"))
    assert [line.strip() for line in lines[start + 1 : start + 3]] == [
        "reduction.n_components: 64, now 32",
        'report.title: "Ten people who do not exist", now "Another"',
    ]


@pytest.mark.parametrize(
    ("section", "change", "rerun"),
    [
        ("search", {"neighbours": 3}, AFTER_QUERIES),
        ("search", {"hits_per_image": None}, AFTER_QUERIES),
        ("search", {"rerank": 50}, {"evaluate_search"} | AFTER_QUERIES),
        ("index", {"target_recall": 0.9}, AFTER_REDUCTION),
        ("index", {"backend": "exact"}, AFTER_REDUCTION),
        ("evaluation", {"resamples": 500}, {"evaluate_search", "render_report"}),
        ("queries", {"count": 2}, AFTER_INDEX),
        ("reduction", {"whiten_power": 1}, AFTER_EMBEDDING),
        ("embedding", {"size": [128, 64]}, {"embed_persons", "embed_distorted"} | AFTER_EMBEDDING),
        ("dataset", {"connections": 2, "retries": 1, "max_skipped_fraction": 0.02}, set()),
        ("report", {"title": "Another", "timings": False}, {"render_report"}),
    ],
)
def test_a_changed_parameter_reruns_what_depends_on_it(
    unremembered: Workspace, section: str, change: dict, rerun: set[str]
) -> None:
    """Also where Snakemake does not know what the results were made with."""
    changed = Workspace(unremembered.folder, demo_config(**{section: change}))
    assert with_results_in("results/renamed", changed).planned() == rerun


def test_a_file_as_target_is_not_taken_as_it_is_after_a_change(demo: Workspace) -> None:
    """Snakemake would: the record that is missing is another output of its job."""
    page = "results/test/report/index.html"
    assert demo.planned(page) == set()
    changed = Workspace(demo.folder, demo_config(search={"neighbours": 5}))
    printed = changed.run("--dry-run", page, fails=True)
    assert "search.neighbours: 10, now 5); name its stage, such as report" in printed


LAST_RULES = {
    "fetch": "build_manifest",
    "detect": "gather_detections",
    "embed": "embed_persons",
    "reduce": "reduce_vectors",
    "index": "time_index",
    "search": "search_persons",
    "evaluate": "evaluate_search",
    "report": "render_report",
}


def test_each_stage_is_a_target(demo: Workspace) -> None:
    assert demo.planned(*LAST_RULES) == set()


@pytest.mark.parametrize("stage", sampled(LAST_RULES, {"embed", "evaluate"}))
def test_a_stage_runs_again_by_itself(demo: Workspace, stage: str) -> None:
    last = LAST_RULES[stage]
    assert last in demo.planned(stage, "--forcerun", last)


def test_a_changed_library_file_reruns_what_uses_it(demo: Workspace, tmp_path: Path) -> None:
    """The same results under a copy of the workflow, one module of it edited."""
    copy = copy_of_the_workflow(tmp_path / "copy")
    there = Workspace(demo.folder, demo.config, root=copy)
    assert there.planned() == set()
    module = copy / "workflow/scripts/visualsearch/index/annoy_backend.py"
    module.write_text(module.read_text() + "\n# A comment does nothing.\n")
    assert there.planned() == set()
    module.write_text(module.read_text() + "\nEDITED = True\n")
    assert there.planned() == AFTER_REDUCTION
    template = copy / "workflow/scripts/visualsearch/report/templates/report.css"
    template.write_text(template.read_text() + "\n")
    assert "render_report" in there.planned()


def test_snakemake_report_is_written_offline(demo: Workspace) -> None:
    demo.run("--report", "report.html")
    text = (demo.folder / "report.html").read_text(encoding="utf-8")
    assert "explained_variance.svg" in text and "index.html" in text
