"""Runs that are killed, at every rule and in every way, then started again by the same command."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from running import Workspace, demo_config

# Few pictures, so that a run is short; two shards, so that jobs run side by side.
CONFIG = demo_config(dataset={"max_images": 14}, report={"timings": False}, shards=2)
# What a rule says when one of its jobs starts.
STARTED = re.compile(r"^Job \d+: (.+)$")


def start(workspace: Workspace) -> subprocess.Popen[str]:
    """The run as the leader of a process group of its own."""
    (workspace.folder / "test.yaml").write_text(yaml.safe_dump(workspace.config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(workspace.root / "Snakefile")]
    return subprocess.Popen(
        [*command, "--cores", "2", "--configfile", "test.yaml"],
        cwd=workspace.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_until(
    workspace: Workspace, seen: set[str], after: float, only: str = ""
) -> tuple[str, subprocess.Popen]:
    """Run until a job not yet in `seen` has run for `after` seconds; its message."""
    run = start(workspace)
    assert run.stdout is not None
    for line in run.stdout:
        if (match := STARTED.match(line)) and match[1] not in seen and only in line:
            time.sleep(after)
            return match[1], run
    run.wait()
    return "", run


def end(run: subprocess.Popen, number: int, whole_group: bool) -> None:
    if whole_group:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    assert run.stdout is not None
    run.wait(timeout=60)


def results_of(workspace: Workspace) -> dict[str, str]:
    return {
        name: digest
        for name, digest in workspace.hashes().items()
        # What a clock measured, and what is no result.
        if name != "index/timing.json" and not Path(name).name.startswith(".")
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed"), CONFIG)
    workspace.run()
    return results_of(workspace)


def killed_until_done(workspace: Workspace, whole_group: bool) -> set[str]:
    """Kill a run at each of its jobs, and start it again; the messages of the jobs."""
    seen: set[str] = set()
    while True:
        job, run = run_until(workspace, seen, after=0.8)
        if not job:
            assert run.returncode == 0
            return seen
        seen.add(job)
        end(run, signal.SIGKILL, whole_group)


@pytest.mark.torture
@pytest.mark.parametrize("whole_group", [True, False], ids=["group", "snakemake alone"])
def test_killed_at_every_job(
    undisturbed: dict[str, str], tmp_path: Path, whole_group: bool
) -> None:
    workspace = Workspace(tmp_path / "killed", CONFIG)
    seen = killed_until_done(workspace, whole_group)
    assert {"Detecting, shard 1", "Fitting the PCA", "Searching", "Writing the report"} <= seen
    assert len(seen) >= 18, seen
    assert results_of(workspace) == undisturbed


@pytest.mark.torture
def test_stopped_by_ctrl_c(undisturbed: dict[str, str], tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "stopped", CONFIG)
    # In the longest jobs; a terminal sends Ctrl-C to the whole group.
    job, run = run_until(workspace, set(), after=1.5, only="Embedding, shard")
    assert job
    end(run, signal.SIGINT, whole_group=True)
    assert run.returncode != 0
    workspace.run()
    assert results_of(workspace) == undisturbed


def test_a_second_run_beside_the_first_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "twice", CONFIG)
    _, run = run_until(workspace, set(), after=0)
    said = workspace.run(fails=True)
    line = next(line for line in said.splitlines() if "in use by another run" in line)
    assert f"process {run.pid} on" in line and "results/test" in line
    assert "Traceback" not in said
    # A look at what would be done disturbs nobody.
    assert workspace.planned()
    end(run, signal.SIGKILL, whole_group=True)
    workspace.run("fetch")
