"""A result is known by its checksum; a file without one passes."""

import subprocess
from pathlib import Path

import pytest

from visualsearch.core import checksums
from visualsearch.core.errors import InputError

NAME = "hits one.parquet"


@pytest.fixture
def result(tmp_path: Path) -> str:
    path = tmp_path / NAME
    path.write_bytes(b"rows")
    checksums.write([str(path)])
    return str(path)


def test_what_was_written_is_known(result: str) -> None:
    checksums.check([result])
    command = ["sha256sum", "--check", f".{NAME}.sha256"]
    subprocess.run(command, cwd=Path(result).parent, check=True)


@pytest.mark.parametrize(
    ("file", "data"),
    [(NAME, b""), (NAME, b"rowS"), (NAME, b"rows of another run"), (f".{NAME}.sha256", b"\xff")],
)
def test_another_file_or_a_damaged_checksum_is_told(result: str, file: str, data: bytes) -> None:
    Path(result).with_name(file).write_bytes(data)
    with pytest.raises(InputError, match=r"hits one.parquet is not the file .* delete it") as error:
        checksums.check([result])
    assert "\n" not in str(error.value)


def test_what_has_no_checksum_passes(result: str, tmp_path: Path) -> None:
    (tmp_path / "own.jpg").touch()
    folder = tmp_path / "explorer"
    folder.mkdir()
    checksums.write([str(folder)])
    checksums.check([str(folder), str(tmp_path / "own.jpg"), str(tmp_path / "absent")])
    Path(result).write_bytes(b"being made anew")
    checksums.delete_checksums([result])
    checksums.check([result])


def test_none_is_written_if_results_are_in_object_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(checksums.IN_STORAGE, "x")
    (tmp_path / NAME).write_bytes(b"rows")
    checksums.write([str(tmp_path / NAME)])
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
