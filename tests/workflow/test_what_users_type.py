"""What people type, through the real `snakemake`: it works, or one line says what to type."""

import sys
from pathlib import Path

import pytest

from conftest import ROOT
from running import SHORT, Workspace, finish

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]


def typed(folder: Path, *words: str) -> tuple[int, list[str]]:
    """Exit status and lines of a dry run of one job, in a folder with the shipped configuration."""
    Workspace(folder, {})
    status, printed = finish([*SNAKEMAKE, "fetch_annotations", "--dry-run", *words], folder, 120)
    return status, printed.splitlines()


def test_results_may_lie_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    workspace = Workspace(tmp_path / "here", SHORT)
    workspace.config["pathvars"] = {"results": "~/q"}
    said = workspace.run("fetch_annotations")
    assert said.count("This run: ") == 1, said  # The jobs do not repeat it.
    assert (home / "q/dataset/images.parquet").is_file() and (home / "q/logs").is_dir()
    written = {path.name for path in workspace.folder.iterdir()}
    assert written == {"config", "test.yaml", ".snakemake"}
    for results in ("$HOME/q", "${HOME}/q"):
        workspace.config["pathvars"] = {"results": results}
        assert workspace.planned("fetch_annotations") == set(), results


def test_a_second_configfile_does_not_drop_the_first(tmp_path: Path) -> None:
    """It planned hours of minitrain."""
    (tmp_path / "mine.yaml").write_text("report: {title: Mine}")
    first, second = ("--configfile", "config/demo.yaml"), ("--configfile", "mine.yaml")
    status, lines = typed(tmp_path, *first, *second)
    assert status == 1 and lines[-1].endswith("--configfile config/demo.yaml mine.yaml")
    status, lines = typed(tmp_path, *first, "mine.yaml")
    (line,) = (line for line in lines if line.startswith("This run: "))
    assert status == 0 and line == (
        "This run: source openpeople, 60 pictures; detector ssdlite_mobilenet_v2_person; results in"
        " results/demo; configured by config/config.yaml, config/demo.yaml, mine.yaml"
    )


def test_hours_that_nobody_asked_for_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("report: {title: Mine}")
    hours = "so this is the full task, COCO minitrain: some hours"
    status, lines = typed(tmp_path, "--configfile", "mine.yaml")
    assert status == 0 and sum(hours in line for line in lines) == 1
    _, lines = typed(tmp_path, "--configfile", "config/config.yaml")
    assert not any(hours in line for line in lines)


def test_with_nothing_to_do_the_report_is_named(demo: Workspace) -> None:
    report = f"Report    {(demo.results / 'report/index.html').as_uri()}"
    for words in ((), ("--dry-run",)):
        lines = demo.run(*words).splitlines()
        done = next(n for n, line in enumerate(lines) if line.startswith("Nothing to be done"))
        assert lines[done + 1].startswith("Found     ") and report in lines, lines
    assert report not in demo.run("search", "-n").splitlines()  # It may no longer hold.
    assert "This run" not in demo.run("--quiet", "all")


def test_a_graph_is_no_run(demo: Workspace) -> None:
    said = demo.run("--dag")
    assert "digraph" in said and "This run: " not in said


@pytest.mark.parametrize("text", ["results/q", "{results: results/q", "'results/q'"])
def test_folders_as_a_text_are_told_how_to_write_them(text: str, tmp_path: Path) -> None:
    """It was a traceback of Snakemake, which reads them before any file of the workflow."""
    status, lines = typed(tmp_path, "--config", f"pathvars={text}")
    assert status == 1 and "Traceback" not in "".join(lines)
    assert lines[-1].endswith(
        "pathvars is a section; write --config pathvars='{results: results/q}'"
    )
