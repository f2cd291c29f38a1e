"""The configuration checked against its schema, with one clear line for each thing wrong.

Snakemake's own `validate` reports through jsonschema's long messages; here a user reads the key,
the value and what is allowed.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from visualsearch.detectors import BUNDLED, is_file_name
from visualsearch.errors import InputError


def _is_integer(checker: TypeChecker, value: Any) -> bool:
    # JSON counts 2.0 as an integer; Python does not, and 1.0 component is not all of the variance.
    return isinstance(value, int) and not isinstance(value, bool)


Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def load_schema(path: str | Path) -> dict[str, Any]:
    """Read the schema and check that it is one."""
    schema = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return schema


def checked(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A copy of `config` with defaults filled in; InputError lists what is wrong, a line each."""
    filled = _with_defaults(config, schema)
    errors = sorted(Validator(schema).iter_errors(filled), key=lambda e: list(map(str, e.path)))
    problems = [line for error in errors for line in _lines(error)]
    if not problems:
        filled["detector"]["weights"] = _at_home(filled["detector"]["weights"])
        filled["queries"]["images"] = _at_home(filled["queries"]["images"])
        problems = list(_contradictions(filled))
    if problems:
        raise InputError(
            "the configuration is wrong:\n" + "\n".join(f"  {line}" for line in problems)
        )
    return filled


def _at_home(value: Any) -> Any:
    """Put the home directory in the place of `~`, as a shell does not within quotes."""
    if isinstance(value, list):
        return [_at_home(item) for item in value]
    if isinstance(value, str) and value.startswith("~"):
        return str(Path(value).expanduser())
    return value


def _with_defaults(value: Any, schema: dict[str, Any]) -> Any:
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    filled = dict(value)
    for key, part in schema["properties"].items():
        if part.get("type") == "object":
            # A section left empty in YAML is None: its defaults hold.
            given = filled.get(key)
            filled[key] = _with_defaults({} if given is None else given, part)
        elif key in filled:
            filled[key] = _as_meant(filled[key], part)
        elif "default" in part:
            filled[key] = part["default"]
    return filled


def _as_meant(value: Any, schema: dict[str, Any]) -> Any:
    """Read text as YAML where no text is allowed.

    With `--config dataset='{max_images: 5}'` Snakemake hands on the inner values as text.
    """
    if isinstance(value, list) and "items" in schema:
        return [_as_meant(item, schema["items"]) for item in value]
    if not isinstance(value, str):
        return value
    kinds = [kind for part in schema.get("anyOf", [schema]) for kind in _kinds(part)]
    if "string" in kinds:
        return None if value == "null" and "null" in kinds else value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


def _kinds(schema: dict[str, Any]) -> list[str]:
    kind = schema["type"]
    return kind if isinstance(kind, list) else [kind]


def _lines(error: ValidationError) -> Iterator[str]:
    where = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for key in sorted(set(error.instance) - set(known), key=str):
            path = f"{where}.{key}" if where else key
            yield f"{path}: unknown key; allowed here: {', '.join(known)}"
    else:
        yield _not_allowed(where or "configuration", error.instance, allowed(error.schema))


def allowed(schema: dict[str, Any]) -> str:
    """What a schema allows, in words."""
    if "anyOf" in schema:
        return " or ".join(allowed(part) for part in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    kinds = _kinds(schema)
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


KINDS = {
    "object": "a section of keys",
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "a text",
}
LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def _contradictions(config: dict[str, Any]) -> Iterator[str]:
    """What each key alone cannot show."""
    dataset, detector, queries = config["dataset"], config["detector"], config["queries"]
    source, folder = dataset["source"], dataset["folder"]["path"]
    if source == "folder" and not folder:
        yield _not_allowed("dataset.folder.path", folder, "a directory of pictures")
    elif source == "folder" and not Path(folder).expanduser().is_dir():
        yield _not_allowed("dataset.folder.path", folder, "a directory that is there")
    elif folder and source != "folder":
        yield _not_allowed("dataset.folder.path", folder, f"null, as dataset.source is {source!r}")
    if detector["name"] == BUNDLED:
        if dataset["category"] != "person":
            expected = f"person, which is all that detector {BUNDLED} knows"
            yield _not_allowed("dataset.category", dataset["category"], expected)
        if detector["weights"] != "default":
            expected = f"default, as detector {BUNDLED} brings its own"
            yield _not_allowed("detector.weights", detector["weights"], expected)
    weights = detector["weights"]
    if is_file_name(weights) and not Path(weights).is_file():
        yield _not_allowed("detector.weights", weights, "a weights file that is there")
    annotations = dataset["folder"]["annotations"]
    if source == "folder" and annotations and not Path(annotations).expanduser().is_file():
        yield _not_allowed("dataset.folder.annotations", annotations, "a file that is there")
    keypoints = dataset["folder"]["keypoints"]
    if keypoints and source != "folder":
        expected = f"null, as dataset.source is {source!r}"
        yield _not_allowed("dataset.folder.keypoints", keypoints, expected)
    elif source == "folder" and keypoints and not Path(keypoints).expanduser().is_file():
        yield _not_allowed("dataset.folder.keypoints", keypoints, "a file that is there")
    elif source == "folder" and keypoints and not annotations:
        expected = "null, as dataset.folder.annotations is null"
        yield _not_allowed("dataset.folder.keypoints", keypoints, expected)
    keypoints = dataset["coco"]["keypoints"]
    if source.startswith("coco-") and keypoints and not Path(keypoints).expanduser().is_file():
        yield _not_allowed("dataset.coco.keypoints", keypoints, "a file that is there")
    index, search = config["index"], config["search"]
    for key in ("n_trees", "search_k"):
        if index["backend"] != "annoy" and index[key] is not None:
            expected = f"null, as index.backend is {index['backend']}"
            yield _not_allowed(f"index.{key}", index[key], expected)
    if 0 < search["rerank"] < search["neighbours"]:
        expected = f"0, or {search['neighbours']} or more, as search.neighbours is"
        yield _not_allowed("search.rerank", search["rerank"], expected)
    embedding = config["embedding"]
    if embedding["region"] == "roi_align_last" and embedding["maps"] == "before":
        expected = "crop or roi_align_before, as embedding.maps is before"
        yield _not_allowed("embedding.region", embedding["region"], expected)
    if not queries["count"] and not queries["persons"] and not queries["images"]:
        expected = "an integer >= 1, as queries.persons and queries.images are empty"
        yield _not_allowed("queries.count", 0, expected)
    for name in queries["images"]:
        if set("{}<>") & set(name):
            # Snakemake reads braces and angle brackets in the name of an input as its own.
            yield _not_allowed("queries.images", name, "a path without any of { } < >")
        elif not Path(name).is_file():
            yield _not_allowed("queries.images", name, "the path of a picture that is there")


def _not_allowed(key: str, value: Any, expected: str) -> str:
    return f"{key}: {value!r} is not allowed; expected {expected}"


def as_markdown(schema: dict[str, Any]) -> str:
    """The schema as the reference that config/README.md is."""
    lines = [
        "# Configuration",
        "",
        "`config.yaml` is the default and the real task; `demo.yaml` and `first-look.yaml` go over",
        "it with `--configfile`. Single keys go over both: `--config shards=4`. All is checked",
        "before anything runs.",
        "",
        "This page is made from `workflow/schemas/config.schema.yaml` by `make docs`.",
    ]
    for name, section in schema["properties"].items():
        if section["type"] == "object":
            lines += ["", f"## {name}", "", section["description"]]
            rows = list(_rows(section, name))
        else:
            lines += ["", f"## {name}"]
            rows = [_row(name, section)]
        lines += ["", "| key | allowed | default | meaning |", "|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _rows(section: dict[str, Any], path: str) -> Iterator[str]:
    for key, part in section["properties"].items():
        if part.get("type") == "object":
            yield from _rows(part, f"{path}.{key}")
        else:
            yield _row(f"{path}.{key}", part)


def _row(path: str, part: dict[str, Any]) -> str:
    default = json.dumps(part["default"])
    what = allowed(part)
    if len(part.get("enum", ())) > 20:
        what = f"one of {len(part['enum'])} names, {part['enum'][0]} to {part['enum'][-1]}"
    cells = (f"`{path}`", what, f"`{default}`", part["description"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(as_markdown(load_schema(sys.argv[1])), end="")
