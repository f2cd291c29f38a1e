"""No script imports a heavy package that its work does not need: each costs a job up to seconds."""

import ast
import json
import subprocess
import sys

from conftest import ROOT

SCRIPTS = ROOT / "workflow/scripts"
HEAVY = {
    "matplotlib",
    "openTSNE",
    "pandas",
    "pycocotools",
    "scipy",
    "sklearn",
    "openvino",
    "torch",
    "torchvision",
}
# What Snakemake does not bring along; with conda its Python may have nothing else.
OF_JOBS = HEAVY | {"PIL", "annoy", "numpy", "pyarrow", "safetensors", "threadpoolctl", "tqdm"}
# What Snakemake brings along; to import it again for every plan would still take a while.
OF_JOBS |= {"requests"}
# pandas and scipy are loaded by scikit-learn.
FITTING = {"pandas", "scipy", "sklearn"}
NEEDED = {
    "evaluate_detections": {"matplotlib", "pandas", "pycocotools"},
    "evaluate_galleries": {"pandas"},
    "evaluate_search": {"matplotlib", "pandas", "pycocotools"},
    "export_networks": {"torch"},
    "fit_pca": {"matplotlib", *FITTING},
    # openTSNE loads scikit-learn.
    "measure_parity": {"pycocotools"},
    "project_persons": {"openTSNE", *FITTING},
    "render_report": {"matplotlib"},
}


def imports_of(text: str) -> str:
    """The import statements of a module's top."""
    kinds = (ast.Import, ast.ImportFrom)
    return "\n".join(ast.unparse(node) for node in ast.parse(text).body if isinstance(node, kinds))


# Each in a fork of one Python that has the light packages, which take longest to load again.
LOADED = """
import json, os, sys
import numpy, pyarrow.parquet
for text in json.loads(sys.argv[1]):
    if not os.fork():
        exec(text)
        print(json.dumps(sorted(sys.modules)), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, text
"""


def loaded(*imports: str) -> list[set[str]]:
    """The heavy packages that a new Python has loaded after each of the import statements."""
    command = [sys.executable, "-c", LOADED, json.dumps(imports)]
    lines = subprocess.check_output(command, cwd=SCRIPTS, text=True).splitlines()
    return [{name.partition(".")[0] for name in json.loads(line)} & HEAVY for line in lines]


def test_no_script_loads_a_heavy_package_that_it_does_not_need() -> None:
    imports = {
        script: imports_of((SCRIPTS / f"{script}.py").read_text())
        for script in sorted(path.stem for path in SCRIPTS.glob("*.py"))
    }
    assert all("visualsearch.core.job" in text for text in imports.values())
    found = dict(zip(imports, loaded(*imports.values()), strict=True))
    unneeded = {script: packages - NEEDED.get(script, set()) for script, packages in found.items()}
    assert not any(unneeded.values()), unneeded


def test_the_plan_loads_no_package_of_jobs() -> None:
    rules = (ROOT / "workflow/rules/common.smk").read_text()
    library = "\n".join(line for line in rules.splitlines() if line.startswith("from visualsearch"))
    assert library.count("\n") > 3
    code = f"{library}\nimport sys; print(*{{n.partition('.')[0] for n in sys.modules}})"
    said = subprocess.check_output([sys.executable, "-c", code], cwd=SCRIPTS, text=True)
    assert not set(said.split()) & OF_JOBS


def test_pyarrow_does_not_import_pandas_in_a_job_and_makes_data_frames_all_the_same() -> None:
    spared = "import pyarrow as pa; from visualsearch.core.light_pyarrow import spare_pandas"
    spared += "; spare_pandas(); table = pa.table({'a': [1]})"
    assert loaded(spared, "import pyarrow as pa; pa.array([1])") == [set(), {"pandas"}]
    assert loaded(f"{spared}; assert table.to_pandas()['a'].sum() == 1") == [{"pandas"}]
    assert loaded(f"import pandas as pd; {spared}; pa.table(pd.DataFrame())") == [{"pandas"}]


def test_a_heavy_package_is_noticed() -> None:
    assert loaded("import scipy.linalg", "import json") == [{"scipy"}, set()]
