"""Tables of vectors: what is read does not tell how many shards it lay in."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from helpers import persons_table, write_shards
from visualsearch.core.errors import InputError
from visualsearch.data.person_order import in_person_order, vectors_of_rows
from visualsearch.data.tables import (
    PERSONS,
    ROW_GROUP_ROWS,
    common_metadata,
    count_rows,
    metadata_of,
    open_table,
    read_table,
    write_table,
)
from visualsearch.data.vectors import stored_lengths, vectors_of, with_full_length, with_vector


@pytest.mark.parametrize("shards", [1, 3, 8])
@pytest.mark.parametrize("rows", [1, 100, 7, 4096])
def test_person_order_is_the_same_for_any_shards(tmp_path: Path, shards: int, rows: int) -> None:
    """With several row groups a shard, and an empty shard."""
    n = 2 * ROW_GROUP_ROWS + 10
    table = persons_table(np.random.default_rng(0).normal(size=(n, 4)))
    paths = write_shards(tmp_path, table, shards)
    write_table(tmp_path / "empty.parquet", [], with_vector(PERSONS, 4))
    paths.append(str(tmp_path / "empty.parquet"))
    batches = list(in_person_order(paths, rows))
    merged = pa.concat_tables(batches)
    assert merged.equals(table) and np.array_equal(vectors_of(merged), vectors_of(table))
    assert all(len(batch) == rows for batch in batches[:-1])
    assert count_rows(paths) == n and stored_lengths(paths[0]) == {"vector": 4}


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("rows", [7, 4096])
def test_some_rows_in_person_order(tmp_path: Path, shards: int, rows: int) -> None:
    n = 3 * ROW_GROUP_ROWS
    table = persons_table(np.random.default_rng(3).normal(size=(n, 4)))
    paths = write_shards(tmp_path, table, shards)
    only = np.flatnonzero(np.random.default_rng(4).random(n) < 0.1)
    for wanted in (only, only[:1], np.arange(n)):
        parts = list(in_person_order(paths, rows, ["person_id", "vector"], wanted))
        assert pa.concat_tables(parts).equals(table.take(wanted).select(["person_id", "vector"]))
    assert list(in_person_order(paths, rows, only=only[:0])) == []
    again = np.array([5, 2, 600, 2])
    assert np.array_equal(vectors_of_rows(paths, again), vectors_of(table)[again])


def test_row_groups_without_wanted_rows_are_not_read(tmp_path: Path) -> None:
    table = persons_table(np.random.default_rng(5).normal(size=(2 * ROW_GROUP_ROWS, 4)))
    path = tmp_path / "t.parquet"
    write_table(path, [table], table.schema)
    with open_table(path) as file:
        # The last column is that of the vectors.
        page = file.metadata.row_group(0).column(len(PERSONS)).data_page_offset
    damaged = bytearray(path.read_bytes())
    damaged[page : page + 16] = bytes(16)
    path.write_bytes(damaged)
    last = np.array([2 * ROW_GROUP_ROWS - 1])
    assert np.array_equal(vectors_of_rows([path], last), vectors_of(table)[last])
    with pytest.raises(OSError):
        vectors_of_rows([path], np.array([0]))


def test_full_length_vectors_change_little_and_take_half_the_disk(tmp_path: Path) -> None:
    vectors = np.abs(np.random.default_rng(6).normal(size=(500, 1280))).astype(np.float32)
    table = persons_table(vectors)
    half = with_full_length(PERSONS, {"vector": 1280})
    for name, schema in (("whole", table.schema), ("half", half)):
        write_table(tmp_path / name, [table], schema)
    kept = vectors_of(read_table(tmp_path / "half"))
    assert kept.dtype == np.float32
    one, other = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors, kept))
    assert np.abs(one @ one.T - other @ other.T).max() < 1e-4
    sizes = {name: (tmp_path / name).stat().st_size for name in ("whole", "half")}
    assert sizes["half"] < 0.55 * sizes["whole"]


def test_bytes_do_not_tell_how_rows_came(tmp_path: Path) -> None:
    table = persons_table(np.random.default_rng(2).normal(size=(700, 3)))
    for name, step in (("one", 700), ("many", 13)):
        parts = [table.slice(start, step) for start in range(0, 700, step)]
        write_table(tmp_path / name, parts, table.schema, {"detector": "x"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()
    assert metadata_of(tmp_path / "one") == {"detector": "x"}


def test_failed_writing_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> object:
        yield persons_table(np.ones((2, 3)))
        raise RuntimeError("stopped half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_table(tmp_path / "t.parquet", rows(), with_vector(PERSONS, 3))
    assert list(tmp_path.iterdir()) == []


def test_damaged_or_foreign_tables_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"broken\.parquet is not a readable table"):
        read_table(broken)
    write_table(tmp_path / "t.parquet", [], PERSONS)
    with pytest.raises(InputError, match=r"t\.parquet has no column vector"):
        open_table(tmp_path / "t.parquet", ["vector"])


def test_tables_of_different_runs_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_table(tmp_path / name, [], PERSONS, {"weights_sha256": name})
    assert common_metadata([tmp_path / "a", tmp_path / "a"]) == {"weights_sha256": "a"}
    with pytest.raises(InputError, match=r"made differently \(weights_sha256\)"):
        common_metadata([tmp_path / "a", tmp_path / "b"])
