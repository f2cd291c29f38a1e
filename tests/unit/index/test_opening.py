"""The test that every opening runs refuses an index that is not what its sidecar says."""

from pathlib import Path
from typing import Any

import annoy
import faiss
import numpy as np
import pytest

from helpers import built_index, one_line, unit_vectors
from visualsearch.core.errors import InputError
from visualsearch.index import REGISTRY, annoy_backend, exact_backend, faiss_backend
from visualsearch.index.opening import open_index

FILES = {
    "annoy": annoy_backend.Forest,
    "exact": exact_backend.ExactFile,
    "faiss": faiss_backend.CodedFile,
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


def put_behind(path: Path, vectors: np.ndarray, codes: bytes) -> None:
    """Write a file of vectors and of what stands for their codes."""
    np.save(path.with_suffix(".npy"), vectors)
    path.write_bytes(path.with_suffix(".npy").read_bytes() + codes)


def code_of_all(vectors: np.ndarray) -> Any:
    codes = faiss.index_factory(vectors.shape[1], f"PQ{vectors.shape[1] // 4}x4fs")
    codes.train(vectors)
    codes.add(vectors)
    return codes


@pytest.mark.parametrize("backend", ["annoy", "faiss"])
def test_an_index_that_finds_less_is_refused(tmp_path: Path, backend: str) -> None:
    """Too few trees, or codes of the same vectors in another order."""
    vectors = unit_vectors(3000, 48)
    sidecar = built_index(tmp_path, vectors, backend, n_trees=40, search_k=1000, target_recall=0.9)
    open_index(tmp_path / "index", sidecar)
    if backend == "annoy":
        forest_of(vectors, "angular", 2).save(str(tmp_path / "index"))
    else:
        others = faiss.serialize_index(code_of_all(vectors[::-1].copy())).tobytes()
        put_behind(tmp_path / "index", vectors, others)
    with pytest.raises(InputError, match="belong to different runs"):
        open_index(tmp_path / "index", sidecar)
    with pytest.raises(InputError, match="nearest neighbours and found"):
        open_index(tmp_path / "index", sidecar | file_facts(tmp_path))


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda codes: b"", "has no codes of faiss behind its vectors"),
        (lambda codes: codes[: len(codes) // 2], "has no codes of faiss behind its vectors"),
        (lambda codes: b"\xff" * len(codes), "has no codes of faiss behind its vectors"),
        (lambda codes: codes[:40] + b"\xff" * 60 + codes[100:], "has no codes of faiss"),
    ],
    ids=["none", "half", "overwritten", "beginning"],
)
def test_damaged_codes_are_refused(tmp_path: Path, damage: Any, line: str) -> None:
    vectors = unit_vectors(200, 16)
    sidecar = built_index(tmp_path, vectors, "faiss")
    codes = (tmp_path / "index").read_bytes()[128 + vectors.nbytes :]
    put_behind(tmp_path / "index", vectors, codes)
    open_index(tmp_path / "index", sidecar)
    put_behind(tmp_path / "index", vectors, damage(codes))
    with pytest.raises(InputError, match=line) as refused:
        open_index(tmp_path / "index", sidecar | file_facts(tmp_path))
    one_line(refused)


@pytest.mark.parametrize(("rows", "length"), [(199, 16), (200, 12)])
def test_codes_of_other_vectors_are_refused(tmp_path: Path, rows: int, length: int) -> None:
    vectors = unit_vectors(200, 16)
    sidecar = built_index(tmp_path, vectors, "faiss")
    others = code_of_all(np.ascontiguousarray(vectors[:rows, :length]))
    put_behind(tmp_path / "index", vectors, faiss.serialize_index(others).tobytes())
    with pytest.raises(InputError, match=f"has codes of other vectors: {rows} of {length}"):
        open_index(tmp_path / "index", sidecar | file_facts(tmp_path))


@pytest.mark.parametrize(
    ("metric", "dimension", "line"),
    [
        ("manhattan", 16, "rerun build_index"),
        ("dot", 16, "rerun build_index"),
        # Euclidean nodes have four bytes more: with one value less the file fits.
        ("euclidean", 15, "not hold the vectors"),
    ],
)
def test_a_forest_of_another_metric_is_refused(
    tmp_path: Path, metric: str, dimension: int, line: str
) -> None:
    vectors = unit_vectors(200, 16)
    sidecar = built_index(tmp_path, vectors, "annoy")
    forest_of(vectors[:, :dimension], metric, 20).save(str(tmp_path / "index"))
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
    with pytest.raises(InputError, match="not hold the vectors"):
        open_index(tmp_path / "a/index", sidecar | file_facts(tmp_path / "a"))


@pytest.mark.parametrize("backend", REGISTRY)
def test_a_damaged_or_missing_file_is_refused_in_one_line(tmp_path: Path, backend: str) -> None:
    sidecar = built_index(tmp_path, unit_vectors(200, 16), backend)
    path = tmp_path / "index"
    whole = path.read_bytes()
    for damaged, line in (
        (whole[: len(whole) // 2], "belong to different runs; rerun build_index"),
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
    if backend == "annoy":
        wrong.append({"metric": "euclidean"})
        # Its node size divides the file: Annoy loads it and returns nonsense.
        wrong.append({"dimension": 7})
    for values in wrong:
        with pytest.raises(InputError, match="rerun build_index"):
            open_index(tmp_path / "index", sidecar | values)
