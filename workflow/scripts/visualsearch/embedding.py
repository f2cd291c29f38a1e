"""Describe boxes by the detector's own backbone. Needs torch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import Image

from visualsearch.boxes import Boxes, clip_to_image, xywh_to_xyxy
from visualsearch.detectors.base import Detector
from visualsearch.manifest import person_id
from visualsearch.pictures import Pictures
from visualsearch.progress import progress
from visualsearch.tables import BOX_COLUMNS, PERSONS, vector_column, with_vector

CROPS_A_BATCH = 32

POOLINGS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "average": lambda maps: maps.mean(dim=(2, 3)),
}


def embed_boxes(
    detector: Detector,
    image: Image.Image,
    boxes: Boxes,
    size: tuple[int, int],
    pooling: str = "average",
) -> NDArray[np.float32]:
    """Embed boxes of one image: crop, resize, backbone, pool.

    image: upright RGB. boxes: corners [N, 4] in pixels. size: (height, width) each crop is
    resized to, whatever its aspect. pooling: a key of POOLINGS.
    Returns float32 [N, detector.vector_length]. A row depends on its image's boxes alone, so that
    neither shards nor cores change a bit of it.
    """
    vectors = np.empty((len(boxes), detector.vector_length), dtype=np.float32)
    pool = POOLINGS[pooling]
    for start in range(0, len(boxes), CROPS_A_BATCH):
        crops = crop_boxes(image, boxes[start : start + CROPS_A_BATCH], size)
        with torch.inference_mode():
            pooled = pool(detector.feature_map(crops))
        vectors[start : start + len(pooled)] = pooled.float().cpu().numpy()
    return vectors


def crop_boxes(image: Image.Image, boxes: Boxes, size: tuple[int, int]) -> torch.Tensor:
    """Crop and resize in one step, with antialiasing and sub-pixel corners.

    Returns float32 [N, 3, height, width] in 0..1.
    """
    height, width = size
    crops = [
        np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=tuple(box)))
        for box in clip_to_image(boxes, *image.size).tolist()
    ]
    stacked = torch.from_numpy(np.stack(crops)) if crops else torch.empty(0, height, width, 3)
    return stacked.permute(0, 3, 1, 2).contiguous().float() / 255


def in_search_set(scores: Any, heights: Any, search_set: dict[str, float]) -> Any:
    """Which detections can be searched and found, for arrays or Arrow columns."""
    return pc.and_(
        pc.greater_equal(scores, search_set["min_score"]),
        pc.greater_equal(heights, search_set["min_height"]),
    )


def embed_images(
    detector: Detector,
    pictures: Pictures,
    detections: pa.Table,
    search_set: dict[str, float],
    embedding: dict[str, Any],
    description: str,
) -> Iterator[pa.Table]:
    """Embed the detections that belong to the search set, picture by picture.

    detections: rows of tables.DETECTIONS. Yields rows of tables.PERSONS with their vectors, by
    rising person_id. Each picture is decoded once, and not at all where it holds nobody.
    """
    wanted = detections.filter(in_search_set(detections["score"], detections["h"], search_set))
    wanted = wanted.sort_by([("image_id", "ascending"), ("det_index", "ascending")])
    image_ids = wanted["image_id"].to_numpy()
    occupied = set(image_ids.tolist())
    with_persons = [picture for picture in pictures if picture.image_id in occupied]
    schema = with_vector(PERSONS, detector.vector_length)
    for picture in progress(with_persons, description, "images"):
        start, stop = np.searchsorted(image_ids, [picture.image_id, picture.image_id + 1])
        rows = wanted.slice(start, stop - start)
        boxes = np.column_stack([rows[name].to_numpy() for name in BOX_COLUMNS])
        vectors = embed_boxes(
            detector,
            picture.read(),
            xywh_to_xyxy(boxes),
            tuple(embedding["size"]),
            embedding["pooling"],
        )
        columns = {name: rows[name] for name in rows.column_names if name in PERSONS.names}
        columns["person_id"] = person_id(rows["image_id"].to_numpy(), rows["det_index"].to_numpy())
        columns["vector"] = vector_column(vectors)
        yield pa.table({name: columns[name] for name in schema.names}).cast(schema)


def embedding_metadata(described: dict[str, Any], embedding: dict[str, Any]) -> dict[str, Any]:
    """What a table of embeddings says of itself. described: detector.json."""
    return {
        "detector": described["name"],
        "weights_sha256": described["weights_sha256"],
        "featurizer": described["featurizer"],
        "size": list(embedding["size"]),
        "pooling": embedding["pooling"],
    }
