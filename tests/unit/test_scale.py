"""What docs/scale.md shows runs, and gives what exact search gives."""

from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT
from documented import code_of
from helpers import persons_table, unit_vectors, write_shards

PAGE = ROOT / "docs/scale.md"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, str]:
    """Unit vectors of made persons, and the results folder with their tables."""
    pytest.importorskip("lancedb", reason="NOT TESTED: lancedb is not installed")
    vectors = unit_vectors(3000, 64)
    (tmp_path / "reduced").mkdir()
    write_shards(tmp_path / "reduced", persons_table(vectors), 3)
    monkeypatch.chdir(tmp_path)
    return vectors, str(tmp_path)


def expected(vectors: np.ndarray, row: int) -> list[int]:
    """person_id of the ten nearest of other images, by numpy."""
    persons = persons_table(vectors)
    cosines = vectors @ vectors[row]
    image_ids = persons["image_id"].to_numpy()
    cosines[image_ids == image_ids[row]] = -2
    return persons["person_id"].to_numpy()[np.argsort(-cosines, kind="stable")[:10]].tolist()


def test_the_database_gives_the_exact_neighbours(made: tuple[np.ndarray, str]) -> None:
    vectors, run = made
    person = persons_table(vectors)["person_id"][1500].as_py()
    nearest = code_of(PAGE, 0, run=run, person=person)["nearest"]
    assert nearest["person_id"].to_pylist() == expected(vectors, 1500)


def test_its_index_finds_nearly_all(made: tuple[np.ndarray, str]) -> None:
    vectors, run = made
    person = persons_table(vectors)["person_id"][1500].as_py()
    nearest = code_of(PAGE, 1, run=run, person=person)["nearest"]
    found = set(nearest["person_id"].to_pylist())
    assert len(found) == 10 and len(found & set(expected(vectors, 1500))) >= 8
