"""Writes the detections as COCO's files: the list of results, and a data set for other tools."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pyarrow as pa

import visualsearch
from visualsearch.core.files import replacing
from visualsearch.data.attribution import web_address
from visualsearch.data.manifest import person_id, read_manifest
from visualsearch.data.tables import BOX_COLUMNS, DETECTIONS, open_table

IMAGE_COLUMNS = ["image_id", "file", "width", "height"]
LICENSE_COLUMNS = ["license_id", "license", "license_url"]
# Rows that are Python's objects at once.
BATCH = 10_000

Licenses = dict[tuple[Any, ...], int]


def write_coco_results(path: str | Path, shards: Sequence[str | Path]) -> None:
    """Write all shards' detections as COCO results, by image and falling score.

    https://cocodataset.org/#format-results: a list of image_id, category_id, bbox (left, top,
    width, height in pixels) and score. Boxes are rounded to 0.001 pixel, scores to 6 digits.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        _write_list(out, (_result(row) for row in _rows(_detections(shards))))
        out.write("\n")


def write_coco_dataset(
    path: str | Path,
    shards: Sequence[str | Path],
    manifest: str | Path,
    category: str,
    left_out: Collection[int] = (),
) -> None:
    """Write pictures and detections as a COCO data set, which tools open as they do annotations.

    https://cocodataset.org/#format-data, "Object Detection". An annotation is a result of
    `write_coco_results`, with its score and person_id. left_out: ids of images that the detector
    could not take, which are not in it.
    """
    detections = _detections(shards)
    ids = person_id(detections["image_id"], detections["det_index"])
    detections = detections.append_column("person_id", pa.array(ids))
    columns = [*IMAGE_COLUMNS, *LICENSE_COLUMNS, "source_url"]
    pictures = read_manifest(manifest, columns)
    licenses = _licenses(pictures)
    head = {
        "info": {
            "description": f"Found by a detector, not annotated by hand: {category}",
            "version": visualsearch.__version__,
        },
        "licenses": [
            {"id": number, "name": name or "", "url": url or ""}
            for (_, name, url), number in licenses.items()
        ],
        # An empty set has no detection that says which number the detector gives the category.
        "categories": [
            {
                "id": detections["category_id"][0].as_py() if len(detections) else 1,
                "name": category,
                "supercategory": category,
            }
        ],
    }
    without = set(left_out)
    images = (_image(row, licenses) for row in _rows(pictures) if row["image_id"] not in without)
    annotations = (_annotation(number, row) for number, row in enumerate(_rows(detections), 1))
    # ASCII, as pycocotools opens files in the machine's own encoding.
    with replacing(path) as temporary, temporary.open("w", encoding="ascii") as out:
        out.write(json.dumps(head).removesuffix("}") + ',\n"images": ')
        _write_list(out, images)
        out.write(',\n"annotations": ')
        _write_list(out, annotations)
        out.write("}\n")


def _detections(shards: Sequence[str | Path]) -> pa.Table:
    tables = []
    for shard in shards:
        with open_table(shard, DETECTIONS.names) as file:
            tables.append(file.read())
    order = [("image_id", "ascending"), ("det_index", "ascending")]
    return pa.concat_tables(tables).sort_by(order)


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=BATCH):
        yield from batch.to_pylist()


def _write_list(out: IO[str], entries: Iterable[dict[str, Any]]) -> None:
    out.write("[")
    separator = "\n"
    for entry in entries:
        out.write(separator + json.dumps(entry))
        separator = ",\n"
    out.write("\n]")


def _result(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "image_id": row["image_id"],
        "category_id": row["category_id"],
        "bbox": [round(row[name], 3) for name in BOX_COLUMNS],
        "score": round(row["score"], 6),
    }


def _annotation(number: int, row: dict[str, Any]) -> dict[str, Any]:
    result = _result(row)
    _, _, width, height = result["bbox"]
    return {
        "id": number,
        **result,
        "area": round(width * height, 3),
        "iscrowd": 0,
        # Without the key pycocotools draws nothing; a rectangle here would be read as an outline.
        "segmentation": [],
        "person_id": row["person_id"],
    }


def _image(row: dict[str, Any], licenses: Licenses) -> dict[str, Any]:
    image_id, file, width, height = (row[name] for name in IMAGE_COLUMNS)
    image = {"id": image_id, "file_name": file, "width": width, "height": height}
    license_id = licenses.get(tuple(row[name] for name in LICENSE_COLUMNS))
    if license_id is not None:
        image["license"] = license_id
    if source := web_address(row["source_url"]):
        image["flickr_url" if "flickr" in urlsplit(source).netloc else "coco_url"] = source
    return image


def _licenses(pictures: pa.Table) -> Licenses:
    """Return a number for each licence that has a name or an address: its own if it has one."""
    found = {tuple(row.values()) for row in _rows(pictures.select(LICENSE_COLUMNS))}
    wanted = sorted((one for one in found if one[1] or one[2]), key=lambda one: list(map(str, one)))
    own = {number for number, _, _ in wanted}
    free = (number for number in count(1) if number not in own)
    licenses: Licenses = {}
    for one in wanted:
        has_own = one[0] is not None and one[0] not in licenses.values()
        licenses[one] = one[0] if has_own else next(free)
    return licenses
