"""Ctrl-C and SIGTERM end a run and its jobs, whatever both are doing, and leave no half file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from conftest import ROOT

# A program is up to a line on stdout, then gets the signal. `ended` is what Snakemake's own handler
# of SIGTERM does: it starts no more jobs and returns from the run once the running ones have ended.
START = """
import os, signal, subprocess, sys, threading, time
from pathlib import Path
from visualsearch.workflow import stopping
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
stopping.SECONDS_TO_CLEAN_UP = 1
stopping.stop_on_signals(Path())
"""
JOB_IGNORES_SIGNALS = """
Path("shards").mkdir()
Path("shards", ".1.parquet.4.part").touch()
job = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); "
job = subprocess.Popen([sys.executable, "-c", job + "time.sleep(600)"], stdout=subprocess.PIPE)
job.stdout.readline()
try:
    print(job.pid, flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    job.wait()
"""
# Snakemake's log handler swallows the KeyboardInterrupt.
WRITES_A_LOG_LINE = """
import logging
from snakemake.logging import ColorizingTextHandler
class Slow:
    def write(self, text):
        if text.strip():
            print(0, flush=True)
            time.sleep(1)
    def flush(self):
        pass
log = logging.getLogger("a run")
log.addHandler(ColorizingTextHandler(stream=Slow()))
try:
    log.error("a line")
    ended.wait(600)
except KeyboardInterrupt:
    pass
"""
# A thread starts the job after the signal, and waits for it, as Snakemake's threads do.
STARTS_A_JOB = """
def job():
    time.sleep(1)
    subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
thread = threading.Thread(target=job)
thread.start()
try:
    print(0, flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    thread.join()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("program", ["JOB_IGNORES_SIGNALS", "WRITES_A_LOG_LINE", "STARTS_A_JOB"])
def test_the_run_and_its_jobs_end(program: str, number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", START + globals()[program]],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        job = int(process.stdout.readline())
        begun = time.monotonic()
        process.send_signal(number)
        time.sleep(0.5)
        # The second signal must not end the process before its jobs.
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert time.monotonic() - begun < 10
        assert job == 0 or not psutil.pid_exists(job)
        assert not list(tmp_path.rglob("*.part"))
    finally:
        process.kill()
