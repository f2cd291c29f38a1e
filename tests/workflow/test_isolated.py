"""Every rule in an environment of its own, which holds what its file in envs/ names and no more.

By conda where there is one, else by tests/stand_in_conda.py, which takes packages of PyPI. Then
this says that the names suffice, and that Snakemake finds, makes and activates the environments; it
says nothing of conda-forge's builds.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version
from PIL import Image

import stand_in_conda
from conftest import ROOT
from environments import FILES, ON_PYPI, declared, imports_of, rules_of
from running import SHORT, Workspace, demo_config, results_of

pytestmark = [pytest.mark.isolated, pytest.mark.timeout(3600)]

GUARD = ROOT / "tests/only_this_environment.py"
# Together they run every rule.
DEMO = SHORT | {"report": {**SHORT["report"], "explorer": True}}
TARGETS = {"demo": ("all", "notebook"), "folder": ("all", "index", "parity")}


def folder_config(folder: Path) -> dict[str, Any]:
    """Annotated pictures of a folder, one of them a query, the other backend in two parts, bf16 for
    parity."""
    names = sorted(path.name for path in (folder / "pictures").iterdir())
    images = [{"id": n, "file_name": name} for n, name in enumerate(names)]
    boxes = [
        {"id": n + 1, "image_id": n, "category_id": 1, "bbox": [40, 40, 300, 500]}
        | {"area": 150_000, "iscrowd": 0}
        for n in range(len(names))
    ]
    for image in images:
        with Image.open(folder / "pictures" / image["file_name"]) as opened:
            image["width"], image["height"] = opened.size
    persons = [{"id": 1, "name": "person"}]
    instances = {"info": {}, "images": images, "annotations": boxes, "categories": persons}
    (folder / "instances.json").write_text(json.dumps(instances))
    return demo_config(
        dataset={
            "source": "folder",
            "folder": {"path": "pictures", "annotations": "instances.json"},
        },
        detector={"precision": "bf16"},
        evaluation={"parity_images": 4},
        index={"backend": "faiss"},
        queries={"images": [f"pictures/{names[0]}"]},
        report={"timings": False},
        shards=1,
    )


class Isolated(Workspace):
    """Run by a Python that has Snakemake alone, each rule in its own environment."""

    longest_seconds = 3000  # It makes the environments too.

    def __init__(
        self, folder: Path, config: dict[str, Any], environments: "Environments", root: Path = ROOT
    ) -> None:
        super().__init__(folder, config, root)
        self.environments = environments

    def command(self, *arguments: str, cores: int = 2, config: str = "test.yaml") -> list[str]:
        conda = ("--sdm", "conda", "--conda-prefix", str(self.environments.prefix))
        words = super().command(*arguments, *conda, cores=cores, config=config)
        return [self.environments.snakemake, *words[1:]]


class Environments:
    """Where they are made, what Python makes them, and what their processes said at their ends."""

    def __init__(self, folder: Path) -> None:
        self.of_conda = conda_of_this_machine()
        self.prefix = folder / "conda"
        self.records = folder / "records"
        self.records.mkdir()
        outer = folder / "snakemake"
        stand_in_conda.make_environment(outer, ["snakemake"])
        self.snakemake = stand_in_conda.python_of(outer)

    def watch(self) -> None:
        """Put what takes care that jobs find nothing else into each environment."""
        for made in self.prefix.glob("*.env_setup_done"):
            code = "import sysconfig; print(sysconfig.get_path('purelib'))"
            python = stand_in_conda.python_of(made.with_suffix(""))
            packages = subprocess.check_output([python, "-c", code], text=True).strip()
            shutil.copy(GUARD, Path(packages) / "sitecustomize.py")

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.records.iterdir()]

    def locations(self, workspace: Workspace, *targets: str) -> dict[str, Path]:
        """Where Snakemake says that each file's environment lies, by the file's name."""
        lines = workspace.run(*targets, "--list-conda-envs").splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("environment\t"))
        rows = [line.split("\t") for line in lines[start + 1 :] if line.count("\t") == 2]
        return {Path(file).stem: workspace.folder / location for file, _, location in rows}


def conda_of_this_machine() -> bool:
    found = shutil.which("conda")
    if found is None:
        return False
    said = subprocess.check_output([found, "--version"], text=True)
    return Version(said.split()[-1]) >= Version(stand_in_conda.VERSION)


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environments]:
    folder = tmp_path_factory.mktemp("environments")
    made = Environments(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISOLATED_RECORDS", str(made.records))
        if not made.of_conda:
            path = stand_in_conda.install(folder / "base")
            patch.setenv("PATH", str(path), prepend=os.pathsep)
        yield made
    # Gigabytes, where the file system has no hard links.
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def made(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Isolated:
    """The demo's workspace, with all environments made and nothing run."""
    workspace = Isolated(tmp_path_factory.mktemp("isolated"), DEMO, environments)
    said = workspace.run("all", "notebook", "parity", "--conda-create-envs-only")
    assert created(said) == {path.name for path in FILES}
    assert not workspace.results.exists()
    environments.watch()
    return workspace


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    """The same in Snakemake's own Python."""
    demo = Workspace(tmp_path_factory.mktemp("ordinary"), DEMO)
    demo.run(*TARGETS["demo"])
    folder = tmp_path_factory.mktemp("folder")
    (folder / "pictures").mkdir()
    for path in sorted((demo.results / "dataset/images").rglob("*.jpg"))[::2]:
        shutil.copy(path, folder / "pictures" / f"{path.parent.name}-{path.name}")
    own = Workspace(folder, folder_config(folder))
    own.run(*TARGETS["folder"])
    return {"demo": demo, "folder": own}


@pytest.fixture(scope="module")
def isolated(made: Isolated, ordinary: dict[str, Workspace]) -> dict[str, Isolated]:
    made.run(*TARGETS["demo"])
    folder = made.folder.parent / "isolated-folder"
    for name in ("pictures", "instances.json"):
        source = ordinary["folder"].folder / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    own = Isolated(folder, ordinary["folder"].config, made.environments)
    own.run(*TARGETS["folder"])
    return {"demo": made, "folder": own}


def created(said: str) -> set[str]:
    """Names of the files of which a run said that it makes the environment."""
    return {Path(file).name for file in re.findall(r"Creating conda environment (\S+)\.\.\.", said)}


@pytest.mark.parametrize("run", TARGETS)
def test_results_are_those_of_an_ordinary_run(
    isolated: dict[str, Isolated], ordinary: dict[str, Workspace], run: str
) -> None:
    found, expected = results_of(isolated[run]), results_of(ordinary[run])
    assert found.keys() == expected.keys()
    if not isolated[run].environments.of_conda:  # Other versions may have other last bits.
        assert found == expected


def test_every_rule_ran_in_the_environment_that_it_declares(
    isolated: dict[str, Isolated], environments: Environments
) -> None:
    places = environments.locations(isolated["demo"], "all", "notebook", "parity")
    assert places.keys() == {path.stem for path in FILES}
    jobs = [said for said in environments.said() if said["rule"]]
    ran = {(said["rule"], Path(said["prefix"]).resolve()) for said in jobs}
    wanted = {(rule, file.stem) for file in FILES for rule in rules_of(file.stem)}
    assert ran == {(rule, places[stage].resolve()) for rule, stage in wanted}
    assert len({place.resolve() for place in places.values()}) == len(FILES)
    # The notebook's cells run in a process of their own.
    kernels = [said for said in environments.said() if "ipykernel_launcher" in said["words"]]
    assert {Path(said["prefix"]).resolve() for said in kernels} == {places["notebook"].resolve()}
    for said in jobs + kernels:
        assert said["elsewhere"] == [], said


def test_a_second_run_makes_no_environment_and_no_result(isolated: dict[str, Isolated]) -> None:
    for name, workspace in isolated.items():
        said = workspace.run(*TARGETS[name])
        assert not created(said) and "Nothing to be done" in said


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_import_is_found_in_the_environment(
    made: Isolated, environments: Environments, file: Path
) -> None:
    """Those, too, that no run of these reaches: a download, a GPU, another detector."""
    place = environments.locations(made, "all", "notebook", "parity")[file.stem]
    names = sorted(imports_of(file.stem))
    code = "import pkgutil, sys\nfor name in sys.argv[1:]: pkgutil.resolve_name(name)"
    python = stand_in_conda.python_of(place)
    subprocess.run([python, "-c", code, *names], check=True, cwd=made.folder)


# Snakemake's own Python has PyYAML; nothing but the environment has threadpoolctl.
@pytest.mark.parametrize(
    ("stage", "package", "module"),
    [("report", "pyyaml", "yaml"), ("evaluate", "threadpoolctl", "threadpoolctl")],
)
def test_a_missing_declaration_is_noticed(
    isolated: dict[str, Isolated], tmp_path: Path, stage: str, package: str, module: str
) -> None:
    demo = isolated["demo"]
    for name in ("workflow", "envs", "notebooks", "resources", "Snakefile"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / "project" / name)
    file = tmp_path / f"project/envs/{stage}.yaml"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if not line.startswith(f"  - {package} ")))
    assert declared(file)[0].keys() == declared(ROOT / f"envs/{stage}.yaml")[0].keys() - {package}
    shutil.copytree(demo.folder, tmp_path / "run")
    environments = demo.environments
    broken = Isolated(tmp_path / "run", demo.config, environments, tmp_path / "project")
    assert created(broken.run("--conda-create-envs-only")) == {file.name}
    environments.watch()
    said = broken.run(fails=True)
    assert f"No module named '{module}'" in said


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_the_lowest_version_of_each_range_exists(file: Path, tmp_path: Path) -> None:
    packages, from_pip = declared(file)
    del packages["python"]
    packages.pop("pip", None)
    ranges = {ON_PYPI.get(name, name): range_ for name, range_ in (packages | from_pip).items()}
    asked = tmp_path / "ranges.txt"
    asked.write_text("".join(f"{name} {range_}\n" for name, range_ in ranges.items()))
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
    command += ["--no-annotate", "--no-deps", "--resolution", "lowest", str(asked)]
    lines = subprocess.check_output(command, text=True).split()
    lowest = {canonicalize_name(n): v for n, _, v in (line.partition("==") for line in lines)}
    for name, range_ in ranges.items():
        bound = re.match(r"[>=]=([\d.]+)", range_)
        assert bound, (name, range_)
        found = lowest[canonicalize_name(name)]
        # 2.32 is there with 2.32.2, where PyPI has taken back the first ones.
        assert f"{found}.".startswith(f"{bound[1]}."), f"{name} {range_}: the lowest is {found}"
