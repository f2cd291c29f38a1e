"""The configuration checked against its schema, with one clear line for each thing wrong.

Snakemake's own `validate` reports through jsonschema's long messages; here a user reads the key,
the value and what is allowed.
"""

import json
import math
import os
import reprlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from visualsearch.core.errors import InputError
from visualsearch.detect import BUNDLED, is_file_name
from visualsearch.fetch import is_address, is_url

# YAML's anchors make billions of values from a few lines, or one that holds itself. The schema is
# five deep.
MOST_VALUES = 100_000
DEEPEST = 20


def _is_integer(checker: TypeChecker, value: Any) -> bool:
    # JSON counts 2.0 as an integer; Python does not, and 1.0 component is not all of the variance.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: TypeChecker, value: Any) -> bool:
    # YAML has .nan, which passes every limit as all comparisons with it are false, and .inf.
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_integer(checker, value)


def _is_text(checker: TypeChecker, value: Any) -> bool:
    """Half a character, as YAML's "\\ud800" is, can be written to no file."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)


Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number, "string": _is_text}
    ),
)


def load_schema(path: str | Path) -> dict[str, Any]:
    """Read the schema and check that it is one."""
    schema = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return schema


def checked(
    config: dict[str, Any], schema: dict[str, Any], elsewhere: bool = False
) -> dict[str, Any]:
    """A copy of `config` with defaults filled in; InputError lists what is wrong, a line each.

    elsewhere: in a job on a machine that need not have the user's files. Keys were compared with
    each other and with these files where the run was started.
    """
    filled = _with_defaults(config, schema)
    problems = list(_monstrous(filled))
    if not problems:
        errors = sorted(Validator(schema).iter_errors(filled), key=lambda e: list(map(str, e.path)))
        # Of a number where a name is wanted, type and name are wrong alike.
        problems = list(dict.fromkeys(line for error in errors for line in _lines(error)))
    if not problems:
        filled["detector"]["weights"] = _at_home(filled["detector"]["weights"])
        filled["queries"]["images"] = _at_home(filled["queries"]["images"])
        problems = [] if elsewhere else list(_contradictions(filled))
    if problems:
        raise InputError(
            "the configuration is wrong:\n" + "\n".join(f"  {line}" for line in problems)
        )
    return filled


def check_file(path: str | Path) -> None:
    """Raise InputError where a section of a configuration file has a key twice.

    YAML's loaders take the last and drop the others without a word. A file that is not there, or
    is no YAML, is for others to tell of.
    """
    try:
        waiting = [yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader)]
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        # What an anchor names is one node, in however many places.
        if node is None or id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                line = key.start_mark.line + 1
                raise InputError(
                    f"{path}, line {line}: the key {_name([key.value])} is there twice in this "
                    "section; take one out, as only the last would count"
                )
            keys.add(str(key.value))
            waiting.append(value)


def _at_home(value: Any) -> Any:
    """Put the home directory in the place of `~`, as a shell does not within quotes."""
    if isinstance(value, list):
        return [_at_home(item) for item in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def _monstrous(config: Any) -> Iterator[str]:
    """What would take for ever to check, or to write into a line about it."""
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
            yield f"{_name(path)}: an integer of more than 64 bits is not allowed"
        count += 1 + len(inner)
        if count > MOST_VALUES or len(path) > DEEPEST:
            yield (
                f"{_name(path[:1])}: more than {MOST_VALUES:,} values, or too deep within each "
                "other; write less, without YAML's anchors (& and *)"
            )
            return
        waiting += [((*path, key), part) for key, part in inner]


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
    except Exception:
        # PyYAML lets through whatever its constructors raise: of !!bool x a KeyError.
        return value


def _kinds(schema: dict[str, Any]) -> list[str]:
    kind = schema["type"]
    return kind if isinstance(kind, list) else [kind]


def _lines(error: ValidationError) -> Iterator[str]:
    where = _name(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for key in sorted(set(error.instance) - set(known), key=str):
            path = _name([*error.absolute_path, key])
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
    yield from _impossible_folders(config["pathvars"])
    dataset, detector, queries = config["dataset"], config["detector"], config["queries"]
    source, folder = dataset["source"], dataset["folder"]["path"]
    if source == "folder" and not folder:
        yield _not_allowed("dataset.folder.path", folder, "a directory of pictures")
    elif source == "folder" and not _is_folder(folder):
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
    if is_file_name(weights) and not _is_file(weights):
        yield _not_allowed("detector.weights", weights, "a weights file that is there")
    annotations = dataset["folder"]["annotations"]
    if source == "folder" and annotations and not _is_file(annotations):
        yield _not_allowed("dataset.folder.annotations", annotations, "a file that is there")
    keypoints = dataset["folder"]["keypoints"]
    if keypoints and source != "folder":
        expected = f"null, as dataset.source is {source!r}"
        yield _not_allowed("dataset.folder.keypoints", keypoints, expected)
    elif source == "folder" and keypoints and not _is_file(keypoints):
        yield _not_allowed("dataset.folder.keypoints", keypoints, "a file that is there")
    elif source == "folder" and keypoints and not annotations:
        expected = "null, as dataset.folder.annotations is null"
        yield _not_allowed("dataset.folder.keypoints", keypoints, expected)
    if source.startswith("coco-"):
        yield from _coco_contradictions(dataset["coco"])
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
        elif not _is_file(name):
            yield _not_allowed("queries.images", name, "the path of a picture that is there")


def _coco_contradictions(coco: dict[str, Any]) -> Iterator[str]:
    for key in ("definition", "annotations"):
        if coco[key] and not is_url(coco[key]) and not _is_file(coco[key]):
            yield _not_allowed(f"dataset.coco.{key}", coco[key], "a URL, or a file that is there")
    if is_url(coco["annotations"]) and coco["annotations_sha256"] is None:
        expected = "the sha256 of the file at the URL that dataset.coco.annotations is"
        yield _not_allowed("dataset.coco.annotations_sha256", None, expected)
    if coco["images"] and not is_url(coco["images"]) and not _is_folder(coco["images"]):
        expected = "a URL, or a directory that is there"
        yield _not_allowed("dataset.coco.images", coco["images"], expected)
    if coco["keypoints"] and not _is_file(coco["keypoints"]):
        yield _not_allowed("dataset.coco.keypoints", coco["keypoints"], "a file that is there")


def _impossible_folders(pathvars: dict[str, str]) -> Iterator[str]:
    for key, value in pathvars.items():
        path = value if key == "results" else value.replace("<results>", pathvars["results"])
        if set("{}<>") & set(path) or not path.isprintable():
            expected = "a path of printable characters, without any of { } < >"
            yield _not_allowed(f"pathvars.{key}", value, expected)
        elif path.startswith("~"):
            expected = "a path that does not start with ~, which stays as it is here"
            yield _not_allowed(f"pathvars.{key}", value, expected)
        elif not _is_folder(_nearest_that_is_there(path)):
            expected = "a directory, or a path where one can be made"
            yield _not_allowed(f"pathvars.{key}", value, expected)
        else:
            continue
        if key == "results":
            return  # The others lie in it.


def _nearest_that_is_there(path: str) -> str:
    while path and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path or "."


# Not pathlib's, which raise for a name that is too long, or a home of nobody. What lies in a bucket
# is looked for by Snakemake.
def _is_file(path: str) -> bool:
    return _in_bucket(path) or os.path.isfile(os.path.expanduser(path))


def _is_folder(path: str) -> bool:
    return _in_bucket(path) or os.path.isdir(os.path.expanduser(path))


def _in_bucket(path: str) -> bool:
    # As an input, where Snakemake reads braces and angle brackets as its own.
    return is_address(path) and not set("{}<>") & set(path)


def _not_allowed(key: str, value: Any, expected: str) -> str:
    return f"{key}: {_shown(value)} is not allowed; expected {expected}"


def _name(path: Iterable[Any]) -> str:
    """A key with those above it, on one line."""
    parts = map(str, path)
    return ".".join(part if part.isprintable() else repr(part) for part in parts)


def _shown(value: Any) -> str:
    """A value as Python writes it, on one line, cut where that is long."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 300
    return short.repr(value)


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
