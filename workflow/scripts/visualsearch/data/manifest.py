"""The tables of the fetch stage: pictures listed, and fetched (the manifest)."""

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from visualsearch.data.skipped import Skipped
from visualsearch.data.tables import read_table, write_table

Ints = TypeVar("Ints", int, np.ndarray)

ATTRIBUTION = [
    pa.field("license_id", pa.int32()),
    pa.field("license", pa.string()),
    pa.field("license_url", pa.string()),
    pa.field("source_url", pa.string()),
    pa.field("labels", pa.string()),
]

LISTED_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.int64(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        *ATTRIBUTION,
    ]
)

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.int64(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        *ATTRIBUTION,
        pa.field("shard", pa.int32(), nullable=False),
    ]
)

# person_id packs image_id and det_index in decimal, so that a reader can see both in it.
DETECTIONS_PER_IMAGE = 1000
# Twelve digits, so that a person_id has at most 15: a spreadsheet rounds longer numbers.
MAX_IMAGE_ID = 10**12 - 1


@dataclass(frozen=True)
class ListedImage:
    """A picture that the source wants, before it is fetched.

    file: relative to the image root, with forward slashes. width, height: in pixels, as the
    annotations say, or None. labels: a JSON object as text, or None.
    """

    image_id: int
    file: str
    width: int | None = None
    height: int | None = None
    license_id: int | None = None
    license: str | None = None
    license_url: str | None = None
    source_url: str | None = None
    labels: str | None = None


@dataclass(frozen=True)
class FetchedImage:
    """A picture that was fetched and decoded; width and height of it upright, in pixels."""

    listed: ListedImage
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class ImageList:
    """What a source lists: pictures, those skipped already, and COCO instances if it has any.

    hashes: sha256 of the files that say which pictures there are, such as definition_sha256.
    """

    images: list[ListedImage]
    skipped: list[Skipped]
    annotations: dict[str, Any] | None = None
    hashes: dict[str, str] | None = None


def shard_of(image_id: Ints, shards: int) -> Ints:
    """Return the shard of each image id."""
    return image_id % shards


def person_id(image_id: ArrayLike, det_index: ArrayLike) -> NDArray[np.int64]:
    """Pack image ids (0 to 10**12 - 1) and det_index (0 to 999) into person ids, int64."""
    images, detections = np.asarray(image_id, np.int64), np.asarray(det_index, np.int64)
    if np.any((images < 0) | (images > MAX_IMAGE_ID)):
        raise ValueError(f"image_id must lie in 0..{MAX_IMAGE_ID}")
    if np.any((detections < 0) | (detections >= DETECTIONS_PER_IMAGE)):
        raise ValueError(f"det_index must lie in 0..{DETECTIONS_PER_IMAGE - 1}")
    return images * DETECTIONS_PER_IMAGE + detections


def split_person_id(person: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return image_id and det_index of person ids; the inverse of `person_id`."""
    image_id, det_index = np.divmod(np.asarray(person, np.int64), DETECTIONS_PER_IMAGE)
    return image_id, det_index


# Where the results have a file, or a folder, for each shard.
SHARDED = (
    *("dataset/shards", "dataset/pictures", "detections/shards", "embeddings", "reduced"),
    *("search/everyone", "settings/*", "logs/*", "benchmarks/*"),
)
# A shard's number, as a folder or with a suffix; a checksum is a hidden file.
SHARD_NAME = re.compile(r"\.?(\d{1,3})(\..+)?")


def remove_other_shards(results: Path, shards: int) -> None:
    """Remove what a run with more shards left in the results. No later stage may run meanwhile."""
    for folder in (folder for pattern in SHARDED for folder in results.glob(pattern)):
        for path in folder.iterdir() if folder.is_dir() else ():
            shard = SHARD_NAME.fullmatch(path.name)
            if shard and int(shard[1]) >= shards:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_listed(
    path: str | Path, images: Iterable[ListedImage], hashes: dict[str, str] | None = None
) -> None:
    """Write listed pictures as Parquet, sorted by image_id. hashes: kept as its metadata."""
    rows = [asdict(image) for image in sorted(images, key=lambda image: image.image_id)]
    write_table(path, [pa.Table.from_pylist(rows, LISTED_SCHEMA)], LISTED_SCHEMA, hashes)


def read_listed(path: str | Path) -> list[ListedImage]:
    """Read the pictures that `write_listed` wrote."""
    return [ListedImage(**row) for row in read_table(path, LISTED_SCHEMA.names).to_pylist()]


def write_manifest(path: str | Path, images: Iterable[FetchedImage], shards: int) -> None:
    """Write the rows of a manifest, or of one shard of it, sorted by image_id."""
    rows = [
        asdict(image.listed)
        | {"width": image.width, "height": image.height, "sha256": image.sha256}
        | {"shard": shard_of(image.listed.image_id, shards)}
        for image in sorted(images, key=lambda image: image.listed.image_id)
    ]
    write_table(path, [pa.Table.from_pylist(rows, MANIFEST_SCHEMA)], MANIFEST_SCHEMA)


def read_manifest(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the manifest, sorted by image_id; all columns of MANIFEST_SCHEMA, or `columns`."""
    return read_table(path, columns or MANIFEST_SCHEMA.names)


def picture_sizes(path: str | Path, image_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Width and height of the picture of each of these images, int64 [N, 2]."""
    manifest = read_table(path, ["image_id", "width", "height"]).sort_by("image_id")
    place = np.searchsorted(manifest["image_id"].to_numpy(), image_ids)
    return np.column_stack([manifest[name].to_numpy()[place] for name in ("width", "height")])


def labels_of(row: dict[str, Any]) -> dict[str, str]:
    """Return the labels of a picture by their kind. row: of the manifest."""
    labels = json.loads(row["labels"]) if row["labels"] else {}
    return {str(kind): str(value) for kind, value in labels.items()}


def shown_name(row: dict[str, Any], by_file: bool) -> str:
    """Return the name of a picture in reports. by_file: use its file, when the id was made up."""
    return row["file"] if by_file else f"image {row['image_id']}"


def merge_manifests(paths: Sequence[str | Path], path: str | Path) -> int:
    """Join the shards' manifests into one, sorted by image_id; return its number of rows."""
    table = pa.concat_tables([read_manifest(shard) for shard in paths]).sort_by("image_id")
    return write_table(path, [table], MANIFEST_SCHEMA)
