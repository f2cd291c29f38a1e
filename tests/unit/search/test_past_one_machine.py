"""What docs/past-one-machine.md shows runs, and gives what exact search gives."""

from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT
from documented import code_of
from helpers import persons_table, write_shards

PAGE = ROOT / "docs/past-one-machine.md"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, str]:
    """Unit vectors of made persons, of few strong directions, and the folder of their tables."""
    pytest.importorskip("lancedb", reason="NOT TESTED: lancedb is not installed")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3000, 8)) @ rng.normal(size=(8, 64)) + rng.normal(size=(3000, 64))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    (tmp_path / "reduced").mkdir()
    write_shards(tmp_path / "reduced", persons_table(vectors), 3)
    monkeypatch.chdir(tmp_path)
    return vectors, str(tmp_path)


def expected(vectors: np.ndarray, row: int, same_image: bool = False) -> list[int]:
    """person_id of the ten nearest, by numpy."""
    persons = persons_table(vectors)
    cosines = vectors @ vectors[row]
    image_ids = persons["image_id"].to_numpy()
    if not same_image:
        cosines[image_ids == image_ids[row]] = -2
    return persons["person_id"].to_numpy()[np.argsort(-cosines, kind="stable")[:10]].tolist()


def test_the_database_gives_the_exact_neighbours(made: tuple[np.ndarray, str]) -> None:
    vectors, run = made
    person = persons_table(vectors)["person_id"][1500].as_py()
    nearest = code_of(PAGE, 0, run=run, person=person)["nearest"]
    assert nearest["person_id"].to_pylist() == expected(vectors, 1500)


def test_its_index_finds_nearly_all(made: tuple[np.ndarray, str]) -> None:
    """Of one query as the page asks it; the share is of many, as its training is not the same."""
    vectors, run = made
    person = persons_table(vectors)["person_id"][1500].as_py()
    defined = code_of(PAGE, 1, run=run, person=person)
    found = defined["nearest"]["person_id"].to_pylist()
    assert len(found) == 10 and person not in found
    assert [index.index_type for index in defined["persons"].list_indices()] == ["IvfPq"]
    shares = []
    for row in range(0, 3000, 100):
        search = defined["persons"].search(vectors[row]).nprobes(50).refine_factor(30).limit(10)
        got = search.select(["person_id", "_distance"]).to_arrow()["person_id"].to_pylist()
        shares.append(len(set(got) & set(expected(vectors, row, same_image=True))) / 10)
    assert np.mean(shares) >= 0.9


def test_its_effort_is_measured(made: tuple[np.ndarray, str]) -> None:
    """The loop of the page ends at an effort that reaches the recall, by numpy's neighbours too."""
    vectors, run = made
    person = persons_table(vectors)["person_id"][1500].as_py()
    defined = code_of(PAGE, 2, run=run, person=person)
    assert len(defined["exact"]) == 100 and defined["recall"] >= 0.99
    ten, effort = defined["ten"], defined["effort"]
    truth = [set(expected(vectors, row, same_image=True)) for row in range(0, 3000, 60)]
    assert [ten(vectors[row]) for row in range(0, 3000, 60)] == truth
    found = [ten(vectors[row], effort) for row in range(0, 3000, 60)]
    assert np.mean([len(a & b) / 10 for a, b in zip(found, truth, strict=True)]) >= 0.97
