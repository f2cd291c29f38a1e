"""A run's jobs in the queue of a SLURM cluster: none outlives its run."""

import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from visualsearch.core.errors import InputError

# Holds the name under which the jobs of a run stand in the queue, until it ends.
NAME = ".slurm_run"
SECONDS_TO_END = 60


def canceller(executor: Any) -> Callable[[], None] | None:
    """What cancels all jobs of this run; None where Snakemake's executor is not SLURM's.

    By itself the executor goes on submitting what stands in line while it cancels, and leaves that
    in the queue.
    """
    if not hasattr(executor, "run_uuid"):
        return None

    def cancel() -> None:
        executor._job_submission_executor.shutdown(cancel_futures=True)
        try:
            _slurm("scancel", "--name", executor.run_uuid)
        except (OSError, subprocess.SubprocessError) as error:
            print(
                f"ERROR: jobs may be left in SLURM's queue, which does not answer ({error}); cancel"
                f" them (scancel --name {executor.run_uuid}), or have the next run do it",
                file=sys.stderr,
            )

    return cancel


def take_over(results: str | Path, executor: Any) -> None:
    """Cancel what a run that was killed has left in the queue, and note the name of this one.

    Two jobs would write the same files. Raises InputError where that cannot be done, and where
    there was something to cancel: a job that ends removes what it was writing, which this run may
    have counted on when it was planned.
    """
    file = Path(results) / NAME
    if file.exists():
        found = _cancel_and_wait(file.read_text().strip(), file)
        file.unlink()
        if found:
            raise InputError(
                f"jobs that a killed run of {results} had left in SLURM's queue are cancelled now;"
                " run the same command again"
            )
    if hasattr(executor, "run_uuid"):
        file.write_text(f"{executor.run_uuid}\n")


def forget(results: str | Path, executor: Any) -> None:
    """At the end of a run; its name stays where jobs are still about to end, or may be left."""
    if hasattr(executor, "run_uuid"):
        with suppress(OSError, subprocess.SubprocessError):
            if not _slurm("squeue", "--noheader", "--name", executor.run_uuid):
                (Path(results) / NAME).unlink()


def _cancel_and_wait(name: str, file: Path) -> bool:
    """Whether there were any."""
    advice = f"cancel them (scancel --name {name}), delete {file}, and run the same command again"
    end = time.monotonic() + SECONDS_TO_END
    try:
        found = bool(_slurm("squeue", "--noheader", "--name", name))
        _slurm("scancel", "--name", name)
        while _slurm("squeue", "--noheader", "--name", name):
            if time.monotonic() > end:
                raise InputError(f"jobs of an earlier run do not leave SLURM's queue; {advice}")
            time.sleep(1)
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(
            f"jobs of an earlier run may be in SLURM's queue, which does not answer ({error});"
            f" {advice}"
        ) from error
    return found


def _slurm(*command: str) -> str:
    # A second Ctrl-C is not meant for it.
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, start_new_session=True
    )
    return done.stdout.strip()
