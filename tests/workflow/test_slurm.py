"""The workflow on a SLURM cluster: a real one of one node, which `make test-slurm` starts.

Jobs are cancelled, hung, starved of memory and preempted; results must be those of a
run on this machine alone.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from running import SHORT, Workspace, demo_config, results_of
from slurm_cluster import Cluster, cluster, missing

pytestmark = pytest.mark.slurm

# As a user would, except that the queue is asked sooner, for the short jobs of a test.
SLURM = [
    *("--profile", str(ROOT / "profiles/slurm")),
    *("--slurm-init-seconds-before-status-checks", "5"),
]
DEMO = demo_config(report={"timings": False, "explorer": True})
JOB = re.compile(r"^Job \d+: ", re.MULTILINE)
SUBMITTED = re.compile(r"has been submitted with SLURM jobid (\d+)")
SECONDS_TO_STOP = 20
# The plugin ends when it next looks at the queue, up to three minutes later.
SECONDS_TO_END = 240
RUNS: list[subprocess.Popen[str]] = []


@pytest.fixture
def slurm() -> Iterator[Cluster]:
    if programs := missing():
        pytest.skip(f"NOT TESTED ON SLURM: there is no {', '.join(programs)}; make test-slurm")
    with pytest.MonkeyPatch.context() as patch, cluster() as one:
        for name, value in one.environment.items():
            patch.setenv(name, value)
        yield one


@pytest.fixture(autouse=True)
def nothing_left_in_the_queue(slurm: Cluster) -> Iterator[None]:
    yield
    while RUNS:
        # Where the test has failed.
        RUNS.pop().kill()
    assert slurm.says("squeue", "--noheader") == ""


def start(workspace: Workspace, *arguments: str) -> subprocess.Popen[str]:
    """Start a run through SLURM in a process group of its own; its output goes to run.log."""
    with (workspace.folder / "run.log").open("w") as log:
        run = subprocess.Popen(
            workspace.command(*SLURM, *arguments),
            cwd=workspace.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    RUNS.append(run)
    return run


def said(workspace: Workspace) -> str:
    return (workspace.folder / "run.log").read_text()


def until(true: Callable[[], object], run: subprocess.Popen[str], workspace: Workspace) -> None:
    end = time.monotonic() + 300
    while not true():
        assert run.poll() is None, said(workspace)[-6000:]
        assert time.monotonic() < end, said(workspace)[-6000:]
        time.sleep(0.1)


def until_running(
    job: str, slurm: Cluster, run: subprocess.Popen[str], workspace: Workspace
) -> psutil.Process:
    """Wait until a job's script runs. job: embed_distorted, or detect_persons/0 for a shard."""
    rule, _, shard = job.partition("/")
    name = f"rule_{rule}_wildcards_{shard}" if shard else f"rule_{rule}"
    until(lambda: slurm.states().get(name) == "RUNNING", run, workspace)
    log = workspace.results / "logs" / f"{job}.log"
    until(log.exists, run, workspace)
    (number,) = slurm.numbers(name)
    scripts = [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if f"{rule}.py" in " ".join(process.info["cmdline"] or [])
        and (process.info["environ"] or {}).get("SLURM_JOB_ID") == number
        and process.info["cmdline"][-1].endswith(".py")
    ]
    assert len(scripts) == 1, scripts
    return scripts[0]


def ended_well(run: subprocess.Popen[str], workspace: Workspace) -> str:
    assert run.wait(timeout=600) == 0, said(workspace)[-6000:]
    return said(workspace)


def detected_as(undisturbed: dict[str, str], workspace: Workspace) -> None:
    """All results up to detection are there and are those of the undisturbed run."""
    results = results_of(workspace)
    assert "detections/persons.json" in results
    assert results == {name: undisturbed[name] for name in results}


def test_demo_gives_the_same_bytes(
    slurm: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(tmp_path / "here", DEMO)
    begun = time.monotonic()
    workspace.run()
    here = time.monotonic() - begun
    on_slurm = Workspace(tmp_path / "SLURM", DEMO)
    jobs = len(JOB.findall(on_slurm.run("--dry-run")))
    begun = time.monotonic()
    output = on_slurm.run(*SLURM)
    there = time.monotonic() - begun
    assert results_of(on_slurm) == results_of(workspace)
    submitted = len(SUBMITTED.findall(output))
    assert 0 < submitted < jobs
    with capsys.disabled():
        print(
            f"\nthe demo, {jobs} jobs: {here:.0f} s here; {there:.0f} s, {there / here:.1f} times,"
        )
        print(f"in {submitted} jobs of SLURM")


def test_jobs_killed_in_every_way_run_again(
    slurm: Cluster, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """One hangs, one is cancelled, one lacks memory, one is preempted."""
    workspace = Workspace(tmp_path, SHORT)
    run = start(
        workspace,
        "--set-resources",
        "detect_persons:runtime=1 if attempt == 1 and wildcards.shard == '0' else 60",
        "embed_persons:mem_mb=500 if attempt == 1 and wildcards.shard == '1' else 2000 * attempt",
    )
    until_running("detect_persons/0", slurm, run, workspace).suspend()
    until_running("detect_persons/1", slurm, run, workspace)
    hangs, cancelled = (slurm.numbers(f"rule_detect_persons_wildcards_{n}")[0] for n in "01")
    slurm.says("scancel", cancelled)
    until_running("embed_distorted", slurm, run, workspace)
    (preempted,) = slurm.numbers("rule_embed_distorted")
    slurm.says("sbatch", "-p", "urgent", "-n", "2", "-o", "/dev/null", "--wrap", "sleep 5")
    output = ended_well(run, workspace)

    assert f"SLURM-job '{hangs}' failed, SLURM status is: 'TIMEOUT'" in output
    assert f"SLURM-job '{cancelled}' failed, SLURM status is: 'CANCELLED'" in output
    # With cgroups, SLURM would call it OUT_OF_MEMORY.
    small, large = slurm.numbers("rule_embed_persons_wildcards_1")
    assert f"SLURM-job '{small}' failed, SLURM status is: 'FAILED'" in output
    logs = workspace.folder / ".snakemake/slurm_logs"
    assert "exceeded memory limit" in next(logs.rglob(f"{small}.log")).read_text()
    assert "DUE TO TIME LIMIT" in next(logs.rglob(f"{hangs}.log")).read_text()
    asked = [slurm.says("squeue", "-h", "-t", "all", "-j", n, "-o", "%m") for n in (small, large)]
    assert [words.strip() for words in asked] == ["500M", "4000M"]
    assert output.count("Trying to restart job") == 3
    # SLURM itself has queued the preempted job again: it is the same job.
    assert slurm.numbers("rule_embed_distorted") == [preempted]
    assert "Restarts=1" in slurm.says("scontrol", "show", "job", preempted)
    assert results_of(workspace) == undisturbed


def test_detection_and_embedding_ask_for_a_gpu_each(slurm: Cluster, tmp_path: Path) -> None:
    """They stay in the queue, because no node with a GPU is up."""
    workspace = Workspace(tmp_path, SHORT)
    workspace.run("embed")
    (workspace.results / "detections/shards/0.parquet").unlink()
    (workspace.results / "embeddings/1.parquet").unlink()
    workspace.config = workspace.config | {
        "detector": workspace.config["detector"] | {"device": "cuda"}
    }
    run = start(workspace, "embed", "detect", "--rerun-triggers", "mtime")
    waiting = ("rule_detect_persons_wildcards_0", "rule_embed_persons_wildcards_1")
    # Both at once, although one machine's profile allows one.
    until(lambda: set(waiting) <= set(slurm.states()), run, workspace)
    for name in waiting:
        (number,) = slurm.numbers(name)
        assert "TresPerJob=gres:gpu:1" in slurm.says("scontrol", "show", "job", number)
    run.send_signal(signal.SIGINT)
    run.wait(timeout=SECONDS_TO_END)


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False)],
    ids=["Ctrl-C", "SIGTERM to Snakemake alone"],
)
def test_a_stopped_run_leaves_nothing_in_the_queue(
    slurm: Cluster,
    undisturbed: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
    whole_group: bool,
) -> None:
    """And a run without SLURM continues it."""
    workspace = Workspace(tmp_path, SHORT)
    run = start(workspace, "detect")
    script = until_running("detect_persons/0", slurm, run, workspace)
    (os.killpg if whole_group else os.kill)(run.pid, number)
    until_empty(slurm, SECONDS_TO_STOP)
    assert run.wait(timeout=SECONDS_TO_END) != 0
    assert not script.is_running()
    assert "Traceback" not in said(workspace)
    assert not list(workspace.results.rglob(".*.part"))
    workspace.run("detect")
    detected_as(undisturbed, workspace)


def until_empty(slurm: Cluster, seconds: float) -> None:
    end = time.monotonic() + seconds
    while left := slurm.says("squeue", "--noheader"):
        assert time.monotonic() < end, left
        time.sleep(0.2)
