"""Where each key of the configuration is written, so that a message can name the file and line."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from visualsearch.core.errors import InputError
from visualsearch.core.text import one_line
from visualsearch.settings.wording import key_name


def places_of(files: Iterable[str | Path], command_line: Mapping[str, Any]) -> dict[str, str]:
    """Return the place of each key, by its name with dots: "mine.yaml, line 3".

    files: configuration files, each over those before it. command_line: the keys given as
    --config, which go over all files. Raises InputError when a section of a file has a key twice.
    """
    places = {}
    for file in files:
        for key, line in lines_of(file).items():
            places[key] = f"{short_path(file)}, line {line}"
    return places | dict.fromkeys(_keys_of(command_line), "given with --config")


def lines_of(file: str | Path) -> dict[str, int]:
    """Return the line of each key of a configuration file, by the key's name with dots.

    Raises InputError when a section has a key twice: YAML's loaders would silently take the last
    one. Returns nothing for a file that is missing or not YAML, which Snakemake itself reports.
    """
    try:
        root = yaml.compose(Path(file).read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    lines: dict[str, int] = {}
    waiting: list[tuple[tuple[str, ...], yaml.Node | None]] = [((), root)]
    seen: set[int] = set()
    while waiting:
        path, node = waiting.pop()
        # A node with an anchor may occur several times.
        if node is None or id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            parts = [(str(n), value.start_mark.line, value) for n, value in enumerate(node.value)]
        else:
            parts = [(str(key.value), key.start_mark.line, value) for key, value in node.value]
            _refuse_twice([key for key, _ in node.value], file)
        for name, line, value in parts:
            lines[key_name((*path, name))] = line + 1
            waiting.append(((*path, name), value))
    return lines


def _refuse_twice(keys: Iterable[yaml.Node], file: str | Path) -> None:
    names = set()
    for key in keys:
        if isinstance(key, yaml.ScalarNode) and key.value in names:
            raise InputError(
                f"{short_path(file)}, line {key.start_mark.line + 1}: the key "
                f"{key_name([key.value])} is there twice in this section; remove one, as only the "
                "last would count"
            )
        names.add(str(key.value))


def _keys_of(section: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterable[str]:
    for key, value in section.items():
        yield key_name((*above, key))
        if isinstance(value, Mapping):
            yield from _keys_of(value, (*above, key))


def short_path(file: str | Path) -> str:
    """Return the file's path as a user would write it: relative if it is below this folder."""
    path, here = Path(file), Path.cwd()
    return one_line(str(path.relative_to(here) if path.is_relative_to(here) else path))
