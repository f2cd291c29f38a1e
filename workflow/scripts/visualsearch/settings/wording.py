"""Words for messages about the configuration: the name of a key, and what it allows."""

import reprlib
from collections.abc import Iterable, Iterator
from typing import Any

KINDS = {
    "object": "a section of keys",
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "a text",
}
LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def not_allowed(key: str, value: Any, expected: str) -> str:
    """Return the line about a wrong value."""
    return f"{key}: {_shown(value)} is not allowed; expected {expected}"


def key_name(path: Iterable[Any]) -> str:
    """Return the path of a key with dots, on one line."""
    parts = map(str, path)
    return ".".join(part if part.isprintable() else repr(part) for part in parts)


def _shown(value: Any) -> str:
    """Return a value as Python writes it, on one line, shortened."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 300
    return short.repr(value)


def allowed(schema: dict[str, Any]) -> str:
    """Return what a schema allows, in words: "an integer >= 1 or null"."""
    if "anyOf" in schema:
        return " or ".join(allowed(part) for part in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    kinds = kinds_of(schema)
    text = " or ".join(KINDS[kind] for kind in kinds if kind != "null")
    if "items" in schema:
        least, most = schema.get("minItems"), schema.get("maxItems")
        text += f" of {least}" if least is not None and least == most else ""
        text += f", each {allowed(schema['items'])}"
    limits = [f"{sign} {schema[key]}" for key, sign in LIMITS.items() if key in schema]
    text += " " + " and ".join(limits) if limits else ""
    text += ", no two alike" if schema.get("uniqueItems") else ""
    text += " that is not empty" if schema.get("minLength") else ""
    text += f" like {schema['pattern']}" if "pattern" in schema else ""
    return text + (" or null" if "null" in kinds else "")


def kinds_of(schema: dict[str, Any]) -> list[str]:
    """Return the JSON types that the schema of a key allows."""
    kind = schema["type"]
    return kind if isinstance(kind, list) else [kind]


def keys_below(name: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the full name of each key below `name`, with its part of the schema."""
    if "properties" not in schema:
        yield name, schema
    for key, part in schema.get("properties", {}).items():
        yield from keys_below(f"{name}.{key}", part)
