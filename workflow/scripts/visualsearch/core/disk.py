"""Disks that are full or may only be read: one line that says which, and what to do."""

import errno
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from visualsearch.core.errors import InputError

ALMOST_NOTHING = 1_000_000  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT)
ELSEWHERE = "or set pathvars.results to another disk, and run the same command again"


class NoRoom(OSError):
    """The disk has no room for a file of `needs` bytes."""

    def __init__(self, needs: int) -> None:
        super().__init__(errno.ENOSPC, "no room")
        self.needs = needs


def check_room(path: str | Path, needs: int) -> None:
    """Raise NoRoom unless the disk of `path` has room for so many bytes."""
    if _free(path) < needs:
        raise NoRoom(needs)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn errors for want of room or permission into an InputError of one line about `path`."""
    try:
        yield
    except OSError as error:
        folder = _nearest(Path(path).parent)
        if error.errno in FULL:
            needs = f" of {error.needs / 1e6:.1f} MB" if isinstance(error, NoRoom) else ""
            raise InputError(
                f"{path}{needs} cannot be written: its disk has {_free(path) / 1e6:.1f} MB left;"
                f" make room, {ELSEWHERE}"
            ) from error
        if error.errno == errno.EROFS or not os.access(folder, os.W_OK):
            raise InputError(
                f"{path} cannot be written ({error.strerror}); make {folder} writable, {ELSEWHERE}"
            ) from error
        raise


def tell_if_full(folders: Iterable[str | Path]) -> None:
    """Say so on stderr, a line a disk, where a folder's disk has no room left to speak of."""
    disks = {os.stat(folder).st_dev: folder for folder in map(_nearest, folders)}
    for folder in disks.values():
        if (free := shutil.disk_usage(folder).free) < ALMOST_NOTHING:
            print(
                f"ERROR: the disk of {folder} is full, with {free / 1e6:.1f} MB left; make room,"
                f" {ELSEWHERE}",
                file=sys.stderr,
            )


def _free(path: str | Path) -> int:
    return shutil.disk_usage(_nearest(Path(path).parent)).free


def _nearest(folder: str | Path) -> Path:
    """The folder itself, or the first above it that is there."""
    absolute = Path(folder).absolute()
    return next(path for path in (absolute, *absolute.parents) if path.is_dir())
