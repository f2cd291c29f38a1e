"""No script imports a heavy package that its work does not need: each costs a job up to seconds."""

import ast
import json
import subprocess
import sys

import pytest

from conftest import ROOT

SCRIPTS = ROOT / "workflow/scripts"
HEAVY = {"matplotlib", "pandas", "pycocotools", "scipy", "sklearn", "torch", "torchvision"}
# What Snakemake does not bring along; with conda its Python may have nothing else.
OF_JOBS = HEAVY | {"PIL", "annoy", "numpy", "pyarrow", "safetensors", "threadpoolctl", "tqdm"}
# pandas and scipy are loaded by scikit-learn.
FITTING = {"pandas", "scipy", "sklearn"}
NEEDED = {
    "evaluate_detections": {"matplotlib", "pandas", "pycocotools"},
    "evaluate_search": {"matplotlib", "pandas", "pycocotools"},
    "fit_pca": {"matplotlib", *FITTING},
    "project_persons": FITTING,
    "render_report": {"matplotlib"},
}
# These load the detector; what else they import, test_environments compares with envs/.
WITH_TORCH = {
    "detect_persons",
    "embed_distorted",
    "embed_persons",
    "embed_query_images",
    "fetch_weights",
    "measure_parity",
}
WITHOUT_TORCH = {path.stem for path in SCRIPTS.glob("*.py")} - WITH_TORCH


def imports_of(text: str) -> str:
    """The import statements of a module's top."""
    kinds = (ast.Import, ast.ImportFrom)
    return "\n".join(ast.unparse(node) for node in ast.parse(text).body if isinstance(node, kinds))


def loaded(imports: str, packages: set[str] = HEAVY) -> set[str]:
    """Those of `packages` that a new Python has loaded after these imports."""
    code = f"{imports}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=SCRIPTS, text=True)
    return {name.partition(".")[0] for name in json.loads(printed)} & packages


@pytest.mark.parametrize("script", sorted(WITHOUT_TORCH))
def test_script_loads_no_heavy_package_that_it_does_not_need(script: str) -> None:
    imports = imports_of((SCRIPTS / f"{script}.py").read_text())
    assert "visualsearch.core.job" in imports
    assert loaded(imports) <= NEEDED.get(script, set())


def test_the_plan_loads_no_package_of_jobs() -> None:
    rules = (ROOT / "workflow/rules/common.smk").read_text()
    library = [line for line in rules.splitlines() if line.startswith("from visualsearch")]
    assert len(library) > 3
    assert loaded("\n".join(library), OF_JOBS) == set()


def test_a_heavy_package_is_noticed() -> None:
    assert loaded("import scipy.linalg") == {"scipy"}
