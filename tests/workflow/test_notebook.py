"""The notebook agrees with the run, and fails if it does not; and a run's last lines."""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import ROOT
from running import Workspace, copy_of_the_workflow, demo_config
from visualsearch.core.errors import InputError
from visualsearch.core.job import job
from visualsearch.report import notebook
from visualsearch.workflow.digests import imported_names

TEXT = ROOT / "notebooks/walkthrough.py"
SEARCH = {
    "neighbours": 10,
    "same_image": False,
    "hits_per_image": 1,
    "near_duplicate": 0.77,
    "exclude_near_duplicates": False,
    "rerank": 0,
}


@pytest.fixture
def copy(demo: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the demo's finished run."""
    shutil.copytree(demo.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy", demo.config)


def outputs(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]


def printed(path: Path) -> str:
    return "".join("".join(output.get("text", "")) for output in outputs(path))


def walk(demo: Workspace, folder: Path, **changes: Any) -> Path:
    """The notebook run on the demo's results without Snakemake."""
    path = folder / "notebook/walkthrough.ipynb"
    parameters = {"results": str(demo.results), "pictures": None, "started_in": str(demo.folder)}
    notebook.run_notebook(TEXT, path, {**parameters, "search": SEARCH, **changes})
    return path


def test_it_agrees_with_the_run_and_is_the_same_bytes_twice(
    copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somebody has installed another kernel of the same name.
    kernel = tmp_path / "jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["false"], "display_name": "?", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    said = copy.run("notebook")
    made = copy.results / "notebook/walkthrough.ipynb"
    assert "Annoy gives the run's 10 hits, in the same order." in printed(made)
    assert sum("image/png" in output.get("data", {}) for output in outputs(made)) == 3
    # Without a new report, older measurements may no longer hold.
    assert "Report " not in said
    an_edit_of_the_text_runs_it_again(copy, tmp_path / "repository")

    first = made.read_bytes()
    assert not re.search(rb"0x[0-9a-f]{8}|iopub|/tmp/", first)
    assert str(copy.folder).encode() not in first
    copy.run("notebook", "--forcerun", "run_notebook", cores=1)
    assert made.read_bytes() == first
    assert not list((tmp_path / "home").glob(".[ij]*"))


def test_reranking_own_pictures_and_exact_search(copy: Workspace, tmp_path: Path) -> None:
    picture = copy.results / "dataset/images/P001/amateur_selfie.jpg"
    Image.open(picture).resize((424, 632)).save(copy.folder / "me $x$.png")
    other = Workspace(
        copy.folder,
        demo_config(
            index={"backend": "exact"},
            queries={"images": ["me $x$.png"]},
            search={"rerank": 20, "neighbours": 7},
        ),
    )
    other.run("notebook")
    text = printed(other.results / "notebook/walkthrough.ipynb")
    assert "Reranked: 20." in text
    assert "7 of the 7 found by hand are hits of the run; the cosines agree." in text
    assert "The 7 hits of the run are as near as those found by hand." in text


def test_no_query_and_pictures_elsewhere(demo: Workspace, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(demo.results, results)
    (results / "dataset/images").rename(tmp_path / "mine")
    for name in ("queries", "hits"):
        path = results / f"search/{name}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    made = walk(demo, tmp_path, results="../results", pictures="mine", started_in="..")
    text = printed(made)
    assert "This run has no query." in text and "No query, so no hits to compare with." in text
    assert sum("image/png" in output.get("data", {}) for output in outputs(made)) == 3


def test_results_that_do_not_follow_from_the_files_are_noticed(
    demo: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"cell \d+ \(The index: .*AssertionError: is `search`"):
        walk(demo, tmp_path, search=SEARCH | {"same_image": True, "neighbours": 60})
    assert not list(tmp_path.rglob("*.ipynb"))


def test_a_failing_cell_is_one_line_and_its_traceback_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.py"
    text.write_text("# %% [markdown]\n# ## Divide\n\n# %%\na = 1\n\n# %%\na / 0\n\n# %%\na = 2\n")
    snakemake = SimpleNamespace(log=[tmp_path / "log"], input=[], output=[])
    with pytest.raises(SystemExit), job(snakemake):
        notebook.run_notebook(text, tmp_path / "out.ipynb", {})
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"ERROR: {text}, cell 3 (Divide): ZeroDivisionError: division by zero; "
        "the log has the traceback"
    )
    logged = (tmp_path / "log").read_text()
    assert "----> 1 a / 0" in logged and "\x1b" not in logged


def test_where_temporary_files_go_may_be_deep_and_python_may_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    text = tmp_path / "text.py"
    text.write_text("# %%\nimport os, sys\n\n# %%\nprint(sys.executable)\n")
    notebook.run_notebook(text, tmp_path / "out.ipynb", {})
    assert printed(tmp_path / "out.ipynb") == f"{sys.executable}\n"
    text.write_text(text.read_text() + "\n# %%\nos.kill(os.getpid(), 9)\n")
    with pytest.raises(InputError, match="Python ended while a cell ran"):
        notebook.run_notebook(text, tmp_path / "dead.ipynb", {})


def test_a_package_that_is_missing_is_told_before_the_first_job(
    copy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every Python that starts finds no nbclient.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'nbclient' else find(name, *more)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = copy.run("notebook", "--forcerun", "search_persons", fails=True)
    assert "needs nbclient, not installed; run pip install -r requirements-notebook.txt" in said
    assert "Traceback" not in said and "Job 1" not in said and "Searching" not in said


def an_edit_of_the_text_runs_it_again(copy: Workspace, root: Path) -> None:
    """`copy`: its notebook has been run."""
    there = Workspace(copy.folder, copy.config, root=copy_of_the_workflow(root))
    # The text is another file now, of the same content.
    there.run("notebook", "--touch", "--forcerun", "run_notebook")
    assert there.planned("notebook") == set()
    text = root / "notebooks/walkthrough.py"
    text.write_text(text.read_text() + "# One line more.\n")
    assert "run_notebook" in there.planned("notebook")


def test_it_needs_nothing_of_ours() -> None:
    assert not [name for name in imported_names(TEXT) if name.startswith("visualsearch")]


def test_a_run_ends_with_five_lines_once(demo: Workspace) -> None:
    said = demo.printed.splitlines()
    start = said.index("Found     88 persons, in 56 of 60 pictures")
    heads = [line.split()[0] for line in said[start : start + 5]]
    assert heads == ["Found", "AP", "Recall", "Galleries", "Report"]
    assert said[start + 3] == "Galleries 5 queries, 50 neighbours"
    # The run was made in another folder, and copied.
    assert re.fullmatch(r"Report    file:///.+/results/test/report/index\.html", said[start + 4])
    assert sum(line.startswith("Report    file:") for line in said) == 1


def test_the_lines_come_when_the_run_leads_to_the_report(copy: Workspace) -> None:
    # Without --forcerun there would be nothing to do.
    touch = ("--touch", "--forcerun", "gather_detections")
    assert "Report    file:" in copy.run(*touch, "--quiet")
    for quieter in ((*touch, "--quiet", "all"), ("--dry-run", "--forceall"), ("detect", *touch)):
        assert "Report    file:" not in copy.run(*quieter)


def test_a_damaged_result_does_not_fail_the_run(copy: Workspace) -> None:
    numbers = copy.results / "evaluation/search.json"
    numbers.write_text("{")
    said = copy.run("--touch")
    assert "Recall    not known (InputError" in said and "Traceback" not in said
