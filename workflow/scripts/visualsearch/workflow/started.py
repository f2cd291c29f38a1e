"""What only the main process knows of a run, noted for the report: command, commit, start."""

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from visualsearch.core.environment import STARTED
from visualsearch.core.files import write_json
from visualsearch.core.text import one_line

SECRET = re.compile(r"(^|[-_.])(keys?|secrets?|tokens?|passwords?|credentials?)$", re.IGNORECASE)
HIDDEN = "HIDDEN"
# A folder of Snakemake's cache that holds one commit, without its repository.
COMMIT = re.compile(r"[0-9a-f]{40}")
SECONDS_FOR_GIT = 10


def note_start(
    logs: str | Path,
    workflow: Path,
    arguments: Sequence[str],
    configuration: Sequence[str],
    rules: Sequence[str],
) -> None:
    """Write STARTED into the folder of the logs.

    workflow: the folder that holds this workflow. arguments: sys.argv. configuration: files, and
    keys given on the command line. rules: those of this workflow that are about to run.
    """
    started: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command_line(arguments),
        "configuration": list(configuration),
        **commit_of(workflow),
        "snakemake": version("snakemake"),
        "rules": list(rules),
    }
    write_json(Path(logs) / STARTED, started, ascii_only=True)


def command_line(arguments: Sequence[str]) -> str:
    """Return the command as one can type it, without passwords and keys."""
    words = ["snakemake"]
    hide_next = False
    for word in arguments[1:]:
        name, equals, _ = word.partition("=")
        if hide_next and not word.startswith("-"):
            word = HIDDEN
        elif equals and SECRET.search(name):
            word = f"{name}={HIDDEN}"
        hide_next = word.startswith("--") and SECRET.search(word) is not None
        # The user and password of an address.
        words.append(re.sub(r"(?<=://)[^/@\s]+(?=@)", HIDDEN, word))
    return one_line(shlex.join(words))


def commit_of(folder: Path) -> dict[str, Any]:
    """Return the commit of the workflow in this folder, and the files changed since.

    Both are None without git, or if the folder is not the top of a repository, as after a download
    as a zip archive. New files count only below workflow/.
    """
    folder = folder.resolve()
    if COMMIT.fullmatch(folder.name):
        return {"commit": folder.name, "changed_files": []}
    top = _git(folder, "rev-parse", "--show-toplevel", "HEAD")
    if top is None or Path(top.splitlines()[0]).resolve() != folder:
        return {"commit": None, "changed_files": None}
    status = _git(folder, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    changed = None
    if status is not None:
        lines = [one_line(line) for line in status.split("\0") if line]
        changed = sorted(line[3:] for line in lines if not line.startswith("??"))
        changed += sorted(line[3:] for line in lines if line.startswith("?? workflow/"))
    return {"commit": top.splitlines()[1], "changed_files": changed}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, or None. It writes nothing, and takes a checkout of another user."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-c", f"safe.directory={folder}", "-C", str(folder)]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [*command, *arguments],
            env=own,
            capture_output=True,
            check=True,
            timeout=SECONDS_FOR_GIT,
        )
        return done.stdout.decode(errors="replace").removesuffix("\n")
    return None
