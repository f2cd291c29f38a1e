"""The checks of a configuration: a wrong key gives its name, its value and what is allowed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from visualsearch import detect, fetch, index
from visualsearch.core.errors import InputError
from visualsearch.settings.checking import checked, retired_lines
from visualsearch.settings.configuration import Settings, configuration_schema
from visualsearch.settings.names import BACKENDS, DETECTORS, SOURCES
from visualsearch.settings.places import lines_of, places_of
from visualsearch.settings.reference import as_markdown, as_yaml
from visualsearch.settings.values import is_address
from visualsearch.settings.wording import keys_below
from wrong_configurations import WRONG

SCHEMA = configuration_schema()


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml", "first-look.yaml", "folder.yaml"])
def test_shipped_configurations_are_right(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()  # folder.yaml asks its reader to set this.
    config = yaml.safe_load((ROOT / "config" / name).read_text())
    assert checked(config)["search"]["neighbours"] == 10


def test_defaults_fill_missing_and_empty_sections() -> None:
    config = checked({"queries": None, "dataset": {"coco": {"images": "https://x"}}})
    assert config["queries"]["count"] == 5
    assert config["dataset"]["coco"]["definition_images"] == 25000
    assert config["dataset"]["coco"]["images"] == "https://x"


def test_text_from_the_command_line_is_parsed_by_the_schema() -> None:
    """Snakemake gives the values inside `--config section='{key: value}'` as text."""
    given = {
        "dataset": {"max_images": "5", "only_with_category": "false", "coco": {"images": "null"}},
        "queries": {"persons": ["5001000"], "images": []},
        "reduction": {"n_components": "0.95"},
        "embedding": {"size": ["128", "64"]},
        "report": {"title": "2026"},
    }
    config = checked(given)
    assert config["dataset"]["max_images"] == 5
    assert config["dataset"]["only_with_category"] is False
    assert config["dataset"]["coco"]["images"] is None
    assert config["queries"]["persons"] == [5001000]
    assert config["reduction"]["n_components"] == 0.95
    assert config["embedding"]["size"] == [128, 64]
    assert config["report"]["title"] == "2026"


@pytest.mark.parametrize("before", ["~/", "$HOME/", "${HOME}/", "~/../$LAST/"])
def test_home_and_variables_are_expanded_in_every_path(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LAST", tmp_path.name)
    (tmp_path / "pictures").mkdir()
    for name in ("me.jpg", "w.pth", "a.json", "k.json"):
        (tmp_path / name).touch()
    annotations = {"annotations": f"{before}a.json", "keypoints": f"{before}k.json"}
    coco = {"definition": f"{before}a.json", "images": f"{before}pictures"}
    given = {
        "pathvars": {key: f"{before}{key}" for key in ("results", "logs", "benchmarks")},
        "dataset": {
            "source": "folder",
            "folder": {"path": f"{before}pictures"} | annotations,
            "coco": coco | annotations,
        },
        "detector": {"weights": f"{before}w.pth"},
        "queries": {"images": [f"{before}me.jpg"]},
    }
    written = json.dumps({name: checked(given)[name] for name in given})
    paths = sum(part.get("format") == "path" for part in all_parts(SCHEMA))
    assert written.count(f'"{tmp_path}/') == json.dumps(given).count(before) == paths
    assert "~" not in written and "$" not in written


def all_parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The part of the schema of each key, and of the values of lists."""
    for _, part in keys_below("", schema):
        yield part.get("items", part)


def test_urls_and_addresses_are_not_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "y")
    given = {"coco": {"images": "https://host/$X"}, "source": "folder"}
    config = checked({"dataset": given | {"folder": {"path": "s3://bucket/$X"}}})
    assert config["dataset"]["coco"]["images"] == "https://host/$X"
    assert config["dataset"]["folder"]["path"] == "s3://bucket/$X"


def test_a_job_elsewhere_need_not_have_the_users_variables(tmp_path: Path) -> None:
    config = {"detector": {"weights": "$NOT_SET/w.pth"}}
    assert (
        checked(config, elsewhere=True)["detector"] == checked({})["detector"] | config["detector"]
    )


def test_the_default_configuration_file_repeats_the_defaults() -> None:
    """It goes under every other file, so another value there would be a second default."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    defaults = checked({})
    for section, values in config.items():
        default = defaults[section]
        known = {key: default[key] for key in values} if isinstance(values, dict) else default
        assert values == known, section


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:60])
def test_a_wrong_configuration_gives_one_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError) as error:
        checked(yaml.safe_load(text))
    heading, *lines = str(error.value).splitlines()
    assert heading == "the configuration is wrong:" and len(lines) == 1, lines[:5]
    assert lines[0].startswith(f"  {WRONG[text]}"), lines[0][:500]


@pytest.mark.parametrize("value", [[], None, "text", 5])
def test_a_configuration_is_a_section(value: Any) -> None:
    with pytest.raises(InputError, match=r"configuration: .* is not allowed; expected a section"):
        checked(value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("shards: 2\ndataset:\n  source: folder\nshards: 3\n", "line 4: the key shards is"),
        ("dataset: {coco: {images: a,\n images: b}}", "line 2: the key images is there twice"),
        ("queries:\n  - {a: 1, a: 2}", "line 2: the key a is there twice"),
    ],
)
def test_a_duplicate_key_is_reported(text: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=rf"mine\.yaml, {line}"):
        lines_of(file)


@pytest.mark.parametrize("text", ["", "a: &a {b: *a}", "a: &x {b: 1}\nc: *x", "[", "\ta", "- a"])
def test_a_file_without_duplicate_keys_is_accepted(text: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    lines_of(file)
    assert lines_of(tmp_path / "absent.yaml") == {}


def test_a_key_has_the_place_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last file that has it, or the command line, goes over the others."""
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / "first.yaml", tmp_path.parent / "second.json"
    first.write_text(
        "# One.\ndataset:\n  source: folder\n  folder: {path: x}\nqueries:\n  images:\n  - a\n"
    )
    second.write_text('{"shards": 3,\n "dataset": {"max_images": 2}}')
    places = places_of([first, second], {"dataset": {"category": "dog"}})
    assert places == {
        "dataset": "given with --config",
        "dataset.category": "given with --config",
        "dataset.source": "first.yaml, line 3",
        "dataset.folder": "first.yaml, line 4",
        "dataset.folder.path": "first.yaml, line 4",
        "dataset.max_images": f"{second}, line 2",
        "queries": "first.yaml, line 5",
        "queries.images": "first.yaml, line 6",
        "queries.images.0": "first.yaml, line 7",
        "shards": f"{second}, line 1",
    }


def test_the_line_about_a_wrong_value_names_its_place() -> None:
    config = {"queries": {"persons": [-1]}, "shard": 5, "report": {"title": ""}}
    with pytest.raises(InputError) as error:
        checked(config, places={"queries.persons.0": "mine.yaml, line 2", "shard": "x, line 1"})
    _, unknown, person, title = str(error.value).splitlines()
    assert unknown.startswith("  shard: unknown key;") and unknown.endswith(" (x, line 1)")
    assert person.startswith("  queries.persons.0: -1") and person.endswith(" (mine.yaml, line 2)")
    assert title == "  report.title: '' is not allowed; expected a text that is not empty"


def test_a_text_in_the_place_of_a_section_is_told_how_to_write_it() -> None:
    with pytest.raises(InputError, match=r"a section of keys, such as --config queries='{count: "):
        checked({"queries": "5"})


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InputError) as error:
        checked({"shards": 0, "queries": {"count": -1}, "foo": 1})
    assert len(str(error.value).splitlines()) == 4


def test_schema_and_registries_know_the_same_names() -> None:
    assert list(BACKENDS) == list(index.REGISTRY)
    assert list(SOURCES) == list(fetch.SOURCES)
    assert list(DETECTORS) == list(detect.DETECTORS)


def test_categories_are_those_of_coco() -> None:
    from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

    names = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    known = [name for name in names if name not in ("__background__", "N/A")]
    assert SCHEMA["properties"]["dataset"]["properties"]["category"]["enum"] == known


def test_every_key_has_a_description_and_a_default() -> None:
    def walk(section: dict[str, Any], path: str) -> None:
        assert section["additionalProperties"] is False, path
        for key, part in section["properties"].items():
            assert part.get("description"), f"{path}.{key}"
            if part.get("type") == "object":
                walk(part, f"{path}.{key}")
            else:
                assert "default" in part, f"{path}.{key}"

    walk(SCHEMA, "")


def test_reference_and_schema_file_are_made_from_the_settings() -> None:
    reference = Path(ROOT / "config/README.md").read_text()
    assert reference == as_markdown(), "run `make docs`"
    schema = Path(ROOT / "workflow/schemas/config.schema.yaml").read_text()
    assert schema == as_yaml(), "run `make docs`"


def test_settings_are_the_checked_configuration_typed() -> None:
    config = checked(
        {"embedding": {"size": [128, 64]}, "dataset": {"coco": {"images": "https://x"}}}
    )
    settings = Settings.of(config)
    assert settings.embedding.size == (128, 64)
    assert settings.dataset.coco.images == "https://x"
    assert settings.search.near_duplicate == config["search"]["near_duplicate"]
    assert Settings.of(checked({})) == Settings()


def test_the_users_order_of_keys_does_not_count() -> None:
    """Otherwise Snakemake would take the whole configuration for a changed parameter."""
    user = {"shards": 2, "index": {"target_recall": 0.9, "backend": "exact"}, "queries": {}}
    other = {"queries": {}, "index": {"backend": "exact", "target_recall": 0.9}, "shards": 2}
    assert json.dumps(checked(user)) == json.dumps(checked(other))


def test_a_retired_key_gives_a_warning_and_does_nothing() -> None:
    config = {"index": {"shards": 3}}
    assert checked(config) == checked({})
    (line,) = retired_lines(config)
    assert line.startswith("index.shards no longer")
    assert retired_lines({}) == []


def test_addresses_in_a_bucket_are_told_from_other_texts() -> None:
    assert all(map(is_address, ["s3://bucket/pictures", "gs://b", "az+x://b/c d"]))
    others = ["http://host/x", "https://host/x", "pictures", "/a/b", "a/s3://b", "S3://b", "", None]
    assert not any(map(is_address, others))
