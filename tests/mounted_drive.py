"""A folder that lacks what a mounted Google Drive lacks, for runs of the workflow.

mounted_drive.c refuses there, in each process of the run, what such a file system has not.
"""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from running import Workspace, with_results_in

SOURCE = Path(__file__).with_suffix(".c")


class MountedDrive:
    """The folder, and what has been refused in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "drive"
        self.folder.mkdir()
        self._library, self._refused = folder / "mounted_drive.so", folder / "refused.txt"
        compiler = shutil.which("cc")
        if os.uname().sysname != "Linux" or compiler is None:
            pytest.skip("NOT TESTED ON A MOUNTED DRIVE: it is imitated on Linux, with a C compiler")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-o", self._library, SOURCE, "-ldl"], check=True
        )

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """In this block, new processes find on the folder only what a Drive has."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(self._library))
            patch.setenv("DRIVE", str(self.folder))
            patch.setenv("DRIVE_REFUSED", str(self._refused))
            yield

    def refused(self) -> Counter[str]:
        """How often each kind of call was refused."""
        return Counter(self._refused.read_text().split("\n")[:-1])

    def workspace(self, machine: Path, config: dict[str, Any]) -> Workspace:
        """A working directory on a machine's own disk, with its results on the Drive."""
        return with_results_in(str(self.folder / "results"), Workspace(machine, config))
