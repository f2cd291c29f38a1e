"""Run a detector over pictures. Only the detector itself needs torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.core.progress import progress
from visualsearch.data.boxes import Boxes, xyxy_to_xywh
from visualsearch.data.manifest import DETECTIONS_PER_IMAGE
from visualsearch.data.pictures import Picture, read_ahead
from visualsearch.data.row_cache import LeftOut
from visualsearch.data.tables import BOX_COLUMNS, DETECTIONS
from visualsearch.detect.failures import Failures

if TYPE_CHECKING:
    from PIL import Image

    from visualsearch.data.upright import Decoded
    from visualsearch.detect.base import Detector


# What the detector finds in a picture, whatever the picture's id.
DETECTIONS_OF_A_PICTURE = DETECTIONS.remove(DETECTIONS.get_field_index("image_id"))


class CategoryDetections(NamedTuple):
    """The detections of one category in one image, by falling score.

    boxes: corners, float32 [N, 4], in pixels of the image. scores: float32 [N]. category_id: the
    detector's label, which for COCO's categories is COCO's id.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    category_id: int


def detect_category(
    detector: Detector, images: Sequence[Image.Image], category: str
) -> list[CategoryDetections]:
    """Detect one category in images that `detector.detect` takes together.

    Keeps the DETECTIONS_PER_IMAGE best. Raises InputError for a category that the detector does
    not know.
    """
    if category not in detector.categories:
        raise InputError(f"dataset.category is {category!r}, which this detector does not know")
    category_id = detector.categories.index(category)
    detections = []
    for boxes, scores, labels in detector.detect(images):
        rows = np.flatnonzero(labels == category_id)[:DETECTIONS_PER_IMAGE]
        detections.append(CategoryDetections(boxes[rows], scores[rows], category_id))
    return detections


def detect_images(
    detector: Detector, pictures: Collection[Picture], category: str, description: str
) -> Iterator[pa.Table | LeftOut]:
    """Detect one category in each picture; yields rows of tables.DETECTIONS, picture by picture.

    A picture on which the network fails is left out. description: for the line that shows progress.
    """
    detected = _detected(detector, pictures, category)
    for picture, found in progress(detected, description, "images", len(pictures)):
        if isinstance(found, LeftOut):
            yield found
        else:
            boxes, scores, category_id = found
            yield detections_table(picture.image_id, xyxy_to_xywh(boxes), scores, category_id)


def _detected(
    detector: Detector, pictures: Iterable[Picture], category: str
) -> Iterator[tuple[Picture, CategoryDetections | LeftOut]]:
    """Yield each picture with its detections, in order.

    A batch holds images of one size only, unless the detector mixes sizes.
    """
    key = _no_size if detector.mixes_sizes else _size
    failures = Failures()
    for window in read_ahead(pictures, detector.batch_size):
        by_image: dict[int, CategoryDetections | LeftOut] = {}
        for _, group in groupby(sorted(window, key=key), key=key):
            while batch := list(islice(group, detector.batch_size)):
                results = _detect_batch(detector, batch, category, failures)
                by_image |= {p.image_id: r for (p, _), r in zip(batch, results, strict=True)}
        for picture, _ in window:
            yield picture, by_image[picture.image_id]


def _detect_batch(
    detector: Detector,
    batch: Sequence[tuple[Picture, Decoded]],
    category: str,
    failures: Failures,
) -> Sequence[CategoryDetections | LeftOut]:
    """Return the detections of each picture, in its pixels, or why it is left out.

    The pictures of a batch that fails are tried one by one, so that only the guilty are left out.
    """
    try:
        found = detect_category(detector, [decoded.image for _, decoded in batch], category)
    except Exception as error:
        if len(batch) == 1:
            return [failures.left_out(error, batch[0][0].path)]
        failures.raise_unless_of_a_picture(error)
        return [_detect_batch(detector, [one], category, failures)[0] for one in batch]
    failures.succeeded()
    return [
        each._replace(boxes=decoded.to_picture(each.boxes))
        for each, (_, decoded) in zip(found, batch, strict=True)
    ]


def _size(read: tuple[Picture, Decoded]) -> tuple[int, int]:
    return read[1].image.size


def _no_size(read: tuple[Picture, Decoded]) -> tuple[int, int]:
    return 0, 0


def detections_table(
    image_id: int, boxes: Boxes, scores: NDArray[np.float32], category_id: int
) -> pa.Table:
    """Return one image's detections as rows of tables.DETECTIONS.

    boxes: left, top, width, height [N, 4] in pixels. scores: [N], falling. Rows are numbered by
    det_index.
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


def with_image_id(rows: pa.Table, image_id: int) -> pa.Table:
    """Return rows of DETECTIONS_OF_A_PICTURE as rows of tables.DETECTIONS."""
    ids = pa.array(np.full(len(rows), image_id), pa.int64())
    return rows.add_column(0, "image_id", ids).cast(DETECTIONS)
