"""Results are known by their checksums, and what has none passes."""

import subprocess
from pathlib import Path

import pytest

from visualsearch.core import checksums
from visualsearch.core.errors import InputError


@pytest.fixture
def result(tmp_path: Path) -> str:
    path = tmp_path / "hits one.parquet"
    path.write_bytes(b"rows")
    checksums.write([str(path)])
    return str(path)


def test_what_was_written_is_known(result: str) -> None:
    checksums.check([result])


@pytest.mark.parametrize("data", [b"", b"rowS", b"rows of another run"])
def test_another_file_in_its_place_is_told(result: str, data: bytes) -> None:
    Path(result).write_bytes(data)
    with pytest.raises(InputError, match=r"hits one.parquet is not what .* delete it") as error:
        checksums.check([result])
    assert "\n" not in str(error.value)


def test_a_damaged_checksum_is_told(result: str) -> None:
    (Path(result).parent / ".hits one.parquet.sha256").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"hits one.parquet is not what"):
        checksums.check([result])


def test_what_has_no_checksum_passes(result: str, tmp_path: Path) -> None:
    (tmp_path / "own.jpg").touch()
    folder = tmp_path / "explorer"
    folder.mkdir()
    checksums.write([str(folder)])
    checksums.check([str(folder), str(tmp_path / "own.jpg"), str(tmp_path / "absent")])
    Path(result).write_bytes(b"being made anew")
    checksums.forget([result])
    checksums.check([result])


def test_sha256sum_reads_them(result: str) -> None:
    name = ".hits one.parquet.sha256"
    subprocess.run(["sha256sum", "--check", name], cwd=Path(result).parent, check=True)


def test_none_is_written_where_results_lie_in_object_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(checksums.NONE, "x")
    (tmp_path / "hits.parquet").write_bytes(b"rows")
    checksums.write([str(tmp_path / "hits.parquet")])
    assert [path.name for path in tmp_path.iterdir()] == ["hits.parquet"]
