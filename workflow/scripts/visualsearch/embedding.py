"""Describe boxes by the detector's own backbone. Needs torch and torchvision."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch.nn import functional
from torchvision.ops import roi_align

from visualsearch.boxes import (
    Boxes,
    clip_to_image,
    grow,
    grow_to_aspect,
    mirror,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from visualsearch.detectors.base import STRIDES, Detector
from visualsearch.distortion import VECTORS, distorted_boxes, with_two_vectors
from visualsearch.manifest import person_id
from visualsearch.pictures import Picture, Pictures
from visualsearch.progress import progress
from visualsearch.tables import (
    BOX_COLUMNS,
    PERSONS,
    boxes_of,
    vector_column,
    with_vector,
)

CROPS_A_BATCH = 32

# The exponent of Radenović, Tolias and Chum 2018 (arXiv:1711.02512), and their least activation.
GEM_POWER = 3.0
GEM_LEAST = 1e-6

# The section `embedding` of the configuration.
Settings = Mapping[str, Any]
Maps = dict[str, torch.Tensor]


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


def embed_boxes(
    detector: Detector, image: Image.Image, boxes: Boxes, embedding: Settings
) -> NDArray[np.float32]:
    """Embed boxes of one image: its region through the backbone, then pooled.

    image: upright RGB. boxes: corners [N, 4] in pixels. embedding: all settings of that section of
    the configuration. A mirrored box is that of the mirrored image; its pooled maps are averaged
    with the box's own before two maps are brought to length 1 and joined.
    Returns float32 [N, embedding_length(detector, embedding)]. A row depends on its image's boxes
    alone, so that neither shards nor cores change a bit of it.
    """
    boxes = clip_to_image(grow(boxes, embedding["margin"]), *image.size)
    pooled = _pooled_maps(detector, image, boxes, embedding)
    if embedding["mirrored"]:
        other_way = _pooled_maps(
            detector, ImageOps.mirror(image), mirror(boxes, image.width), embedding
        )
        pooled = [(one + other) / 2 for one, other in zip(pooled, other_way, strict=True)]
    if len(pooled) > 1:
        pooled = [functional.normalize(vectors) for vectors in pooled]
    return torch.cat(pooled, dim=1).numpy()


def _pooled_maps(
    detector: Detector, image: Image.Image, boxes: Boxes, embedding: Settings
) -> list[torch.Tensor]:
    """Each wanted map of the boxes, pooled: float32 [N, its channels], on the CPU."""
    names, pool = MAPS[embedding["maps"]], POOLINGS[embedding["pooling"]]
    vectors = {name: torch.empty(len(boxes), detector.map_lengths[name]) for name in names}
    if len(boxes):
        with torch.inference_mode():
            maps_of = REGIONS[embedding["region"]](detector, image, embedding)
            for start in range(0, len(boxes), CROPS_A_BATCH):
                batch = slice(start, start + CROPS_A_BATCH)
                for name, maps in maps_of(boxes[batch]).items():
                    vectors[name][batch] = pool(maps).float().cpu()
    return list(vectors.values())


def _crops(detector: Detector, image: Image.Image, embedding: Settings) -> Callable[[Boxes], Maps]:
    """Each box is cut out and goes through the backbone by itself."""
    size, fit = tuple(embedding["size"]), embedding["fit"]

    def maps_of(boxes: Boxes) -> Maps:
        crops = crop_boxes(image, boxes, size, fit, detector.mean_colour)
        before = detector.map_before(detector.normalise(crops))
        return _from_before(detector, before, embedding)

    return maps_of


def _aligned_last(
    detector: Detector, image: Image.Image, embedding: Settings
) -> Callable[[Boxes], Maps]:
    """RoIAlign on the finished maps of the whole picture."""
    inputs, scale = detector.whole_picture(image)
    maps = _from_before(detector, detector.map_before(inputs), embedding)
    return lambda boxes: {
        name: _align(whole, boxes, scale, embedding["size"], STRIDES[name])
        for name, whole in maps.items()
    }


def _aligned_before(
    detector: Detector, image: Image.Image, embedding: Settings
) -> Callable[[Boxes], Maps]:
    """RoIAlign on the map before the last, then the last stage on each box by itself.

    So do networks for person search, such as SeqNet (Li and Miao 2021, arXiv:2103.10148).
    """
    inputs, scale = detector.whole_picture(image)
    whole = detector.map_before(inputs)

    def maps_of(boxes: Boxes) -> Maps:
        before = _align(whole, boxes, scale, embedding["size"], STRIDES["before"])
        return _from_before(detector, before, embedding)

    return maps_of


REGIONS = {
    "crop": _crops,
    "roi_align_last": _aligned_last,
    "roi_align_before": _aligned_before,
}


def _from_before(detector: Detector, before: torch.Tensor, embedding: Settings) -> Maps:
    """The wanted maps, given the one before the last; the last stage runs only where needed."""
    names = MAPS[embedding["maps"]]
    maps = {"before": before}
    if "last" in names:
        maps["last"] = detector.last_stage(before)
    return {name: maps[name] for name in names}


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
    Returns float32 [N, 3, height, width] in 0..1.
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
    embedding: Settings,
    description: str,
) -> Iterator[pa.Table]:
    """Embed the detections that belong to the search set, picture by picture.

    detections: rows of tables.DETECTIONS. Yields rows of tables.PERSONS with their vectors, by
    rising person_id. Each picture is decoded once, and not at all where it holds nobody.
    """
    wanted = detections.filter(in_search_set(detections["score"], detections["h"], search_set))
    wanted = wanted.sort_by([("image_id", "ascending"), ("det_index", "ascending")])
    schema = with_vector(PERSONS, embedding_length(detector, embedding))
    for picture, rows in _by_picture(pictures, wanted, description):
        vectors = embed_boxes(detector, picture.read(), corners_of(rows), embedding)
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
    for picture in progress(wanted, description, "images"):
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
    for picture, rows in _by_picture(pictures, persons, "embed distorted"):
        image = picture.read()
        moved = distorted_boxes(rows["person_id"].to_numpy(), corners_of(rows), seed)
        moved = clip_to_image(moved, *image.size)
        vectors = [
            embed_boxes(detector, ImageOps.mirror(image), mirror(moved, image.width), embedding),
            embed_boxes(detector, image, moved, embedding),
        ]
        columns = {
            "person_id": rows["person_id"],
            "image_id": rows["image_id"],
            **dict(zip(BOX_COLUMNS, xyxy_to_xywh(moved).T, strict=True)),
            **dict(zip(VECTORS, map(vector_column, vectors), strict=True)),
        }
        yield pa.table(columns).cast(schema)


def embedding_metadata(described: dict[str, Any], embedding: Settings) -> dict[str, Any]:
    """What a table of embeddings says of itself. described: detector.json."""
    return {
        "detector": described["name"],
        "weights_sha256": described["weights_sha256"],
        "featurizer": described["featurizer"],
        **embedding,
        "size": list(embedding["size"]),
    }
