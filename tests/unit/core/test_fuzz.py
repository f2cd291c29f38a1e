"""A sample of tests/fuzz.py, and a check that it reports and keeps findings."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

import fuzz
import fuzz_parsers
from conftest import ROOT
from visualsearch.core.errors import InputError


def fed(folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "tests/fuzz.py"), "--findings", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and not list(folder.iterdir()), done.stdout + done.stderr[-5000:]
    return done.stdout


def test_a_sample_of_broken_files_breaks_no_parser(tmp_path: Path) -> None:
    said = fed(tmp_path, "--inputs", "50", "--seed", "1")
    for name in fuzz.PARSERS:
        assert f"{name}: 50 inputs, " in said


@pytest.mark.torture
def test_broken_files_break_no_parser(tmp_path: Path) -> None:
    print(fed(tmp_path, "--seconds", "15"))


def test_what_breaks_a_parser_is_told_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def parse(path: Path) -> None:
        data = path.read_bytes()
        if len(data) < 100:
            raise InputError("too short")
        if data != bytes(100):
            raise KeyError("changed")

    monkeypatch.setitem(
        fuzz.PARSERS, "bad", fuzz_parsers.Parser(lambda: [bytes(100)], parse, InputError)
    )
    arguments = argparse.Namespace(seconds=None, inputs=50, seed=1, findings=tmp_path / "kept")
    assert not fuzz.try_all(["bad"], arguments, tmp_path)
    said = capsys.readouterr().out
    assert "KeyError: 'changed'" in said and "1 findings" in said
    [kept] = (tmp_path / "kept").iterdir()
    with pytest.raises(KeyError):
        parse(kept)
