"""Ctrl-C or SIGTERM ends a run within seconds, and the same command goes on from there."""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import psutil

# Jobs remove their temporary files meanwhile; one that is deep in compiled code does not hear it.
SECONDS_TO_CLEAN_UP = 5
SECONDS_TO_LOG = 0.1


def stop_on_signals(cancel: Callable[[], None] | None = None) -> None:
    """From now on SIGINT and SIGTERM end this process' jobs, and raise KeyboardInterrupt in it.

    By itself Snakemake waits on SIGTERM until running jobs are done, which may take hours, and
    relies on SIGINT having reached them too. Jobs get SIGINT, and are killed if they are still
    there SECONDS_TO_CLEAN_UP later. Does nothing outside the main thread, where Python forbids it.

    cancel: ends jobs that are no processes of this machine. It is called in a thread of its own,
    which the process does not end without; and once it has returned, whatever the main thread
    waits for is interrupted, as executors may look at their queue minutes later.
    """
    cancelled = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if _is_logging(frame):
            # Snakemake's log handler drops a KeyboardInterrupt, and the run would go on.
            threading.Timer(SECONDS_TO_LOG, os.kill, (os.getpid(), number)).start()
            return
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_IGN if cancel is None else stop_waiting)
        jobs = psutil.Process().children(recursive=True)
        for job in jobs:
            _send(job, signal.SIGINT)
        threading.Thread(target=_kill_late, args=(jobs, cancelled), daemon=True).start()
        if cancel is None:
            cancelled.set()
        else:
            threading.Thread(target=cancel_all, args=(cancel,)).start()
        raise KeyboardInterrupt

    def cancel_all(cancel: Callable[[], None]) -> None:
        try:
            cancel()
        finally:
            cancelled.set()
            os.kill(os.getpid(), signal.SIGINT)

    def stop_waiting(number: int, frame: FrameType | None) -> None:
        if cancelled.is_set():
            raise SystemExit(1)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)


def _is_logging(frame: FrameType | None) -> bool:
    """Whether `frame` is called, however deep, by Python's logging."""
    return any(
        caller.f_globals.get("__name__") == "logging" for caller, _ in traceback.walk_stack(frame)
    )


def _kill_late(jobs: list[psutil.Process], cancelled: threading.Event) -> None:
    for late in psutil.wait_procs(jobs, SECONDS_TO_CLEAN_UP)[1]:
        _send(late, signal.SIGKILL)
    # What cancels jobs elsewhere is a process too.
    cancelled.wait()
    # A job that was about to start when the signal came, for which Snakemake would wait.
    while True:
        for late in psutil.Process().children(recursive=True):
            _send(late, signal.SIGKILL)
        time.sleep(1)


def _send(job: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        job.send_signal(number)
