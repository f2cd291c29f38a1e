"""Finds the pictures of a folder, with the standard library only."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from visualsearch.core.errors import InputError

# HEIC cannot be read. It is listed, so that a phone's pictures are skipped with a reason.
SUFFIXES = "jpg jpeg jpe jfif png webp gif bmp tif tiff ppm pgm pbm jp2 avif heic heif"
PICTURE_SUFFIXES = frozenset(f".{suffix}" for suffix in SUFFIXES.split())


def pictures_in(folder: str | Path) -> list[str]:
    """Return the paths of all pictures in `folder` and below, relative to it, sorted.

    A picture is a file with one of PICTURE_SUFFIXES in any case. Hidden files and folders are
    left out; links are followed, except back into a folder that holds them. Paths have forward
    slashes. Raises InputError when a folder cannot be read.
    """
    root = Path(folder)
    try:
        return sorted(_walk(root, "", frozenset()))
    except OSError as error:
        raise InputError(
            f"dataset.folder.path: {error.filename or root}: {error.strerror}; name a folder of"
            " pictures that can be read"
        ) from error


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                yield from _walk(folder / entry.name, f"{prefix}{entry.name}/", above | {here})
            elif os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES:
                yield prefix + entry.name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # Such as a link to itself. It is listed by its name, and skipped when it cannot be read.
        return False


def fingerprint_of(paths: Sequence[str | Path]) -> str:
    """Hash the size and time of change of files, and of the pictures in folders with their names.

    It does not depend on how a path is written. Returns "" for no paths. A missing path changes the
    hash; the job that needs it reports it.
    """
    total = hashlib.sha256()
    for path in map(Path, paths):
        try:
            names = pictures_in(path) if path.is_dir() else [""]
        except InputError:
            names = []
        total.update(f"{len(names)}\0".encode())
        for name in names:
            try:
                status = (path / name).stat()
            except OSError:
                continue
            line = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"
            total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()[:16] if paths else ""
