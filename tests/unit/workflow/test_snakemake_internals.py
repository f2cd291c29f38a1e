"""What Snakemake and its S3 plugin do not document is there, and is used in one file only."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

INTERNALS = ROOT / "workflow/rules/snakemake_internals.smk"
# Asks all that the file asks of a run, but for storage.
SNAKEFILE = f"""
include: {str(INTERNALS)!r}

expand_pathvars(lambda key, path: "moved" if key == "pathvars.results" else path)

on_messages(lambda: logger.info("It starts."), lambda: ["So it was done before."])

rule one:
    output: "<results>/{{shard}}.txt"
    shell: "touch {{output}}"

rule all:
    default_target: True
    input: of_shards(rules.one.output[0], range(2))

onstart:
    print(ON_DISK)
    print(uses_conda(), is_job(), runs_jobs_here(), default_storage(), is_module())
    print(is_main_process(), configuration_files(), user_configuration())
    print(command_line_configuration())
    print(*sorted(planned_rules()), *sorted(rules_of_run()), rule_name_in_run("one"))
    print(hasattr(workflow.sourcecache, "cache_path"))
    print(hasattr(workflow.storage_settings, "default_storage_prefix"))
"""


def test_a_run_answers_all_that_is_asked(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "mine.yaml").write_text("one: 1\ntwo: 2")
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    command += ["--configfile", "mine.yaml", "--config", "two=3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(ROOT / "workflow"),
        "False False True None False",
        f"True [{tmp_path / 'mine.yaml'!r}] {{'one': 1, 'two': 3}}",
        "{'two': 3}",
        "all one all one one",
        "True",
        "True",
    ]
    assert {path.name for path in tmp_path.glob("moved/*.txt")} == {"0.txt", "1.txt"}
    assert done.stderr.count("It starts.") == 1
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert (
        "Nothing to be done" in again.stderr and again.stderr.count("So it was done before.") == 1
    )


def test_files_from_git_have_their_repository() -> None:
    from snakemake.sourcecache import GithubFile, LocalGitFile

    assert hasattr(GithubFile, "hosted_repo")
    assert LocalGitFile("folder", "path", ref="main").repo_path == "folder"


def test_the_s3_plugin_looks_for_folders_by_the_patched_method() -> None:
    plugin = pytest.importorskip("snakemake_storage_plugin_s3")
    for name in ("is_dir", "get_subkeys", "exists", "is_valid_query"):
        assert callable(getattr(plugin.StorageObject, name))


def test_no_other_file_uses_such_names() -> None:
    files = [*(ROOT / "workflow").rglob("*.smk"), ROOT / "workflow/Snakefile", ROOT / "Snakefile"]
    files += (ROOT / "workflow/scripts").rglob("*.py")
    private = re.compile(r"\bworkflow\.(?!rst)[a-z_]+\b|\.(?:rule\.name|flags)\b|from snakemake\.")
    found = {
        (file.name, name)
        for file in files
        if file != INTERNALS
        for line in file.read_text().splitlines()
        if "visualsearch.workflow" not in line
        for name in private.findall(line.partition("#")[0])
    }
    assert found <= {("Snakefile", "from snakemake.")}, found
