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
from visualsearch.core.files import remove_leftovers

RUN = """
import subprocess, sys, time
from visualsearch.workflow import stopping
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

# Told to stop while Snakemake writes a line of its log.
LOGGING = """
import logging, os, sys, time
from snakemake.logging import ColorizingTextHandler
from visualsearch.workflow import stopping

class Slow:
    def write(self, text):
        if text.strip():
            print(os.getpid(), flush=True)
            time.sleep(1)
    def flush(self):
        pass

stopping.stop_on_signals()
log = logging.getLogger("a run")
log.addHandler(ColorizingTextHandler(stream=Slow()))
try:
    log.error("a line")
    time.sleep(600)
except KeyboardInterrupt:
    pass
"""

# Told to stop when a thread, as Snakemake's, is about to start a job, for which it then waits.
ABOUT_TO_START = """
import subprocess, sys, threading, time
from visualsearch.workflow import stopping

def job():
    time.sleep(1)
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])

stopping.stop_on_signals()
thread = threading.Thread(target=job)
thread.start()
try:
    print(0, flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    thread.join()
"""


# As with Snakemake's executors for clusters, which wait for a thread that sleeps for minutes.
ELSEWHERE = """
import threading, time
from visualsearch.workflow import stopping
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


def ends_well(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    try:
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()


def test_a_job_that_was_about_to_start_is_killed() -> None:
    process = start(ABOUT_TO_START)
    assert process.stdout is not None
    process.stdout.readline()
    ends_well(process, signal.SIGTERM)


@SIGNALS
def test_a_signal_is_heard_while_snakemake_logs(number: signal.Signals) -> None:
    process = start(LOGGING)
    assert process.stdout is not None
    assert int(process.stdout.readline()) == process.pid
    ends_well(process, number)


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
