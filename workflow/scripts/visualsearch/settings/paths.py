"""Expands `~` and environment variables in paths, in the same way for every key.

A shell expands neither within quotes, and nothing does in a configuration file.
"""

import os
import re
from typing import Any

from visualsearch.core.errors import InputError
from visualsearch.settings.values import is_address, is_url, without_box
from visualsearch.settings.wording import key_name, not_allowed

VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)


def expand_path(key: str, path: str) -> str:
    """Return `path` with `~`, `~user`, `$NAME` and `${NAME}` expanded. URLs and addresses stay, and
    so does the name of a file that is there and has a dollar in it.

    Raises InputError, with the name of the key, for unknown users and variables that are not set.
    """
    if is_url(path) or is_address(path):
        return path
    try:
        of_user = os.path.expanduser(path)
    except (ValueError, UnicodeError):  # No user's name has such characters.
        of_user = path
    if of_user.startswith("~"):
        name = path.split("/")[0]
        expected = f"a user of this machine after ~; for a file of that name write ./{name}"
        raise InputError(not_allowed(key, path, expected))
    for name in map("".join, VARIABLE.findall(of_user)):
        if name not in os.environ:
            if os.path.exists(without_box(of_user)):
                return of_user
            expected = f"variables that are set, and {name} is not; set it or write the path"
            raise InputError(not_allowed(key, path, expected))
    return VARIABLE.sub(lambda found: os.environ[found[1] or found[2]], of_user)


def with_expanded_paths(
    value: Any, schema: dict[str, Any], problems: list[str], key: tuple[str, ...] = ()
) -> Any:
    """Return a copy of a checked configuration in which all paths are expanded.

    Adds a line to `problems` for each path that cannot be expanded, which stays as it is.
    """
    if isinstance(value, dict):
        parts = schema["properties"]
        return {
            name: with_expanded_paths(part, parts[name], problems, (*key, name))
            for name, part in value.items()
        }
    if isinstance(value, list) and "items" in schema:
        return [with_expanded_paths(part, schema["items"], problems, key) for part in value]
    if not isinstance(value, str) or schema.get("format") != "path":
        return value
    try:
        return expand_path(key_name(key), value)
    except InputError as error:
        problems.append(str(error))
        return value
