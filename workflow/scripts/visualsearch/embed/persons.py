"""Which boxes are embedded, and the tables of their vectors. Without torch, which takes seconds to
import and which a job does not need when all its vectors are known.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from visualsearch.data.boxes import Boxes, clip_to_image, xywh_to_xyxy, xyxy_to_xywh
from visualsearch.data.manifest import person_id
from visualsearch.data.pictures import Picture, Pictures
from visualsearch.data.row_cache import LeftOut
from visualsearch.data.tables import BOX_COLUMNS, PERSONS, boxes_of
from visualsearch.embed.distortion import distorted_boxes
from visualsearch.settings import EmbeddingSettings, SearchSetSettings

# The values of embedding.maps: names of detect.base.STRIDES.
MAPS = {"last": ("last",), "both": ("last", "before")}


class PictureBoxes(NamedTuple):
    """Boxes of a picture. rows: the table's rows about them. boxes: corners [N, 4] in pixels."""

    picture: Picture
    rows: pa.Table
    boxes: Boxes

    def key(self) -> str:
        """Return the key of their vectors in a RowCache: the picture's content and the boxes."""
        return f"{self.picture.sha256} {hashlib.sha256(self.boxes.tobytes()).hexdigest()[:32]}"


def vector_lengths(map_lengths: Mapping[str, int], settings: EmbeddingSettings) -> dict[str, int]:
    """Return the lengths of a box's vectors, by the names of data.vectors.FULL_LENGTH.

    map_lengths: channels of the featurizer's maps, by the names of detect.base.STRIDES.
    """
    lengths = {"vector": map_lengths["last"], "before": settings.stripes * map_lengths["before"]}
    return lengths if settings.maps == "both" else {"vector": lengths["vector"]}


def in_search_set(scores: Any, heights: Any, search_set: SearchSetSettings) -> Any:
    """Return which detections belong to the search set, as Arrow booleans [N].

    scores, heights: Arrow columns [N]; heights of boxes in pixels of their picture.
    """
    return pc.and_(
        pc.greater_equal(scores, search_set.min_score),
        pc.greater_equal(heights, search_set.min_height),
    )


def persons_of(
    pictures: Iterable[Picture], detections: pa.Table, search_set: SearchSetSettings
) -> list[PictureBoxes]:
    """Return the persons of the search set, picture by picture, by rising det_index.

    detections: rows of tables.DETECTIONS. The rows of the result are those of tables.PERSONS.
    """
    wanted = detections.filter(in_search_set(detections["score"], detections["h"], search_set))
    wanted = wanted.sort_by([("image_id", "ascending"), ("det_index", "ascending")])
    ids = person_id(wanted["image_id"].to_numpy(), wanted["det_index"].to_numpy())
    wanted = wanted.append_column("person_id", pa.array(ids)).select(PERSONS.names).cast(PERSONS)
    return [PictureBoxes(p, rows, corners_of(rows)) for p, rows in _by_picture(pictures, wanted)]


def distorted_persons(pictures: Pictures, persons: pa.Table, seed: int) -> list[PictureBoxes]:
    """Move the boxes of persons a little, picture by picture.

    persons: columns person_id, image_id, x, y, w and h, by rising person_id. Each side of a box
    moves as distortion.distorted_boxes says. The rows of the result have the moved boxes.
    """
    items = []
    for picture, rows in _by_picture(pictures, persons):
        moved = distorted_boxes(rows["person_id"].to_numpy(), corners_of(rows), seed)
        moved = clip_to_image(moved, picture.width, picture.height)
        columns = {"person_id": rows["person_id"], "image_id": rows["image_id"]}
        columns |= dict(zip(BOX_COLUMNS, xyxy_to_xywh(moved).T, strict=True))
        items.append(PictureBoxes(picture, pa.table(columns), moved))
    return items


def with_vectors(
    items: Iterable[tuple[PictureBoxes, pa.Table | LeftOut]], schema: pa.Schema
) -> Iterator[pa.Table]:
    """Yield the rows of each item with its vectors, as a table of `schema`; none if left out."""
    for item, vectors in items:
        if isinstance(vectors, LeftOut):
            continue
        columns = {name: item.rows[name] for name in item.rows.column_names}
        columns |= {name: vectors[name] for name in vectors.column_names}
        yield pa.table({name: columns[name] for name in schema.names}).cast(schema)


def _by_picture(pictures: Iterable[Picture], rows: pa.Table) -> Iterator[tuple[Picture, pa.Table]]:
    """Yield each picture that has rows, with its rows. rows: by rising image_id."""
    image_ids = rows["image_id"].to_numpy()
    occupied = set(image_ids.tolist())
    for picture in pictures:
        if picture.image_id in occupied:
            start, stop = np.searchsorted(image_ids, [picture.image_id, picture.image_id + 1])
            yield picture, rows.slice(start, stop - start)


def corners_of(rows: pa.Table) -> Boxes:
    """Return the boxes of rows with columns x, y, w and h as corners [N, 4]."""
    return xywh_to_xyxy(boxes_of(rows))


def embedding_metadata(described: dict[str, Any], settings: EmbeddingSettings) -> dict[str, Any]:
    """Return the metadata of a table of embeddings. described: the content of detector.json."""
    return {
        "detector": described["name"],
        "weights_sha256": described["weights_sha256"],
        "featurizer": described["featurizer"],
        "precision": described["vector_precision"],
        **asdict(settings),
    }
