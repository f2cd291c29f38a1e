"""Finds the pictures of a folder, with the standard library only."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from visualsearch.core.errors import InputError
from visualsearch.fetch.kinds import (
    COPY_SUFFIXES,
    FOLDERS_OF_OTHERS,
    OTHER_SUFFIXES,
    PICTURE_SUFFIXES,
    RAW_SUFFIXES,
    UNREAD_SUFFIXES,
    VIDEO_SUFFIXES,
    Patterns,
    holds_picture,
    is_picture_by_name,
    suffix_of,
)

EXCLUDED = "left out by dataset.folder.exclude"
OF_OTHERS = "kept by another program"
HIDDEN = "hidden"
UNREAD = "not read, convert it to JPEG"
RAW_OF_A_PAIR = "camera raw beside a picture that is read"
VIDEO = "video, not read"
UNREADABLE = "folder that cannot be opened"

OTHERS = Patterns(FOLDERS_OF_OTHERS)
# Pictures of a folder that is left out are counted up to here, as a snapshot may hold millions.
MOST_COUNTED = 10_000


class LeftOut(NamedTuple):
    """What a walk leaves out.

    file: a file, a folder with a slash at its end, or a pattern. reason: the general one, then ": "
    and which kind of files. files: how many pictures these are.
    """

    file: str
    reason: str
    files: int


class Contents(NamedTuple):
    """Pictures of a folder, and what is left out of it; both sorted."""

    pictures: list[str]
    left_out: list[LeftOut]


class _Found(NamedTuple):
    """A file or folder that a walk meets and does not enter.

    path: relative. reason: why it is left out; None for a picture. listed_as: the `file` of
    LeftOut. holds: whether it is a folder whose pictures are left out.
    """

    path: str
    reason: str | None = None
    listed_as: str = ""
    holds: bool = False


class Rules:
    """What is left out by its name, and why. Paths are relative, with forward slashes."""

    def __init__(self, exclude: Sequence[str]) -> None:
        self._excluded = Patterns(exclude)

    def reason(self, path: str, is_folder: bool) -> str | None:
        """Return why the file or folder `path` is left out; None if it is not."""
        if pattern := self._excluded.first_match(path):
            return f"{EXCLUDED}: {pattern}"
        if is_folder and (pattern := OTHERS.first_match(path)):
            return f"{OF_OTHERS}: {pattern}"
        name = path.rpartition("/")[2]
        return f"{HIDDEN}: {name}" if name.startswith(".") else None

    def reasons_of_file(self, path: str) -> list[str]:
        """Return why the file `path`, or a folder above it, is left out; from the top."""
        parts = path.split("/")
        above = ["/".join(parts[:n]) for n in range(1, len(parts))]
        reasons = [self.reason(folder, is_folder=True) for folder in above]
        return [reason for reason in [*reasons, self.reason(path, is_folder=False)] if reason]


def pictures_in(folder: str | Path, exclude: Sequence[str] = ()) -> list[str]:
    """Return the paths of all pictures in `folder` and below, relative to it, sorted.

    A picture is a file with one of PICTURE_SUFFIXES, or one of another suffix, or none, whose first
    bytes are those of a picture. Left out are hidden files and folders, those of other programs,
    those that `exclude` names (see Patterns), and folders that cannot be opened. Links are
    followed, except back into a folder that holds them. Paths have forward slashes.

    Raises InputError when `folder` itself cannot be opened.
    """
    return sorted(found.path for found in _found_in(folder, exclude) if found.reason is None)


def contents_of(folder: str | Path, exclude: Sequence[str] = ()) -> Contents:
    """Return the pictures that `pictures_in` returns, and what is left out.

    Pictures of folders that are left out are counted, up to MOST_COUNTED in each. Each pattern of
    `exclude` has its row.
    """
    pictures: list[str] = []
    rows = Counter({(pattern, f"{EXCLUDED}: {pattern}"): 0 for pattern in exclude})
    for found in _found_in(folder, exclude):
        if found.reason is None:
            pictures.append(found.path)
        elif number := _pictures_below(Path(folder, found.path)) if found.holds else 1:
            rows[found.listed_as, found.reason] += number
    shown = {_stem(path) for path in pictures}
    left_out = [
        LeftOut(file, _of_a_pair(file, shown) or reason, files)
        for (file, reason), files in rows.items()
    ]
    return Contents(sorted(pictures), sorted(left_out))


def _found_in(folder: str | Path, exclude: Sequence[str]) -> Iterator[_Found]:
    root = Path(folder)
    try:
        yield from _walk(root, Rules(exclude))
    except OSError as error:
        raise InputError(
            f"dataset.folder.path: {error.filename or root}: {error.strerror}; name a folder of"
            " pictures that can be read"
        ) from error


def _walk(root: Path, rules: Rules) -> Iterator[_Found]:
    waiting: list[tuple[Path, str, frozenset[tuple[int, int]]]] = [(root, "", frozenset())]
    while waiting:
        folder, prefix, above = waiting.pop()
        try:
            status = folder.stat()
            here = (status.st_dev, status.st_ino)
            if here in above:
                continue
            with os.scandir(folder) as scanned:
                entries = list(scanned)
        except OSError as error:
            if not prefix:
                raise
            yield _Found(prefix, f"{UNREADABLE}: {error.strerror}", prefix)
            continue
        for entry in entries:
            path, is_folder = prefix + entry.name, _is_folder(entry)
            if reason := rules.reason(path, is_folder):
                yield from _left_out(path, reason, is_folder)
            elif is_folder:
                waiting.append((folder / entry.name, f"{path}/", above | {here}))
            else:
                yield from _file(entry, prefix)


def _left_out(path: str, reason: str, is_folder: bool) -> Iterator[_Found]:
    general, _, kind = reason.partition(": ")
    if general == EXCLUDED:
        if is_folder or suffix_of(path) not in OTHER_SUFFIXES:
            yield _Found(path, reason, kind, is_folder)
    elif is_folder:
        yield _Found(path, reason, f"{path}/", holds=True)
    elif is_picture_by_name(path):
        folder, slash, name = path.rpartition("/")
        # macOS keeps what other drives cannot store of a file in such a file.
        kind = "._*" if name.startswith("._") else ".*"
        yield _Found(path, f"{general}: {kind}", f"{folder}{slash}{kind}")


def _file(entry: os.DirEntry[str], prefix: str) -> Iterator[_Found]:
    path, suffix = prefix + entry.name, suffix_of(entry.name)
    if suffix in PICTURE_SUFFIXES:
        yield _Found(path)
    elif suffix in UNREAD_SUFFIXES:
        yield _Found(path, f"{UNREAD}: {suffix}", path)
    elif suffix in VIDEO_SUFFIXES:
        yield _Found(path, f"{VIDEO}: {suffix}", f"{prefix}*{suffix}")
    elif suffix in COPY_SUFFIXES:
        yield _Found(path, f"{OF_OTHERS}: *{suffix}", f"{prefix}*{suffix}")
    elif suffix not in OTHER_SUFFIXES and _is_file(entry) and holds_picture(entry.path):
        yield _Found(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # Such as a link to itself. It is listed by its name, and skipped when it cannot be read.
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    # Whoever opens a pipe may wait for ever.
    try:
        return entry.is_file()
    except OSError:
        return False


def _pictures_below(folder: Path) -> int:
    pictures = (
        name for _, _, names in os.walk(folder) for name in names if is_picture_by_name(name)
    )
    return sum(1 for _ in islice(pictures, MOST_COUNTED))


def _stem(path: str) -> str:
    return os.path.splitext(path)[0].lower()


def _of_a_pair(path: str, stems: Set[str]) -> str | None:
    """The reason for a camera's raw picture that has been stored as another picture too."""
    suffix = suffix_of(path)
    if suffix in RAW_SUFFIXES and _stem(path) in stems:
        return f"{RAW_OF_A_PAIR}: {suffix}"
    return None


def fingerprint_of(paths: Sequence[str | Path], exclude: Sequence[str] = ()) -> str:
    """Hash the size and time of change of files, and of the pictures in folders with their names.

    exclude: as for `pictures_in`. It does not depend on how a path is written. Returns "" for no
    paths. A missing path changes the hash; the job that needs it reports it.
    """
    total = hashlib.sha256()
    for path in map(Path, paths):
        try:
            names = pictures_in(path, exclude) if path.is_dir() else [""]
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
