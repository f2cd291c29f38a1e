"""run.json: what is the same for the same inputs stands apart from what may differ."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import visualsearch
from report_inputs import DETECTOR
from report_run import Run
from visualsearch.core.environment import environment
from visualsearch.core.files import write_json
from visualsearch.data.manifest import write_listed
from visualsearch.data.tables import read_table
from visualsearch.report import run_facts
from visualsearch.report.provenance import Provenance, provenance
from visualsearch.report.run_facts import run_facts as facts_of

STARTED = {
    "started": "2020-01-01T10:00:00+00:00",
    "command": "snakemake --cores 2",
    "configuration": ["mine.yaml", "--config shards"],
    "commit": "ab" * 20,
    "changed_files": ["workflow/a.py", "b", "c", "d"],
    "snakemake": "9.0.0",
    "rules": ["fit_pca", "render_report"],
}
JOB = {
    "python": "3.11.1",
    "platform": "Linux",
    "processor": "A",
    "gpu": None,
    "packages": {"numpy": "2.0.0"},
}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The notes of a run in two shards, the second detected on another machine."""
    logs = tmp_path / "logs"
    write_json(logs / "started.json", STARTED)
    write_json(logs / "fit_pca.json", JOB)
    write_json(logs / "detect_persons/0.json", JOB)
    other = JOB | {"python": "3.12.2", "gpu": "G", "packages": {"numpy": "2.1.0", "torch": "2.9.0"}}
    write_json(logs / "detect_persons/1.json", other)
    # Of a former run with more shards.
    write_json(logs / "detect_persons/2.json", JOB | {"python": "3.9.9"})
    return logs


def of(run: Run, logs: Path | None, **files: Any) -> Provenance:
    return provenance(run.results(), run.files(**files, **({"logs": logs} if logs else {})))


def test_without_timings_only_what_is_the_same_is_there(run: Run, tmp_path: Path) -> None:
    out = run.report(tmp_path)
    written = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert written["may_differ"] == {}
    same = written["same"]
    assert same["workflow"] == visualsearch.__version__
    assert same["weights"] == {"detector": DETECTOR["name"], "sha256": DETECTOR["weights_sha256"]}
    assert (
        same["versions"]["torch"] == DETECTOR["versions"]["torch"] and "numpy" in same["versions"]
    )
    assert of(run, None).may_differ == []


def test_the_hash_of_the_pictures_is_that_of_sha256sum(run: Run) -> None:
    rows = read_table(run.folder / "manifest.parquet").to_pylist()
    lines = [f"{row['sha256']}  {row['file']}\n" for row in sorted(rows, key=lambda r: r["file"])]
    dataset = of(run, None).of_inputs["dataset"]
    assert dataset["pictures"] == len(rows)
    assert dataset["pictures_sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_hashes_of_the_definition_are_told(run: Run, tmp_path: Path) -> None:
    hashes = {"definition_sha256": "d" * 64, "annotations_sha256": "a" * 64}
    write_listed(tmp_path / "images.parquet", [], hashes)
    found = of(run, None, listed=tmp_path / "images.parquet")
    assert found.of_inputs["dataset"].items() >= hashes.items()
    told = dict(found.same)
    assert told["dataset's definition"] == f"sha256 {'d' * 64}"


def test_what_may_differ_is_told_by_stage(run: Run, logs: Path) -> None:
    found = of(run, logs)
    own = environment()
    facts = found.as_json()["may_differ"]
    assert facts["python"]["3.12.2"] == ["Detection"]
    assert facts["python"]["3.11.1"][:2] == ["Detection", "Reduction"]
    assert "Report" in facts["python"][own["python"]] and "3.9.9" not in facts["python"]
    assert facts["packages"]["torch"]["2.9.0"] == ["Detection"]
    assert facts["packages"]["numpy"]["2.0.0"] == ["Detection", "Reduction"]
    assert facts["gpu"] == {"G": ["Detection"]}
    assert facts["seconds"] > 1e6
    told = dict(found.may_differ)
    assert told["commit"] == f"{'ab' * 20}, with 4 changed files: workflow/a.py, b, c, ..."
    assert told["command"] == "snakemake --cores 2"
    assert told["configuration"] == "mine.yaml, --config shards"
    assert told["rules that ran"] == "fit_pca, render_report"
    assert "torch 2.9.0" in told["packages loaded"]
    assert told["gpu"] == "G" and told["time until this report"]


def test_inputs_alone_decide_what_is_the_same(run: Run, logs: Path) -> None:
    other = dataclasses.replace(run.settings(), shards=9)
    files = run.files(logs=logs)
    first = provenance(run.results(), files)
    second = provenance(run.results(settings=other), run.files(timings=False))
    assert first.as_json()["same"] == second.as_json()["same"]
    assert first.same == second.same


@pytest.mark.parametrize(
    ("commit", "changed", "told"),
    [
        (None, None, "not known: the workflow is not a git checkout"),
        ("c", None, "c; whether files were changed is not known"),
        ("c", [], "c, unchanged"),
        ("c", ["x"], "c, with 1 changed file: x"),
    ],
)
def test_the_commit_is_told(
    run: Run, logs: Path, commit: str | None, changed: list[str] | None, told: str
) -> None:
    write_json(logs / "started.json", STARTED | {"commit": commit, "changed_files": changed})
    assert dict(of(run, logs).may_differ)["commit"] == told


def test_notes_of_a_run_that_made_no_report_do_not_count(run: Run, logs: Path) -> None:
    write_json(logs / "started.json", STARTED | {"rules": ["fit_pca"]})
    found = of(run, logs)
    assert "command" not in found.of_run and "command" not in dict(found.may_differ)
    assert "3.11.1" in dict(found.may_differ)["python"]


def test_notes_that_are_lost_or_damaged_are_not_known(run: Run, tmp_path: Path) -> None:
    (tmp_path / "started.json").write_text("{")
    (tmp_path / "fit_pca.json").write_text("[]")
    found = of(run, tmp_path)
    assert list(found.of_run["python"].values()) == [["Report"]]
    assert dict(found.may_differ)["packages loaded"]


def test_versions_are_compared_with_the_lock(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("numpy==2.0.0 \\\n    --hash=sha256:1\ntorch==2.9.0 ; x == 'y' \\\n")
    monkeypatch.setattr(run_facts, "LOCK", lock)
    assert run_facts._not_as_locked({"torch": {"2.9.0+cpu": []}, "numpy": {"2.0.0": []}}) == []
    assert run_facts._not_as_locked({"numpy": {"2.0.0": [], "2.1.0": []}, "x": {"1": []}}) == [
        "numpy",
        "x",
    ]
    lock.unlink()
    assert facts_of(logs, 2)["not_as_locked"] is None
