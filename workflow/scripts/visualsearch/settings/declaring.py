"""Declares a section of the configuration, with everything about each key in one place.

A section is a frozen dataclass whose fields are made by `key`. It gives the types that mypy checks,
the defaults, the JSON schema that validates a configuration, and the reference config/README.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import NoneType
from typing import Any, Self, get_args, get_origin, get_type_hints

# JSON's name of each type.
JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", NoneType: "null"}


def key(
    default: Any,
    description: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    min_length: int | None = None,
    pattern: str | None = None,
    choices: tuple[str, ...] | None = None,
    unique: bool = False,
    path: bool = False,
    any_of: tuple[dict[str, Any], ...] = (),
) -> Any:
    """Declare a key of a section.

    minimum, maximum, above, below: limits of a number; `above` and `below` exclude the limit
    itself. min_length, pattern: of a text. choices: all texts allowed. For a list, the limits are
    those of its values, and `unique` allows no value twice. path: the text may be a path, in which
    `~` and variables are expanded. any_of: JSON schemas, one of which must
    hold; for a key whose limits depend on the type.
    """
    limits = {
        "minimum": minimum,
        "exclusiveMinimum": above,
        "maximum": maximum,
        "exclusiveMaximum": below,
        "minLength": min_length,
        "pattern": pattern,
        "enum": None if choices is None else list(choices),
        "format": "path" if path else None,
    }
    metadata = {
        "description": description,
        "limits": {name: limit for name, limit in limits.items() if limit is not None},
        "unique": unique,
        "any_of": list(any_of),
    }
    return field(default=default, metadata=metadata)


def section(kind: type[Section]) -> Any:
    """Declare a section within a section."""
    return field(default_factory=kind)


@dataclass(frozen=True)
class Section:
    """A section of the configuration; its keys are the fields."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the section whose keys a checked configuration holds as plain values.

        Missing keys get their defaults. Raises TypeError for an unknown key.
        """
        hints = get_type_hints(cls)
        return cls(**{name: _typed(value, hints.get(name)) for name, value in values.items()})

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the JSON schema of this section, draft 2020-12, with descriptions and defaults."""
        hints = get_type_hints(cls)
        description = " ".join((cls.__doc__ or "").split())
        properties = {}
        for each in fields(cls):
            kind = hints[each.name]
            if isinstance(kind, type) and issubclass(kind, Section):
                properties[each.name] = kind.schema()
            else:
                properties[each.name] = _key_schema(kind, each)
        return {
            "type": "object",
            "description": description,
            "additionalProperties": False,
            "properties": properties,
        }


def _typed(value: Any, kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, Section):
        return value if isinstance(value, kind) else kind.of(value)
    return tuple(value) if get_origin(kind) is tuple else value


def _key_schema(kind: Any, declared: Any) -> dict[str, Any]:
    limits = dict(declared.metadata["limits"])
    default = declared.default
    assert default is not MISSING, declared.name
    if get_origin(kind) is tuple:
        value, *others = get_args(kind)
        schema: dict[str, Any] = {"type": "array", "items": {"type": JSON_TYPES[value], **limits}}
        if others and others[0] is not Ellipsis:
            schema |= {"minItems": 1 + len(others), "maxItems": 1 + len(others)}
        if declared.metadata["unique"]:
            schema["uniqueItems"] = True
        default = list(default)
    elif declared.metadata["any_of"]:
        schema = {"anyOf": declared.metadata["any_of"]}
    else:
        kinds = [JSON_TYPES[one] for one in (get_args(kind) or (kind,))]
        schema = {"type": kinds if len(kinds) > 1 else kinds[0], **limits}
    return {**schema, "default": default, "description": declared.metadata["description"]}
