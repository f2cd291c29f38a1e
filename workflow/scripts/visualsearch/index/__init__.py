"""The registry of index backends.

A backend is a module of a few functions over unit vectors; CONTRIBUTING.md lists them. Importing
this module imports no backend, and no numpy: Snakemake's Python, which reads the registry, need not
have it.
"""

from importlib.util import find_spec
from types import ModuleType
from typing import Any

from visualsearch.core.errors import InputError

# What the index file of each backend is called after its dot.
SUFFIXES = {"annoy": "ann", "exact": "npy", "hnsw": "usearch"}
# The package each backend needs, and the file of requirements that installs it.
PACKAGES = {
    "annoy": ("annoy", "requirements.txt"),
    "exact": ("numpy", "requirements.txt"),
    "hnsw": ("usearch", "requirements-hnsw.txt"),
}

# The folder of an index of several parts, and what their jobs hand on.
PARTS = "parts"
# What the rules are called that write the files of an index of one part, and of several.
BUILDS_ONE, BUILDS_PART = "build_index", "build_index_part"


def index_files(settings: dict[str, Any]) -> list[str]:
    """The files of an index, one a part, as they are called in the folder `index`.

    settings: that section of the configuration.
    """
    suffix, shards = SUFFIXES[settings["backend"]], settings["shards"]
    if shards == 1:
        return [f"persons.{suffix}"]
    return [f"{PARTS}/{part}-of-{shards}.{suffix}" for part in range(shards)]


def parts_of(sidecar: dict[str, Any]) -> list[dict[str, Any]]:
    """What a sidecar says of each file: index_bytes, index_sha256 and n_items, its vectors."""
    return sidecar.get("parts", [sidecar])


def check_backend(name: str) -> None:
    """Raise InputError for an unknown backend or one whose package is not installed.

    Cheap: the package is looked for and not imported.
    """
    if name not in SUFFIXES:
        raise InputError(f"index.backend is {name!r}; known are {', '.join(SUFFIXES)}")
    package, requirements = PACKAGES[name]
    if find_spec(package) is None:
        raise InputError(
            f"index.backend is {name} and its package {package} is not installed; "
            f"run pip install -r {requirements}, or set index.backend: exact"
        )


def backend(name: str) -> ModuleType:
    """The module of a backend of the registry; raises what `check_backend` raises."""
    check_backend(name)
    if name == "annoy":
        from visualsearch.index import annoy_backend

        return annoy_backend
    if name == "hnsw":
        from visualsearch.index import hnsw_backend

        return hnsw_backend
    from visualsearch.index import exact_backend

    return exact_backend


def rerun(sidecar: dict[str, Any]) -> str:
    """What to do where a file of an index cannot be used."""
    return f"rerun {BUILDS_PART if 'parts' in sidecar else BUILDS_ONE}"
