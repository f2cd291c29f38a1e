"""A job notes the packages that it loaded by the names that requirements-lock.txt has."""

import platform
import re
import sys
from importlib.metadata import packages_distributions, version

import numpy  # noqa: F401
import pytest

from conftest import ROOT
from visualsearch.core.environment import environment, loaded_packages

# Modules that are part of a package with another main module, or of several packages.
OTHER_MODULES = {"functorch", "isympy", "jupyter", "nvidia", "pylab", "sockshandler", "torchgen"}


def test_each_module_of_the_lock_gives_its_package() -> None:
    lock = (ROOT / "requirements-lock.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    missed = set()
    for module, packages in packages_distributions().items():
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in packages} & locked
        plain = module.isidentifier() and not module.startswith("_")
        if names and plain and not names & loaded_packages([module]).keys():
            missed.add(module)
    assert missed <= OTHER_MODULES


def test_only_packages_count() -> None:
    modules = ["numpy", "numpy.linalg", "os", "visualsearch", "_yaml", "not_installed", "PIL.Image"]
    assert loaded_packages(modules) == {"numpy": version("numpy")}
    assert set(loaded_packages(["yaml", "sklearn"])) == {"pyyaml", "scikit-learn"}


def test_the_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a package that is kept from being imported."""
    monkeypatch.setitem(sys.modules, "pip", None)
    found = environment()
    assert found["python"] == platform.python_version()
    assert found["processor"] and platform.system() in found["platform"]
    assert found["gpu"] is None
    assert "numpy" in found["packages"] and "pip" not in found["packages"]
    assert "pip" in loaded_packages(["pip"])
