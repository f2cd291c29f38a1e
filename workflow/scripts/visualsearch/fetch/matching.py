"""Finds the picture that each file name of the annotations means.

Labelling tools write file names with backslashes, as addresses, with other folders, or renamed. A
name gets a picture only if exactly one can be meant; exact names get theirs first.
"""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from visualsearch.fetch.kinds import PICTURE_SUFFIXES

Parts = tuple[str, ...]

ABSENT = "named in the annotations, not in the folder"
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*/([^?#]*)")
# /data/local-files/?d=set/a.jpg
LOCAL_FILES = "?d="
LABEL_STUDIO = re.compile(r"[0-9a-f]{8}-(.+)")
ROBOFLOW = re.compile(r"(.+)_([A-Za-z0-9]{3,4})\.rf\.[A-Za-z0-9]+\.[A-Za-z]+")
# Label Studio stores an uploaded picture without these.
NOT_IN_UPLOADS = re.compile(r"[^-\w.]")


@dataclass(frozen=True)
class Matches:
    """files: the picture of a name. reasons: why a name has none. ways: lines for the log."""

    files: dict[str, str]
    reasons: dict[str, str]
    ways: list[str]


@dataclass(frozen=True)
class _Spelling:
    """A way to compare names with files. name: the parts of a name, or None if it has no such."""

    how: str
    name: Callable[[str], Parts | None]
    file: Callable[[Parts], Parts]


def match_names(
    names: Iterable[str],
    files: Sequence[str],
    root: str | Path,
    originals: Mapping[str, str] | None = None,
) -> Matches:
    """Match file names of annotations with the files of a folder.

    names: as the annotations have them; equal ones are one picture. files: relative to `root`, with
    forward slashes. originals: what a renamed picture was called before, by its name.

    First come whole paths. Then a name may have more folders in front than its file, or fewer, or
    others: that which shares most of its last parts is meant, if it is the only one.
    """
    search = _Search(list(dict.fromkeys(names)), files)
    spelt, renamed = _spellings(_parts_of(root), originals or {})
    for group in (spelt, renamed):
        for spelling in group:
            search.match(spelling)
        for depth in range(search.greatest_depth(group), 0, -1):
            for spelling in group:
                search.match(spelling, depth)
    return Matches(search.found, search.reasons(), search.ways())


@dataclass
class _Search:
    names: list[str]
    files: Sequence[str]
    found: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)
    how: dict[str, tuple[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken: set[str] = set()
        self.of_names: dict[str, dict[str, Parts]] = {}
        self.of_files: dict[str, dict[str, Parts]] = {}

    def _keys(self, spelling: _Spelling) -> tuple[dict[str, Parts], dict[str, Parts]]:
        """The parts of all names and of all files in a spelling."""
        if spelling.how not in self.of_names:
            named = ((name, spelling.name(name)) for name in self.names)
            self.of_names[spelling.how] = {name: parts for name, parts in named if parts}
            self.of_files[spelling.how] = {
                file: spelling.file(tuple(file.split("/"))) for file in self.files
            }
        return self.of_names[spelling.how], self.of_files[spelling.how]

    def greatest_depth(self, group: Sequence[_Spelling]) -> int:
        """The most parts that a name and a file can share."""
        if len(self.found) == len(self.names):
            return 0
        longest = [
            [max(map(len, keys.values()), default=0) for keys in self._keys(spelling)]
            for spelling in group
        ]
        return max((min(pair) for pair in longest), default=0)

    def match(self, spelling: _Spelling, depth: int | None = None) -> None:
        """Match names whose last `depth` parts are those of a file; None for the whole path."""
        if len(self.found) == len(self.names):
            return
        of_names, of_files = self._keys(spelling)
        last = 0 if depth is None else -depth

        def ends(keys: Mapping[str, Parts], leave_out: Container[str]) -> dict[Parts, list[str]]:
            by_end: dict[Parts, list[str]] = defaultdict(list)
            for text, parts in keys.items():
                if text not in leave_out and len(parts) >= -last:
                    by_end[parts[last:]].append(text)
            return by_end

        names = ends(of_names, self.found)
        files = ends(of_files, self.taken)
        others: tuple[Counter[Parts], Counter[Parts]] | None = None
        for end, called in names.items():
            there = files.get(end)
            if not there:
                continue
            if len(called) == 1 and len(there) == 1:
                name, file = called[0], there[0]
                if depth not in (None, len(of_names[name]), len(of_files[file])):
                    # Other folders: it must be the only one of this name, also of those matched.
                    others = others or (_counted(of_names, last), _counted(of_files, last))
                    if others[0][end] > 1 or others[1][end] > 1:
                        continue
                self.found[name] = file
                self.how[name] = (spelling.how, depth or 0)
                self.taken.add(file)
                continue
            if len(there) > 1:
                reason = f"more than one picture could be meant: {_listed(there)}"
            else:
                reason = f"more than one name could mean the same picture: {_listed(called)}"
            for name in called:
                self.doubts.setdefault(name, reason)

    def reasons(self) -> dict[str, str]:
        """Why names have no picture."""
        return {
            name: self.doubts.get(name, ABSENT) for name in self.names if name not in self.found
        }

    def ways(self) -> list[str]:
        """A line for each way in which names were matched, other than exactly."""
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        folders: dict[tuple[str, str], set[str]] = defaultdict(set)
        for name in self.names:
            if name not in self.found:
                continue
            spelling, depth = self.how[name]
            parts = self.of_names[spelling][name]
            file = self.of_files[spelling][self.found[name]]
            way = ""
            other: Parts = ()
            if 0 < depth < len(parts) and depth < len(file):
                way = "by the end of their path, in another folder"
            elif 0 < depth < len(parts):
                way, other = "without their folder", parts[:-depth]
            elif 0 < depth < len(file):
                way, other = "in the folder", file[:-depth]
            groups[spelling, way].append(name)
            folders[spelling, way].add("/".join(other))
        return [
            _way(spelling, way, folders[spelling, way], names, self.found[names[0]])
            for (spelling, way), names in groups.items()
            if spelling or way
        ]


def _way(spelling: str, way: str, folders: Collection[str], names: list[str], file: str) -> str:
    if "" not in folders:
        way += f" '{min(folders)}/'" if len(folders) == 1 else ""
        way = way if len(folders) == 1 else {"in the folder": "in subfolders"}.get(way, f"{way}s")
    how = ", ".join(text for text in (spelling, way) if text)
    were = "name of the annotations was" if len(names) == 1 else "names of the annotations were"
    return f"{len(names)} file {were} matched {how}: {names[0]} is {file}"


def _counted(keys: Mapping[str, Parts], last: int) -> Counter[Parts]:
    return Counter(parts[last:] for parts in keys.values() if len(parts) >= -last)


def _spellings(
    root: Parts, originals: Mapping[str, str]
) -> tuple[list[_Spelling], list[_Spelling]]:
    """The spellings that keep a name, and those that read another name out of it."""

    def decoded(name: str) -> Parts:
        return _parts(unquote(name), root)

    def plain(name: str) -> Parts:
        return _plain(decoded(name))

    def unhashed(name: str) -> Parts | None:
        *folders, last = decoded(name) or ("",)
        found = LABEL_STUDIO.fullmatch(last)
        return uploaded((*folders, found[1])) if found else None

    def uploaded(parts: Parts) -> Parts:
        *folders, last = _plain(parts)
        # Accents go too, where they are letters of their own, as macOS stores them.
        letters = unicodedata.normalize("NFD", last.replace(" ", "_"))
        return (*folders, NOT_IN_UPLOADS.sub("", letters) or last)

    def before_roboflow(name: str) -> Parts | None:
        if original := originals.get(name):
            # It is no address, so a %20 is part of it.
            return _plain(_parts(original, root))[-1:]
        found = ROBOFLOW.fullmatch((decoded(name) or ("",))[-1])
        return _plain((f"{found[1]}.{found[2]}",)) if found else None

    def without_suffix(name: str) -> Parts | None:
        parts = plain(name)
        has_one = parts and os.path.splitext(parts[-1])[1] in PICTURE_SUFFIXES
        return None if has_one else parts

    def stem(parts: Parts) -> Parts:
        *folders, last = _plain(parts)
        return (*folders, os.path.splitext(last)[0])

    spelt = [
        _Spelling("", _written, lambda parts: parts),
        _Spelling("as paths", lambda name: _parts(name, root), lambda parts: parts),
        _Spelling("as decoded addresses", decoded, lambda parts: parts),
        _Spelling("without regard to case and to how accents are stored", plain, _plain),
    ]
    renamed = [
        _Spelling("without the hash that Label Studio puts in front", unhashed, uploaded),
        _Spelling("by their names before Roboflow", before_roboflow, _plain),
        _Spelling("without a suffix", without_suffix, stem),
    ]
    return spelt, renamed


def _parts_of(root: str | Path) -> Parts:
    return tuple(Path(os.path.abspath(root)).parts[1:])


def _written(name: str) -> Parts:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _parts(name: str, root: Parts) -> Parts:
    """The parts of a path, or of an address; without `root`, if it starts there."""
    if LOCAL_FILES in name:
        name = name.partition(LOCAL_FILES)[2].partition("&")[0]
    elif found := ADDRESS.match(name):
        name = found[1]
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    # What stands before the last `..` says nothing about a folder that was copied elsewhere.
    if ".." in parts:
        del parts[: len(parts) - parts[::-1].index("..")]
    if parts and re.fullmatch("[A-Za-z]:", parts[0]):
        del parts[0]
    if root and tuple(parts[: len(root)]) == root:
        del parts[: len(root)]
    return tuple(parts)


def _plain(parts: Parts) -> Parts:
    return tuple(unicodedata.normalize("NFC", part.casefold()).strip() for part in parts)


def _listed(texts: Sequence[str]) -> str:
    first, second, *more = sorted(texts)
    return f"{first} and {second}" if not more else f"{first}, {second} and {len(more)} more"
