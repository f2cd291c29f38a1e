"""A stand-in for conda where there is none: what Snakemake asks of it, with packages of PyPI.

`env create` makes a virtual environment of this Python with uv. It sees the packages that the file
names, in the file's ranges, and what these need; the project's pins say which version it is, so
that results can be compared. It is neither conda's solver nor are these conda-forge's builds.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

from packaging.specifiers import SpecifierSet

from environments import ON_PYPI, declared

ROOT = Path(__file__).parents[1]
# The oldest that Snakemake takes.
VERSION = "24.7.1"
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\nunset PYTHONHOME\n'
# Annoy's flags as in the Makefile: its own make a module for this very processor.
COMPILER_ARGS = "-O3,-std=c++14,-fpermissive,-DANNOYLIB_MULTITHREADED_BUILD"


def install(base: Path) -> Path:
    """Make `base` look like a conda installation; return the folder to put on PATH."""
    folder = base / "bin"
    folder.mkdir(parents=True)
    (folder / "activate").write_text(ACTIVATE)
    command = shlex.join([sys.executable, __file__, str(base)])
    (folder / "conda").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    (folder / "conda").chmod(0o755)
    return folder


def python_of(prefix: Path) -> str:
    return str(prefix / "bin/python")


def make_environment(prefix: Path, requirements: list[str]) -> None:
    """A virtual environment of this Python with `requirements` in the project's pinned versions."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, prefix], check=True)
    command = [*uv, "pip", "install", "--quiet", "--python", python_of(prefix)]
    for pins in ("lock", "notebook", "faiss", "rtdetr"):
        command += ["--constraints", str(ROOT / f"requirements-{pins}.txt")]
    command += ["--build-constraints", str(ROOT / "requirements-lock.txt")]
    # A setting that annoy's build does not know, but uv: what is cached is of the same flags.
    flags = os.environ.get("ANNOY_COMPILER_ARGS", COMPILER_ARGS)
    command += ["--config-settings-package", f"annoy:flags={flags}"]
    environment = os.environ | {"ANNOY_COMPILER_ARGS": flags}
    subprocess.run([*command, *requirements], env=environment, check=True)


def create(file: Path, prefix: Path) -> None:
    packages, from_pip = declared(file)
    if platform.python_version() not in SpecifierSet(packages.pop("python")):
        sys.exit(f"{file.name} does not want this Python, {platform.python_version()}")
    make_environment(
        prefix, [ON_PYPI.get(name, name) + range_ for name, range_ in packages.items()]
    )
    if from_pip:
        # As conda does: with the pip that the file has to name.
        pip = [python_of(prefix), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *(name + range_ for name, range_ in from_pip.items())], check=True)


def main(base: str, *asked: str) -> None:
    parser = ArgumentParser()
    for option in ("--quiet", "--no-default-packages"):
        parser.add_argument(option, action="store_true", required=True)
    for option in ("--file", "--prefix"):
        parser.add_argument(option, type=Path, required=True)
    match asked:
        case ("--version",):
            print(f"conda {VERSION}")
        case ("info", "--json"):
            system = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}[platform.machine()]
            print(json.dumps({"conda_prefix": base, "platform": system}))
        case ("config", "--get", "channel_priority", "--json"):
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ("clean", "-y", "--tarballs"):
            pass  # uv's cache is not this project's to clean.
        case ("env", "create", *options):
            given = parser.parse_args(options)
            create(given.file, given.prefix)
        case _:
            sys.exit(f"the stand-in for conda has no answer to: conda {shlex.join(asked)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
