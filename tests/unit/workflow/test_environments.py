"""envs/*.yaml: each stage's file declares what its scripts import, and nothing else."""

import re
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from conftest import ROOT
from environments import FILES, ON_CONDA, ON_PYPI, declared, imports_of, rules_of

# Used through a name and not imported: openpeople's pictures are data of the package, torch imports
# onnxscript, and ipykernel is the Python in which the notebook runs, with what that imports.
BY_NAME = {"fetch": {"openpeople"}, "embed": {"onnxscript"}, "notebook": {"ipykernel"}}
PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)
PINS = {
    canonicalize_name(name): version
    for file in ("lock", "notebook", "faiss", "int8", "onnx", "rtdetr")
    for name, version in PIN.findall((ROOT / f"requirements-{file}.txt").read_text())
}
# As in the Makefile.
SUPPORTED = ">=3.11,<3.15"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_environment_declares_what_its_scripts_import(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["channels"] == ["conda-forge", "nodefaults"]
    packages, from_pip = declared(path)
    ranges = packages | from_pip
    # Conda asks for pip where a file has a section for it; a pin file would leave that out.
    assert ("pip" in packages) == bool(from_pip) and not ranges.pop("pip", None)
    assert not (from_pip and list(path.parent.glob(f"{path.stem}.*.pin.txt")))
    assert all(ranges.values()), ranges
    assert rules_of(path.stem), f"no rule uses {path.name}"
    needed = {name.partition(".")[0] for name in imports_of(path.stem)}
    needed = {ON_CONDA.get(name, name) for name in needed} | BY_NAME.get(path.stem, set())
    assert ranges.keys() - {"python"} == needed


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ranges_hold_the_pinned_versions(path: Path) -> None:
    """So what is tested with the pins is one of the environments that a file allows."""
    packages, from_pip = declared(path)
    assert packages.pop("python") == SUPPORTED
    packages.pop("pip", None)
    for name, range_ in (packages | from_pip).items():
        pin = PINS[canonicalize_name(ON_PYPI.get(name, name))]
        assert pin in SpecifierSet(range_), f"{path.name}: {name} {range_} without {pin}"


def test_the_page_lists_the_rules_of_each_environment() -> None:
    page = (ROOT / "docs/environments.md").read_text()
    rows = dict(re.findall(r"^\| \[\w+\.yaml\]\(\.\./envs/(\w+)\.yaml\) \| (.*?) \|", page, re.M))
    listed = {stage: sorted(re.findall(r"`(\w+)`", rules)) for stage, rules in rows.items()}
    assert listed == {path.stem: sorted(rules_of(path.stem)) for path in FILES}
