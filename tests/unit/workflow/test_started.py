"""What the main process notes of a run: its command without secrets, and the workflow's commit."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from visualsearch.workflow.started import command_line, commit_of, note_start

NOT_KNOWN = {"commit": None, "changed_files": None}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder), *arguments]
    return subprocess.check_output(command, text=True).strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("NOT TESTED: there is no git on this machine")
    folder = tmp_path / "a clone"
    (folder / "workflow").mkdir(parents=True)
    (folder / "workflow/Snakefile").write_text("one")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def test_the_commit_and_the_changed_files(clone: Path) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    (clone / "mine.yaml").write_text("not part of the workflow")
    assert commit_of(clone) == {"commit": commit, "changed_files": []}
    (clone / "workflow/Snakefile").write_text("two")
    (clone / "workflow/new.py").write_text("x")
    changed = ["workflow/Snakefile", "workflow/new.py"]
    assert commit_of(clone) == {"commit": commit, "changed_files": changed}


def test_a_clone_that_may_only_be_read(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of another user, with git's variables set, as in a hook."""
    commit = git(clone, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    if os.geteuid() == 0:
        for path in (clone, *clone.rglob("*")):
            os.chown(path, 12345, 12345)
    for folder in (clone, *filter(Path.is_dir, clone.rglob("*"))):
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert commit_of(clone) == {"commit": commit, "changed_files": []}
    finally:
        for folder in (clone, *clone.rglob("*")):
            folder.chmod(stat.S_IRWXU)


def test_no_commit_of_another_repository(clone: Path, tmp_path: Path) -> None:
    (clone / "vendored/workflow").mkdir(parents=True)
    assert commit_of(clone / "vendored") == NOT_KNOWN
    assert commit_of(tmp_path) == NOT_KNOWN
    git(clone, "init", "--quiet", str(tmp_path / "no commit yet"))
    assert commit_of(tmp_path / "no commit yet") == NOT_KNOWN


def test_without_git(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commit_of(clone) == NOT_KNOWN


def test_a_copy_in_the_cache_is_named_by_its_commit(tmp_path: Path) -> None:
    copy = tmp_path / ("0123456789" * 4)
    copy.mkdir()
    assert commit_of(copy) == {"commit": copy.name, "changed_files": []}


def test_the_command_can_be_typed_again_and_has_no_secrets() -> None:
    words = ["--cores", "2", "--config", "dataset={source: folder}", "--keep-going"]
    assert command_line(["/x/snakemake", *words]) == (
        "snakemake --cores 2 --config 'dataset={source: folder}' --keep-going"
    )
    secret = ["--storage-s3-secret-key", "S", "--storage-s3-access-key=S", "https://S:S@host/x"]
    assert command_line(["x", *secret, "--config", "a.token=S"]) == (
        "snakemake --storage-s3-secret-key HIDDEN --storage-s3-access-key=HIDDEN"
        " https://HIDDEN@host/x --config a.token=HIDDEN"
    )


def test_a_command_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    command = command_line(["x", "--config", "a=\udcff\n\x1b[1m"])
    assert command.encode() and command.isprintable()


def test_the_note(tmp_path: Path) -> None:
    note_start(tmp_path / "logs", tmp_path, ["snakemake"], ["mine.yaml"], ["fit_pca"])
    noted = json.loads((tmp_path / "logs/started.json").read_text())
    assert noted["configuration"] == ["mine.yaml"] and noted["rules"] == ["fit_pca"]
    assert noted["snakemake"] and noted["started"].endswith("+00:00")
