"""Outputs are written beside their place and renamed: a killed run leaves no half file."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from visualsearch.core.disk import writing
from visualsearch.core.errors import InputError

# The names of temporary files and folders.
LEFTOVER = re.compile(r"\..+\.\d+\.part", re.DOTALL)


@contextmanager
def temporary_beside(path: str | Path) -> Iterator[Path]:
    """Yield a path in the folder of `path` for a file that is removed at the end of the block.

    Parent folders are made. InputError where there is no room or no permission.
    """
    temporary = _beside(path)
    with writing(path):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Like `temporary_beside`, but renames the file to `path` when the block succeeds."""
    with temporary_beside(path) as temporary:
        yield temporary
        os.replace(temporary, path)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, renamed to `path` when the block succeeds."""
    path = Path(path)
    new, old = _beside(path), _beside(path)
    with writing(path):
        new.mkdir(parents=True)
        try:
            yield new
            with suppress(FileNotFoundError):
                path.rename(old)
            try:
                new.rename(path)
            except OSError as error:
                # Another process that runs the same job has just written the same folder.
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
        finally:
            for folder in (new, old):
                shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: str | Path) -> None:
    """Remove the temporary files and folders that killed jobs have left anywhere below `folder`."""
    for parent, folders, files in os.walk(folder):
        for name in filter(LEFTOVER.fullmatch, files):
            Path(parent, name).unlink(missing_ok=True)
        for name in filter(LEFTOVER.fullmatch, folders):
            shutil.rmtree(Path(parent, name), ignore_errors=True)


def _beside(path: str | Path) -> Path:
    # Not the process id: two machines may write the same result at once.
    return Path(path).with_name(f".{Path(path).name}.{secrets.randbits(48)}.part")


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with a final newline, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


# The last key of each object written, over its file's name and all other keys.
CHECKSUM = "sha256"


def read_json(path: str | Path, checked: bool = True) -> Any:
    """Read what `write_json` wrote; InputError where it is damaged, cut off or another file.

    checked: whether an object must have its checksum; files in a format of others have none.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no readable JSON ({error}); delete it and rerun") from error
    if checked and isinstance(value, dict) and value.pop(CHECKSUM, None) != _checksum(path, value):
        raise InputError(
            f"{path} is damaged, or was changed or renamed by hand; delete it and rerun"
        )
    return value


def write_json(path: str | Path, value: Any, indent: int | None = 2, checked: bool = True) -> None:
    """Write `value` as JSON (no NaN, insertion order kept), atomically.

    checked: whether an object gets a last key `sha256`, by which `read_json` knows it.
    """
    if checked and isinstance(value, dict):
        value = value | {CHECKSUM: _checksum(path, value)}
    # What others have written may hold half characters, which only JSON's own escapes can write.
    text = json.dumps(value, indent=indent, ensure_ascii=not checked, allow_nan=False)
    write_text(path, text)


def _checksum(path: str | Path, value: dict[str, Any]) -> str:
    text = json.dumps([Path(path).name, value])
    return hashlib.sha256(text.encode()).hexdigest()
