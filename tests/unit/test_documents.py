"""The documentation: its links lead somewhere, its paths exist, and CONTRIBUTING's code runs."""

import re
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT
from documented import code_of
from helpers import persons_table, write_shards
from visualsearch.data.tables import read_table
from visualsearch.data.vectors import vectors_of
from visualsearch.reduce.fit_pca import fit_reduction

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "results/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"```.*?```", re.DOTALL)
# Files of the tree, as pages name them: from the root of the repository, or within the library.
PATH = re.compile(r"`((?:\w[\w.-]*/)*\w[\w.-]*\.(?:py|smk|md|yaml|yml|toml))\b")
ROOTS = [ROOT, ROOT / "docs", ROOT / "tests", ROOT / "workflow/scripts"]
ROOTS += [ROOT / "workflow/scripts/visualsearch", *(ROOT / "tests/unit").iterdir()]
ROOTS += [ROOT / name for name in ("tests/unit", "tests/workflow", "benchmarks", "config", "envs")]
# A test, with or without its file; several names after one file stand alone.
TEST = re.compile(r"`(?:(test_\w+\.py)::(?=\w)|(?=test_\w+[`.*]))(\w+?)(\.\.\.|\*)?`")
# Files of the user's own, or that a run makes.
OTHERS = {"mine.yaml", "report/report.md", "notebooks/mine.py", "report.md"}


def anchor(heading: str) -> str:
    """The address of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://")):
            continue
        name, _, part = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{page.name}: {link}"
        if part:
            headings = HEADING.findall(CODE.sub("", target.read_text(encoding="utf-8")))
            assert part in map(anchor, headings), f"{page.name}: {link}"
    for path in PATH.findall(text):
        known = path in OTHERS or any((root / path).exists() for root in ROOTS)
        assert known, f"{page.name}: {path}"


def test_named_tests_exist() -> None:
    """By their whole name, by its beginning before `...` or `*`, or without `test_`."""
    files = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    for page in PAGES:
        for file, name, more in TEST.findall(page.read_text(encoding="utf-8")):
            texts = [files[file]] if file else files.values()
            name = name.removeprefix("test_")
            end = "" if more else r"\("
            found = any(re.search(rf"def test_(?:a_|an_)?{name}{end}", text) for text in texts)
            assert found, f"{page.name}: {file}::{name}"


def test_a_script_runs_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.random((50, 16)).astype(np.float32)
    for name in ("embeddings", "pca"):
        (tmp_path / name).mkdir()
    write_shards(tmp_path / "embeddings", persons_table(vectors), 1)
    fitted = fit_reduction([vectors], 50, 16, 4, 0.5)
    fitted.save(tmp_path / "pca/model.npz")
    monkeypatch.chdir(ROOT)
    out = tmp_path / "by-hand"
    code_of(ROOT / "CONTRIBUTING.md", 0, run=str(tmp_path), out=str(out))
    reduced = vectors_of(read_table(f"{out}.parquet", ["vector"]))
    expected = fitted.transform(vectors)
    assert np.abs(reduced - expected).max() < 1e-3
    assert Path(f"{out}.log").is_file()
