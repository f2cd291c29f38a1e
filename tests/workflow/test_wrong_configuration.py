"""Wrong configurations through the real `snakemake`: one line, nothing written, nothing started."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from running import Workspace
from wrong_configurations import NOT_ALLOWED, OTHERS, WRONG

# Of each kind one: a type, a number that is none, a thing that is not there, a place for outputs,
# an unknown key, a bomb.
SAMPLE = [
    "shards: four",
    "search_set: {min_score: .nan}",
    "dataset: {coco: {annotations: no.zip}}",
    "pathvars: {results: config/config.yaml/x}",
    '"a\\nb": 1',
    next(text for text in OTHERS if "&a" in text),
]
# What Snakemake itself says of a file that it cannot take.
NO_SECTIONS = "Config file must be given as JSON or YAML with keys at top level."
NO_YAML = "Config file is not valid JSON or YAML."
FILES = {
    b"": NO_SECTIONS,
    b"- shards": NO_SECTIONS,
    b"shards": NO_SECTIONS,
    b"shards: [1, 2": NO_YAML,
    b"a:\n\t- b": NO_YAML,
    b"shards: !!python/object:os.system {}": NO_YAML,
    b"? [a, b]\n: 1": NO_YAML,
    b"pathvars: {results: 5}": "Pathvars have to be a mapping of str to str",
    b"pathvars: {results: <results>/x}": "Cyclic pathvar reference detected",
    b"shards: 2\nshards: 3": "wrong.yaml, line 2: the key shards is there twice",
}
# Snakemake ends in its own exception, before any rule of the workflow is read.
EXCEPTIONS = {
    None: "FileNotFoundError",
    bytes(range(256)): "UnicodeDecodeError",
    b"report: {title: caf\xe9}": "UnicodeDecodeError",
    b"dataset: &a {source: *a}": "RecursionError",
    b"shards: !!bool perhaps": "KeyError: 'perhaps'",
    b"shards: 2026-13-45": "ValueError: month must be in 1..12",
    b"pathvars: [a]": "AttributeError",
}


def said(folder: Path, content: bytes | None) -> str:
    """What a dry run with that configuration prints; it must fail and write nothing."""
    folder.mkdir(exist_ok=True)
    Workspace(folder, {})  # The shipped configuration is there.
    if content is not None:
        (folder / "wrong.yaml").write_bytes(content)
    before = sorted(folder.rglob("*"))
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", "wrong.yaml"]
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout[-2000:]
    written = [path for path in sorted(folder.rglob("*")) if path not in before]
    assert [path for path in written if ".snakemake" not in path.parts] == []
    return done.stdout


def check(folder: Path, text: str) -> None:
    output = said(folder, text.encode())
    lines = output.splitlines()
    heading = lines.index("the configuration is wrong:")
    assert lines[heading + 1].startswith(f"  {WRONG[text]}"), lines[heading + 1]
    # What Snakemake adds is where the workflow raised it.
    assert not lines[heading + 2].startswith("  ") or "common.smk" in lines[heading + 2]
    assert "Traceback" not in output and len(output) < 3000, output[:3000]


@pytest.mark.parametrize("text", SAMPLE, ids=lambda text: text[:40])
def test_a_wrong_configuration_stops_before_anything_runs(text: str, tmp_path: Path) -> None:
    check(tmp_path, text)


@pytest.mark.torture
@pytest.mark.parametrize("text", [*NOT_ALLOWED, *OTHERS], ids=lambda text: text[:40])
def test_every_wrong_configuration_stops_before_anything_runs(text: str, tmp_path: Path) -> None:
    check(tmp_path, text)


def check_file(folder: Path, content: bytes) -> None:
    output = said(folder, content)
    assert FILES[content] in output and "Traceback" not in output, output


def test_a_file_that_is_no_configuration(tmp_path: Path) -> None:
    check_file(tmp_path, b"shards: 2\nshards: 3")


@pytest.mark.torture
@pytest.mark.parametrize("content", FILES)
def test_every_file_that_is_no_configuration(content: bytes, tmp_path: Path) -> None:
    check_file(tmp_path, content)


@pytest.mark.torture
@pytest.mark.parametrize("content", EXCEPTIONS)
def test_files_that_snakemake_itself_stumbles_over(content: bytes | None, tmp_path: Path) -> None:
    """No fine line, but the reason stands last, and nothing was done."""
    assert EXCEPTIONS[content] in said(tmp_path, content)[-300:]


@pytest.mark.torture
@pytest.mark.parametrize("results", ["../beside", "with a space/é", "."])
def test_odd_places_for_outputs_are_allowed(results: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    workspace = Workspace(folder, {"dataset": {"source": "openpeople"}})
    workspace.config |= {"pathvars": {"results": results}}
    assert "fetch_annotations" in workspace.planned("fetch")
