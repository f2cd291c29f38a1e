"""The test that every opening runs refuses an index that is not what its sidecar says."""

from pathlib import Path
from typing import Any

import annoy
import numpy as np
import pytest
import usearch.index

from helpers import built_index, one_line, unit_vectors
from visualsearch.core.errors import InputError
from visualsearch.index import REGISTRY, annoy_backend, exact_backend, hnsw_backend
from visualsearch.index.opening import open_index

FILES = {
    "annoy": annoy_backend.Forest,
    "exact": exact_backend.ExactFile,
    "hnsw": hnsw_backend.Graph,
}


def file_facts(folder: Path) -> dict[str, Any]:
    """Size of the file as a sidecar has it, so that later checks are reached."""
    return {"index_bytes": (folder / "index").stat().st_size}


def forest_of(vectors: np.ndarray, metric: Any, trees: int) -> annoy.AnnoyIndex:
    forest = annoy.AnnoyIndex(vectors.shape[1], metric)
    forest.set_seed(0)
    for row, vector in enumerate(vectors):
        forest.add_item(row, vector)
    forest.build(trees, n_jobs=1)
    return forest


def graph_of(vectors: np.ndarray, **settings: Any) -> usearch.index.Index:
    graph = usearch.index.Index(ndim=vectors.shape[1], dtype="f32", **settings)
    graph.add(np.arange(len(vectors)), vectors, threads=1)
    return graph


@pytest.mark.parametrize("backend", ["annoy", "hnsw"])
def test_an_index_that_finds_less_is_refused(tmp_path: Path, backend: str) -> None:
    """Too few trees, or too few connections."""
    vectors = unit_vectors(3000, 48)
    sidecar = built_index(tmp_path, vectors, backend, n_trees=40, search_k=1000)
    open_index(tmp_path / "index", sidecar)
    if backend == "annoy":
        poor, said = forest_of(vectors, "angular", 2), {}
    else:
        poor, said = graph_of(vectors, metric="ip", connectivity=2, expansion_add=2), {}
        said = {"connectivity": poor.connectivity}
    poor.save(str(tmp_path / "index"))
    with pytest.raises(InputError, match="of different runs"):
        open_index(tmp_path / "index", sidecar)
    sidecar |= file_facts(tmp_path)
    if said:
        with pytest.raises(InputError, match="connectivity"):
            open_index(tmp_path / "index", sidecar)
    with pytest.raises(InputError, match="nearest neighbours and found"):
        open_index(tmp_path / "index", sidecar | said)


@pytest.mark.parametrize(
    ("backend", "metric", "dimension", "line"),
    [
        ("annoy", "manhattan", 16, "rerun build_index"),
        ("annoy", "dot", 16, "rerun build_index"),
        # Euclidean nodes have four bytes more: with one value less the file fits.
        ("annoy", "euclidean", 15, "holds other vectors"),
        ("hnsw", "l2sq", 16, "was built for metric"),
        ("hnsw", "cos", 16, "was built for metric"),
    ],
)
def test_a_file_of_another_metric_is_refused(
    tmp_path: Path, backend: str, metric: str, dimension: int, line: str
) -> None:
    vectors = unit_vectors(200, 16)
    sidecar = built_index(tmp_path, vectors, backend)
    vectors = vectors[:, :dimension]
    other: Any = (
        forest_of(vectors, metric, 20)
        if backend == "annoy"
        else graph_of(vectors, metric=metric, connectivity=16)
    )
    other.save(str(tmp_path / "index"))
    with pytest.raises(InputError, match=line):
        open_index(tmp_path / "index", sidecar | file_facts(tmp_path))


@pytest.mark.parametrize("backend", REGISTRY)
def test_a_backend_that_returns_one_neighbour_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """Some builds of Annoy do so; here every backend's answer is cut short."""
    sidecar = built_index(tmp_path, unit_vectors(200, 16), backend)
    honest = FILES[backend].query

    def single(*arguments: Any) -> Any:
        rows, vectors = honest(*arguments)
        return rows[:1], vectors[:1]

    monkeypatch.setattr(FILES[backend], "query", single)
    with pytest.raises(InputError, match=f"this build of {backend} is broken"):
        open_index(tmp_path / "index", sidecar)
    with pytest.raises(InputError, match=f"this build of {backend} is broken"):
        built_index(tmp_path / "new", unit_vectors(200, 16), backend)


@pytest.mark.parametrize("backend", REGISTRY)
def test_index_and_sidecar_of_different_runs_are_refused(tmp_path: Path, backend: str) -> None:
    """Same persons, same settings, vectors of another model."""
    built_index(tmp_path / "a", unit_vectors(300, 16, seed=1), backend)
    sidecar = built_index(tmp_path / "b", unit_vectors(300, 16, seed=2), backend)
    with pytest.raises(InputError, match="holds other vectors"):
        open_index(tmp_path / "a/index", sidecar | file_facts(tmp_path / "a"))


@pytest.mark.parametrize("backend", REGISTRY)
def test_a_damaged_or_missing_file_is_refused_in_one_line(tmp_path: Path, backend: str) -> None:
    sidecar = built_index(tmp_path, unit_vectors(200, 16), backend)
    path = tmp_path / "index"
    whole = path.read_bytes()
    for damaged, line in (
        (whole[: len(whole) // 2], "of different runs; rerun build_index"),
        (b"\xff" * len(whole), "rerun build_index"),
        (None, "index cannot be opened: No such file or directory; rerun build_index"),
    ):
        path.unlink()
        if damaged:
            path.write_bytes(damaged)
        with pytest.raises(InputError, match=line) as refused:
            open_index(path, sidecar)
        one_line(refused)


@pytest.mark.parametrize("backend", REGISTRY)
def test_a_sidecar_that_says_otherwise_is_refused(tmp_path: Path, backend: str) -> None:
    sidecar = built_index(tmp_path, unit_vectors(256, 16), backend)
    wrong: list[dict[str, Any]] = [{"n_items": 150}, {"dimension": 24}]
    if backend != "exact":
        wrong.append({"metric": "euclidean"})
    if backend == "annoy":
        # Its node size divides the file: Annoy loads it and returns nonsense.
        wrong.append({"dimension": 7})
    for values in wrong:
        with pytest.raises(InputError, match="rerun build_index"):
            open_index(tmp_path / "index", sidecar | values)
