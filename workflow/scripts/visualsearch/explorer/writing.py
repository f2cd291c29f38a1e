"""Writes the folder of the explorer."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.files import replacing_folder
from visualsearch.core.progress import progress
from visualsearch.data.person_order import in_person_order
from visualsearch.data.pictures import Picture, Pictures
from visualsearch.data.tables import boxes_of, metadata_of, read_table
from visualsearch.explorer.chunks import (
    DETAILS_ROWS,
    NEIGHBOURS_ROWS,
    map_chunk,
    neighbours_chunk,
    persons_chunk,
    script,
)
from visualsearch.explorer.contents import Contents
from visualsearch.explorer.page import page_facts, render_page
from visualsearch.explorer.report_hits import hits_of_persons, put_hits_first
from visualsearch.explorer.thumbnails import SHEET_PERSONS, Sheet, draw_sheets
from visualsearch.settings import Settings


@dataclass(frozen=True)
class ExplorerFiles:
    """Paths of what the stages wrote. everyone: the neighbours of all persons, a file a shard."""

    manifest: str
    persons: str
    queries: str
    hits: str
    map: str
    everyone: Sequence[str]


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
    facts = page_facts(contents, settings, metadata_of(files.map)["method"], queries)
    with replacing_folder(target) as folder:
        for name in ("data", "thumbnails"):
            (folder / name).mkdir()
        pictures = _with_boxes(Pictures(files.manifest, pictures_folder), persons)
        sheets = draw_sheets(pictures, facts["sheet"]["cell"][0], threads)
        thumbnails = _write_sheets(folder / "thumbnails", sheets, len(persons))
        for chunk, payload in _chunks(files, contents, thumbnails, settings):
            (folder / "data" / f"{chunk}.js").write_text(script(chunk, payload), encoding="ascii")
        (folder / "index.html").write_text(render_page(facts), encoding="utf-8")


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
