"""notebooks/colab.ipynb, run as a notebook with other addresses, on an imitated Drive.

What Colab brings is played by a module `google.colab`, and the installation is a dry run of make.
test_beside_torch.py installs for real.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
import yaml
from nbclient import NotebookClient
from playwright.sync_api import sync_playwright

from browsing import ARGUMENTS, executable
from coco_server import CocoServer
from conftest import ROOT
from deploying import HOST, NAME, answer_for_the_host, publish
from made_weights import random_weights
from mounted_drive import MountedDrive
from running import Workspace, results_without_clock, with_results_in, without_pictures

NOTEBOOK = ROOT / "notebooks/colab.ipynb"
GOOGLE_COLAB = """
from pathlib import Path

class drive:
    def mount(path):
        Path(path, "MyDrive").mkdir(parents=True, exist_ok=True)

    def flush_and_unmount():
        print("all is on the Drive")
"""


class Colab:
    """Machines on which the notebook is run, one after another, and the Drive that they share."""

    def __init__(self, folder: Path, changed: dict[str, str], looks: list[str]) -> None:
        self.folder, self.looks = folder, looks
        self.drive = MountedDrive(folder)
        self.results = self.drive.folder / "MyDrive/visual-search"
        self.work = publish(folder, changed)
        # In place of what would be installed.
        (folder / "venv").mkdir()
        (folder / "venv/bin").symlink_to(Path(sys.prefix, "bin"))
        (folder / "google/colab").mkdir(parents=True)
        (folder / "google/colab/__init__.py").write_text(GOOGLE_COLAB)

    def run(self, machine: str) -> nbformat.NotebookNode:
        """Run the notebook on a new machine."""
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        (given,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
        own = {
            "repository": f"{HOST}{NAME}",
            "mounted": str(self.drive.folder),
            "code": str(self.folder / machine),
            "venv": str(self.folder / "venv"),
            "looks": self.looks,
        }
        given.source += "".join(f"\n{name} = {value!r}" for name, value in own.items())
        # After the parameters that it is made of.
        given.source += '\ndrive = f"{mounted}/MyDrive/visual-search"'
        with self._as_on_colab():
            NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
        return notebook

    @contextmanager
    def _as_on_colab(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch, self.drive.mounted():
            answer_for_the_host(self.work, self.folder, patch)
            patch.setenv("PYTHONPATH", str(self.folder))
            patch.setenv("MAKEFLAGS", "n")
            yield


def printed(notebook: nbformat.NotebookNode) -> str:
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )


def shown(notebook: nbformat.NotebookNode) -> list[str]:
    """The pages that the notebook shows, as HTML."""
    return [
        output.data["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]


def skip_without_git() -> None:
    if not shutil.which("git"):
        pytest.skip("NOT TESTED AS A NOTEBOOK FOR COLAB: there is no git to clone with")


def test_it_is_stored_without_outputs_and_names_what_exists() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    namespace: dict[str, Any] = {}
    (given,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    exec(given.source, namespace)
    assert all((ROOT / f"config/{look}.yaml").exists() for look in namespace["looks"])


def test_a_finished_run_is_shown_on_a_new_machine(demo: Workspace, tmp_path: Path) -> None:
    skip_without_git()
    colab = Colab(tmp_path, {"config/demo.yaml": yaml.safe_dump(demo.config)}, ["demo", "demo"])
    shutil.copytree(demo.results, colab.results / "demo")
    notebook = colab.run("machine")
    said = printed(notebook)
    assert said.count("Nothing to be done") == 2
    assert said.endswith("all is on the Drive\n")
    assert (tmp_path / "machine/Snakefile").exists()
    # PyTorch is the one that is there; of the lock, the rest is installed.
    assert "--system-site-packages" in said and "torch|triton|nvidia-" in said
    assert len(shown(notebook)) == 2 and "Ten people who do not exist" in shown(notebook)[0]


@pytest.mark.beyond
def test_both_looks_and_a_machine_that_is_taken_away(
    demo: Workspace, coco_sample: Path, tmp_path: Path
) -> None:
    """The first look gets its pictures from a local server, and random weights."""
    skip_without_git()
    weights = tmp_path / "random.pth"
    torch.save(random_weights("fasterrcnn_resnet50_fpn", seed=0), weights)
    instances = json.loads((coco_sample / "instances.json").read_text())
    with CocoServer(coco_sample / "images", instances) as server:
        look = yaml.safe_load((ROOT / "config/first-look.yaml").read_text())
        look["shards"] = 2
        look["dataset"] |= {"coco": server.dataset(), "max_images": 6}
        look["detector"] = {"weights": str(weights)}
        look["search_set"] = {"min_score": 0.5, "min_height": 150}
        look["evaluation"] = {"persons": 20}
        changed = {
            "config/demo.yaml": yaml.safe_dump(demo.config),
            "config/first-look.yaml": yaml.safe_dump(look),
        }
        colab = Colab(tmp_path, changed, ["demo", "first-look"])
        first = colab.run("machine")
        shutil.rmtree(tmp_path / "machine")
        again = colab.run("second")
    assert "Fetching and checking" in printed(first) and "Report " in printed(first)
    assert printed(again).count("Nothing to be done") == 2
    assert colab.drive.refused().keys() == {"flock"}
    assert len(list(colab.results.rglob("pictures/*.zip"))) == 4
    assert not [path for path in colab.results.rglob("*.jpg") if "report" not in path.parts]
    there = with_results_in(str(colab.results / "demo"), Workspace(tmp_path / "x", demo.config))
    found, expected = results_without_clock(there), without_pictures(results_without_clock(demo))
    archives = {f"dataset/pictures/{shard}.zip" for shard in range(2)}
    assert {name: found[name] for name in found.keys() - archives} == expected
    shows_galleries(shown(again), tmp_path)


def shows_galleries(pages: list[str], folder: Path) -> None:
    if not executable():
        pytest.skip("NOT TESTED IN A BROWSER: there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        for page in pages:
            file = folder / "cell.html"
            file.write_text(f"<!DOCTYPE html><meta charset=utf-8>{page}", encoding="utf-8")
            tab = browser.new_page()
            tab.goto(file.as_uri())
            pictures = tab.frame_locator("iframe").locator("img")
            pictures.first.wait_for()
            assert pictures.count() > 10
            assert pictures.first.evaluate("(picture) => picture.naturalWidth") > 20
        browser.close()
