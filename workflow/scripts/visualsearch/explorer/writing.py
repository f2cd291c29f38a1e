"""Writes the folder of the explorer."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.files import replacing_folder
from visualsearch.core.progress import progress
from visualsearch.data.person_order import in_person_order, vectors_and_images
from visualsearch.data.pictures import Picture, Pictures
from visualsearch.data.tables import boxes_of, metadata_of, read_table
from visualsearch.data.upright import Decoded
from visualsearch.explorer.chunks import (
    DETAILS_ROWS,
    NEIGHBOURS_ROWS,
    PICTURES_ROWS,
    map_chunk,
    neighbours_chunk,
    packed,
    persons_chunk,
    script,
)
from visualsearch.explorer.contents import Contents
from visualsearch.explorer.own_pictures import OwnPictures, write_own_pictures
from visualsearch.explorer.page import page_facts, render_page
from visualsearch.explorer.report_hits import hits_of_persons, put_hits_first
from visualsearch.explorer.thumbnails import SHEET_PERSONS, Sheet, draw_sheets, whole_picture
from visualsearch.explorer.vectors import VECTORS_ROWS, scales_of, vectors_chunk
from visualsearch.settings import Settings


@dataclass(frozen=True)
class ExplorerFiles:
    """Paths of what the stages wrote.

    everyone, reduced: the neighbours and the reduced vectors of all persons, a file a shard.
    own_pictures: None if the page does not search for its reader's own pictures.
    """

    manifest: str
    persons: str
    queries: str
    hits: str
    map: str
    everyone: Sequence[str]
    reduced: Sequence[str]
    own_pictures: OwnPictures | None = None


def write_explorer(
    files: ExplorerFiles,
    settings: Settings,
    pictures_folder: str | None,
    target: str,
    threads: int = 1,
) -> None:
    """Write the explorer as the folder `target`; its bytes do not depend on `threads`.

    pictures_folder: the user's own folder of pictures, or None.
    """
    persons = read_table(files.persons)
    contents = Contents(files.manifest, persons, settings.dataset.source == "folder")
    queries = read_table(files.queries, ["person_id"])["person_id"].to_pylist()
    with replacing_folder(target) as folder:
        for name in ("data", "thumbnails"):
            (folder / name).mkdir()
        own = None
        if files.own_pictures:
            own = write_own_pictures(files.own_pictures, folder)
        facts = page_facts(contents, settings, metadata_of(files.map)["method"], queries, own)
        if pictures_folder is not None:
            facts["own_files"] = quote(Path(os.path.relpath(pictures_folder, target)).as_posix())
        whole = None
        if settings.explorer.pictures:
            whole = _WholePictures(folder / "pictures", persons, settings.report.picture_side)
        pictures = _with_boxes(Pictures(files.manifest, pictures_folder), persons)
        sheets = draw_sheets(pictures, facts["sheet"]["cell"][0], threads, whole)
        thumbnails = _write_sheets(folder / "thumbnails", sheets, len(persons))
        for chunk, payload in _chunks(files, contents, thumbnails, settings):
            (folder / "data" / f"{chunk}.js").write_text(script(chunk, payload), encoding="ascii")
        (folder / "index.html").write_text(render_page(facts), encoding="utf-8")


class _WholePictures:
    """Writes the pictures that show persons, each named by its number among them."""

    def __init__(self, folder: Path, persons: pa.Table, side: int) -> None:
        folder.mkdir()
        self._folder = folder
        self._image_ids = np.unique(persons["image_id"].to_numpy())
        self._side = side

    def __call__(self, image_id: int, decoded: Decoded) -> None:
        number = np.searchsorted(self._image_ids, image_id)
        path = self._folder / f"{number:04d}.webp"
        path.write_bytes(whole_picture(decoded, self._side))


def _with_boxes(
    pictures: Pictures, persons: pa.Table
) -> Iterator[tuple[Picture, NDArray[np.float32]]]:
    """Yield pictures that show persons, each with their boxes; both are sorted by image_id."""
    image_ids, boxes = persons["image_id"].to_numpy(), boxes_of(persons)
    for picture in pictures:
        first, last = np.searchsorted(image_ids, [picture.image_id, picture.image_id + 1])
        if first < last:
            yield picture, boxes[first:last]


def _write_sheets(folder: Path, sheets: Iterable[Sheet], n_persons: int) -> NDArray[np.uint8]:
    """Write each sheet as soon as it is drawn; return widths and heights of thumbnails, [N, 2]."""
    sizes = [np.empty((0, 2), dtype=np.uint8)]
    total = -(-n_persons // SHEET_PERSONS)
    for number, sheet in enumerate(progress(sheets, "explorer", "sheets", total)):
        (folder / f"{number:04d}.webp").write_bytes(sheet.webp)
        sizes.append(sheet.sizes)
    return np.concatenate(sizes)


def _chunks(
    files: ExplorerFiles, contents: Contents, thumbnails: NDArray[np.uint8], settings: Settings
) -> Iterator[tuple[str, Any]]:
    """Yield name and payload of each data file."""
    persons = contents.persons
    places = read_table(files.map)
    yield "map", map_chunk(np.column_stack([places[axis].to_numpy() for axis in ("x", "y")]))
    heights, scores = (persons[name].to_numpy() for name in ("h", "score"))
    labels = [codes for _, _, codes in contents.labels]
    yield "persons", persons_chunk(heights, labels, scores, thumbnails)
    person_ids = persons["person_id"].to_numpy()
    count, per_image = settings.explorer.neighbours, settings.search.hits_per_image
    # Hits that are reranked have another order than all others here.
    hits = {} if settings.search.rerank else hits_of_persons(files.queries, files.hits)
    for number, table in enumerate(in_person_order(files.everyone, NEIGHBOURS_ROWS)):
        found = table.to_pydict()
        put_hits_first(found, hits, per_image, count)
        rows = [np.searchsorted(person_ids, ids) for ids in found["neighbours"]]
        payload = neighbours_chunk(
            rows, found["similarity"], found["same_image"], found["near_duplicate"], count
        )
        yield f"neighbours-{number:04d}", payload
    for number, start in enumerate(range(0, len(persons), DETAILS_ROWS)):
        yield f"details-{number:04d}", contents.details(start, start + DETAILS_ROWS)
    for number, start in enumerate(range(0, contents.n_pictures, PICTURES_ROWS)):
        yield f"pictures-{number:04d}", contents.pictures(start, start + PICTURES_ROWS)
    if len(persons):
        yield from _vectors(files.reduced)


def _vectors(reduced: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield name and payload of the data files of vectors. Two passes; holds one file's rows."""
    scales = scales_of(vectors for vectors, _ in vectors_and_images(reduced, VECTORS_ROWS))
    yield "scales", packed(scales)
    last = None
    for number, (vectors, images) in enumerate(vectors_and_images(reduced, VECTORS_ROWS)):
        first = np.append(images[0] != last, images[1:] != images[:-1])
        yield f"vectors-{number:04d}", vectors_chunk(vectors, scales, first)
        last = images[-1]
