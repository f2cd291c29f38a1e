"""envs/*.yaml: each stage's file declares what its scripts import, and nothing else."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from visualsearch.dependencies import imported_names, modules_of

SCRIPTS = ROOT / "workflow/scripts"
# Names that a package has on conda-forge where they differ from the name it is imported by.
ON_CONDA = {
    "PIL": "pillow",
    "annoy": "python-annoy",
    "matplotlib": "matplotlib-base",
    "sklearn": "scikit-learn",
    "torch": "pytorch",
    "usearch": "usearch-python",
    "yaml": "pyyaml",
}
# Used through a name and not imported: openpeople's pictures are data of the package, and ipykernel
# is the Python in which the notebook runs, with what that imports.
BY_NAME = {"fetch": {"openpeople"}, "notebook": {"ipykernel"}}
NOTEBOOKS = {"run_notebook.py": [ROOT / "notebooks/walkthrough.py"]}


def scripts_of(environment: str) -> list[str]:
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    rules = re.split(r"^rule ", text, flags=re.MULTILINE)
    using = [rule for rule in rules if f"envs/{environment}.yaml" in rule]
    return [re.search(r"scripts/(\w+\.py)", rule).group(1) for rule in using]  # type: ignore[union-attr]


def imported(script: str) -> set[str]:
    files = [SCRIPTS / script, *modules_of(SCRIPTS / script), *NOTEBOOKS.get(script, [])]
    names = {name.split(".")[0] for file in files for name in imported_names(file)}
    return names - set(sys.stdlib_module_names) - {"visualsearch"}


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_environment_declares_what_its_scripts_import(path: Path) -> None:
    environment = yaml.safe_load(path.read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    declared: set[str] = set()
    for entry in environment["dependencies"]:
        entries = entry["pip"] if isinstance(entry, dict) else [entry]
        declared |= {text.split()[0] for text in entries}
        assert entries == ["pip"] or all(re.search(r" [<>=]=?", text) for text in entries), entry
    scripts = scripts_of(path.stem)
    assert scripts, f"no rule uses {path.name}"
    needed = set().union(*(imported(script) for script in scripts))
    needed = {ON_CONDA.get(name, name) for name in needed} | BY_NAME.get(path.stem, set())
    assert declared - {"python", "pip"} == needed
