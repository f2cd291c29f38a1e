"""Outputs are whole or not there, JSON comes back as it was, and a file is hashed once."""

import ctypes
import hashlib
import os
from pathlib import Path

import pytest

from visualsearch.core.errors import InputError
from visualsearch.core.files import (
    read_json,
    remove_leftovers,
    replacing,
    replacing_folder,
    sha256_file,
    write_json,
    write_text,
)
from visualsearch.core.job import return_free_memory


@pytest.mark.parametrize("value", [{"b": [1, 2.5, None, "人 </script>"], "a": -0.0}, {}, [], [1]])
@pytest.mark.parametrize("indent", [2, None])
def test_json_comes_back_as_it_was(tmp_path: Path, value: object, indent: int | None) -> None:
    write_json(tmp_path / "v.json", value, indent)
    assert read_json(tmp_path / "v.json") == value


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "NaN,", "\xff"])
def test_text_that_is_not_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"v\.json is not valid .*delete it and rerun") as error:
        read_json(tmp_path / "v.json")
    assert "\n" not in str(error.value)


def test_nothing_half_stays_behind(tmp_path: Path) -> None:
    write_text(tmp_path / "a/x.txt", "before")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a/x.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.txt"]
    assert (tmp_path / "a/x.txt").read_text() == "before\n"


def test_two_processes_replace_a_folder_at_once(tmp_path: Path) -> None:
    target = tmp_path / "figures"
    with replacing_folder(target) as first, replacing_folder(target) as second:
        for folder in (first, second):
            (folder / "a.svg").write_text("same")
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]
    assert (target / "a.svg").read_text() == "same"


def test_what_killed_jobs_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = [".running", "a.part", ".a.part", ".hidden.1", "b/.x.jpg.part.jpg", "b/x.12.part"]
    removed = [".index.ann.123.part", "b/.x.jpg.4.part", "b/.two\nlines.jpg.5.part", ".f.6.part/x"]
    for name in kept + removed:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == sorted(kept)
    remove_leftovers(tmp_path / "absent")


def test_a_file_is_hashed_once_unless_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    assert sha256_file(path) == hashlib.sha256(b"before").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert sha256_file(path) == hashlib.sha256(b"before").hexdigest()
    path.write_bytes(b"after")
    assert sha256_file(path) == hashlib.sha256(b"after").hexdigest()


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not GNU's"
)
def test_holes_between_blocks_in_use_are_returned() -> None:
    def resident() -> int:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    # Smaller than the blocks that malloc returns to the system one by one.
    block = 64 * 1024
    blocks = [b"x" * block for _ in range(2000)]
    kept = blocks[::2]
    del blocks
    before = resident()
    return_free_memory()
    # The pages at the ends of a hole also hold parts of blocks in use.
    assert before - resident() > 0.8 * len(kept) * block
    assert all(one == b"x" * block for one in kept)
