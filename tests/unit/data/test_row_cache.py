"""Rows of an earlier run: found again by content, never after another setting, bounded on disk."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from visualsearch.data import row_cache
from visualsearch.data.row_cache import RowCache, prune

SCHEMA = pa.schema([("value", pa.int64()), ("score", pa.float32())])
MADE_BY = {"threshold": 0.05}


def sha(letter: str) -> str:
    return letter * 64


def rows(*values: int) -> pa.Table:
    return pa.table({"value": values, "score": [0.5] * len(values)}).cast(SCHEMA)


PICTURES = {sha("a"): rows(1, 2), sha("b"): rows(), sha("c"): rows(3)}


def cache(results: Path | None, **made_by: object) -> RowCache:
    return RowCache(results, "detect", MADE_BY | made_by, SCHEMA)


def fill(results: Path, pictures: dict[str, pa.Table], **made_by: object) -> list[str]:
    """Complete these pictures; the keys of those that had to be computed."""
    computed: list[str] = []

    def compute(keys: list[str]) -> Iterator[pa.Table]:
        for key in keys:
            computed.append(key)
            yield pictures[key]

    found = cache(results, **made_by).complete([(key, key) for key in pictures], compute)
    assert {key: table.to_pylist() for key, table in found} == {
        key: table.to_pylist() for key, table in pictures.items()
    }
    return computed


def files(results: Path) -> list[Path]:
    return sorted(results.glob("cache/detect/*/*.parquet"))


def test_only_new_pictures_are_computed_in_any_order(tmp_path: Path) -> None:
    assert fill(tmp_path, PICTURES) == list(PICTURES)
    backwards = {sha("d"): rows(4), **dict(reversed(PICTURES.items()))}
    assert fill(tmp_path, backwards) == [sha("d")]
    assert fill(tmp_path, backwards | PICTURES) == []


def test_pictures_that_are_there_twice(tmp_path: Path) -> None:
    """Also one after the other, whose rows are written side by side, and without rows."""
    keys = [sha(letter) for letter in "abbacc"]

    def compute(items: list[str]) -> Iterator[pa.Table]:
        return (PICTURES[key] for key in items)

    for known in (False, True, True):
        found = list(cache(tmp_path).complete([(key, key) for key in keys], compute))
        expected = [PICTURES[key].to_pylist() for key in keys]
        assert [table.to_pylist() for _, table in found] == expected, known


def test_other_settings_use_no_row_and_delete_them(tmp_path: Path) -> None:
    fill(tmp_path, PICTURES)
    assert fill(tmp_path, PICTURES, threshold=0.1) == list(PICTURES)
    assert len(list((tmp_path / "cache/detect").iterdir())) == 1
    assert fill(tmp_path, PICTURES) == list(PICTURES)


def test_a_stopped_job_keeps_what_it_computed(tmp_path: Path) -> None:
    def dies(items: list[str]) -> Iterator[pa.Table]:
        yield rows(7)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(cache(tmp_path).complete([(sha("a"), ""), (sha("b"), "")], dies))
    assert sha("a") in cache(tmp_path) and sha("b") not in cache(tmp_path)


def test_rows_are_written_while_a_job_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cache, "ROWS_OF_A_FILE", 2)
    running = cache(tmp_path).complete(
        [(sha(letter), 0) for letter in "abcd"], lambda items: iter([rows(1)] * len(items))
    )
    for _ in range(3):
        next(running)
    # As if it were killed here.
    assert sha("b") in cache(tmp_path) and sha("d") not in cache(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "other", "bits"])
def test_damaged_files_are_deleted_and_computed_again(tmp_path: Path, damage: str) -> None:
    fill(tmp_path, PICTURES)
    (file,) = files(tmp_path)
    data = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(data[:100])
    elif damage == "other":
        file.write_text("hello")
    else:
        column = pq.read_metadata(file).row_group(0).column(1)
        data[column.data_page_offset + column.total_compressed_size - 2] ^= 4
        file.write_bytes(data)
        # As the check of pictures reads them.
        assert len(cache(tmp_path).table()) == 0
        fill(tmp_path, PICTURES)
        (file,) = files(tmp_path)
        data = bytearray(file.read_bytes())
        data[column.data_page_offset + column.total_compressed_size - 2] ^= 4
        file.write_bytes(data)
    assert fill(tmp_path, PICTURES) == list(PICTURES)


def test_rows_of_pictures_that_are_gone_do_not_pile_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, PICTURES)
    prune(tmp_path, {sha("a"), sha("b")})
    assert sha("c") in cache(tmp_path), "not worth the writing yet"
    prune(tmp_path, {sha("b")})
    assert sha("a") not in cache(tmp_path) and sha("b") in cache(tmp_path)
    assert fill(tmp_path, PICTURES) == [sha("a"), sha("c")]
    # Many small files are joined, with all that they hold.
    monkeypatch.setattr(row_cache, "FILES_TO_JOIN", 1)
    prune(tmp_path, set(PICTURES))
    assert len(files(tmp_path)) == 1
    assert fill(tmp_path, PICTURES) == []


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        found = list(cache(None).complete([(sha("a"), 1)], lambda items: iter([rows(1)])))
        assert len(found) == 1
    assert list(tmp_path.iterdir()) == []
