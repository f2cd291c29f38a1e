"""envs/*.yaml as tests read them, and what a package is called where."""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow/scripts"
FILES = sorted((ROOT / "envs").glob("*.yaml"))
NOTEBOOKS = {"run_notebook": [ROOT / "notebooks/walkthrough.py"]}
# The names on conda-forge and on PyPI of what is imported by another name than either.
NAMES = {
    "PIL": ("pillow", "pillow"),
    "annoy": ("python-annoy", "annoy"),
    "faiss": ("faiss-cpu", "faiss-cpu"),
    "matplotlib": ("matplotlib-base", "matplotlib"),
    "openTSNE": ("opentsne", "openTSNE"),
    "pillow_heif": ("pillow-heif", "pillow-heif"),
    "sklearn": ("scikit-learn", "scikit-learn"),
    "torch": ("pytorch", "torch"),
    "yaml": ("pyyaml", "PyYAML"),
}
ON_CONDA = {module: conda for module, (conda, _) in NAMES.items()}
ON_PYPI = dict(NAMES.values())


def declared(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Ranges by name in an environment's file: of conda's packages, and of those below `pip:`."""
    environment: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    conda: list[str] = []
    pip: list[str] = []
    for entry in environment["dependencies"]:
        if isinstance(entry, dict):
            pip += entry["pip"]
        else:
            conda.append(entry)
    return _ranges(conda), _ranges(pip)


def _ranges(entries: list[str]) -> dict[str, str]:
    pairs = (entry.partition(" ") for entry in entries)
    return {name: range_.strip() for name, _, range_ in pairs}


def rules_of(stage: str) -> list[str]:
    """The rules that declare a stage's environment; each has a script of its own name."""
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    found = []
    for rule in re.split(r"^rule ", text, flags=re.MULTILINE):
        if f"envs/{stage}.yaml" in rule:
            name = rule.partition(":")[0]
            assert f"scripts/{name}.py" in rule, name
            found.append(name)
    return found


def imports_of(stage: str) -> set[str]:
    """Dotted names of other packages that a stage's scripts and their library import anywhere."""
    # Not above: the stand-in for conda, which reads this too, runs without the library.
    from visualsearch.workflow.digests import imported_names, modules_of

    names: set[str] = set()
    for rule in rules_of(stage):
        script = SCRIPTS / f"{rule}.py"
        for file in (script, *modules_of(script), *NOTEBOOKS.get(rule, [])):
            names |= imported_names(file)
    own = {*sys.stdlib_module_names, "visualsearch"}
    return {name for name in names if name.partition(".")[0] not in own}
