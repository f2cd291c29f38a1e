"""One run at a time in a results folder. A killed run leaves no lock."""

import fcntl
import os
import socket
from pathlib import Path

from visualsearch.core.errors import InputError

NAME = ".running"
ANOTHER = "a folder of its own: --config pathvars='{results: results/another}'"


def hold(results: str | Path) -> None:
    """Hold the folder `results` until this process ends.

    Raises InputError if another process holds it, or if it cannot be written to. The lock is the
    kernel's (flock), so it ends with its process.
    """
    path = Path(results) / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Stays open until the process ends. Jobs do not inherit it.
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            f"{results} cannot be written to ({error.strerror}); make it writable, or give this "
            f"run {ANOTHER}"
        ) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(held, 200).decode(errors="replace").strip() or "unknown"
        os.close(held)
        raise InputError(
            f"{results} is in use by another run ({holder}); wait until it ends, or give this "
            f"one {ANOTHER}"
        ) from None
    except OSError:
        # The file system has no locks. Snakemake's own checks remain.
        os.close(held)
        return
    os.ftruncate(held, 0)
    os.write(held, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
