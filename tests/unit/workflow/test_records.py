"""Records of settings: their names follow what decides a result, and changes are told in lines."""

from pathlib import Path

from visualsearch.core.files import write_json
from visualsearch.workflow.records import Record, changes, select

CONFIG = {"search": {"neighbours": 10, "rerank": 0}, "index": {"backend": "annoy"}}


def records(**index: object) -> tuple[Record, Record]:
    before = Record("build_index", {"index": CONFIG["index"] | index, "code": "a"})
    return before, Record("search_persons", select(CONFIG, ["search.rerank"]), (before,))


def test_a_part_of_the_configuration_is_selected() -> None:
    assert select(CONFIG, ["index", "search.rerank"]) == {
        "index": {"backend": "annoy"},
        "search": {"rerank": 0},
    }


def test_a_name_follows_the_records_before_it_and_no_order_of_keys() -> None:
    (one, after), (other, after_other) = records(), records(seed=1)
    assert one.file != other.file and after.file != after_other.file
    turned = Record("build_index", dict(reversed(one.values.items())))
    assert turned.file == one.file == f"settings/build_index/{one.digest}.json"
    assert Record("x", {}, sharded=True).file.startswith("settings/x/{shard}/")


def test_changes_are_told_once_and_only_of_what_is_wanted(tmp_path: Path) -> None:
    made, _ = records()
    write_json(tmp_path / made.file, made.values)
    write_json(tmp_path / "settings/run_notebook/0.json", {"search": {"rerank": 5}})
    (tmp_path / "settings/build_index/broken.json").write_text("{")
    _, now = records(backend="exact", seed=1)
    assert changes(tmp_path, [now]) == [
        'index.backend: "annoy", now "exact"',
        "index.seed: null, now 1",
    ]
    _, same = records()
    assert changes(tmp_path, [same]) == []
    recoded = Record("build_index", made.values | {"code": "b"})
    assert changes(tmp_path, [recoded]) == ["the code of this workflow"]
