"""Files: written whole or not at all, JSON, sha256, and one-line errors for full disks.

Every output is written beside its place and renamed, so a killed run leaves no half file.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from visualsearch.core.errors import InputError

# The names of temporary files and folders.
LEFTOVER = re.compile(r"\..+\.\d+\.part", re.DOTALL)
ALMOST_FULL = 1_000_000  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT)
ELSEWHERE = "or set pathvars.results to another disk, and run the same command again"


@contextmanager
def temporary_beside(path: str | Path) -> Iterator[Path]:
    """Yield a path in the folder of `path` for a file that is removed at the end of the block.

    Makes parent folders. Raises InputError if there is no room or no permission.
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


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with a final newline, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file. Raises InputError if it cannot be opened or is not valid JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); delete it and rerun") from error


def write_json(
    path: str | Path, value: Any, indent: int | None = 2, ascii_only: bool = False
) -> None:
    """Write `value` as JSON (no NaN, insertion order kept), atomically.

    ascii_only: escape all other characters. Text of others may hold lone surrogates, which UTF-8
    cannot encode.
    """
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=ascii_only, allow_nan=False))


def sha256_file(path: str | Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits.

    A process hashes a file once, unless it has changed since.
    """
    status = os.stat(path)
    return _sha256(str(path), status.st_ino, status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: str, *version: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class NoRoomError(OSError):
    """The disk has no room for a file of `needs` bytes."""

    def __init__(self, needs: int) -> None:
        super().__init__(errno.ENOSPC, "no room")
        self.needs = needs


def check_room(path: str | Path, needs: int) -> None:
    """Raise NoRoomError unless the disk of `path` has room for `needs` bytes."""
    if _free(path) < needs:
        raise NoRoomError(needs)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn an error about room or permission into an InputError of one line about `path`."""
    try:
        yield
    except OSError as error:
        folder = _existing(Path(path).parent)
        if error.errno in FULL:
            needs = f" of {error.needs / 1e6:.1f} MB" if isinstance(error, NoRoomError) else ""
            raise InputError(
                f"{path}{needs} cannot be written: its disk has {_free(path) / 1e6:.1f} MB left;"
                f" make room, {ELSEWHERE}"
            ) from error
        if error.errno == errno.EROFS or not os.access(folder, os.W_OK):
            raise InputError(
                f"{path} cannot be written ({error.strerror}); make {folder} writable, {ELSEWHERE}"
            ) from error
        raise


def warn_if_full(folders: Iterable[str | Path]) -> None:
    """Print one line to stderr for each disk of these folders that is almost full."""
    disks = {os.stat(folder).st_dev: folder for folder in map(_existing, folders)}
    for folder in disks.values():
        if (free := shutil.disk_usage(folder).free) < ALMOST_FULL:
            print(
                f"ERROR: the disk of {folder} is full, with {free / 1e6:.1f} MB left; make room,"
                f" {ELSEWHERE}",
                file=sys.stderr,
            )


def _beside(path: str | Path) -> Path:
    # Not the process id: two machines may write the same result at once.
    return Path(path).with_name(f".{Path(path).name}.{secrets.randbits(48)}.part")


def _free(path: str | Path) -> int:
    return shutil.disk_usage(_existing(Path(path).parent)).free


def _existing(folder: str | Path) -> Path:
    """The folder, or the first above it that exists."""
    absolute = Path(folder).absolute()
    return next(path for path in (absolute, *absolute.parents) if path.is_dir())
