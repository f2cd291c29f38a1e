"""Runs that are killed, at every rule and in every way, then started again by the same command."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Set
from pathlib import Path

import psutil
import pytest

from running import (
    SHORT,
    Workspace,
    demo_config,
    results_of,
    results_without_clock,
    with_results_in,
)
from small_disk import in_shell_with_disk

# What a rule says when one of its jobs starts.
STARTED = re.compile(r"^Job \d+: (.+)$")
SECONDS_TO_STOP = 10
# Jobs that other settings than the demo's bring, and targets that are asked for by name.
OPTIONAL = {
    "Listing the pictures",  # with annotations
    "Evaluating the detections",
    "Timing the index against exact search",
    "Describing your own pictures",
    "Searching for everybody, shard 1",
    "Drawing a map of all persons",
    "Building the explorer",
    "Running the notebook that explains the files",
    "Comparing the run's precision with fp32",
}


def run_until(
    workspace: Workspace, *targets: str, wanted: Callable[[str], bool], after: float
) -> tuple[str, subprocess.Popen]:
    """Run until a job of a wanted message has run for `after` seconds; that message."""
    run = workspace.start(*targets)
    assert run.stdout is not None
    for line in run.stdout:
        if (match := STARTED.match(line)) and wanted(match[1]):
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


def killed_until_done(
    workspace: Workspace, *targets: str, whole_group: bool, among: Set[str] = frozenset()
) -> set[str]:
    """Kill a run at each of its jobs, or at some, and start it again; the messages of these."""
    seen: set[str] = set()
    while True:
        job, run = run_until(
            workspace,
            *targets,
            wanted=lambda job: job not in seen and (not among or job in among),
            after=0.4,  # Jobs that need no network take little longer.
        )
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
    workspace = Workspace(tmp_path / "killed", SHORT)
    seen = killed_until_done(workspace, whole_group=whole_group)
    assert {"Detecting, shard 1", "Fitting the PCA", "Searching", "Writing the report"} <= seen
    assert len(seen) >= 18, seen
    assert results_of(workspace) == undisturbed


@pytest.mark.torture
def test_killed_at_every_job_of_what_is_optional(coco_sample: Path, tmp_path: Path) -> None:
    pictures = coco_sample / "images"
    config = demo_config(
        dataset={
            "source": "folder",
            "max_images": 14,
            "folder": {
                "path": str(pictures),
                "annotations": str(coco_sample / "instances.json"),
                "keypoints": str(coco_sample / "person_keypoints.json"),
            },
        },
        # For parity to have something to compare.
        detector={"precision": "bf16"},
        evaluation={"parity_images": 4},
        queries={"images": [str(pictures / "000000005001.jpg")]},
        report={"timings": False, "explorer": True},
        shards=2,
    )
    targets = ("all", "index", "notebook", "parity")
    undisturbed = Workspace(tmp_path / "undisturbed", config)
    undisturbed.run(*targets)
    workspace = Workspace(tmp_path / "killed", config)
    seen = killed_until_done(workspace, *targets, whole_group=True, among=OPTIONAL)
    assert seen == OPTIONAL
    assert results_of(workspace) == results_of(undisturbed)


def stopped(
    workspace: Workspace, *targets: str, number: int, whole_group: bool, within: str
) -> None:
    """Send a signal to a run within a job: it ends soon, and leaves no job and no part."""
    job, run = run_until(workspace, *targets, wanted=lambda job: within in job, after=1.5)
    assert job
    jobs = psutil.Process(run.pid).children(recursive=True)
    assert jobs
    start = time.monotonic()
    end(run, number, whole_group)
    assert time.monotonic() - start < SECONDS_TO_STOP
    assert run.returncode != 0
    assert not psutil.wait_procs(jobs, timeout=0)[1], "jobs outlived their run"
    assert not list(workspace.results.rglob(".*.part"))


def test_stopped_by_sigterm(demo: Workspace, tmp_path: Path) -> None:
    """As a system does that shuts down, or a cluster whose time is up: to Snakemake alone."""
    workspace = demo.copy(tmp_path / "stopped", demo.config)
    for folder in ("cache", "embeddings"):
        shutil.rmtree(workspace.results / folder)
    within = "Embedding, shard"
    stopped(workspace, "embed", number=signal.SIGTERM, whole_group=False, within=within)
    workspace.run("embed")
    assert results_without_clock(workspace) == results_without_clock(demo)
    # What later stages made of the same vectors still counts.
    assert workspace.planned() == set()


@pytest.mark.torture
@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "snakemake alone"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_stopped_by_signals(
    undisturbed: dict[str, str], tmp_path: Path, number: int, whole_group: bool
) -> None:
    workspace = Workspace(tmp_path / "stopped", SHORT)
    stopped(workspace, number=number, whole_group=whole_group, within="Detecting, shard")
    workspace.run()
    assert results_of(workspace) == undisturbed


def on_a_small_disk(workspace: Workspace, script: str, all_of_it: bool = True) -> list[str]:
    """Run a shell script with the workspace on a disk of 3 MB; what each `run` in it printed.

    In the script, `run TARGET` runs the workflow; the results are copied out at the end.
    all_of_it: whether Snakemake's own files are on that disk too, or the results alone.
    """
    disk = workspace.folder / "disk"
    command = workspace.command()
    there = f"cd {disk} && cp -r ../config ../test.yaml ."
    if not all_of_it:
        there = f"cd {workspace.folder} && mkdir disk/results && ln -s disk/results ."
    script = f"""
        {there}
        run() {{
            {shlex.join(command)} $1
            echo "ENDED $?"
        }}
        {script}
        cd {workspace.folder} && rm -f results && cp -r disk/results .
    """
    done = in_shell_with_disk(disk, 3, script)
    assert done.returncode == 0, done.stdout[-4000:]
    return re.split(r"(?<=ENDED \d)\n", done.stdout)[:-1]


def lines_with(said: str, words: str) -> list[str]:
    return [line for line in said.splitlines() if words in line]


def test_full_and_read_only_disk(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, SHORT)
    full, locked, done = on_a_small_disk(
        workspace, "run fetch; disk ro; run fetch; disk rw; disk 100.0; run fetch", all_of_it=False
    )
    assert full.endswith("ENDED 1") and "Traceback" not in full
    lines = lines_with(full, "ERROR: results/test")
    told = re.compile(r"ERROR: results/test/\S+ cannot be written: its disk has \d.*; make room")
    assert lines and all(told.match(line) for line in lines)
    assert locked.endswith("ENDED 1") and "Traceback" not in locked
    (line,) = lines_with(locked, "cannot be written to (Read-only file system)")
    assert "results/test" in line and "pathvars" in line
    assert done.endswith("ENDED 0")
    undisturbed = Workspace(tmp_path / "undisturbed", SHORT)
    undisturbed.run("fetch")
    fetched = results_of(workspace)
    assert fetched == results_of(undisturbed)
    assert "dataset/manifest.parquet" in fetched


@pytest.mark.torture
@pytest.mark.parametrize("megabytes", [5, 8, 8.3, 9, 11])
def test_disk_full_at_any_stage(
    undisturbed: dict[str, str], tmp_path: Path, megabytes: float
) -> None:
    """The pictures have 7.9 MB, all results 12."""
    workspace = Workspace(tmp_path, SHORT)
    full, done = on_a_small_disk(workspace, f"disk {megabytes:.1f}; run all; disk 100.0; run all")
    assert full.endswith("ENDED 1")
    lines = lines_with(full, "make room, or set pathvars.results")
    assert lines and all("MB left" in line for line in lines)
    assert done.endswith("ENDED 0")
    assert results_of(workspace) == undisturbed


def test_a_second_run_beside_the_first_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "twice", SHORT)
    _, run = run_until(workspace, wanted=bool, after=0)
    said = workspace.run(fails=True)
    line = next(line for line in said.splitlines() if "in use by another run" in line)
    assert f"process {run.pid} on" in line and "results/test" in line
    assert "Traceback" not in said
    # A look at what would be done disturbs nobody.
    assert workspace.planned()
    end(run, signal.SIGKILL, whole_group=True)
    workspace.run("fetch")


def test_two_processes_run_the_same_job_at_once(demo: Workspace, tmp_path: Path) -> None:
    """As after a killed run on a cluster, whose jobs go on beside those of the next run."""
    workspace = demo.copy(tmp_path / "copy", demo.config)
    # What a cluster's executor runs on the node.
    job = ["--target-jobs", "render_report:", "--allowed-rules", "render_report", "--force"]
    job += ["--mode", "remote", "--no-hooks", "--nolock", "--latency-wait", "60"]
    # The first waits in its job, the old report deleted, until the second has begun the same job.
    _, first = run_until(workspace, *job, wanted="Writing the report".__contains__, after=0)
    while (workspace.results / "report/figures").exists():
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGSTOP)
    begun, second = run_until(workspace, *job, wanted="Writing the report".__contains__, after=0)
    os.killpg(first.pid, signal.SIGCONT)
    assert begun and first.poll() is None
    for process in (first, second):
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said[-3000:]
    assert results_without_clock(workspace) == results_without_clock(demo)
    assert not list(workspace.results.rglob(".*.part"))


@pytest.mark.torture
def test_two_runs_at_once_in_folders_of_their_own(
    undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """From one working directory, so that they share what Snakemake keeps there."""
    runs = []
    for name in ("first", "second"):
        workspace = with_results_in(f"results/{name}", Workspace(tmp_path, SHORT))
        runs.append((workspace, workspace.start(config=f"{name}.yaml")))
    for workspace, run in runs:
        said, _ = run.communicate(timeout=600)
        assert run.returncode == 0, said[-3000:]
        assert results_of(workspace) == undisturbed
