"""Lines about keys of the configuration: what one is called, and what it allows."""

import reprlib
from collections.abc import Iterable
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
    """The line about a wrong value."""
    return f"{key}: {_shown(value)} is not allowed; expected {expected}"


def key_name(path: Iterable[Any]) -> str:
    """A key with those above it, on one line."""
    parts = map(str, path)
    return ".".join(part if part.isprintable() else repr(part) for part in parts)


def _shown(value: Any) -> str:
    """A value as Python writes it, on one line, cut where that is long."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 300
    return short.repr(value)


def allowed(schema: dict[str, Any]) -> str:
    """What a schema allows, in words: "an integer >= 1 or null"."""
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
    """The JSON types that a schema of a single key allows."""
    kind = schema["type"]
    return kind if isinstance(kind, list) else [kind]
