"""The settings that made each result, in files among the results.

Every job writes results/<run>/settings/<rule>/[<shard>/]<digest>.json. The file is an output of its
rule, and its name has the digest of the settings. After a change of settings there is no such file,
so Snakemake runs the job again: in a dry run too, and where it has no memory of the results, as
after they were renamed, copied, or made by another checkout.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from visualsearch.core.job import CODE, SETTINGS
from visualsearch.core.text import one_line

# What also decides a result, and what to say in place of two hashes.
MEANT = {
    CODE: "the code of this workflow",
    "fingerprint": "your files: pictures, annotations or weights",
    "text": "the text of the notebook",
}


@dataclass(frozen=True)
class Record:
    """What decides the results of a rule: its settings, and a digest of its code.

    values: as JSON can hold them; no path of the results, and nothing else that may differ between
    two runs that give the same results. after: the records of the rules whose results it uses.
    sharded: the rule has a job for each shard.
    """

    rule: str
    values: dict[str, Any]
    after: tuple["Record", ...] = ()
    sharded: bool = False

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits that change when this record or one before it does."""
        text = json.dumps([self.values, [before.digest for before in self.after]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def file(self) -> str:
        """The file's path in the results folder, with the wildcard {shard} if there is one."""
        parts = [SETTINGS, self.rule, *(["{shard}"] if self.sharded else []), f"{self.digest}.json"]
        return "/".join(parts)


def select(config: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return the part of a configuration with these keys, such as "search" or "search.rerank"."""
    part: dict[str, Any] = {}
    for key in keys:
        section, _, name = key.partition(".")
        if name:
            part.setdefault(section, {})[name] = config[section][name]
        else:
            part[section] = config[section]
    return part


def changes(results: Path, records: Iterable[Record]) -> list[str]:
    """Return a line for each setting that is no longer the one that made the results there.

    records: of the rules whose results are wanted; those before them count too.
    """
    lines: dict[str, None] = {}
    for record in _with_those_before(records).values():
        for file in sorted((results / SETTINGS / record.rule).rglob("*.json")):
            try:
                before = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            for key, old, new in _differences(before, record.values):
                line = f"{key}: {_as_json(old)}, now {_as_json(new)}"
                lines[MEANT.get(key, one_line(line))] = None
    return list(lines)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _with_those_before(records: Iterable[Record]) -> dict[str, Record]:
    """Return these records and all before them, by rule, in the order of the stages."""
    found: dict[str, Record] = {}
    for record in records:
        found |= _with_those_before(record.after)
        found[record.rule] = record
    return found


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted keys whose values differ, with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*before, *now]):
            dotted = f"{key}.{name}" if key else str(name)
            yield from _differences(before.get(name), now.get(name), dotted)
    elif before != now:
        yield key, before, now
