"""A made run and its explorer, of which the tests know every pixel and word."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from helpers import persons_table, unit_vectors, write_shards
from visualsearch.core.files import read_json
from visualsearch.data.manifest import FetchedImage, ListedImage, write_manifest
from visualsearch.data.tables import HITS, write_table
from visualsearch.explorer.writing import ExplorerFiles, write_explorer
from visualsearch.index.building import build_index
from visualsearch.index.index import Index
from visualsearch.index.opening import open_index
from visualsearch.search.everyone import EVERYONE, search_everyone
from visualsearch.search.full_length import FullLength
from visualsearch.search.hits import search_all
from visualsearch.search.map import write_map
from visualsearch.settings import IndexSettings, Settings, checking

LENGTH, SHARDS, A_PICTURE = 6, 3, 3
SIDE = 300
# Left, top, width, height of a picture's three persons, and what fits of each into a cell of 112.
BOXES = ((0, 0, 60, 150), (100, 10, 200, 100), (10, 200, 20, 31))
FIT = ((45, 112), (112, 56), (20, 31))
HOSTILE = (
    '"><img src=x onerror=alert(1)>, -1+1 @a #b %2e?.png',
    "</script><!-- \u2028.png",
    "人 & ü.png",
)
HOSTILE_LABEL = "'\"</script><b onclick=alert(1)>"
HOSTILE_LICENSE = "<script>alert(1)</script>"


def settings_of(**sections: dict[str, Any]) -> Settings:
    """Settings with some sections given."""
    given = {"dataset": {"source": "folder", "folder": {"path": "."}}}
    return Settings.of(checking.checked({**given, **sections}))


def opened(folder: Path, table: pa.Table, backend: str, search_k: int = 1000) -> Index:
    """The index of a table of persons, built in `folder` beside its shards."""
    settings = IndexSettings(backend=backend, n_trees=10, search_k=search_k)
    paths = [str(folder / name) for name in ("persons", "persons.parquet", "index.json")]
    build_index(write_shards(folder, table, SHARDS), settings, *paths)
    return open_index(folder / "persons", read_json(folder / "index.json"))


def full_length_of(folder: Path) -> FullLength:
    """The vectors of the shards that `opened` wrote, which serve as full-length ones too."""
    shards = [str(folder / f"{shard}.parquet") for shard in range(SHARDS)]
    return FullLength(shards, np.zeros(LENGTH, np.float32), np.empty((0, LENGTH), np.float32))


@dataclass(frozen=True)
class Made:
    """A made run, of which the explorer is built. colours: uint8 [N, 3], of each person's box."""

    folder: Path
    settings: Settings
    table: pa.Table
    colours: np.ndarray
    files: ExplorerFiles

    def picture(self, image: int) -> Path:
        """The user's own picture, counted from 0."""
        return self.folder / "pictures" / file_of(image)

    def build(self, name: str = "explorer", threads: int = 1) -> Path:
        """Write the explorer; its folder."""
        pictures = str(self.folder / "pictures")
        target = self.folder / name
        write_explorer(self.files, self.settings, pictures, str(target), threads)
        return target


def file_of(image: int) -> str:
    """The name of a picture, counted from 0."""
    return HOSTILE[image] if image < len(HOSTILE) else f"{image}.png"


def make(folder: Path, persons: int, **sections: dict[str, Any]) -> Made:
    """Pictures with a coloured rectangle for each person, and all that stages say of them."""
    settings = settings_of(**{"explorer": {"projection": "pca"}, **sections})
    table = persons_table(unit_vectors(persons, LENGTH), A_PICTURE)
    boxes = np.array(BOXES, dtype=np.float32)[np.arange(persons) % A_PICTURE]
    for axis, values in zip("xywh", boxes.T, strict=True):
        column = table.schema.get_field_index(axis)
        table = table.set_column(column, axis, pa.array(values))
    colours = np.random.default_rng(3).integers(0, 256, (persons, 3)).astype(np.uint8)
    (folder / "pictures").mkdir()
    images = []
    for image in range(-(-persons // A_PICTURE)):
        pixels = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
        for row in range(image * A_PICTURE, min((image + 1) * A_PICTURE, persons)):
            x, y, w, h = BOXES[row % A_PICTURE]
            pixels[y : y + h, x : x + w] = colours[row]
        path = folder / "pictures" / file_of(image)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        listed = ListedImage(
            image_id=image + 1,
            file=file_of(image),
            license=HOSTILE_LICENSE if image % 2 else None,
            license_url="javascript:alert(1)" if image % 2 else None,
            source_url="javascript:alert(1)" if image % 2 else f"https://a.example/?{image}",
            labels=json.dumps({"who": HOSTILE_LABEL, "n": image % 5}) if image % 4 else None,
        )
        images.append(FetchedImage(listed, SIDE, SIDE, ""))
    # A picture that shows nobody takes no part.
    Image.new("RGB", (SIDE, SIDE)).save(folder / "pictures/nobody.png")
    images.append(FetchedImage(ListedImage(10_000, "nobody.png", license="Z"), SIDE, SIDE, ""))
    write_manifest(folder / "manifest.parquet", images, SHARDS)
    asked = table.slice(persons // 2, 1).select(["person_id", "image_id", "vector"])
    asked = asked.append_column("query", pa.array(range(len(asked)), pa.int16()))
    write_table(folder / "queries.parquet", [asked], asked.schema)
    hits = HITS.empty_table()
    everyone = [str(folder / f"everyone-{shard}.parquet") for shard in range(SHARDS)]
    if persons:
        index = opened(folder, table, "exact")
        hits = search_all(index, table, asked, settings.search, full_length_of(folder))
    else:
        write_shards(folder, table, SHARDS)
        write_table(folder / "persons.parquet", [table], table.schema)
    for shard, path in enumerate(everyone):
        found: Any = []
        if persons:
            found = search_everyone(
                index,
                table,
                str(folder / f"{shard}.parquet"),
                settings.search,
                settings.explorer.neighbours,
                full_length_of(folder),
            )
        write_table(path, found, EVERYONE)
    reduced = [str(folder / f"{shard}.parquet") for shard in range(SHARDS)]
    write_map(folder / "map.parquet", reduced, settings.explorer.projection)
    write_table(folder / "hits.parquet", [hits], HITS)
    names = ("manifest", "persons", "queries", "hits", "map")
    files = ExplorerFiles(*(str(folder / f"{name}.parquet") for name in names), everyone, reduced)
    return Made(folder, settings, table, colours, files)
