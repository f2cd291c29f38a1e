"""Reads COCO's JSON files, also within a zip archive, which is not extracted, or a gzip file."""

import json
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from io import BytesIO
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any, TypeGuard
from zipfile import (
    ZIP_BZIP2,
    ZIP_DEFLATED,
    ZIP_LZMA,
    ZIP_STORED,
    BadZipFile,
    ZipFile,
    is_zipfile,
)
from zlib import error as ZlibError

from visualsearch.core.errors import InputError
from visualsearch.core.text import one_line
from visualsearch.data.manifest import MAX_IMAGE_ID
from visualsearch.fetch.other_formats import EXPORT, described

Hook = Callable[[dict[str, Any]], dict[str, Any]]

# Twice the largest file of COCO's archives. A file may unpack to a thousand times its size.
MAX_UNPACKED_BYTES = 2**30
# zipfile raises these for archives that are broken, encrypted or compressed in an unknown way.
ARCHIVE_ERRORS = (BadZipFile, ZlibError, LZMAError, EOFError, RuntimeError, struct.error)
# What tools call their files, by kind.
LIKELY = {"instances": ("instances", "_annotations.coco"), "person_keypoints": ("keypoints",)}
GZIP = b"\x1f\x8b"
# Those of Python 3.11. Later ones know more, with errors of their own.
METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA)


def read_json(
    path: Path, member: str | None, kind: str, hook: Hook, constants: bool = False
) -> Any:
    """Read a JSON file, also one packed with gzip, or `member` of a zip archive.

    Without `member`, a zip archive must hold one JSON file that can be meant. `hook` may replace
    every object as it is parsed, so that parts that are not needed take no memory. Raises
    InputError, which asks for a file of `kind`, also for nan and infinity unless `constants`.
    """
    with _one_line(path, kind), _opened(path, member, kind) as file:
        return _parse(file, hook, constants)


@contextmanager
def _opened(path: Path, member: str | None, kind: str) -> Iterator[IO[bytes]]:
    if not is_zipfile(path):
        with open(path, "rb") as file:
            packed = file.read(2) == GZIP
            file.seek(0)
            yield BytesIO(_unpacked(file, path)) if packed else file
        return
    with ZipFile(path) as archive:
        if member is None:
            member = _only_json(archive.namelist(), path, kind)
        if member not in archive.namelist():
            raise InputError(f"{path}: the archive has no {member}")
        entry = archive.getinfo(member)
        if entry.compress_type not in METHODS:
            raise BadZipFile(f"compression method {entry.compress_type} is not supported")
        if entry.file_size > MAX_UNPACKED_BYTES:
            raise _too_large(path, member)
        with archive.open(member) as file:
            yield file


def _unpacked(file: IO[bytes], path: Path) -> bytes:
    with GzipFile(fileobj=file) as packed:
        data = packed.read(MAX_UNPACKED_BYTES + 1)
    if len(data) > MAX_UNPACKED_BYTES:
        raise _too_large(path, "its content")
    return data


def _too_large(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: {what} has more than {MAX_UNPACKED_BYTES // 2**20} MB unpacked; give COCO's own"
        " archive, or the JSON file itself"
    )


def _only_json(names: list[str], path: Path, kind: str) -> str:
    """The name of the JSON file in an archive that holds annotations, if it is the only one."""
    files = sorted({name for name in names if name.lower().endswith(".json")})
    # Archives made on a Mac have a second, hidden entry for each file.
    files = [name for name in files if "/." not in f"/{name}"]
    likely = [name for name in files if any(word in name for word in LIKELY[kind])]
    chosen = likely or files
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        raise InputError(
            f"{path}: the archive has no JSON file; if it is of another format, such as YOLO or"
            f" Pascal VOC, {EXPORT} in the tool that wrote it"
        )
    shown = one_line(", ".join(chosen[:5])) + (", ..." if len(chosen) > 5 else "")
    raise InputError(
        f"{path}: the archive has {len(chosen)} JSON files ({shown}); unpack it, and give the COCO"
        f" {kind} file"
    )


def has_member(path: Path, member: str) -> bool:
    """Whether a file is a zip archive that holds `member`. Raises InputError if it is broken."""
    with _one_line(path, "instances"):
        if not is_zipfile(path):
            return False
        with ZipFile(path) as archive:
            return member in archive.namelist()


@contextmanager
def _one_line(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except BadGzipFile as error:
        raise InputError(f"{path}: broken archive ({error}); download it again") from error
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: {reason}; name a file that can be read") from error
    except (ValueError, RecursionError) as error:
        seems = None if is_zipfile(path) else described(path)
        if seems:
            raise InputError(
                f"{path}: not JSON; it seems to be {seems}; give a COCO {kind} file"
            ) from error
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not JSON ({reason}); give a COCO {kind} file") from error
    except MemoryError as error:
        raise InputError(
            f"{path}: does not fit into memory; give a smaller COCO {kind} file"
        ) from error
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: broken archive ({error}); download it again") from error


def _parse(file: IO[bytes], hook: Hook, constants: bool) -> Any:
    of_constant = float if constants else _refuse_constant
    return json.load(file, object_hook=hook, parse_constant=of_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")


def is_id(value: Any) -> TypeGuard[int]:
    """Whether a value can be the id of an image."""
    return type(value) is int and 0 <= value <= MAX_IMAGE_ID


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
