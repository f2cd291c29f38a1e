"""Embed boxes in batches, and write tables of embeddings."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageOps

from visualsearch.core.job import return_free_memory
from visualsearch.core.progress import progress
from visualsearch.data.boxes import Boxes, clip_to_image, grow, mirror
from visualsearch.data.row_cache import LeftOut
from visualsearch.data.vectors import full_length_columns
from visualsearch.detect.base import Backbone
from visualsearch.detect.failures import Failures
from visualsearch.embed.distortion import MIRRORED, UNMIRRORED
from visualsearch.embed.persons import PictureBoxes, vector_lengths
from visualsearch.embed.pooling import pool
from visualsearch.embed.regions import REGIONS, Arrays
from visualsearch.settings import EmbeddingSettings

# Regions in a batch, by precision, for each image of the detector's batch_size. Even, so that a box
# and its mirror image stay together. Larger batches are hardly faster on a CPU, or slower
# (benchmarks/embedding.py), and a shard's last batch is always filled up.
REGIONS_PER_BATCH = {"fp32": 4, "bf16": 16, "fp16": 16}

# Trim the heap every 16 pictures; a trim costs 0.1 s.
PICTURES_PER_TRIM = 16

Tag = TypeVar("Tag")


def embed_boxes(
    backbone: Backbone, image: Image.Image, boxes: Boxes, settings: EmbeddingSettings
) -> NDArray[np.float32]:
    """Embed the boxes of one image, as `embed_pictures` does."""
    ((_, vectors),) = embed_pictures(backbone, [(None, image, boxes)], settings)
    return vectors


def embed_pictures(
    backbone: Backbone,
    pictures: Iterable[tuple[Tag, Image.Image, Boxes]],
    settings: EmbeddingSettings,
) -> Iterator[tuple[Tag, NDArray[np.float32]]]:
    """Embed boxes of images: run their regions through the backbone, and pool the maps.

    pictures: for each image a tag of any kind, the upright RGB image, and its boxes, corners
    [N, 4] in pixels of the image. Yields for each image, in order, its tag and float32 [N, D]:
    the vectors that `vector_lengths` names, side by side.

    Batches hold regions of several images and always have the same size; the last is filled up. A
    network gives a row of such a batch the same bits whatever the other rows are, so vectors
    depend neither on shards nor on cores.
    """
    waiting: deque[tuple[Tag, int]] = deque()

    def inputs() -> Iterator[Arrays]:
        for tag, image, boxes in pictures:
            waiting.append((tag, len(boxes)))
            boxes = clip_to_image(grow(boxes, settings.margin), *image.size)
            yield from REGIONS[settings.region].inputs(backbone, image, boxes, settings)

    length = sum(vector_lengths(backbone.map_lengths, settings).values())
    ready = np.empty((0, length), np.float32)
    # The last, empty batch gives images without boxes at the end their turn.
    for vectors in chain(_vectors(backbone, inputs(), settings), [ready]):
        ready = np.concatenate([ready, vectors])
        while waiting and waiting[0][1] <= len(ready):
            tag, n = waiting.popleft()
            yield tag, ready[:n]
            ready = ready[n:]


def prepare(backbone: Backbone, settings: EmbeddingSettings) -> None:
    """Compute a batch of boxes, so that whatever `embed_pictures` converts is converted."""
    embed_boxes(backbone, Image.new("RGB", (64, 64)), np.array([[0, 0, 64, 64]]), settings)


def _vectors(
    backbone: Backbone, inputs: Iterator[Arrays], settings: EmbeddingSettings
) -> Iterator[NDArray[np.float32]]:
    """Yield the vectors of a region's inputs, batch by batch: float32 [n, length]."""
    size = REGIONS_PER_BATCH[backbone.vector_precision] * backbone.batch_size
    while rows := list(islice(inputs, size)):
        n = len(rows)
        rows += [rows[-1]] * (size - n)
        batch = tuple(map(np.concatenate, zip(*rows, strict=True)))
        vectors = pool(REGIONS[settings.region].maps(backbone, batch, settings), settings)
        yield vectors[: n // 2 if settings.mirrored else n]


def embed_items(
    backbone: Backbone, items: Sequence[PictureBoxes], settings: EmbeddingSettings, description: str
) -> Iterator[pa.Table | LeftOut]:
    """Embed the boxes of each picture; yields tables of `vector_lengths`' columns, item by item.

    A picture on which the network fails is left out. description: for the line that shows progress.
    """

    lengths = vector_lengths(backbone.map_lengths, settings)

    def embed(some: Sequence[PictureBoxes]) -> Iterator[pa.Table]:
        read = ((item.picture.read(), item.boxes) for item in _trimmed(some))
        pictures = ((None, decoded.image, decoded.to_image(boxes)) for decoded, boxes in read)
        for _, vectors in embed_pictures(backbone, pictures, settings):
            yield pa.table(full_length_columns(vectors, lengths))

    return progress(_without_failing(items, embed), description, "images", len(items))


def embed_items_both_ways(
    backbone: Backbone, items: Sequence[PictureBoxes], settings: EmbeddingSettings, description: str
) -> Iterator[pa.Table | LeftOut]:
    """Embed the boxes of each picture, in its mirror image and in the picture itself.

    Yields tables with the columns of distortion.with_both_ways, item by item, as `embed_items`
    does. With settings.mirrored a vector is the mean of both ways, so it is computed once.
    """
    lengths = vector_lengths(backbone.map_lengths, settings)

    def views(some: Sequence[PictureBoxes]) -> Iterator[tuple[None, Image.Image, Boxes]]:
        for item in _trimmed(some):
            decoded = item.picture.read()
            image, boxes = decoded.image, decoded.to_image(item.boxes)
            if not settings.mirrored:
                yield None, ImageOps.mirror(image), mirror(boxes, image.width)
            yield None, image, boxes

    def embed(some: Sequence[PictureBoxes]) -> Iterator[pa.Table]:
        vectors = (vectors for _, vectors in embed_pictures(backbone, views(some), settings))
        for mirrored in vectors:
            unmirrored = mirrored if settings.mirrored else next(vectors)
            columns = full_length_columns(mirrored, lengths, MIRRORED)
            yield pa.table(columns | full_length_columns(unmirrored, lengths, UNMIRRORED))

    return progress(_without_failing(items, embed), description, "images", len(items))


def _without_failing(
    items: Sequence[PictureBoxes],
    embed: Callable[[Sequence[PictureBoxes]], Iterator[pa.Table]],
) -> Iterator[pa.Table | LeftOut]:
    """Yield what `embed` makes of each item; one on which the network fails is left out.

    A batch holds regions of several pictures. When it fails, the first of them is embedded alone,
    which gives the same vectors, and the others together again.
    """
    failures = Failures()
    done = 0
    while done < len(items):
        try:
            for rows in embed(items[done:]):
                failures.succeeded()
                yield rows
                done += 1
            return
        except Exception as error:
            failures.raise_unless_of_a_picture(error)
        try:
            (alone,) = embed(items[done : done + 1])
        except Exception as error:
            yield failures.left_out(error, items[done].picture.path)
        else:
            failures.succeeded()
            yield alone
        done += 1


def _trimmed(items: Iterable[PictureBoxes]) -> Iterator[PictureBoxes]:
    """Yield the items, and return free memory to the system now and then."""
    for done, item in enumerate(items):
        if done % PICTURES_PER_TRIM == 0:
            return_free_memory()
        yield item
