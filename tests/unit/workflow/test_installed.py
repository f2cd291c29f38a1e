"""The library as `make` installs it: imported, run as a command, and never before another copy."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from visualsearch import __version__
from visualsearch.__main__ import main

# As a job does it: Snakemake puts a script's folder at the end of the path.
IMPORTED = """
import site, sys
site.addsitedir(sys.argv[1])
sys.path += sys.argv[2:]
import visualsearch
print(visualsearch.__file__)
"""


def test_a_copy_of_the_workflow_uses_its_own_library(tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    install += ["--no-build-isolation", "--ignore-installed", "--prefix", str(tmp_path)]
    subprocess.run([*install, "--editable", str(ROOT)], check=True, timeout=300)
    [installed] = tmp_path.glob("lib*/python*/site-packages")
    copy = shutil.copytree(ROOT / "workflow/scripts", tmp_path / "copy")

    def imported(*folders: Path) -> str:
        command = [sys.executable, "-c", IMPORTED, installed, *folders]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    assert imported() == str(ROOT / "workflow/scripts/visualsearch/__init__.py")
    assert imported(copy) == str(copy / "visualsearch/__init__.py")
    ran = subprocess.run(
        [tmp_path / "bin/visualsearch", "--version"],
        env={"PYTHONPATH": str(ROOT / "workflow/scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"visualsearch {__version__}\n"


def test_the_command_prints_the_keys(capsys: pytest.CaptureFixture[str]) -> None:
    main(["settings", "search"])
    printed = capsys.readouterr().out
    assert "search.neighbours\n    an integer >= 1 and <= 1000; default 10. " in printed
    assert "index." not in printed
    main(["settings"])
    assert capsys.readouterr().out.startswith("pathvars.results\n")
    with pytest.raises(SystemExit):
        main(["settings", "colour"])
