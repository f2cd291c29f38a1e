"""Any configuration is right, or gives a line for each problem. Inputs by hypothesis."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from any_values import scalars, values
from visualsearch.core.errors import InputError
from visualsearch.settings.checking import checked
from visualsearch.settings.configuration import configuration_schema
from wrong_configurations import WRONG

SCHEMA = configuration_schema()


def keys(schema: dict[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The schema of every section and key, by its path."""
    found: dict[tuple[str, ...], Any] = {}
    for key, part in schema.get("properties", {}).items():
        found |= {(*above, key): part, **keys(part, (*above, key))}
    return found


KEYS = keys(SCHEMA)


def value_for(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values near what a key allows, on both sides of its limits."""
    part = schema.get("anyOf", [schema])[0]
    near: list[Any] = [schema.get("default"), *part.get("enum", ())]
    for limit in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if limit in part:
            near += [part[limit] + step for step in (-1, -0.5, 0, 0.5, 1)]
    return st.sampled_from(near + [str(value) for value in near]) | values


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    config: dict[Any, Any] = {}
    for path in draw(st.lists(st.sampled_from(list(KEYS)), max_size=5)):
        section = config
        for key in path[:-1]:
            if not isinstance(section.get(key), dict):
                section[key] = {}
            section = section[key]
        section[path[-1]] = draw(value_for(KEYS[path]))
    return config | draw(st.just({}) | st.dictionaries(scalars, values, max_size=1))


@given(configurations())
@example({"shards": "!!bool x"})
@example({"shards": "9" * 5000})
@example({"shards": "2026-13-45"})
@example({"shards": "[" * 5000})
@example({"pathvars": {"results": "a" * 5000}})
@example({"queries": {"images": ["~x/" + "a" * 5000]}})
@example({"reduction": {"n_components": float("nan")}})
@example({"queries": {"persons": [10**5000]}})
@example({"dataset": {"source": 5}})
def test_a_configuration_is_right_or_a_line_for_each_problem(config: dict[str, Any]) -> None:
    try:
        right = checked(config)
    except InputError as error:
        heading, *lines = str(error).split("\n")
        assert heading == "the configuration is wrong:" and lines
        assert all(line.startswith("  ") and line.isprintable() for line in lines)
        assert len(set(lines)) == len(lines) and max(map(len, lines)) < 2000
        return
    # jsonschema's own validator needs lists and sections as JSON has them.
    assert list(Draft202012Validator(SCHEMA).iter_errors(json.loads(json.dumps(right)))) == []
    assert checked(right) == right
    # As jobs and reports get it.
    assert yaml.safe_load(yaml.safe_dump(right, allow_unicode=True)) == right


@given(st.sampled_from(sorted(WRONG)), st.sampled_from(sorted(WRONG)))
def test_two_wrong_configurations_together_are_wrong(first: str, second: str) -> None:
    with pytest.raises(InputError):
        checked({**yaml.safe_load(first), **yaml.safe_load(second)})
