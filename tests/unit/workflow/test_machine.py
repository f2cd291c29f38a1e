"""Jobs that ask for memory share what the machine, or the container, has."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from helpers import one_line
from running import finish
from visualsearch.core.errors import InputError
from visualsearch.workflow.machine import check_python, memory_mb

# Each job writes down how many others run beside it.
SNAKEFILE = f"""
include: {str(ROOT / "workflow/rules/snakemake_internals.smk")!r}

limit_memory(9000)

rule all:
    input: expand("{{n}}.beside", n=range(4))

rule ask:
    output: "{{n}}.beside"
    resources: mem_mb=lambda wildcards, attempt: 4000 * attempt
    shell: "touch {{wildcards.n}}.runs; sleep 0.5; ls *.runs | wc -l > {{output}};"
        " sleep 0.5; rm {{wildcards.n}}.runs"

rule ask_for_more:
    output: "more"
    resources: mem_mb=20000
    shell: "echo {{resources.mem_mb}} > {{output}}"
"""


def snakemake(folder: Path, *arguments: str) -> None:
    """Run it on more cores than memory is there for."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "4", *arguments]
    status, printed = finish(command, folder, 100)
    assert status == 0, printed


def most_at_once(folder: Path) -> int:
    return max(int(path.read_text()) for path in folder.glob("*.beside"))


def test_as_many_jobs_at_once_as_fit_into_memory(tmp_path: Path) -> None:
    snakemake(tmp_path, "all", "more")
    assert most_at_once(tmp_path) == 2
    # It runs alone, with all there is.
    assert (tmp_path / "more").read_text() == "9000\n"


def test_the_user_may_say_how_much(tmp_path: Path) -> None:
    snakemake(tmp_path, "0.beside", "1.beside", "--resources", "mem_mb=4500")
    assert most_at_once(tmp_path) == 1


def test_the_memory_of_this_machine() -> None:
    assert 256 < memory_mb() <= psutil.virtual_memory().total / 1e6


def test_the_memory_of_a_container(tmp_path: Path) -> None:
    """A group of processes with a limit, as containers and clusters make it."""
    for root, name in (
        ("/sys/fs/cgroup", "memory.max"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ):
        group = Path(root, f"visual-search-test-{os.getpid()}")
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            # Where the kernel's files do not appear, this is a folder like any other.
            if not (group / name).exists():
                continue
            (group / name).write_text("1500000000")
            code = (
                f"open('{group}/cgroup.procs', 'w').write('0');"
                "from visualsearch.workflow.machine import memory_mb; print(memory_mb())"
            )
            path = {"PYTHONPATH": str(ROOT / "workflow/scripts")}
            said = subprocess.check_output([sys.executable, "-c", code], env=os.environ | path)
        finally:
            group.rmdir()
        # The kernel counts in whole pages.
        assert int(said) in (1499, 1500)
        return
    pytest.skip("NOT TESTED IN A CONTAINER: this system lets nobody make a group of processes")


def test_a_python_that_snakemake_cannot_start() -> None:
    check_python("/home/me/größer/.venv/bin/python3.13")
    for path in ("/home/me/my pictures/.venv/bin/python", "/home/me/pictures(1)/bin/python"):
        with pytest.raises(InputError) as caught:
            check_python(path)
        assert path in one_line(caught)
