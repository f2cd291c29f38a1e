"""Describe boxes by the detector's own backbone. Needs torch and torchvision."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch.nn import functional
from torchvision.ops import roi_align

from visualsearch.core.job import return_free_memory
from visualsearch.core.progress import progress
from visualsearch.data.boxes import (
    Boxes,
    clip_to_image,
    grow,
    grow_to_aspect,
    mirror,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from visualsearch.data.manifest import person_id
from visualsearch.data.pictures import Picture, Pictures
from visualsearch.data.tables import (
    BOX_COLUMNS,
    PERSONS,
    boxes_of,
    vector_column,
    with_full_length,
)
from visualsearch.detect.base import STRIDES, Detector
from visualsearch.embed.distortion import VECTORS, distorted_boxes, with_two_vectors

# By precision, for each image that the detector takes at a time. Even, so that a box and its mirror
# image stay together. More make a CPU hardly faster, or slower (benchmarks/embedding.py), and a
# shard's last batch is filled up to it.
CROPS_A_BATCH = {"fp32": 4, "bf16": 16}

# Once for so many pictures memory is returned. What is in use again must be had again, which costs
# a tenth of a second; until then holes take less than the network does.
PICTURES_A_RETURN = 16

# The exponent of Radenović, Tolias and Chum 2018 (arXiv:1711.02512), and their least activation.
GEM_POWER = 3.0
GEM_LEAST = 1e-6

# The section `embedding` of the configuration.
Settings = Mapping[str, Any]
Tensors = tuple[torch.Tensor, ...]
Tag = TypeVar("Tag")


def average(maps: torch.Tensor) -> torch.Tensor:
    """Mean over the places of maps [N, C, h, w]: [N, C]."""
    return maps.mean(dim=(2, 3))


def maximum(maps: torch.Tensor) -> torch.Tensor:
    """Maximum over the places of maps [N, C, h, w]: [N, C]."""
    return maps.amax(dim=(2, 3))


def generalised_mean(maps: torch.Tensor) -> torch.Tensor:
    """GeM over the places of maps [N, C, h, w]: [N, C]; what is not positive counts as nought."""
    return average(maps.clamp(min=GEM_LEAST).pow(GEM_POWER)).pow(1 / GEM_POWER)


POOLINGS = {"average": average, "max": maximum, "gem": generalised_mean}
MAPS = {"last": ("last",), "before": ("before",), "both": ("before", "last")}


def embedding_length(detector: Detector, embedding: Settings) -> int:
    """Length of the vectors that these settings give."""
    return sum(detector.map_lengths[name] for name in MAPS[embedding["maps"]])


class Region(NamedTuple):
    """How a box is looked at.

    inputs: called with detector, image, boxes and settings; yields for each box, and where mirrored
    then for its mirror image, what goes on in batches: tensors [1, ...], of the same shapes always.
    maps: called with detector, batches of these tensors and settings; gives the wanted maps.
    """

    inputs: Callable[[Detector, Image.Image, Boxes, Settings], Iterator[Tensors]]
    maps: Callable[[Detector, Tensors, Settings], Tensors]


def embed_boxes(
    detector: Detector, image: Image.Image, boxes: Boxes, embedding: Settings
) -> NDArray[np.float32]:
    """Embed boxes of one image, as `embed_pictures` does; [N, embedding_length(...)]."""
    ((_, vectors),) = embed_pictures(detector, [(None, image, boxes)], embedding)
    return vectors


def embed_pictures(
    detector: Detector, pictures: Iterable[tuple[Tag, Image.Image, Boxes]], embedding: Settings
) -> Iterator[tuple[Tag, NDArray[np.float32]]]:
    """Embed boxes of images: their regions through the backbone, then pooled.

    pictures: anything to know an image by, the image, upright RGB, and its boxes: corners [N, 4] in
    pixels. embedding: all settings of that section of the configuration. The pooled maps of a box
    and of its mirror image are averaged before two maps are brought to length 1 and joined.

    Yields for each image, in order, what it is known by and float32
    [N, embedding_length(detector, embedding)]. Batches run across images and all have one size, the
    last filled up: a network gives a row the same bits whatever the others are, so that neither
    shards nor cores change a bit of it.
    """
    waiting: deque[tuple[Tag, int]] = deque()

    def inputs() -> Iterator[Tensors]:
        for tag, image, boxes in pictures:
            waiting.append((tag, len(boxes)))
            boxes = clip_to_image(grow(boxes, embedding["margin"]), *image.size)
            yield from REGIONS[embedding["region"]].inputs(detector, image, boxes, embedding)

    ready = np.empty((0, embedding_length(detector, embedding)), np.float32)
    # The empty batch is for images without boxes at the end.
    for vectors in chain(_vectors(detector, inputs(), embedding), [ready]):
        ready = np.concatenate([ready, vectors])
        while waiting and waiting[0][1] <= len(ready):
            tag, n = waiting.popleft()
            yield tag, ready[:n]
            ready = ready[n:]


def _vectors(
    detector: Detector, inputs: Iterator[Tensors], embedding: Settings
) -> Iterator[NDArray[np.float32]]:
    """The vectors of a region's inputs, batch by batch: float32 [n, length]."""
    size = CROPS_A_BATCH[detector.precision] * detector.batch_size
    while batch := list(islice(inputs, size)):
        n = len(batch)
        batch += [batch[-1]] * (size - n)
        vectors = _embed(detector, tuple(map(torch.cat, zip(*batch, strict=True))), embedding)
        yield vectors[: n // 2 if embedding["mirrored"] else n].numpy()


@torch.inference_mode()
def _embed(detector: Detector, batch: Tensors, embedding: Settings) -> torch.Tensor:
    """The vectors of one batch: float32 on the CPU, one for two inputs where mirrored."""
    maps = REGIONS[embedding["region"]].maps(detector, batch, embedding)
    pooled = [POOLINGS[embedding["pooling"]](each.float()).cpu() for each in maps]
    if embedding["mirrored"]:
        pooled = [(vectors[0::2] + vectors[1::2]) / 2 for vectors in pooled]
    if len(pooled) > 1:
        pooled = [functional.normalize(vectors) for vectors in pooled]
    return torch.cat(pooled, dim=1)


def _crops(
    detector: Detector, image: Image.Image, boxes: Boxes, embedding: Settings
) -> Iterator[Tensors]:
    """Each box is cut out and goes through the backbone by itself."""
    for row in range(len(boxes)):
        crop = crop_boxes(
            image,
            boxes[row : row + 1],
            tuple(embedding["size"]),
            embedding["fit"],
            detector.mean_colour,
        )
        yield (crop,)
        if embedding["mirrored"]:
            yield (crop.flip(-1),)


def _maps_of_crops(detector: Detector, batch: Tensors, embedding: Settings) -> Tensors:
    (crops,) = batch
    return _from_before(detector, (detector.map_before(detector.normalise(crops)),), embedding)


def _from_before(detector: Detector, batch: Tensors, embedding: Settings) -> Tensors:
    """The wanted maps, given the one before the last; the last stage runs only where needed."""
    (before,) = batch
    maps = {"before": before}
    names = MAPS[embedding["maps"]]
    if "last" in names:
        maps["last"] = detector.last_stage(before)
    return tuple(maps[name] for name in names)


def _aligned(
    detector: Detector, image: Image.Image, boxes: Boxes, embedding: Settings, finished: bool
) -> Iterator[Tensors]:
    """RoIAlign on maps of the whole picture: the finished ones, or the one before the last.

    After the latter, the last stage runs on each box by itself, as in networks for person search
    such as SeqNet (Li and Miao 2021, arXiv:2103.10148).
    """
    names = MAPS[embedding["maps"]] if finished else ("before",)
    ways = [(image, boxes)]
    if embedding["mirrored"]:
        ways.append((ImageOps.mirror(image), mirror(boxes, image.width)))
    seen = []
    for picture, corners in ways:
        inputs, scale = detector.whole_picture(picture)
        maps: Tensors = (detector.map_before(inputs),)
        if finished:
            maps = _from_before(detector, maps, embedding)
        # RoIAlign's kernel for CPUs has no other dtype.
        seen.append(([each.float() for each in maps], corners, scale))
    for row in range(len(boxes)):
        for maps_in_fp32, corners, scale in seen:
            yield tuple(
                _align(whole, corners[row : row + 1], scale, embedding["size"], STRIDES[name])
                for name, whole in zip(names, maps_in_fp32, strict=True)
            )


def _align(
    whole: torch.Tensor,
    boxes: Boxes,
    scale: tuple[float, float],
    size: tuple[int, int],
    stride: int,
) -> torch.Tensor:
    """RoIAlign (He et al. 2017, arXiv:1703.06870) of one picture's map at this stride.

    whole: [1, C, h, w]. boxes: corners [N, 4] in the picture's pixels. scale: to the pixels of the
    network's input. Returns [N, C, ceil(height / stride), ceil(width / stride)], the grid that a
    crop of this size would have.
    """
    corners = torch.from_numpy(boxes * np.array(scale * 2, dtype=np.float32)).to(whole)
    grid = (-(-size[0] // stride), -(-size[1] // stride))
    return roi_align(whole, [corners], grid, spatial_scale=1 / stride, aligned=True)


REGIONS = {
    "crop": Region(_crops, _maps_of_crops),
    "roi_align_last": Region(partial(_aligned, finished=True), lambda _, batch, settings: batch),
    "roi_align_before": Region(partial(_aligned, finished=False), _from_before),
}


def crop_boxes(
    image: Image.Image,
    boxes: Boxes,
    size: tuple[int, int],
    fit: str,
    mean_colour: tuple[int, int, int],
) -> torch.Tensor:
    """Crop and resize in one step, with antialiasing and sub-pixel corners.

    boxes: corners [N, 4] inside the image. size: (height, width). fit: "stretch" shows the box,
    whatever its aspect; the others keep its aspect and fill what is left, "pad" with mean_colour
    and "surroundings" with the picture around the box and mean_colour beyond the picture's border.
    Returns float32 [N, 3, height, width] in 0..1, channels last in memory.
    """
    height, width = size
    boxes = clip_to_image(boxes, *image.size)
    # A crop shows a window, and of it only what is visible; the rest has the mean colour.
    windows = boxes if fit == "stretch" else grow_to_aspect(boxes, width / height)
    visible = clip_to_image(windows, *image.size) if fit == "surroundings" else boxes
    origins, sides = windows[:, :2], windows[:, 2:] - windows[:, :2]
    places = (visible - np.tile(origins, 2)) / np.tile(sides, 2) * [width, height, width, height]
    places = np.rint(places).astype(int)
    places[:, 2:] = np.maximum(places[:, 2:], places[:, :2] + 1)
    crops = []
    for box, (left, top, right, bottom) in zip(visible.tolist(), places.tolist(), strict=True):
        crop = image.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=tuple(box))
        if crop.size != (width, height):
            seen, crop = crop, Image.new("RGB", (width, height), mean_colour)
            crop.paste(seen, (left, top))
        crops.append(np.asarray(crop))
    stacked = torch.from_numpy(np.stack(crops)) if crops else torch.empty(0, height, width, 3)
    return stacked.permute(0, 3, 1, 2).float() / 255


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
    embedding: Settings,
    description: str,
) -> Iterator[pa.Table]:
    """Embed the detections that belong to the search set, picture by picture.

    detections: rows of tables.DETECTIONS. Yields rows of tables.PERSONS with their vectors, by
    rising person_id. Each picture is decoded once, and not at all where it holds nobody.
    """
    wanted = detections.filter(in_search_set(detections["score"], detections["h"], search_set))
    wanted = wanted.sort_by([("image_id", "ascending"), ("det_index", "ascending")])
    schema = with_full_length(PERSONS, embedding_length(detector, embedding))
    embedded = embed_pictures(
        detector,
        (
            (rows, picture.read(), corners_of(rows))
            for picture, rows in _by_picture(pictures, wanted, description)
        ),
        embedding,
    )
    for rows, vectors in embedded:
        columns = {name: rows[name] for name in rows.column_names if name in PERSONS.names}
        columns["person_id"] = person_id(rows["image_id"].to_numpy(), rows["det_index"].to_numpy())
        columns["vector"] = vector_column(vectors)
        yield pa.table({name: columns[name] for name in schema.names}).cast(schema)


def _by_picture(
    pictures: Pictures, rows: pa.Table, description: str
) -> Iterator[tuple[Picture, pa.Table]]:
    """Each picture that has rows, with them, showing progress. rows: by rising image_id."""
    image_ids = rows["image_id"].to_numpy()
    occupied = set(image_ids.tolist())
    wanted = [picture for picture in pictures if picture.image_id in occupied]
    for done, picture in enumerate(progress(wanted, description, "images")):
        if done % PICTURES_A_RETURN == 0:
            return_free_memory()
        start, stop = np.searchsorted(image_ids, [picture.image_id, picture.image_id + 1])
        yield picture, rows.slice(start, stop - start)


def corners_of(rows: pa.Table) -> Boxes:
    """The boxes of rows with the columns x, y, w and h, as corners [N, 4]."""
    return xywh_to_xyxy(boxes_of(rows))


def embed_distorted(
    detector: Detector, pictures: Pictures, persons: pa.Table, embedding: Settings, seed: int
) -> Iterator[pa.Table]:
    """Embed persons whose boxes were moved a little, as they are and in the mirrored picture.

    persons: columns person_id, image_id, x, y, w and h, by rising person_id. Yields rows of
    distortion.DISTORTED with both vectors, in that order. Each picture is decoded once.
    """
    schema = with_two_vectors(embedding_length(detector, embedding))

    def both_ways() -> Iterator[tuple[tuple[pa.Table, Boxes], Image.Image, Boxes]]:
        for picture, rows in _by_picture(pictures, persons, "embed distorted"):
            image = picture.read()
            moved = distorted_boxes(rows["person_id"].to_numpy(), corners_of(rows), seed)
            moved = clip_to_image(moved, *image.size)
            yield (rows, moved), ImageOps.mirror(image), mirror(moved, image.width)
            yield (rows, moved), image, moved

    embedded = embed_pictures(detector, both_ways(), embedding)
    for ((rows, moved), turned), (_, unturned) in zip(embedded, embedded, strict=True):
        columns = {
            "person_id": rows["person_id"],
            "image_id": rows["image_id"],
            **dict(zip(BOX_COLUMNS, xyxy_to_xywh(moved).T, strict=True)),
            **dict(zip(VECTORS, map(vector_column, (turned, unturned)), strict=True)),
        }
        yield pa.table(columns).cast(schema)


def embedding_metadata(described: dict[str, Any], embedding: Settings) -> dict[str, Any]:
    """What a table of embeddings says of itself. described: detector.json."""
    return {
        "detector": described["name"],
        "weights_sha256": described["weights_sha256"],
        "featurizer": described["featurizer"],
        "precision": described["precision"],
        **embedding,
        "size": list(embedding["size"]),
    }
