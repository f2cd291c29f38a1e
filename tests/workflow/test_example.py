"""docs/example is what the demo gives today, and the script that takes the documentation's pictures
runs.
"""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from running import CLOCK, Workspace

EXAMPLE = ROOT / "docs/example"
AGAIN = "docs/example is not what the demo gives today: run make example"


def skeleton(markdown: str) -> list[str]:
    """Headings, heads of tables, and the figures with what they are called; no numbers of a run."""
    lines = markdown.splitlines()
    found = []
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        figure = re.fullmatch(r"!\[.*\]\((.*)\)", line)
        if figure:
            found.append(figure.group(1))
        elif line.startswith("#") or after.startswith("| --"):
            found.append(line)
    return found


def test_the_example_is_the_demo_of_today(demo: Workspace) -> None:
    example = (EXAMPLE / "report.md").read_text(encoding="utf-8")
    today = (demo.results / "report/report.md").read_text(encoding="utf-8")
    assert "<!-- may differ -->" not in example
    assert skeleton(example) == skeleton(CLOCK.sub("", today)), AGAIN
    assert len(skeleton(example)) > 30


def test_every_figure_of_the_example_is_there_and_no_other() -> None:
    text = (EXAMPLE / "report.md").read_text(encoding="utf-8")
    linked = {line for line in skeleton(text) if line.startswith("figures/")}
    there = {path.relative_to(EXAMPLE).as_posix() for path in (EXAMPLE / "figures").iterdir()}
    assert linked == there, AGAIN
    targets = re.findall(r"\]\(<?([^)>]+)>?\)", text)
    assert [path for path in targets if not re.match("https?://|figures/|#", path)] == []
    files = [path for path in EXAMPLE.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2_000_000


def test_the_notebook_of_the_example_is_that_of_today() -> None:
    jupytext = pytest.importorskip("jupytext", reason="THE NOTEBOOK IS NOT TESTED: no jupytext")
    cells = jupytext.read(ROOT / "notebooks/walkthrough.py").cells
    ran = jupytext.read(EXAMPLE / "walkthrough.ipynb").cells
    given = [n for n, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", [])]
    assert len(given) == 1 and len(cells) == len(ran), AGAIN
    for n, (cell, shown) in enumerate(zip(cells, ran, strict=True)):
        assert n in given or cell.source == shown.source, AGAIN
    outputs = [output.output_type for cell in ran for output in cell.get("outputs", [])]
    assert "display_data" in outputs and "error" not in outputs


def test_pictures_of_the_pages_are_taken_by_one_command(demo: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="NOT TESTED IN A BROWSER: playwright is not installed")
    from browsing import executable

    if executable() is None:
        pytest.skip("NOT TESTED IN A BROWSER: there is no Chromium or Chrome on this machine")
    command = [sys.executable, "docs/screenshots.py", str(demo.results), "--to", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    taken = {path.stem: Image.open(path) for path in tmp_path.iterdir()}
    assert set(taken) == {"report", "report-dark", "report-dialog", "report-narrow"}
    assert taken["report"].width == 1280 and taken["report-narrow"].width == 360
    grey = {name: np.asarray(image.convert("L")).mean() for name, image in taken.items()}
    assert grey["report"] > 150 > 100 > grey["report-dark"]
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < 300_000
