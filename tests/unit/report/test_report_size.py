"""A report of real pictures is small enough to be sent, and to be opened in Snakemake's report."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from page_text import page_of, picture_of
from report_run import Run
from visualsearch.data.manifest import FetchedImage, ListedImage, write_manifest
from visualsearch.data.tables import HITS, QUERIES, write_table
from visualsearch.data.vectors import with_vector


@pytest.mark.parametrize("large", [False, True])
def test_five_queries_fit_into_six_megabytes(
    large: bool, coco_sample: Path, run: Run, tmp_path: Path
) -> None:
    """large: large and full of detail, so that no picture is small as a JPEG."""
    folder = coco_sample / "images"
    paths = sorted(folder.iterdir())[:55]
    if large:
        folder = tmp_path / "large"
        paths = [large_picture(folder, path) for path in paths]
    # 55 different pictures, and a person's usual share of each.
    images = [
        FetchedImage(ListedImage(number, path.name), *Image.open(path).size, "")
        for number, path in enumerate(paths)
    ]
    write_manifest(tmp_path / "manifest.parquet", images, shards=1)
    rows = [
        {
            "person_id": image.listed.image_id * 1000,
            "image_id": image.listed.image_id,
            "score": 0.9,
            "x": image.width * 0.3,
            "y": image.height * 0.1,
            "w": image.width * 0.3,
            "h": image.height * 0.8,
        }
        for image in images
    ]
    queries = [
        row | {"query": n, "role": "typical", "reason": "", "vector": [0.0]}
        for n, row in enumerate(rows[:5])
    ]
    same = {"similarity": 0.5, "same_image": False, "near_duplicate": False}
    hits = [
        row | {"query": n // 10, "rank": n % 10 + 1, "index_rank": n % 10 + 1, **same}
        for n, row in enumerate(rows[5:])
    ]
    schema = with_vector(QUERIES, 1)
    write_table(tmp_path / "q.parquet", [pa.Table.from_pylist(queries, schema)], schema)
    write_table(tmp_path / "h.parquet", [pa.Table.from_pylist(hits, HITS)], HITS)
    files = run.files(
        manifest=tmp_path / "manifest.parquet",
        queries=tmp_path / "q.parquet",
        hits=tmp_path / "h.parquet",
    )
    settings = {"report": {}, "reduction": {}, "embedding": {}}
    page = page_of(run.report(tmp_path, files=files, pictures=folder, **settings))
    assert len(page.data("pictures")) == 55
    assert (tmp_path / "index.html").stat().st_size < 6_000_000
    # Not smaller than need be, either.
    sizes = [max(picture_of(p["url"]).size) for p in page.data("pictures").values()]
    assert min(sizes) > 300 and (large or max(sizes) == 640)
    # Snakemake's report makes the light page an address; Chromium opens none above 2 MiB.
    assert (tmp_path / "light.html").stat().st_size * 4 / 3 < 2**21


def large_picture(folder: Path, path: Path) -> Path:
    """A real picture as if taken with a large camera: a mosaic of it, with noise."""
    folder.mkdir(exist_ok=True)
    with Image.open(path) as opened:
        small = np.asarray(opened.convert("RGB").resize((400, 300)), np.int16)
    noise = np.random.default_rng(1).integers(-40, 40, (900, 1200, 3), np.int16)
    mosaic = np.clip(np.tile(small, (3, 3, 1)) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(mosaic).save(folder / path.name, quality=90)
    return folder / path.name
