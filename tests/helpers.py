"""Made tables, pictures and checks that several tests use."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json
from visualsearch.data.tables import PERSONS, write_table
from visualsearch.data.vectors import vector_column, with_vector
from visualsearch.fetch import openpeople
from visualsearch.index import recall
from visualsearch.index.building import build_index
from visualsearch.settings import DatasetSettings, IndexSettings


def skip_without(package: str, untested: str) -> None:
    """Skip a module of tests without a package, which it does not import: it may load others."""
    if find_spec(package) is None:
        reason = f"NOT TESTED: {untested}, as {package} is not installed"
        pytest.skip(reason, allow_module_level=True)


def export_people(folder: Path, count: int) -> None:
    """Copy some pictures of the package openpeople, of people who do not exist."""
    settings = DatasetSettings("openpeople", max_images=count)
    listed = openpeople.list_images(settings, folder).images
    assert len(list(openpeople.fetch(listed, folder, settings, {}))) == count


def persons_table(vectors: np.ndarray, per_image: int = 3) -> pa.Table:
    """Persons with the given vectors [N, D], by rising person_id, `per_image` in each image."""
    n, length = vectors.shape
    image_id = 1 + np.arange(n) // per_image
    det_index = np.arange(n) % per_image
    columns = {
        "person_id": image_id * 1000 + det_index,
        "image_id": image_id,
        "det_index": det_index,
        "score": np.linspace(0.99, 0.5, n),
        "x": np.zeros(n),
        "y": np.zeros(n),
        "w": np.full(n, 50),
        "h": np.full(n, 100),
        "vector": vector_column(vectors.astype(np.float32)),
    }
    return pa.table(columns).cast(with_vector(PERSONS, length))


def write_shards(folder: Path, table: pa.Table, shards: int) -> list[str]:
    """Write a table of persons as the workflow shards it, by image_id."""
    shard = table["image_id"].to_numpy() % shards
    paths = [str(folder / f"{number}.parquet") for number in range(shards)]
    for number, path in enumerate(paths):
        write_table(path, [table.filter(shard == number)], table.schema)
    return paths


def unit_vectors(n: int, length: int, seed: int = 0) -> np.ndarray:
    """Random vectors of length 1, float32 [n, length]."""
    vectors = np.random.default_rng(seed).normal(size=(n, length))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def built_index(
    folder: Path,
    vectors: np.ndarray,
    backend: str,
    shards: int = 2,
    sampled: int = 100,
    **settings: Any,
) -> dict[str, Any]:
    """Build an index of `vectors` in `folder`, with 20 trees and search_k 5000 unless `settings`
    say otherwise, and recall measured on `sampled` persons; return its sidecar."""
    folder.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {"n_trees": 20, "search_k": 5000, **settings}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recall, "MAX_SAMPLED", sampled)
        build_index(
            write_shards(folder, persons_table(vectors), shards),
            IndexSettings(backend=backend, **given),
            *(str(folder / name) for name in ("index", "persons.parquet", "index.json")),
        )
    return read_json(folder / "index.json")


def one_line(caught: pytest.ExceptionInfo[InputError]) -> str:
    """The message of an InputError, which must be one line."""
    text = str(caught.value)
    assert "\n" not in text and len(text) < 700
    return text


def as_stored(upright: np.ndarray, orientation: int) -> Image.Image:
    """The picture as a camera stores it for an EXIF orientation (EXIF 2.3, table 6).

    upright: uint8 [height, width, 3].
    """
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1],
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    return Image.fromarray(np.ascontiguousarray(stored))
