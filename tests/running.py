"""Run the workflow as a user does, in a folder of its own."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

import networks
import ready_snakemake
from conftest import ROOT


class Workspace:
    """A working directory with the shipped configuration and one of the test's own over it."""

    longest_seconds = 600
    # What a run printed that several tests look at.
    printed = ""

    def __init__(self, folder: Path, config: dict[str, Any], root: Path = ROOT) -> None:
        self.folder = folder
        self.root = root
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / "config", folder / "config", dirs_exist_ok=True)
        self.results = folder / "results" / "test"
        self.config = config | {"pathvars": {"results": "results/test"}}

    def command(self, *arguments: str, cores: int = 2, config: str = "test.yaml") -> list[str]:
        """The words that run snakemake in the folder, with the configuration written there."""
        (self.folder / config).write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", *arguments]
        command += ["--snakefile", str(self.root / "Snakefile"), "--configfile", config]
        return [*command, "--cores", str(cores)]

    def start(self, *arguments: str, config: str = "test.yaml") -> subprocess.Popen[str]:
        """The run as the leader of a process group of its own, to be stopped by the test."""
        return subprocess.Popen(
            self.command(*arguments, config=config),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, cores: int = 2, fails: bool = False) -> str:
        """Run snakemake; return all it printed. `fails`: it must exit with an error."""
        # In a module's workflow the results lie elsewhere.
        detects = not fails and self.root == ROOT
        detects &= not any(words.startswith(("--dry-run", "fetch")) for words in arguments)
        if detects:
            networks.lend(self.results)
        status, printed = finish(
            self.command(*arguments, cores=cores), self.folder, self.longest_seconds
        )
        assert (status != 0) == fails, printed[-8000:]
        if detects:
            networks.keep(self.results)
        return printed

    def planned(self, *arguments: str) -> set[str]:
        """Rules that a dry run would run; the targets that only name others are left out."""
        lines = self.run("--dry-run", *arguments).splitlines()
        if any("Nothing to be done" in line for line in lines):
            return set()
        start = next(n for n, line in enumerate(lines) if line.startswith("Job stats:"))
        rules = (line.split()[0] for line in lines[start + 3 :] if line.strip())
        known = set()
        for rule in rules:
            if rule == "total":
                break
            known.add(rule)
        return known - {"default", "all", "report"}

    def copy(self, folder: Path, config: dict[str, Any]) -> "Workspace":
        """A copy of the folder and its results, with another configuration."""
        shutil.copytree(self.folder, folder)
        return Workspace(folder, config)

    def hashes(self) -> dict[str, str]:
        """sha256 of each result; logs, timings, the lock, the cache and the checksums are none."""
        return {
            str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results.rglob("*"))
            if path.is_file()
            and path.relative_to(self.results).parts[0] not in NO_RESULTS
            and not CHECKSUM.fullmatch(path.name)
        }

    def without_clock(self) -> dict[str, str]:
        """The report's pages without the parts that show what a clock measured."""
        return {
            name: CLOCK.sub("", (self.results / "report" / name).read_text(encoding="utf-8"))
            for name in PAGES
        }


def finish(command: list[str], folder: Path, seconds: float) -> tuple[int, str]:
    """Run a command in a folder; return its exit status and all it printed."""
    environment = os.environ | {"NO_PROXY": LOCAL, "no_proxy": LOCAL}
    if not ready_snakemake.can_run(command, environment):
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        return done.returncode, done.stdout
    with tempfile.NamedTemporaryFile("r") as output:
        status = ready_snakemake.run(command, folder, environment, Path(output.name), seconds)
        return status, output.read()


def copy_of_the_workflow(folder: Path) -> Path:
    """Copy what `snakemake` reads of this project, with new times of all files."""
    for name in ("workflow", "envs", "resources", "notebooks", "profiles"):
        shutil.copytree(ROOT / name, folder / name, copy_function=shutil.copyfile)
    shutil.copyfile(ROOT / "Snakefile", folder / "Snakefile")
    return folder


def demo_config(**sections: object) -> dict[str, Any]:
    """config/demo.yaml without the explorer, with some sections, or keys of them, changed."""
    config = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    config["report"]["explorer"] = False
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section} if isinstance(section, dict) else section
    return config


def sampled(cases: Iterable[Any], sample: Collection[Any]) -> list[Any]:
    """Parameters of a test: `make test` runs those of the sample, `make torture` the others."""
    return [
        case if case in sample else pytest.param(case, marks=pytest.mark.torture) for case in cases
    ]


LOCAL = "127.0.0.1,localhost"
NO_RESULTS = ("logs", "benchmarks", ".running", "cache")
CHECKSUM = re.compile(r"\..+\.sha256")
BY_THE_CLOCK = ("index/timing.json",)
CLOCK = re.compile(r"<!-- may differ -->.*?<!-- /may differ -->\s*", re.DOTALL)
PAGES = ("index.html", "light.html", "report.md")
# Few pictures, so that a run is short; two shards, so that jobs run side by side.
SHORT = demo_config(dataset={"max_images": 14}, report={"timings": False}, shards=2)


def results_of(workspace: Workspace) -> dict[str, str]:
    """sha256 of each result of a run whose report has no timings."""
    return {
        name: digest
        for name, digest in workspace.hashes().items()
        if name not in BY_THE_CLOCK and not Path(name).name.startswith(".")
    }


def without_pictures(hashes: dict[str, str]) -> dict[str, str]:
    """The hashes without pictures, which an undisturbed run keeps as files."""
    return {
        name: digest
        for name, digest in hashes.items()
        if not name.startswith("dataset/images/") and not CHECKSUM.fullmatch(name)
    }


def results_without_clock(workspace: Workspace) -> dict[str, str]:
    """sha256 of each result; of the report, without what may differ from run to run."""
    pages = {
        f"report/{name}": hashlib.sha256(text.encode()).hexdigest()
        for name, text in workspace.without_clock().items()
    }
    facts = json.loads((workspace.results / "report/run.json").read_text(encoding="utf-8"))
    pages["report/run.json"] = json.dumps(facts["same"])
    return results_of(workspace) | pages


def without_shards(hashes: dict[str, str]) -> dict[str, str]:
    """What must not depend on the number of shards; the manifest says each picture's shard."""
    by_shard = ("dataset/shards/", "detections/shards/", "embeddings/", "reduced/")
    by_shard += ("search/everyone/", "dataset/manifest.parquet", "settings/")
    return {name: digest for name, digest in hashes.items() if not name.startswith(by_shard)}


def with_results_in(results: str, workspace: Workspace) -> Workspace:
    workspace.config["pathvars"] = {"results": results}
    workspace.results = workspace.folder / results
    return workspace
