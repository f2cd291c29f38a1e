"""COCO exports of one set of pictures, in the shapes that four labelling tools give them.

Each maker takes a folder of pictures and COCO instances about them, and writes what the tool's user
finds in the downloaded archive: the names, ids and extra keys are those of the tool.
"""

import hashlib
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

CATEGORY = "person"


@dataclass(frozen=True)
class Export:
    """What a user gives: dataset.folder.path, .annotations and .category."""

    path: Path
    annotations: Path
    category: str | None = None

    def settings(self) -> dict[str, str]:
        """The section dataset.folder."""
        given = {"path": str(self.path), "annotations": str(self.annotations)}
        return given | ({"category": self.category} if self.category else {})


def cvat(folder: Path, pictures: Path, instances: dict[str, Any], zipped: bool = False) -> Export:
    """CVAT, "COCO 1.0" with images: images/default, and names relative to it; ids from 1.

    zipped: the annotations are given as the archive that CVAT offers for download.
    """
    images, numbers = _numbered(instances, 1)
    for image in images:
        _copy(pictures / image["file_name"], folder / "images/default" / image["file_name"])
    document = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": dict.fromkeys(
            ("contributor", "date_created", "description", "url", "version", "year"), ""
        ),
        "categories": [{"id": 1, "name": CATEGORY, "supercategory": ""}],
        "images": [
            image | {"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0}
            for image in images
        ],
        "annotations": [
            entry | {"category_id": 1, "attributes": {"occluded": False, "rotation": 0.0}}
            for entry in _annotations(instances, numbers, 1)
        ],
    }
    path = _write(folder / "annotations/instances_default.json", document)
    if zipped:
        archive = folder / "task.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.write(path, "annotations/instances_default.json")
            for image in images:
                file.writestr(f"images/default/{image['file_name']}", b"a picture")
        path = archive
    return Export(folder, path)


# How versions of Label Studio name an uploaded picture.
LABEL_STUDIO_NAMES = {
    "linux": "images/{}",
    "windows": "images\\{}",
    "with images": "../../label-studio/data/media/upload/7/{}",
    "with images, windows": "..\\..\\label-studio\\label-studio\\media\\upload\\7\\{}",
    "0.0.44": "images\\7/{}",
    "storage": "/data/local-files/?d=shop/{}",
    "bucket": "s3://bucket/shop/{}",
    "signed": "https://bucket.s3.amazonaws.com/shop/{}?X-Amz-Signature=a%2Fb&X-Amz-Expires=60",
}


def label_studio(
    folder: Path,
    pictures: Path,
    instances: dict[str, Any],
    version: str = "with images",
    originals: bool = False,
) -> Export:
    """Label Studio, "COCO" or "COCO with Images": result.json, and images with a hash in front.

    version: a key of LABEL_STUDIO_NAMES. originals: the user gives the pictures that were uploaded.
    """
    images, numbers = _numbered(instances, 0)
    shape = LABEL_STUDIO_NAMES[version]
    for image in images:
        name = image["file_name"]
        uploaded = f"{_hash(name)[:8]}-{_as_uploaded(PurePosixPath(name).name)}"
        stored = PurePosixPath(name).name if "shop" in shape else uploaded
        if not originals:
            _copy(pictures / name, folder / "images" / stored)
        image["file_name"] = shape.format(stored)
    document = {
        "images": images,
        "categories": [{"id": 0, "name": CATEGORY}],
        "annotations": [
            entry | {"category_id": 0, "ignore": 0} for entry in _annotations(instances, numbers, 0)
        ],
        "info": {
            "year": 2026,
            "version": "1.0",
            "description": "",
            "contributor": "Label Studio",
            "url": "",
            "date_created": "2026-11-29 15:00:00.000000",
        },
    }
    path = _write(folder / "result.json", document)
    return Export(pictures if originals else folder, path)


def roboflow(
    folder: Path, pictures: Path, instances: dict[str, Any], originals: bool = False
) -> Export:
    """Roboflow, "COCO JSON": pictures renamed, and a root category that nothing is annotated with.

    originals: the user gives the pictures as they were before Roboflow.
    """
    images, numbers = _numbered(instances, 0)
    for image in images:
        name = PurePosixPath(image["file_name"])
        renamed = f"{name.stem}_{name.suffix[1:]}.rf.{_hash(str(name))}.jpg"
        if not originals:
            _copy(pictures / name, folder / "train" / renamed)
        image |= {"file_name": renamed, "extra": {"name": name.name}}
        image |= {"license": 1, "date_captured": "2026-11-29T15:00:00+00:00"}
    document = {
        "info": {
            "year": "2026",
            "version": "1",
            "description": "Exported from roboflow.com",
            "contributor": "",
            "url": "https://public.roboflow.com/object-detection/undefined",
            "date_created": "2026-11-29T15:00:00+00:00",
        },
        "licenses": [
            {
                "id": 1,
                "url": "https://creativecommons.org/licenses/by/4.0/",
                "name": "CC BY 4.0",
            }
        ],
        "categories": [
            {"id": 0, "name": CATEGORY, "supercategory": "none"},
            {"id": 1, "name": CATEGORY, "supercategory": CATEGORY},
        ],
        "images": images,
        "annotations": [
            entry | {"category_id": 1} for entry in _annotations(instances, numbers, 0)
        ],
    }
    path = _write(folder / "train/_annotations.coco.json", document)
    return Export(pictures if originals else folder / "train", path)


def fiftyone(
    folder: Path, pictures: Path, instances: dict[str, Any], category: str = "pedestrian"
) -> Export:
    """FiftyOne, COCODetectionDataset: data and labels.json, with the attributes of each label."""
    images, numbers = _numbered(instances, 1)
    for image in images:
        _copy(pictures / image["file_name"], folder / "data" / image["file_name"])
        image |= {"license": None, "coco_url": None}
    document = {
        "info": {
            "year": "",
            "version": "",
            "description": "Exported from FiftyOne",
            "contributor": "",
            "url": "https://voxel51.com/fiftyone",
            "date_created": "2026-11-29T15:00:00",
        },
        "licenses": [],
        "categories": [
            {"id": 0, "name": "bicycle", "supercategory": None},
            {"id": 1, "name": category, "supercategory": None},
        ],
        "images": images,
        "annotations": [
            # Attributes of labels are keys of their own, and may be nan.
            entry | {"category_id": 1, "visibility": float("nan")}
            for entry in _annotations(instances, numbers, 1)
        ],
    }
    path = _write(folder / "labels.json", document)
    return Export(folder, path, None if category == CATEGORY else category)


TOOLS: dict[str, Callable[[Path, Path, dict[str, Any]], Export]] = {
    "CVAT": cvat,
    "Label Studio": label_studio,
    "Roboflow": roboflow,
    "FiftyOne": fiftyone,
}


def _numbered(instances: dict[str, Any], first: int) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """The images by rising id with new ids from `first`, and the new id of each old one."""
    images = sorted(instances["images"], key=lambda image: image["id"])
    numbers = {image["id"]: number for number, image in enumerate(images, start=first)}
    keys = ("width", "height", "file_name")
    kept = [{key: image[key] for key in keys} | {"id": numbers[image["id"]]} for image in images]
    return kept, numbers


def _annotations(
    instances: dict[str, Any], numbers: dict[int, int], first: int
) -> list[dict[str, Any]]:
    """The persons that are annotated, with new ids from `first`."""
    persons = {entry["id"] for entry in instances["categories"] if entry["name"] == CATEGORY}
    entries = [entry for entry in instances["annotations"] if entry["category_id"] in persons]
    return [
        {
            "id": number,
            "image_id": numbers[entry["image_id"]],
            "bbox": entry["bbox"],
            "area": entry.get("area", entry["bbox"][2] * entry["bbox"][3]),
            "iscrowd": entry.get("iscrowd", 0),
            "segmentation": [],
        }
        for number, entry in enumerate(entries, start=first)
    ]


def _as_uploaded(name: str) -> str:
    """A file name as Label Studio stores it."""
    return re.sub(r"[^-\w.]", "", name.replace(" ", "_"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _copy(picture: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, place)


def _write(path: Path, document: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2))
    return path
