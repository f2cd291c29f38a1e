"""The explorer's map of all persons."""

import base64
from pathlib import Path

import numpy as np
import pytest

from explorer_run import LENGTH
from helpers import persons_table, unit_vectors, write_shards
from visualsearch.data.tables import metadata_of, read_table
from visualsearch.explorer.chunks import map_chunk
from visualsearch.search.map import MAP, project, write_map


def test_tsne_keeps_groups_together_and_is_the_same_again(tmp_path: Path) -> None:
    group = np.arange(90) % 3
    vectors = np.eye(3, LENGTH)[group] + 0.05 * np.random.default_rng(0).normal(size=(90, LENGTH))
    table = persons_table(vectors)
    maps = []
    for shards in (1, 4):
        (tmp_path / str(shards)).mkdir()
        path = tmp_path / f"map-{shards}.parquet"
        write_map(path, write_shards(tmp_path / str(shards), table, shards), "tsne")
        maps.append(path)
    assert maps[0].read_bytes() == maps[1].read_bytes()
    assert metadata_of(maps[0])["method"] == "tsne"
    found = read_table(maps[0])
    assert found.schema.equals(MAP) and found["person_id"].equals(table["person_id"])
    places = np.column_stack([found["x"].to_numpy(), found["y"].to_numpy()])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(90)
    assert (group[apart.argmin(axis=1)] == group).all()


@pytest.mark.parametrize("persons", [0, 1, 2, 7, 8, 9, 31])
def test_a_map_of_few(persons: int) -> None:
    places, method = project(unit_vectors(persons, LENGTH), "tsne")
    assert places.shape == (persons, 2) and places.dtype == np.float32
    assert np.isfinite(places).all()
    assert method == ("tsne" if persons >= 8 else "pca")


def test_copies_of_one_person_lie_together(caplog: pytest.LogCaptureFixture) -> None:
    """More of them than t-SNE asks neighbours for, so that all distances of a person are 0."""
    vectors = unit_vectors(150, LENGTH)
    vectors[:100] = vectors[0]
    with caplog.at_level("INFO"):
        places, method = project(vectors, "tsne")
    assert method == "tsne" and np.isfinite(places).all()
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(150)
    assert (apart[:100].argmin(axis=1) < 100).all()
    assert "map: 15 rounds of 50 steps in" in caplog.text


@pytest.mark.parametrize("vectors", [np.ones((20, 4)), np.linspace(0, 1, 20)[:, None]])
def test_a_map_of_persons_that_hardly_differ(vectors: np.ndarray) -> None:
    places, method = project(vectors.astype(np.float32), "tsne")
    assert method == "pca" and np.isfinite(places).all()
    assert places[:, 0].tolist() == vectors[:, 0].astype(np.float32).tolist()


def test_one_place_lies_in_the_middle() -> None:
    places = np.frombuffer(base64.b64decode(map_chunk(np.array([[3, -7]], np.float32))), "<u2")
    assert np.abs(places.astype(int) - 0x8000).max() <= 1
