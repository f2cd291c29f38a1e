"""Commands that run with a small disk of their own: a tmpfs that nobody else sees."""

import functools
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT


@functools.cache
def _own_mounts() -> list[str]:
    """What gives a command mounts of its own; skips the test where the system forbids it."""
    for options in (["--mount"], ["--mount", "--map-root-user"]):
        command = ["unshare", *options]
        try:
            tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], check=False)
        except OSError:
            break
        if tried.returncode == 0:
            return command
    pytest.skip("NOT TESTED ON A FULL DISK: this system lets nobody mount one")


def in_shell_with_disk(folder: Path, megabytes: float, script: str) -> subprocess.CompletedProcess:
    """Run a shell script with a disk of so many MB mounted at `folder`; lost when it ends.

    In the script, `disk 12.0` makes it 12 MB large, `disk ro` lets it only be read, and `disk rw`
    undoes that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    at = shlex.quote(str(folder))
    begin = f"""
        mount -t tmpfs -o size={int(megabytes * 1e6)} none {at} || exit 99
        disk() {{
            case $1 in
                r?) mount -o remount,$1 {at} ;;
                *) mount -o remount,size=${{1/./}}00000 {at} ;;
            esac || exit 99
        }}
    """
    paths = [str(ROOT / "workflow/scripts"), str(ROOT / "tests"), str(ROOT / "tests/unit")]
    return subprocess.run(
        [*_own_mounts(), "bash", "-c", begin + script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def python(code: str, *arguments: object) -> str:
    """The shell's words for running `code` in Python with arguments."""
    return shlex.join([sys.executable, "-c", code, *map(str, arguments)])
