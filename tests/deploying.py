"""Publish this workflow in a local git repository that git takes for one on GitHub."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from conftest import ROOT

# What a workflow needs that is used as a module, or installed. Tests may run outside of a clone.
SHIPPED = (
    "LICENSE",
    "Makefile",
    "Snakefile",
    "config",
    "envs",
    "install",
    "notebooks",
    "profiles",
    "pyproject.toml",
    "requirements-lock.txt",
    "resources",
    "workflow",
)
HOST = "https://github.com/"
NAME = "somebody/visual-search"
TAG = "v1"


def publish(folder: Path, changed: Mapping[str, str] | None = None) -> Path:
    """Make a repository of the workflow with the tag TAG, and its bare clone in `host`.

    changed: texts of files that are other ones in it.
    """
    work, bare = folder / "work", folder / "host" / f"{NAME}.git"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in SHIPPED:
        source, copy = ROOT / name, work / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=ignored)
        else:
            shutil.copy(source, copy)
    for name, text in (changed or {}).items():
        (work / name).write_text(text)
    git(work, "init", "--quiet", "--initial-branch", "main")
    git(work, "add", "--all")
    git(work, "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m1")
    git(work, "tag", TAG)
    git(folder, "clone", "--quiet", "--bare", str(work), str(bare))
    return work


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def answer_for_the_host(work: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redirect git, in child processes, from HOST to the repository that `publish` made.

    Snakemake's caches go to `folder`, so that nothing fetched earlier is used.
    """
    settings = folder / "gitconfig"
    host = work.with_name("host").as_uri()
    settings.write_text(f'[url "{host}/"]\n    insteadOf = {HOST}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
