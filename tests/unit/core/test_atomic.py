"""Outputs are whole or not there, and a damaged one is known."""

import json
from pathlib import Path

import pytest

from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json, replacing, write_json, write_text

VALUE = {"b": [1, 2.5, None, "人 </script>"], "a": {"10": 0.1, "9": -0.0}}


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    for value in (VALUE, {}, [], [1]):
        for indent in (2, None):
            write_json(tmp_path / "v.json", value, indent)
            assert read_json(tmp_path / "v.json") == value
    write_json(tmp_path / "v.json", VALUE)
    assert list(json.loads((tmp_path / "v.json").read_text())) == ["b", "a", "sha256"]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "NaN,", '{"b": 1}', '{"sha256": "0"}'])
def test_text_that_is_no_result(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(InputError, match=r"v\.json .*delete it and rerun") as error:
        read_json(tmp_path / "v.json")
    assert "\n" not in str(error.value)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    write_json(path, VALUE, indent=None)
    whole = path.read_bytes().rstrip(b"\n")
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError, match=r"v\.json"):
            read_json(path)


def test_another_file_under_its_name_is_noticed(tmp_path: Path) -> None:
    write_json(tmp_path / "search.json", VALUE)
    (tmp_path / "search.json").rename(tmp_path / "index.json")
    with pytest.raises(InputError, match=r"index.json is damaged, or was changed or renamed"):
        read_json(tmp_path / "index.json")


def test_nothing_half_stays_behind(tmp_path: Path) -> None:
    write_text(tmp_path / "a/x.txt", "before")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a/x.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.txt"]
    assert (tmp_path / "a/x.txt").read_text() == "before\n"
