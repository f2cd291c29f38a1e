"""Checks a user's configuration, and reports each problem in one line.

A line names the key, its value and what is allowed. Snakemake's own `validate` would pass on
jsonschema's long messages.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from visualsearch.core.errors import InputError
from visualsearch.settings.configuration import Settings, configuration_schema
from visualsearch.settings.contradictions import contradictions
from visualsearch.settings.paths import with_expanded_paths
from visualsearch.settings.wording import allowed, key_name, kinds_of, not_allowed

# YAML's anchors can make billions of values from a few lines, or a value that contains itself. The
# schema has five levels.
MOST_VALUES = 100_000
DEEPEST = 20


def _is_integer(checker: TypeChecker, value: Any) -> bool:
    # JSON takes 2.0 for an integer, but n_components: 1.0 must not mean 1.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: TypeChecker, value: Any) -> bool:
    # YAML has .inf and .nan. NaN would pass every limit, as comparisons with it are false.
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_integer(checker, value)


def _is_text(checker: TypeChecker, value: Any) -> bool:
    # A lone surrogate, such as YAML's "\ud800", cannot be written to a file.
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number, "string": _is_text}
    ),
)


# Keys of earlier releases that no longer do anything, with the warning for their users.
RETIRED = {
    ("index", "shards"): (
        "index.shards no longer has an effect: the index is one file. docs/past-one-machine.md says"
        " what to use for a set that one machine cannot hold"
    )
}

FORMER_HNSW = "faiss has replaced hnsw: run pip install -r requirements-faiss.txt"
OLD_PERSON_ID = (
    "person ids have at most 15 digits now; run without it, and take the person's new id from the"
    " report or from index/persons.parquet"
)


def checked(
    config: dict[str, Any], elsewhere: bool = False, places: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a copy of `config` as plain values with defaults filled in, ready for `Settings.of`.

    elsewhere: this is a job on another machine, which need not have the user's files and variables;
    they were checked where the run was started. places: where each key is written, as `places_of`
    returns it. Raises InputError with a line for each problem.
    """
    schema = configuration_schema()
    filled = _with_defaults(_without_retired(config), schema)
    problems = list(_too_large(filled))
    if not problems:
        errors = sorted(Validator(schema).iter_errors(filled), key=lambda e: list(map(str, e.path)))
        # One value can break both the type and the enum; report it once.
        problems = list(dict.fromkeys(line for error in errors for line in _lines(error)))
    if not problems:
        not_expanded: list[str] = []
        filled = with_expanded_paths(filled, schema, not_expanded)
        if not elsewhere:
            problems = not_expanded or list(contradictions(Settings.of(filled)))
    if problems:
        lines = [f"  {line}{_place(line, places or {})}" for line in problems]
        raise InputError("\n".join(["the configuration is wrong:", *lines]))
    return filled


def _place(line: str, places: Mapping[str, str]) -> str:
    # Each line starts with the name of its key.
    place = places.get(line.partition(": ")[0])
    return f" ({place})" if place else ""


def _without_retired(config: Any) -> Any:
    if not isinstance(config, dict):
        return config
    kept = dict(config)
    for section, key in RETIRED:
        if isinstance(kept.get(section), dict):
            kept[section] = {name: v for name, v in kept[section].items() if name != key}
    return kept


def retired_lines(config: dict[str, Any]) -> list[str]:
    """Return a warning for each key of an earlier release that does nothing any more."""
    return [
        line
        for (section, key), line in RETIRED.items()
        if isinstance(config.get(section), dict) and key in config[section]
    ]


def _too_large(config: Any) -> Iterator[str]:
    """Yield a line for values that are too large or nested too deeply to validate."""
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), config)]
    count = 0
    while waiting:
        path, value = waiting.pop()
        inner: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            inner = list(value.items())
        elif isinstance(value, list):
            inner = list(enumerate(value))
        elif isinstance(value, int) and value.bit_length() > 64:
            yield f"{key_name(path)}: an integer of more than 64 bits is not allowed"
        count += 1 + len(inner)
        if count > MOST_VALUES or len(path) > DEEPEST:
            yield (
                f"{key_name(path[:1])}: more than {MOST_VALUES:,} values, or nested too "
                "deeply; write less, without YAML's anchors (& and *)"
            )
            return
        waiting += [((*path, key), part) for key, part in inner]


def _with_defaults(value: Any, schema: dict[str, Any]) -> Any:
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    # In the order of the schema, as Snakemake takes another order for other parameters of a rule.
    filled = {}
    for key, part in schema["properties"].items():
        if part.get("type") == "object":
            # An empty section in YAML is None, and gets its defaults.
            given = value.get(key)
            filled[key] = _with_defaults({} if given is None else given, part)
        elif key in value:
            filled[key] = _as_meant(value[key], part)
        elif "default" in part:
            filled[key] = part["default"]
    return filled | {key: value[key] for key in value if key not in filled}


def _as_meant(value: Any, schema: dict[str, Any]) -> Any:
    """Parse text as YAML when the schema allows no text.

    For `--config dataset='{max_images: 5}'` Snakemake passes the inner values as text.
    """
    if isinstance(value, list) and "items" in schema:
        return [_as_meant(item, schema["items"]) for item in value]
    if not isinstance(value, str):
        return value
    kinds = [kind for part in schema.get("anyOf", [schema]) for kind in kinds_of(part)]
    if "string" in kinds:
        return None if value == "null" and "null" in kinds else value
    try:
        return yaml.safe_load(value)
    except Exception:
        # PyYAML's constructors may raise anything, such as KeyError for `!!bool x`.
        return value


def _lines(error: ValidationError) -> Iterator[str]:
    where = key_name(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for key in sorted(set(error.instance) - set(known), key=str):
            path = key_name([*error.absolute_path, key])
            yield f"{path}: unknown key; allowed here: {', '.join(known)}"
        return
    line = not_allowed(where or "configuration", error.instance, allowed(error.schema))
    if where == "index.backend" and error.instance == "hnsw":
        line += "; " + FORMER_HNSW
    if isinstance(error.instance, str) and "properties" in error.schema:
        first = next(iter(error.schema["properties"]))
        line += f", such as --config {where}='{{{first}: ...}}'"
    if error.validator == "maximum" and where.startswith("queries.persons."):
        line += "; " + OLD_PERSON_ID
    if error.validator == "type" and where.rpartition(".")[2].isdecimal():
        # YAML ends a text without quotes at a comma when its list stands in brackets.
        line += "; a text with a comma needs quotes" if error.schema["type"] == "string" else ""
    yield line
