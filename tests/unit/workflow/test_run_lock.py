"""One run at a time in a results folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from visualsearch.core.errors import InputError
from visualsearch.workflow import run_lock

HOLD = """
import sys
from visualsearch.workflow import run_lock
run_lock.hold(sys.argv[1])
print(1, flush=True)
sys.stdin.read()
"""


def test_a_folder_is_held_by_one_process_and_by_none_that_was_killed(tmp_path: Path) -> None:
    held, free = tmp_path / "held", tmp_path / "free"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(held)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        with pytest.raises(InputError, match=rf"held is in use .*process {process.pid} on"):
            run_lock.hold(held)
        run_lock.hold(free)
        process.send_signal(signal.SIGKILL)
    run_lock.hold(held)


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/results cannot be written to .*pathvars") as error:
        run_lock.hold(tmp_path / "file/results")
    assert "\n" not in str(error.value)
