"""skipped.tsv: the pictures that are left out, and why. With the standard library only.

A reason says in general what is wrong and what to do; after its first ": " come details. So equal
kinds can be counted.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

from visualsearch.core.errors import InputError
from visualsearch.core.files import write_text
from visualsearch.core.text import one_line, without_formulas


@dataclass(frozen=True)
class Skipped:
    """A picture that is left out, and why.

    counts: whether it counts against dataset.max_skipped_fraction. A file that was never meant to
    be a picture of the set, such as another program's thumbnail, does not.
    files: how many files it stands for, if `file` is a folder or a pattern.
    """

    image_id: int | None
    file: str
    reason: str
    counts: bool = True
    files: int = 1


MOST_REASONS = 8
MOST_KINDS = 5

SKIPPED_COLUMNS = [field.name for field in fields(Skipped)]
# The escapes of `write_skipped`. Lone surrogates stay escaped, as no file could hold them.
ESCAPED = re.compile(
    r"\\(?:x(?P<x>[0-9a-f]{2})|u(?!d[89a-f])(?P<u>[0-9a-f]{4})|U(?P<U>[0-9a-f]{8})|(?P<one>[^xuU]))"
)
NAMED = {"t": "\t", "n": "\n", "r": "\r"}


def write_skipped(path: str | Path, skipped: Iterable[Skipped]) -> None:
    """Write skipped.tsv, sorted by file.

    Tab, newline and backslash become \\t, \\n and \\\\; other control characters \\x1b etc.
    Text that a spreadsheet would take for a formula gets a backslash in front.
    """
    lines = ["\t".join(SKIPPED_COLUMNS)]
    for entry in sorted(skipped, key=lambda entry: (entry.file, entry.image_id or 0)):
        image_id = "" if entry.image_id is None else str(entry.image_id)
        file, reason = _escape(entry.file), _escape(entry.reason)
        counts = "yes" if entry.counts else "no"
        lines.append("\t".join([image_id, file, reason, counts, str(entry.files)]))
    write_text(path, "\n".join(lines))


def read_skipped(path: str | Path) -> list[Skipped]:
    """Read the pictures that `write_skipped` wrote. Raises InputError for another file."""
    header, *lines = Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    if header.split("\t") != SKIPPED_COLUMNS:
        raise InputError(f"{path}: not a list of skipped images; delete it and rerun")
    rows = [line.split("\t") for line in lines]
    return [
        Skipped(
            int(image_id) if image_id else None,
            _unescape(file),
            _unescape(reason),
            counts == "yes",
            int(files),
        )
        for image_id, file, reason, counts, files in rows
    ]


def _escape(text: str) -> str:
    return without_formulas(one_line(text.replace("\\", "\\\\")), "\\")


def _unescape(text: str) -> str:
    def original(found: re.Match[str]) -> str:
        if one := found["one"]:
            return NAMED.get(one, one)
        return chr(int(found["x"] or found["u"] or found["U"], 16))

    return ESCAPED.sub(original, text)


def check_skipped(
    kept: int, skipped: Sequence[Skipped], allowed: float, listed_in: str | Path
) -> None:
    """Raise InputError when no picture is left, or too large a share was skipped.

    allowed: dataset.max_skipped_fraction; the share is skipped / (kept + skipped). A single bad
    picture stops no run, unless `allowed` is 0. Entries that do not count are ignored. listed_in:
    the file with every skipped picture, for the message.
    """
    skipped = [entry for entry in skipped if entry.counts]
    share = len(skipped) / max(kept + len(skipped), 1)
    if kept and (share <= allowed or (len(skipped) == 1 and allowed > 0)):
        return
    groups = by_reason(skipped)
    most = f"; most often: {groups[0].reason} ({groups[0].files})" if groups else ""
    if kept:
        what = (
            f"{len(skipped)} of {kept + len(skipped)} pictures were left out ({share:.1%}), "
            f"more than dataset.max_skipped_fraction {allowed} allows; repair them or raise it"
        )
    else:
        what = f"no usable picture is left, {len(skipped)} were left out"
    raise InputError(f"dataset: {what}{most}; all are listed in {listed_in}")


class Group(NamedTuple):
    """Entries with one general reason.

    kinds: the details of those that do not count, where these are kinds of files, such as their
    suffix, the most frequent first. files: how many of each, and of all.
    """

    reason: str
    kinds: str
    files: int


def by_reason(skipped: Iterable[Skipped]) -> list[Group]:
    """Return entries by their general reason, the most frequent first."""
    files: Counter[str] = Counter()
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entry in skipped:
        reason, _, kind = entry.reason.partition(": ")
        files[reason] += entry.files
        if kind and entry.files and not entry.counts:
            kinds[reason][kind] += entry.files
    return [Group(reason, _listed(kinds[reason]), n) for reason, n in _most_first(files) if n]


def _listed(kinds: Counter[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    named = [f"{kind} ({n:,})" for kind, n in _most_first(kinds)]
    return ", ".join(named[:MOST_KINDS] + ["..."] * (len(named) > MOST_KINDS))


def _most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def in_words(skipped: Iterable[Skipped]) -> str:
    """Return the most frequent reasons on one line: "cannot be decoded (9); other reasons (2)"."""
    groups = by_reason(skipped)
    if others := sum(group.files for group in groups[MOST_REASONS:]):
        groups[MOST_REASONS:] = [Group("other reasons", "", others)]
    return one_line(
        "; ".join(
            f"{group.reason} ({group.files:,})" + (f": {group.kinds}" if group.kinds else "")
            for group in groups
        )
    )


def left_out_lines(skipped: Sequence[Skipped]) -> list[str]:
    """Return at most two lines: pictures that are left out, and what does not count as such."""
    counted = [entry for entry in skipped if entry.counts]
    others = [entry for entry in skipped if entry.files and not entry.counts]
    n, lines = sum(entry.files for entry in counted), []
    if counted:
        lines.append(f"{n:,} picture{'s' * (n != 1)}: {in_words(counted)}")
    if others:
        lines.append(f"not counted as pictures of the set: {in_words(others)}")
    return lines
