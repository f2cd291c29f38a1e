"""Run a detector over pictures, and write COCO results. `detect_images` needs torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing
from visualsearch.core.progress import progress
from visualsearch.data.boxes import Boxes, xyxy_to_xywh
from visualsearch.data.manifest import DETECTIONS_PER_IMAGE
from visualsearch.data.pictures import Picture, Pictures, read_ahead
from visualsearch.data.tables import BOX_COLUMNS, DETECTIONS, open_table

if TYPE_CHECKING:
    from PIL import Image

    from visualsearch.detect.base import Detector


class Found(NamedTuple):
    """What was found of one category in an image, by falling score.

    boxes: float32 corners [N, 4]. scores: float32 [N]. category_id: COCO's.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    category_id: int


def detect_category(
    detector: Detector, images: Sequence[Image.Image], category: str
) -> list[Found]:
    """Detect one category in images of one size, at most the detector's batch_size."""
    if category not in detector.categories:
        raise InputError(f"dataset.category is {category!r}, which this detector does not know")
    category_id = detector.categories.index(category)
    found = []
    for boxes, scores, labels in detector.detect(images):
        wanted = np.flatnonzero(labels == category_id)[:DETECTIONS_PER_IMAGE]
        found.append(Found(boxes[wanted], scores[wanted], category_id))
    return found


def detect_images(
    detector: Detector, pictures: Pictures, category: str, description: str
) -> Iterator[pa.Table]:
    """Detect one category in each picture; yields rows of tables.DETECTIONS, picture by picture."""
    found = _detected(detector, pictures, category)
    for picture, (boxes, scores, category_id) in progress(
        found, description, "images", len(pictures)
    ):
        yield detections_table(picture.image_id, xyxy_to_xywh(boxes), scores, category_id)


def _detected(
    detector: Detector, pictures: Pictures, category: str
) -> Iterator[tuple[Picture, Found]]:
    """Each picture with what was found, in order. Only images of one size go together: padding to
    the largest of a batch changes what is found in the others."""
    for window in read_ahead(pictures, detector.batch_size):
        found: dict[int, Found] = {}
        for _, group in groupby(sorted(window, key=_size), key=_size):
            while batch := list(islice(group, detector.batch_size)):
                results = detect_category(detector, [image for _, image in batch], category)
                found |= {p.image_id: r for (p, _), r in zip(batch, results, strict=True)}
        for picture, _ in window:
            yield picture, found[picture.image_id]


def _size(read: tuple[Picture, Image.Image]) -> tuple[int, int]:
    return read[1].size


def detections_table(
    image_id: int, boxes: Boxes, scores: NDArray[np.float32], category_id: int
) -> pa.Table:
    """One image's detections as rows of tables.DETECTIONS.

    boxes: left, top, width, height [N, 4]. scores: [N], falling; a row's place is its det_index.
    """
    n = len(scores)
    columns = {
        "image_id": np.full(n, image_id),
        "det_index": np.arange(n),
        "category_id": np.full(n, category_id),
        "score": scores,
        **dict(zip(BOX_COLUMNS, boxes.T, strict=True)),
    }
    return pa.table(columns).cast(DETECTIONS)


def write_coco_results(path: str | Path, shards: Sequence[str | Path]) -> None:
    """Write all shards' detections as COCO results, by image and falling score.

    https://cocodataset.org/#format-results: a list of image_id, category_id, bbox (left, top,
    width, height in pixels) and score. Boxes are rounded to 0.001 pixel, scores to 6 digits.
    """
    tables = []
    for shard in shards:
        with open_table(shard, DETECTIONS.names) as file:
            tables.append(file.read())
    order = [("image_id", "ascending"), ("det_index", "ascending")]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        out.write("[")
        separator = "\n"
        for batch in pa.concat_tables(tables).sort_by(order).to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                result = {
                    "image_id": row["image_id"],
                    "category_id": row["category_id"],
                    "bbox": [round(row[name], 3) for name in BOX_COLUMNS],
                    "score": round(row["score"], 6),
                }
                out.write(separator + json.dumps(result))
                separator = ",\n"
        out.write("\n]\n")
