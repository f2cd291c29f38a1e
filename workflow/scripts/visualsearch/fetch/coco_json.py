"""Reads COCO's JSON files, also within a zip archive, which is not extracted."""

import json
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from visualsearch.data.manifest import MAX_IMAGE_ID

Hook = Callable[[dict[str, Any]], dict[str, Any]]

# Twice the largest file of COCO's archives. A file may unpack to a thousand times its size.
MAX_UNPACKED_BYTES = 2**30
# zipfile raises these for archives that are broken, encrypted or compressed in an unknown way.
ARCHIVE_ERRORS = (BadZipFile, ZlibError, LZMAError, EOFError, RuntimeError, struct.error)
# Those of Python 3.11. Later ones know more, with errors of their own.
METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA)


def read_json(path: Path, member: str | None, kind: str, hook: Hook) -> Any:
    """Read a JSON file, or `member` of a zip archive.

    `hook` may replace every object as it is parsed, so that parts that are not needed take no
    memory. Raises InputError, which asks for a file of `kind`, also for nan and infinity.
    """
    with _one_line(path, kind):
        if member is None or not is_zipfile(path):
            with open(path, "rb") as file:
                return _parse(file, hook)
        with ZipFile(path) as archive:
            if member not in archive.namelist():
                raise InputError(f"{path}: the archive has no {member}")
            entry = archive.getinfo(member)
            if entry.compress_type not in METHODS:
                raise BadZipFile(f"compression method {entry.compress_type} is not supported")
            if entry.file_size > MAX_UNPACKED_BYTES:
                raise InputError(
                    f"{path}: {member} has more than {MAX_UNPACKED_BYTES // 2**20} MB unpacked;"
                    " give COCO's own archive, or the JSON file itself"
                )
            with archive.open(member) as file:
                return _parse(file, hook)


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
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: {reason}; name a file that can be read") from error
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not JSON ({reason}); give a COCO {kind} file") from error
    except MemoryError as error:
        raise InputError(
            f"{path}: needs more memory than there is; give a smaller COCO {kind} file"
        ) from error
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: broken archive ({error}); download it again") from error


def _parse(file: IO[bytes], hook: Hook) -> Any:
    return json.load(file, object_hook=hook, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}")


def is_id(value: Any) -> TypeGuard[int]:
    """Whether a value can be the id of an image."""
    return type(value) is int and 0 <= value <= MAX_IMAGE_ID


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
