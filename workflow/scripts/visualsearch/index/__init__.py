"""The registry of index backends: the one place that knows their names.

Importing this module imports no backend, and no numpy: Snakemake's own Python reads the registry
and may lack both. To add a backend, see CONTRIBUTING.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from visualsearch.core.errors import InputError

if TYPE_CHECKING:
    from visualsearch.index.base import Backend


@dataclass(frozen=True)
class Registered:
    """A backend of the registry.

    suffix: of its index file. package: the package it needs. requirements: the file that installs
    this package. load: imports the backend.
    """

    suffix: str
    package: str
    requirements: str
    load: Callable[[], Backend]


def _annoy() -> Backend:
    from visualsearch.index.annoy_backend import AnnoyBackend

    return AnnoyBackend()


def _exact() -> Backend:
    from visualsearch.index.exact_backend import ExactBackend

    return ExactBackend()


def _faiss() -> Backend:
    from visualsearch.index.faiss_backend import FaissBackend

    return FaissBackend()


REGISTRY = {
    "annoy": Registered("ann", "annoy", "requirements.txt", _annoy),
    "exact": Registered("npy", "numpy", "requirements.txt", _exact),
    "faiss": Registered("faiss", "faiss", "requirements-faiss.txt", _faiss),
}


def index_file(backend: str) -> str:
    """Name of the index file in the folder `index` of the results."""
    return f"persons.{REGISTRY[backend].suffix}"


def check_backend(name: str) -> None:
    """Raise InputError for an unknown backend, or one whose package is not installed.

    Cheap: looks for the package without importing it.
    """
    if name not in REGISTRY:
        raise InputError(f"index.backend is {name!r}; the backends are {', '.join(REGISTRY)}")
    package = REGISTRY[name].package
    if find_spec(package) is None:
        raise InputError(
            f"index.backend is {name} and its package {package} is not installed; "
            f"run pip install -r {REGISTRY[name].requirements}, or set index.backend: exact"
        )


def load_backend(name: str) -> Backend:
    """The backend of that name; raises what `check_backend` raises."""
    check_backend(name)
    return REGISTRY[name].load()
