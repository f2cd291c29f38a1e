"""A run that is told to stop takes its jobs with it, also one that does not listen."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from visualsearch.atomic import remove_leftovers

RUN = """
import subprocess, sys, time
from visualsearch import stopping
job = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); "
job = subprocess.Popen([sys.executable, "-c", job + "time.sleep(600)"], stdout=subprocess.PIPE)
job.stdout.readline()
stopping.SECONDS_TO_CLEAN_UP = 1
stopping.stop_on_signals()
try:
    # From here on it may be told to stop.
    print(job.pid, flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    job.wait()
"""


# As with Snakemake's executors for clusters, which wait for a thread that sleeps for minutes.
ELSEWHERE = """
import threading, time
from visualsearch import stopping
def cancel():
    time.sleep(1)
    print("cancelled", flush=True)
waiting = threading.Thread(target=time.sleep, args=(600,), daemon=True)
waiting.start()
stopping.stop_on_signals(cancel)
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    waiting.join()
"""
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)


def start(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@SIGNALS
def test_a_job_that_does_not_listen_is_killed(number: signal.Signals) -> None:
    process = start(RUN)
    assert process.stdout is not None
    job = psutil.Process(int(process.stdout.readline()))
    begun = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    assert time.monotonic() - begun < 10
    assert not job.is_running()


@SIGNALS
def test_jobs_elsewhere_are_cancelled_and_nothing_is_waited_for(number: signal.Signals) -> None:
    process = start(ELSEWHERE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    # In vain: it must not disturb the cancelling.
    process.send_signal(number)
    assert process.communicate(timeout=10) == ("cancelled\n", "")
    assert process.returncode == 1


def test_what_killed_jobs_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [".running", "a.part", ".a.part", ".hidden.1", "b/.x.jpg.part.jpg", "b/x.12.part"]
    removed = [".index.ann.123.part", "b/.x.jpg.4.part", "b/.two\nlines.jpg.5.part"]
    for name in kept + removed:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == sorted(kept)
    remove_leftovers(tmp_path / "absent")
