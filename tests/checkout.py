"""A small checkout with all that `make` needs to install, and `make` as a user calls it there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

# What a `make` outside, such as `make test VENV=...`, hands down.
OF_MAKE = ("MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS")
OF_MAKE += ("PYTHON", "VENV", "CPU", "TORCH", "TORCH_INDEX")


def small_checkout(folder: Path) -> Path:
    """Copy what `make demo` reads before it runs Snakemake."""
    folder.mkdir(parents=True)
    for pattern in ("Makefile", "README.md", "pyproject.toml", "requirements*.txt"):
        for path in ROOT.glob(pattern):
            shutil.copy(path, folder)
    shutil.copytree(ROOT / "install", folder / "install")
    return folder


def make(
    folder: Path,
    *arguments: str,
    python: str | None = sys.executable,
    before: tuple[str, ...] = (),
    **variables: str | None,
) -> subprocess.CompletedProcess[str]:
    """Run make in a folder with a Python.

    before: words of a command that starts make. variables: of the environment, None for unset.
    """
    given = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    for name, value in variables.items():
        given.pop(name, None)
        if value is not None:
            given[name] = value
    command = [*before, "make", *arguments]
    if python is not None:
        command.append(f"PYTHON={python}")
    return subprocess.run(
        command,
        cwd=folder,
        env=given,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def said_in_one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line, beside make's own, with which it ended before it did anything."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    own = [line for line in lines if not line.startswith("make: ***") or "Stop" in line]
    assert len(own) == 1, lines
    return own[0]
