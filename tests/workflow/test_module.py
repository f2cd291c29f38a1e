"""The workflow as a module: the example of docs/module.md, from a path, from git, deployed."""

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import ROOT
from deploying import HOST, NAME, SHIPPED, TAG, answer_for_the_host, publish
from running import SHORT, Workspace, results_of

PAGE = (ROOT / "docs/module.md").read_text(encoding="utf-8")
EXAMPLE, FROM_HOST, HANDLERS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
HITS = "search/hits.parquet"


def section(results: str, **changed: object) -> dict[str, object]:
    return SHORT | {"pathvars": {"results": results}} | changed


def few(pictures: int) -> dict[str, object]:
    """Settings that make the run of a section shorter."""
    return {"dataset": SHORT["dataset"] | {"max_images": pictures}, "shards": 1}


def importing(folder: Path, snakefile: str, **sections: object) -> Workspace:
    """A workflow in `folder` with this Snakefile, and a clone of this project beside it."""
    workspace = Workspace(folder, sections, root=folder)
    (folder / "visual-search").symlink_to(ROOT)
    (folder / "Snakefile").write_text(snakefile)
    return workspace


def module(snakefile: str, lines: str = "") -> str:
    """The text of a workflow with one module, configured by the section `search`."""
    return f"""
module visual_search:
    snakefile: {snakefile}
    config: config["search"]
    {lines}

use rule * from visual_search as their_*
"""


CLONE = '"visual-search/workflow/Snakefile"'


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The page's example, after one run."""
    workspace = importing(
        tmp_path_factory.mktemp("example"),
        EXAMPLE,
        summer=section("results/summer", **few(6)),
        winter=section("results/winter", **few(4)),
    )
    workspace.run()
    return workspace


def test_results_are_those_of_a_run_by_itself(example: Workspace, tmp_path: Path) -> None:
    alone = Workspace(tmp_path, SHORT | few(6))
    alone.run("search")
    example.results = example.folder / "results/summer"
    hashes = results_of(alone)
    assert hashes == results_of(example)
    assert {HITS, "detections/detector.json", "index/persons.ann", "pca/model.npz"} <= set(hashes)


def test_two_modules_do_not_meet_and_others_rules_use_both(example: Workspace) -> None:
    table = pd.read_csv(example.folder / "results/nearest.tsv", sep="\t", index_col=0)
    for name in ("summer", "winter"):
        hits = pd.read_parquet(example.folder / "results" / name / HITS)
        expected = hits[hits["rank"] == 1]["similarity"].mean()
        assert table.loc[name, "similarity"] == pytest.approx(expected)
    assert table["similarity"].nunique() == 2
    written = {path.name for path in example.folder.iterdir()} - {".snakemake"}
    assert written == {"Snakefile", "config", "results", "test.yaml", "visual-search"}
    assert {path.name for path in (example.folder / "results").iterdir()} == {
        "nearest.tsv",
        "summer",
        "winter",
    }


def test_nothing_is_left_to_do(example: Workspace) -> None:
    assert example.planned() == set()


def test_a_second_run_is_refused(example: Workspace) -> None:
    """By the handler in the example, for the second module."""
    results = str(example.folder / "results/winter")
    held = f"from visualsearch.workflow.run_lock import hold; hold({results!r})"
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'workflow/scripts')!r}); {held}; print(1)"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{code}; sys.stdout.flush(); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"1\n"
    said = example.run("--forcerun", "compare", fails=True)
    holder.communicate()
    assert "results/winter is in use by another run" in said
    example.run("--forcerun", "compare")


@pytest.mark.beyond
def test_sigterm_ends_the_example_soon(tmp_path: Path) -> None:
    workspace = importing(
        tmp_path,
        EXAMPLE,
        summer=section("results/summer", **few(6)),
        winter=section("results/winter", **few(4)),
    )
    run = subprocess.Popen(
        workspace.command(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.stdout is not None
    next(line for line in run.stdout if "Listing the pictures" in line)
    begun = time.monotonic()
    run.send_signal(signal.SIGTERM)
    try:
        run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode != 0
    assert time.monotonic() - begun < 10


def test_prefix_and_pathvars_of_the_module(tmp_path: Path) -> None:
    """The prefix is not added to the user's own pictures."""
    (tmp_path / "me.jpg").write_bytes(b"")
    search = section("results/search", queries={"images": ["me.jpg"]})
    for lines, hits in {
        'prefix: "there"': f"there/results/search/{HITS}",
        'pathvars: results="elsewhere"': f"elsewhere/{HITS}",
    }.items():
        folder = tmp_path / hits.partition("/")[0]
        snakefile = f"{module(CLONE, lines)}\nprint(rules.their_search_persons.output.hits)\n"
        workspace = importing(folder, snakefile, search=search)
        if "pathvars" in lines:
            del workspace.config["search"]["pathvars"]
        (folder / "me.jpg").write_bytes(b"")
        said = workspace.run("--dry-run", "their_all")
        assert hits in said.splitlines()
        assert "their_embed_query_images" in said


def test_on_the_results_of_a_run_by_itself(demo: Workspace, tmp_path: Path) -> None:
    """Nothing runs, though all scripts are newer."""
    search = demo.config | {"pathvars": {"results": str(demo.results)}}
    for path in (ROOT / "workflow/scripts").glob("*.py"):
        path.touch()
    assert importing(tmp_path, module(CLONE), search=search).planned("their_all") <= {"their_all"}


def test_modules_may_share_a_configuration(tmp_path: Path) -> None:
    """Defaults that one module fills in do not reach the other."""
    shared = {key: value for key, value in SHORT.items() if key != "pathvars"}
    both = "".join(
        f"""
module {name}:
    snakefile: {CLONE}
    config: config["search"]
    pathvars: results="results/{name}"

use rule * from {name} as {name}_*

print(rules.{name}_search_persons.output.hits, sorted(config["search"]))
"""
        for name in ("a", "b")
    )
    workspace = importing(tmp_path, both, search=shared)
    lines = workspace.run("--dry-run", "a_all", "b_all").splitlines()
    for name in ("a", "b"):
        assert f"results/{name}/{HITS} {sorted(shared)}" in lines


def test_a_wrong_section_is_one_line(tmp_path: Path) -> None:
    workspace = importing(tmp_path, module(CLONE), search=section("results/x", shards=0))
    said = workspace.run("--dry-run", fails=True)
    # The section's place in the file is not known.
    assert "  shards: 0 is not allowed; expected an integer >= 1 and <= 512" in said.splitlines()
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


@pytest.fixture
def host(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    answer_for_the_host(published, tmp_path, monkeypatch)
    return published


@pytest.fixture
def deployed(host: Path, tmp_path: Path) -> Workspace:
    """Deployed as the catalog says, with the handlers of the page."""
    folder = tmp_path / "deployed"
    folder.mkdir()
    reason = "NOT TESTED: snakedeploy has no release for this Python"
    pytest.importorskip("snakedeploy", reason=reason)
    snakedeploy = [Path(sys.executable).with_name("snakedeploy"), "deploy-workflow"]
    subprocess.run([*snakedeploy, HOST + NAME, folder, "--tag", TAG], check=True)
    snakefile = folder / "workflow/Snakefile"
    with snakefile.open("a") as file:
        file.write(f"\n{HANDLERS}")
    return Workspace(folder, SHORT, root=folder / "workflow")


@pytest.mark.beyond
def test_what_snakedeploy_writes_is_what_the_page_says(deployed: Workspace) -> None:
    text = (deployed.root / "Snakefile").read_text()
    written = re.search(r"^module (\w+):\s+snakefile:\s+(\S.*)\s+config:\s+config\s", text, re.M)
    assert written and written[1] in FROM_HOST and written[1] in HANDLERS
    assert written[2] in FROM_HOST.replace("OWNER/REPOSITORY", NAME).replace("TAG", TAG)


@pytest.mark.beyond
def test_deployed_workflow_runs(deployed: Workspace) -> None:
    deployed.config |= few(4)
    said = deployed.run("detect")
    assert (deployed.results / "detections/persons.json").is_file()
    assert (deployed.results / ".running").is_file()
    assert "profiles/default" in said and str(ROOT) not in said.replace(sys.prefix, "")


@pytest.mark.beyond
def test_deployed_workflow_gives_the_same_report(
    deployed: Workspace, undisturbed: dict[str, str]
) -> None:
    said = deployed.run()
    assert results_of(deployed) == undisturbed
    assert "Found     " in said


@pytest.mark.beyond
def test_from_a_git_repository(host: Path, tmp_path: Path) -> None:
    for snakefile in (
        f'github("{NAME}", path="workflow/Snakefile", tag="{TAG}")',
        f'github("{NAME}", path="workflow/Snakefile", branch="main")',
        f'gitfile("{host}", path="workflow/Snakefile", ref="main")',
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        workspace = importing(folder, module(snakefile), search=section("results/x"))
        assert "their_search_persons" in workspace.planned("their_all")
    (copy,) = (tmp_path / "cache").rglob("source-cache/visual-search/*/workflow")
    assert {path.name for path in copy.parent.iterdir()} == set(SHIPPED)


@pytest.mark.beyond
def test_two_versions_are_refused(host: Path, tmp_path: Path) -> None:
    other = f'github("{NAME}", path="workflow/Snakefile", tag="{TAG}")'
    second = module(other).replace("visual_search", "other").replace("their_", "other_")
    workspace = importing(tmp_path / "x", module(CLONE) + second, search=section("results/x"))
    assert "are two versions of this workflow" in workspace.run("--dry-run", fails=True)


@pytest.fixture
def web() -> Iterator[str]:
    """This folder on a web server, which serves files and no repository."""
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: handler(*a, directory=str(ROOT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.beyond
def test_a_single_file_is_refused(web: str, tmp_path: Path) -> None:
    workspace = importing(
        tmp_path, module(f'"{web}/workflow/Snakefile"'), search=section("results/x")
    )
    said = workspace.run("--dry-run", fails=True)
    assert "is a single file, and this workflow needs all of its own" in said
    assert "Traceback" not in said


def test_the_catalog_finds_what_it_asks_for() -> None:
    """See https://snakemake.github.io/snakemake-workflow-catalog, under Adding workflows."""
    shown = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(shown) == {"usage"}
    assert set(shown["usage"]) == {"software-stack-deployment", "report"}
    kinds = shown["usage"]["software-stack-deployment"]
    assert set(kinds) == {"conda", "apptainer", "apptainer+conda"}
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert kinds["conda"] == ("conda:" in rules)
    assert kinds["apptainer"] == ("container:" in rules) == kinds["apptainer+conda"]
    assert shown["usage"]["report"] == ("report(" in rules)
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    assert (ROOT / "workflow/Snakefile").is_file() and (ROOT / "config/README.md").is_file()
    assert list((ROOT / "workflow/rules").glob("*.smk"))
