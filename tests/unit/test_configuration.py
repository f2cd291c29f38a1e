"""Configuration: each wrong key gives its key, its value and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from visualsearch import detectors, index, sources
from visualsearch.configuration import as_markdown, checked, load_schema
from visualsearch.errors import InputError

SCHEMA = load_schema(ROOT / "workflow/schemas/config.schema.yaml")


def deep(path: str, value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} for "a.b"."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml", "first-look.yaml", "folder.yaml"])
def test_shipped_configurations_are_right(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()  # what folder.yaml asks its reader to set
    config = yaml.safe_load((ROOT / "config" / name).read_text())
    assert checked(config, SCHEMA)["search"]["neighbours"] == 10


def test_defaults_fill_missing_and_empty_sections() -> None:
    config = checked({"queries": None, "dataset": {"coco": {"images": "x"}}}, SCHEMA)
    assert config["queries"]["count"] == 5
    assert config["dataset"]["coco"]["definition_images"] == 25000
    assert config["dataset"]["coco"]["images"] == "x"


def test_text_from_the_command_line_is_read_as_what_is_meant() -> None:
    """Snakemake gives the values inside `--config section='{key: value}'` as text."""
    given = {
        "dataset": {"max_images": "5", "only_with_category": "false", "coco": {"images": "null"}},
        "queries": {"persons": ["5001000"], "images": []},
        "reduction": {"n_components": "0.95"},
        "embedding": {"size": ["128", "64"]},
        "report": {"title": "2026"},
    }
    config = checked(given, SCHEMA)
    assert config["dataset"]["max_images"] == 5
    assert config["dataset"]["only_with_category"] is False
    assert config["dataset"]["coco"]["images"] is None
    assert config["queries"]["persons"] == [5001000]
    assert config["reduction"]["n_components"] == 0.95
    assert config["embedding"]["size"] == [128, 64]
    assert config["report"]["title"] == "2026"


def test_home_directory_is_found_where_no_shell_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "me.jpg").touch()
    (tmp_path / "w.pth").touch()
    given = {"queries": {"images": ["~/me.jpg"]}, "detector": {"weights": "~/w.pth"}}
    config = checked(given, SCHEMA)
    assert config["queries"]["images"] == [str(tmp_path / "me.jpg")]
    assert config["detector"]["weights"] == str(tmp_path / "w.pth")


def test_default_configuration_file_says_what_the_schema_says() -> None:
    """Keys in config.yaml are there to be seen; except for shards they repeat the defaults."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    defaults = checked({}, SCHEMA)
    del config["shards"]
    for section, values in config.items():
        assert values == {key: defaults[section][key] for key in values}, section


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("shards", 0, "an integer >= 1 and <= 512"),
        ("shards", "four", "an integer >= 1"),
        ("dataset.source", "imagenet", "one of coco-minitrain, coco-val2017, folder, openpeople"),
        ("dataset.category", "persn", "one of person, bicycle"),
        ("dataset.max_images", 0, "an integer >= 1 or null"),
        ("dataset.max_skipped_fraction", 1.5, "a number >= 0 and <= 1"),
        ("dataset.coco.annotations_sha256", "abc", "a text like ^[0-9a-f]{64}$ or null"),
        ("detector.name", "yolo", "one of fasterrcnn_resnet50_fpn"),
        ("detector.weights", "", "a text that is not empty"),
        ("search_set.min_height", "tall", "a number >= 1"),
        ("embedding.size", [256], "a list of 2, each an integer >= 32 and <= 1024"),
        ("embedding.size.0", None, "a list of 2"),
        ("reduction.n_components", 0, "an integer >= 1 and <= 2048 or a number > 0 and < 1"),
        ("shards", 2.0, "an integer >= 1"),
        ("index.seed", 2**40, "an integer >= 0 and <= 2147483647"),
        ("queries.persons", [11000, 11000], "a list, each an integer"),
        ("reduction.n_components", 1.0, "an integer >= 1 and <= 2048 or a number > 0 and < 1"),
        ("reduction.n_components", 64.5, "an integer >= 1 and <= 2048 or a number > 0 and < 1"),
        ("reduction.whiten_power", -1, "a number >= 0 and <= 1"),
        ("index.search_k", -1, "an integer >= 1"),
        ("queries.images", "me.jpg", "a list, each a text"),
        ("search.same_image", "perhaps", "true or false"),
        ("dataset", [], "a section of keys"),
    ],
)
def test_wrong_value_gives_key_value_and_what_is_allowed(
    path: str, value: Any, expected: str
) -> None:
    with pytest.raises(InputError) as error:
        checked(deep(path, value), SCHEMA)
    lines = str(error.value).splitlines()[1:]
    where = path.removesuffix(".0")
    assert any(
        line.strip().startswith(f"{where}: ") and f"is not allowed; expected {expected}" in line
        for line in lines
    ), lines


@pytest.mark.parametrize("path", ["datset", "dataset.folder.pth", "queries.nmber"])
def test_unknown_key_gives_the_known_ones(path: str) -> None:
    with pytest.raises(InputError, match=f"{path}: unknown key; allowed here: "):
        checked(deep(path, 1), SCHEMA)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        checked({"shards": 0, "queries": {"count": -1}, "foo": 1}, SCHEMA)
    assert len(str(error.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"dataset": {"source": "folder"}}, "dataset.folder.path: None is not allowed"),
        (
            {"dataset": {"source": "folder", "folder": {"path": "/no/such"}}},
            "dataset.folder.path: '/no/such' is not allowed; expected a directory that is there",
        ),
        (
            {"dataset": {"folder": {"path": "."}}},
            "expected null, as dataset.source is 'coco-minitrain'",
        ),
        (
            {"dataset": {"category": "dog"}, "detector": {"name": detectors.BUNDLED}},
            "dataset.category: 'dog' is not allowed; expected person",
        ),
        (
            {"detector": {"name": detectors.BUNDLED, "weights": "COCO_V1"}},
            "detector.weights: 'COCO_V1' is not allowed; expected default",
        ),
        (
            {"detector": {"weights": "/no/such.pth"}},
            "detector.weights: '/no/such.pth' is not allowed; expected a weights file",
        ),
        (
            {"dataset": {"source": "folder", "folder": {"path": ".", "annotations": "no.json"}}},
            "dataset.folder.annotations: 'no.json' is not allowed; expected a file",
        ),
        (
            {"dataset": {"source": "folder", "folder": {"path": ".", "keypoints": "no.json"}}},
            "dataset.folder.keypoints: 'no.json' is not allowed; expected a file",
        ),
        (
            {"dataset": {"source": "folder", "folder": {"path": ".", "keypoints": __file__}}},
            "expected null, as dataset.folder.annotations is null",
        ),
        (
            {"embedding": {"region": "roi_align_last", "maps": "before"}},
            "embedding.region: 'roi_align_last' is not allowed; expected crop or roi_align_before",
        ),
        (
            {"dataset": {"folder": {"keypoints": "k.json"}}},
            "dataset.folder.keypoints: 'k.json' is not allowed; expected null",
        ),
        (
            {"dataset": {"coco": {"keypoints": "/no/such.json"}}},
            "dataset.coco.keypoints: '/no/such.json' is not allowed; expected a file",
        ),
        (
            {"index": {"backend": "exact", "n_trees": 3}},
            "index.n_trees: 3 is not allowed; expected null, as index.backend is exact",
        ),
        (
            {"search": {"rerank": 20, "neighbours": 50}},
            "search.rerank: 20 is not allowed; expected 0, or 50 or more",
        ),
        ({"queries": {"count": 0}}, "queries.count: 0 is not allowed"),
        ({"queries": {"images": ["{a}.jpg"]}}, "expected a path without any of { } < >"),
        ({"queries": {"images": ["no.jpg"]}}, "queries.images: 'no.jpg' is not allowed"),
    ],
)
def test_contradictions_are_found(config: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as error:
        checked(config, SCHEMA)
    assert line in str(error.value)


def test_schema_and_registries_know_the_same_names() -> None:
    properties = SCHEMA["properties"]
    assert properties["detector"]["properties"]["name"]["enum"] == list(detectors.NAMES)
    assert properties["index"]["properties"]["backend"]["enum"] == list(index.SUFFIXES)
    assert properties["dataset"]["properties"]["source"]["enum"] == list(sources.SOURCES)


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


def test_reference_is_made_from_the_schema() -> None:
    reference = Path(ROOT / "config/README.md").read_text()
    assert reference == as_markdown(SCHEMA), "run `make docs`"
