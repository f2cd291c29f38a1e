"""Embed boxes in batches, and write tables of embeddings. Needs torch and torchvision."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from visualsearch.core.job import return_free_memory
from visualsearch.core.progress import progress
from visualsearch.data.boxes import Boxes, clip_to_image, grow, mirror, xywh_to_xyxy, xyxy_to_xywh
from visualsearch.data.manifest import person_id
from visualsearch.data.pictures import Picture, Pictures
from visualsearch.data.tables import BOX_COLUMNS, PERSONS, boxes_of, vector_column, with_full_length
from visualsearch.detect.base import Detector
from visualsearch.embed.distortion import VECTORS, distorted_boxes, with_two_vectors
from visualsearch.embed.pooling import embedding_length, pool
from visualsearch.embed.regions import REGIONS, Tensors
from visualsearch.settings import EmbeddingSettings, SearchSetSettings

# Regions in a batch, by precision, for each image of the detector's batch_size. Even, so that a box
# and its mirror image stay together. Larger batches are hardly faster on a CPU, or slower
# (benchmarks/embedding.py), and a shard's last batch is always filled up.
REGIONS_PER_BATCH = {"fp32": 4, "bf16": 16}

# Trim the heap every 16 pictures; a trim costs 0.1 s.
PICTURES_PER_TRIM = 16

Tag = TypeVar("Tag")


def embed_boxes(
    detector: Detector, image: Image.Image, boxes: Boxes, settings: EmbeddingSettings
) -> NDArray[np.float32]:
    """Embed the boxes of one image, as `embed_pictures` does: [N, embedding_length(...)]."""
    ((_, vectors),) = embed_pictures(detector, [(None, image, boxes)], settings)
    return vectors


def embed_pictures(
    detector: Detector,
    pictures: Iterable[tuple[Tag, Image.Image, Boxes]],
    settings: EmbeddingSettings,
) -> Iterator[tuple[Tag, NDArray[np.float32]]]:
    """Embed boxes of images: run their regions through the backbone, and pool the maps.

    pictures: for each image a tag of any kind, the upright RGB image, and its boxes, corners
    [N, 4] in pixels. Yields for each image, in order, its tag and float32
    [N, embedding_length(detector, settings)].

    Batches hold regions of several images and always have the same size; the last is filled up. A
    network gives a row of such a batch the same bits whatever the other rows are, so vectors
    depend neither on shards nor on cores.
    """
    waiting: deque[tuple[Tag, int]] = deque()

    def inputs() -> Iterator[Tensors]:
        for tag, image, boxes in pictures:
            waiting.append((tag, len(boxes)))
            boxes = clip_to_image(grow(boxes, settings.margin), *image.size)
            yield from REGIONS[settings.region].inputs(detector, image, boxes, settings)

    ready = np.empty((0, embedding_length(detector, settings)), np.float32)
    # The last, empty batch gives images without boxes at the end their turn.
    for vectors in chain(_vectors(detector, inputs(), settings), [ready]):
        ready = np.concatenate([ready, vectors])
        while waiting and waiting[0][1] <= len(ready):
            tag, n = waiting.popleft()
            yield tag, ready[:n]
            ready = ready[n:]


def _vectors(
    detector: Detector, inputs: Iterator[Tensors], settings: EmbeddingSettings
) -> Iterator[NDArray[np.float32]]:
    """Yield the vectors of a region's inputs, batch by batch: float32 [n, length]."""
    size = REGIONS_PER_BATCH[detector.precision] * detector.batch_size
    while rows := list(islice(inputs, size)):
        n = len(rows)
        rows += [rows[-1]] * (size - n)
        batch = tuple(map(torch.cat, zip(*rows, strict=True)))
        with torch.inference_mode():
            maps = REGIONS[settings.region].maps(detector, batch, settings)
            vectors = pool(maps, settings)
        yield vectors[: n // 2 if settings.mirrored else n].numpy()


def in_search_set(scores: Any, heights: Any, search_set: SearchSetSettings) -> Any:
    """Return which detections belong to the search set, as Arrow booleans [N].

    scores, heights: Arrow columns [N]; heights of boxes in pixels of their picture.
    """
    return pc.and_(
        pc.greater_equal(scores, search_set.min_score),
        pc.greater_equal(heights, search_set.min_height),
    )


def embed_images(
    detector: Detector,
    pictures: Pictures,
    detections: pa.Table,
    search_set: SearchSetSettings,
    settings: EmbeddingSettings,
    description: str,
) -> Iterator[pa.Table]:
    """Embed the detections that belong to the search set, picture by picture.

    detections: rows of tables.DETECTIONS. description: for the line that shows progress. Yields
    rows of tables.PERSONS with their vectors, by rising person_id. Decodes each picture with
    persons once, and no other.
    """
    wanted = detections.filter(in_search_set(detections["score"], detections["h"], search_set))
    wanted = wanted.sort_by([("image_id", "ascending"), ("det_index", "ascending")])
    schema = with_full_length(PERSONS, embedding_length(detector, settings))
    embedded = embed_pictures(
        detector,
        (
            (rows, picture.read(), corners_of(rows))
            for picture, rows in _by_picture(pictures, wanted, description)
        ),
        settings,
    )
    for rows, vectors in embedded:
        columns = {name: rows[name] for name in rows.column_names if name in PERSONS.names}
        columns["person_id"] = person_id(rows["image_id"].to_numpy(), rows["det_index"].to_numpy())
        columns["vector"] = vector_column(vectors)
        yield pa.table({name: columns[name] for name in schema.names}).cast(schema)


def _by_picture(
    pictures: Pictures, rows: pa.Table, description: str
) -> Iterator[tuple[Picture, pa.Table]]:
    """Yield each picture that has rows, with its rows. rows: by rising image_id."""
    image_ids = rows["image_id"].to_numpy()
    occupied = set(image_ids.tolist())
    wanted = [picture for picture in pictures if picture.image_id in occupied]
    for done, picture in enumerate(progress(wanted, description, "images")):
        if done % PICTURES_PER_TRIM == 0:
            return_free_memory()
        start, stop = np.searchsorted(image_ids, [picture.image_id, picture.image_id + 1])
        yield picture, rows.slice(start, stop - start)


def corners_of(rows: pa.Table) -> Boxes:
    """Return the boxes of rows with columns x, y, w and h as corners [N, 4]."""
    return xywh_to_xyxy(boxes_of(rows))


def embed_distorted(
    detector: Detector,
    pictures: Pictures,
    persons: pa.Table,
    settings: EmbeddingSettings,
    seed: int,
) -> Iterator[pa.Table]:
    """Move the boxes of persons a little, and embed them in the picture and in its mirror image.

    persons: columns person_id, image_id, x, y, w and h, by rising person_id. Yields rows of
    distortion.DISTORTED with the columns distortion.VECTORS, in the same order. Decodes each
    picture once.
    """
    schema = with_two_vectors(embedding_length(detector, settings))

    def views() -> Iterator[tuple[tuple[pa.Table, Boxes], Image.Image, Boxes]]:
        for picture, rows in _by_picture(pictures, persons, "embed distorted"):
            image = picture.read()
            moved = distorted_boxes(rows["person_id"].to_numpy(), corners_of(rows), seed)
            moved = clip_to_image(moved, *image.size)
            yield (rows, moved), ImageOps.mirror(image), mirror(moved, image.width)
            yield (rows, moved), image, moved

    embedded = embed_pictures(detector, views(), settings)
    for ((rows, moved), mirrored), (_, unmirrored) in zip(embedded, embedded, strict=True):
        columns = {
            "person_id": rows["person_id"],
            "image_id": rows["image_id"],
            **dict(zip(BOX_COLUMNS, xyxy_to_xywh(moved).T, strict=True)),
            **dict(zip(VECTORS, map(vector_column, (mirrored, unmirrored)), strict=True)),
        }
        yield pa.table(columns).cast(schema)


def embedding_metadata(described: dict[str, Any], settings: EmbeddingSettings) -> dict[str, Any]:
    """Return the metadata of a table of embeddings. described: the content of detector.json."""
    return {
        "detector": described["name"],
        "weights_sha256": described["weights_sha256"],
        "featurizer": described["featurizer"],
        "precision": described["precision"],
        **asdict(settings),
    }
