"""Reads and checks COCO instances files, and takes the part about some images.

Format: https://cocodataset.org/#format-data, "Object Detection".
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from reprlib import repr as brief
from typing import Any

from visualsearch.core.errors import InputError
from visualsearch.core.text import one_line
from visualsearch.data.attribution import web_address
from visualsearch.data.manifest import MAX_IMAGE_ID, ListedImage
from visualsearch.fetch.coco_json import is_id, is_number, read_json
from visualsearch.fetch.other_formats import described_json

Instances = dict[str, Any]

# What Roboflow calls a picture in "extra", where its export renames it.
ORIGINAL = "original_name"
# Only these keys are kept, so that unchecked values cannot break a later stage.
INFO = {"description", "url", "version", "year", "contributor", "date_created"}
LICENSE = {"id", "name", "url"}
IMAGE = {"id", "file_name", "width", "height", "license", "flickr_url", "coco_url", ORIGINAL}
ANNOTATION = {"id", "image_id", "category_id", "bbox", "area", "iscrowd"}
CATEGORY = {"id", "name", "supercategory"}

# Sizes and categories have 32 bits in the tables; pycocotools keeps annotation ids as doubles.
MAX_INT32 = 2**31 - 1
MAX_ANNOTATION_ID = 2**53
# The limit of file systems for a name, and enough for a path.
MAX_NAME_BYTES, MAX_PATH_BYTES = 255, 1024
# Most characters of a list of category names in a message; COCO's 80 take 760.
MOST_NAMES = 1500


def read_instances(
    path: Path, member: str | None = None, own_annotation_ids: bool = False
) -> Instances:
    """Read an instances file, or `member` of a zip archive without extracting it.

    Returns info, licenses, images, annotations (without segmentation and keypoints) and
    categories, with COCO's own keys only. Every image has a usable id and file name, and every
    annotation a box, an image and a category; otherwise it raises InputError. Annotation ids that
    are not unique and positive are replaced, or refused with `own_annotation_ids`, which is for
    when another file refers to them.
    """
    document = read_json(path, member, "instances", _needed, constants=True)
    if seems := described_json(document):
        raise InputError(f"{path}: it seems to be {seems}; give a COCO instances file")
    if not isinstance(document, dict):
        raise InputError(f"{path}: holds no JSON object; give a COCO instances file")
    # FiftyOne leaves out the list when nothing is annotated.
    document.setdefault("annotations", [])
    for key in ("images", "annotations", "categories"):
        entries = document.get(key)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{path}: has no list of objects '{key}'; give a COCO instances file")
    licenses = document.get("licenses")
    instances: Instances = {
        "info": _plain(document.get("info"), INFO),
        "licenses": [_plain(x, LICENSE) for x in licenses] if isinstance(licenses, list) else [],
        "images": document["images"],
        "annotations": document["annotations"],
        "categories": document["categories"],
    }
    _check_images(instances["images"], path)
    _check_categories(instances["categories"], path)
    _check_annotations(instances, path)
    _number_annotations(instances, path, own_annotation_ids)
    instances["images"] = [_plain(image, IMAGE) for image in instances["images"]]
    instances["categories"] = [_plain(entry, CATEGORY) for entry in instances["categories"]]
    return instances


def read_image_ids(path: Path) -> set[int]:
    """Return the ids of the images that a COCO JSON file lists. Raises InputError."""
    document = read_json(path, None, "instances", _needed, constants=True)
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise InputError(f"{path}: has no list 'images'; give a COCO instances file")
    ids: set[int] = set()
    for image in images:
        image_id = image.get("id") if isinstance(image, dict) else None
        if not is_id(image_id):
            raise _wrong_image_id(image_id, path)
        ids.add(image_id)
    return ids


def _needed(entry: dict[str, Any]) -> dict[str, Any]:
    # The outlines, which are not used, are most of a file's size: drop them while it is parsed.
    entry.pop("segmentation", None)
    if "image_id" in entry:
        # Keypoints come from their own file, where they are checked.
        entry.pop("keypoints", None)
        entry.pop("num_keypoints", None)
    return entry


def _plain(entry: Any, keys: set[str]) -> dict[str, Any]:
    """Return the part of an object with these keys whose values are texts or numbers."""
    if not isinstance(entry, dict):
        return {}
    return {
        key: value
        for key, value in entry.items()
        if key in keys and (is_number(value) or (isinstance(value, str) and is_utf8(value)))
    }


def _check_images(images: list[dict[str, Any]], path: Path) -> None:
    names: dict[int, Any] = {}
    for image in images:
        image_id, file = image.get("id"), image.get("file_name")
        if not is_id(image_id):
            raise _wrong_image_id(image_id, path)
        if image_id in names:
            raise InputError(
                f"{path}: image id {image_id} is that of {brief(names[image_id])} and of"
                f" {brief(file)}; give each file another name before its suffix, and export again"
            )
        names[image_id] = file
        if not isinstance(file, str) or not file or not is_utf8(file):
            raise InputError(f"{path}: image {image_id} has file_name {brief(file)}")
        for side in ("width", "height"):
            value = image.get(side)
            if value is None or value == 0:
                # The picture says it.
                image[side] = None
            elif not is_number(value) or value != int(value) or not 0 < value <= MAX_INT32:
                raise InputError(f"{path}: image {image_id} has {side} {brief(value)}")
            else:
                image[side] = int(value)
        extra = image.get("extra")
        image[ORIGINAL] = extra.get("name") if isinstance(extra, dict) else None


def _wrong_image_id(image_id: Any, path: Path) -> InputError:
    if type(image_id) is int and image_id > MAX_IMAGE_ID:
        return InputError(
            f"{path}: image id {brief(image_id)} has more than {len(str(MAX_IMAGE_ID))} digits; a"
            " person's id adds three, and a spreadsheet rounds numbers of more than 15. Renumber "
            "the images of the file"
        )
    return InputError(
        f"{path}: image id {brief(image_id)} is not an integer of 0 or more; give a COCO instances"
        " file, or renumber its images"
    )


def _check_categories(categories: list[dict[str, Any]], path: Path) -> None:
    seen: set[int] = set()
    for category in categories:
        number, name = category.get("id"), category.get("name")
        if type(number) is not int or not 0 <= number <= MAX_INT32 or number in seen:
            raise InputError(
                f"{path}: category id {brief(number)} is not a unique integer from 0 to {MAX_INT32}"
            )
        if not isinstance(name, str) or not is_utf8(name):
            raise InputError(
                f"{path}: category {number} has name {brief(name)}, which is not a text"
            )
        seen.add(number)


def _check_annotations(instances: Instances, path: Path) -> None:
    images = {image["id"] for image in instances["images"]}
    categories = {category["id"] for category in instances["categories"]}
    for number, annotation in enumerate(instances["annotations"], start=1):
        name = f"{path}: annotation {brief(annotation.get('id', number))}"
        for key in ("image_id", "category_id"):
            annotation[key] = _as_integer(annotation.get(key))
        image_id, category = annotation["image_id"], annotation["category_id"]
        if not is_id(image_id) or image_id not in images:
            raise InputError(
                f"{name} has image_id {brief(image_id)}, which is not the id of an image in the "
                "file"
            )
        if type(category) is not int or category not in categories:
            raise InputError(
                f"{name} has category_id {brief(category)}, which is not the id of a category in "
                "the file"
            )
        box = annotation.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
            raise InputError(f"{name} has no 'bbox' of four numbers")
        # pycocotools needs these, and some tools leave them out.
        for key, value in (("iscrowd", 0), ("area", box[2] * box[3])):
            if annotation.get(key) is None:
                annotation[key] = value
        if annotation["iscrowd"] not in (0, 1) or not is_number(annotation["area"]):
            raise InputError(f"{name} has an 'iscrowd' or 'area' that is not a number")
        annotation["iscrowd"] = int(annotation["iscrowd"])
        for key in annotation.keys() - ANNOTATION:
            del annotation[key]


def _as_integer(value: Any) -> Any:
    """An id as VGG Image Annotator ("12") and PyLabel (12.0) may write it, or `value` itself."""
    if type(value) is float and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,15}", value):
        return int(value)
    return value


def _number_annotations(instances: Instances, path: Path, keep: bool) -> None:
    # pycocotools takes an annotation with id 0 for unmatched, and needs unique ids.
    annotations = instances["annotations"]
    ids = [annotation.get("id") for annotation in annotations]
    usable = all(type(i) is int and 0 < i <= MAX_ANNOTATION_ID for i in ids)
    if usable and len(set(ids)) == len(ids):
        return
    if keep:
        raise InputError(
            f"{path}: its annotations' ids are not unique integers above 0, so keypoints cannot be"
            " matched to them; number the annotations of both files alike, from 1, or leave out"
            " the keypoints"
        )
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number


def category_id(instances: Instances, name: str, path: Path) -> int:
    """Return the id of the category `name`. Raises InputError if `path` does not have it."""
    ids = [entry["id"] for entry in instances["categories"] if entry["name"] == name]
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise InputError(
            f"{path}: has the category {name!r} {len(ids)} times; give COCO's own file"
        )
    names = one_line(", ".join(category["name"] for category in instances["categories"]))
    raise InputError(
        f"dataset.category: {name!r} is not a category of {path}, which has: {names[:MOST_NAMES]}"
    )


def of_images(instances: Instances, ids: Collection[int]) -> Instances:
    """Return the part of `instances` about the images `ids`, sorted by id."""
    ids = frozenset(ids)
    images = (image for image in instances["images"] if image["id"] in ids)
    annotations = (entry for entry in instances["annotations"] if entry["image_id"] in ids)
    return instances | {
        "images": sorted(images, key=lambda image: image["id"]),
        "annotations": sorted(annotations, key=lambda annotation: annotation["id"]),
    }


def relative_path(file_name: str) -> str | None:
    """Return `file_name` as a path within a folder, or None if it leads out or is not possible."""
    path = PurePosixPath(file_name)
    if path.is_absolute() or ".." in path.parts or "\0" in file_name or not path.parts:
        return None
    too_long = len(str(path).encode()) > MAX_PATH_BYTES
    if too_long or any(len(part.encode()) > MAX_NAME_BYTES for part in path.parts):
        return None
    return str(path)


def listed_image(
    image: Mapping[str, Any], licenses: list[Any], file: str, source_url: str | None
) -> ListedImage:
    """Return an entry of `images` as a listed picture, with its licence."""
    license_id = image.get("license")
    if type(license_id) is not int or not 0 <= license_id <= MAX_INT32:
        license_id = None
    found: Mapping[str, Any] = next(
        (entry for entry in licenses if license_id is not None and entry.get("id") == license_id),
        {},
    )
    return ListedImage(
        image_id=image["id"],
        file=file,
        width=image.get("width"),
        height=image.get("height"),
        license_id=license_id,
        license=_text(found.get("name")),
        license_url=web_address(found.get("url")),
        source_url=source_url,
    )


def is_utf8(name: str) -> bool:
    """Whether a name can be written as UTF-8. Python reads other names with lone surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and is_utf8(value) else None
