"""Wrong configurations through the real `snakemake`: one line, nothing written, nothing started."""

import sys
from pathlib import Path

import pytest

from conftest import ROOT
from running import Workspace, finish, sampled
from wrong_configurations import NOT_ALLOWED, OTHERS, WRONG

# One of each kind: a wrong type, not a number, a missing file, a place for outputs, an unknown key,
# and aliases that expand to a billion values.
SAMPLE = [
    "shards: four",
    "search_set: {min_score: .nan}",
    "dataset: {coco: {annotations: no.zip}}",
    "pathvars: {results: config/config.yaml/x}",
    '"a\\nb": 1',
    next(text for text in OTHERS if "&a" in text),
]
PLACES = (" (wrong.yaml, line 1)", " (wrong.yaml, line 2)")
# The key that is wrong is left out, or YAML gives it another name.
NO_PLACE = ("dataset: {source: folder}", "null: 1", "true: 1")
# What Snakemake itself says about a file that it cannot use.
NO_SECTIONS = "Config file must be given as JSON or YAML with keys at top level."
NO_YAML = "Config file is not valid JSON or YAML."
TWICE = b"shards: 2\nshards: 3"
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
    TWICE: "wrong.yaml, line 2: the key shards is there twice",
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
    status, printed = finish(command, folder, 120)
    assert status == 1, printed[-2000:]
    written = [path for path in sorted(folder.rglob("*")) if path not in before]
    assert [path for path in written if ".snakemake" not in path.parts] == []
    return printed


@pytest.mark.parametrize(
    "text", sampled([*NOT_ALLOWED, *OTHERS], SAMPLE), ids=lambda text: text[:40]
)
def test_a_wrong_configuration_stops_before_anything_runs(text: str, tmp_path: Path) -> None:
    output = said(tmp_path, text.encode())
    lines = output.splitlines()
    heading = lines.index("the configuration is wrong:")
    assert lines[heading + 1].startswith(f"  {WRONG[text]}"), lines[heading + 1]
    assert lines[heading + 1].endswith(PLACES) or text in NO_PLACE, lines[heading + 1]
    # Nothing follows, such as the file and line of the workflow that Snakemake would add.
    assert lines[heading + 2 :] == [] and "common.smk" not in output
    assert "Traceback" not in output and len(output) < 3000, output[:3000]


@pytest.mark.parametrize("content", sampled(FILES, [TWICE]))
def test_a_file_that_is_no_configuration(content: bytes, tmp_path: Path) -> None:
    output = said(tmp_path, content)
    assert FILES[content] in output and "Traceback" not in output, output


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
