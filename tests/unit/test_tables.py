"""Tables of vectors: what is read does not tell how many shards it lay in."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from helpers import persons_table, write_shards
from visualsearch.errors import InputError
from visualsearch.tables import (
    PERSONS,
    ROW_GROUP_ROWS,
    common_metadata,
    count_rows,
    in_person_order,
    metadata_of,
    open_table,
    read_table,
    vector_length,
    vectors_of,
    with_vector,
    write_table,
)


@pytest.mark.parametrize("shards", [1, 3, 8])
@pytest.mark.parametrize("rows", [1, 100, 7, 4096])
def test_person_order_is_the_same_for_any_shards(tmp_path: Path, shards: int, rows: int) -> None:
    table = persons_table(np.random.default_rng(0).normal(size=(300, 5)))
    paths = write_shards(tmp_path, table, shards)
    batches = list(in_person_order(paths, rows))
    assert pa.concat_tables(batches).equals(table)
    assert all(len(batch) == rows for batch in batches[:-1])
    assert count_rows(paths) == 300 and vector_length(paths[0]) == 5


def test_more_rows_than_row_groups_and_empty_shards(tmp_path: Path) -> None:
    table = persons_table(np.random.default_rng(1).normal(size=(3 * ROW_GROUP_ROWS + 10, 4)))
    paths = write_shards(tmp_path, table, 2)
    write_table(tmp_path / "empty.parquet", [], with_vector(PERSONS, 4))
    merged = pa.concat_tables(in_person_order([*paths, str(tmp_path / "empty.parquet")], 500))
    assert merged.equals(table)
    assert np.array_equal(vectors_of(merged), vectors_of(table))


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
    with pytest.raises(InputError, match=r"broken\.parquet is no readable table"):
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
