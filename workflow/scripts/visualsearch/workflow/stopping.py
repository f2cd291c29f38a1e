"""Ctrl-C or SIGTERM ends a run within seconds, and the same command continues it.

On its own, Snakemake 9.27 waits for running jobs after SIGTERM, which may take hours. After SIGINT
it waits for them too, and relies on the terminal to send them the signal.
"""

import atexit
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from visualsearch.core.files import remove_leftovers

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Jobs remove their temporary files in this time. Native code delays signal handlers, so a job that
# is still running afterwards is killed.
SECONDS_TO_CLEAN_UP = 5


def stop_on_signals(results: Path, kill_jobs: bool = True) -> None:
    """From now on, SIGINT and SIGTERM send SIGINT to all jobs and raise KeyboardInterrupt here.

    Call it in onstart, when Snakemake has installed its own handler for SIGTERM.

    results: the folder from which temporary files of killed jobs are removed.
    kill_jobs: whether to kill child processes that are still running SECONDS_TO_CLEAN_UP later.
    On a cluster they may be the commands with which Snakemake cancels its jobs.
    """
    start_no_more_jobs = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        _send_to_jobs(signal.SIGINT)
        if kill_jobs:
            # A second signal would end this process before its jobs have ended.
            for again in STOP_SIGNALS:
                signal.signal(again, signal.SIG_IGN)
            threading.Thread(target=_kill_late_jobs, daemon=True).start()
            # By then all jobs have ended; a killed one could not remove its own.
            atexit.register(remove_leftovers, results.absolute())
        if callable(start_no_more_jobs):
            # Snakemake's log handler swallows a KeyboardInterrupt. Then this ends the run, as soon
            # as its jobs have ended. In a thread, because it takes a lock of the main thread.
            threading.Thread(target=start_no_more_jobs, args=(number, frame), daemon=True).start()
        raise KeyboardInterrupt

    # Python allows signal handlers only in the main thread.
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            signal.signal(number, stop)


def _kill_late_jobs() -> None:
    time.sleep(SECONDS_TO_CLEAN_UP)
    # This includes a job that was just starting when the signal came.
    _send_to_jobs(signal.SIGKILL)


def _send_to_jobs(number: signal.Signals) -> None:
    for job in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            job.send_signal(number)
