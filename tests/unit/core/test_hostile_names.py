"""Names and texts that were made to steer a terminal, forge a line or hide a formula."""

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from visualsearch.data.skipped import Skipped, read_skipped, write_skipped
from visualsearch.report.writing import cell


def hostile_names() -> list[str]:
    return [
        "\x1b]0;owned\x07\x1b[2J.jpg",
        "two\nlines ERROR: forged.jpg",
        "\x9b31m.jpg",
        "\u202egpj.exe",
        "half \udce9.jpg",
    ]


# A process of its own: pytest too notes what is logged, and its workers hand on UTF-8 alone.
JOB = """
import logging, sys
from types import SimpleNamespace
from visualsearch.core.errors import InputError
from visualsearch.core.job import job
with job(SimpleNamespace(log=[sys.argv[1]], input=[], output=[])):
    text = eval(sys.argv[2])
    logging.getLogger("test").warning("left out: %s", text)
    raise InputError(f"what is wrong: {text}; what to do")
"""


def said_by_a_job(log: Path, text: str) -> tuple[str, str]:
    """What a job that stumbles over `text` shows and logs."""
    done = subprocess.run(
        [sys.executable, "-c", JOB, str(log), text],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.decode("utf-8"), log.read_text(encoding="utf-8")


def test_names_cannot_steer_a_terminal_or_forge_a_line(tmp_path: Path) -> None:
    for name in hostile_names():
        shown, logged = said_by_a_job(tmp_path / "job.log", ascii(name))
        for text in (shown, logged):
            assert all(char.isprintable() for char in text.replace("\n", "")), ascii(text)
            assert not [line for line in text.splitlines() if line.startswith("lines")]
        assert shown.splitlines()[-1].startswith("ERROR: ") and "Traceback" not in shown


def test_a_text_of_any_length_is_cut_where_it_matters_least(tmp_path: Path) -> None:
    shown, _ = said_by_a_job(tmp_path / "job.log", "'x' * 10**6")
    last = shown.splitlines()[-1]
    assert len(last) < 21_000 and "what is wrong" in last and "what to do" in last


FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "－1"]
# What a spreadsheet that splits at semicolons, also within quotes, would find in one cell.
HIDDEN_FORMULAS = ["a;=1", 'a;"=1"', "a; =1", "a;;+1", "a\n=1", "a\r\n@b", 'a";"=1']


@pytest.mark.parametrize(
    "name",
    [*FORMULAS, *HIDDEN_FORMULAS, *hostile_names()[:4], "tab\there", "a\\x1b", "\\=1", "\\u2028"],
)
def test_skipped_tsv_has_neither_formulas_nor_escapes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "skipped.tsv"
    skipped = [Skipped(1, name, name), Skipped(None, f"a{name}", f"b {name}")]
    write_skipped(path, skipped)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[0] == "image_id\tfile\treason\tcounts\tfiles"
    assert len(lines) == 4 and not lines[-1]
    assert all(line.count("\t") == 4 for line in lines[:-1])
    assert all(line.replace("\t", "").isprintable() for line in lines)
    for row in csv.reader(io.StringIO("\n".join(lines)), delimiter="\t"):
        assert not [part for text in row for part in text.split(";") if is_formula(part)]
    assert read_skipped(path) == sorted(skipped, key=lambda entry: entry.file)


def is_formula(text: str) -> bool:
    return text.strip('" ')[:1] in {*"=+-@＝－"}


@pytest.mark.parametrize("name", [*FORMULAS, *HIDDEN_FORMULAS])
def test_cells_of_the_table_of_hits_are_no_formulas(name: str) -> None:
    safe = cell(name)
    assert safe != name and re.sub(r"(^|[;\r\n])'", r"\1", safe) == name
    assert not [part for part in re.split(r"[;\r\n]", safe) if is_formula(part)]
    assert safe.startswith("'") or name in HIDDEN_FORMULAS


@pytest.mark.parametrize("name", ["a=1", "a-b.jpg", "a; b", "IMG_1 (2);3.jpg", "ü/人.jpg", ""])
def test_other_cells_stay_as_they_are(name: str) -> None:
    assert cell(name) == name
