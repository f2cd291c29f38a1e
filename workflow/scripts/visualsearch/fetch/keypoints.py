"""COCO person keypoints: read, checked, and joined to the instances of some images.

Format: https://cocodataset.org/#format-data, "Keypoint Detection".
"""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from visualsearch.core.errors import InputError
from visualsearch.fetch.coco_json import is_number, read_json
from visualsearch.fetch.instances import Instances

log = logging.getLogger(__name__)

# COCO has keypoints of this category only.
PERSON = "person"
KEYPOINTS = 17
NOT_WANTED: dict[str, Any] = {}


def given_file(where: str | None, category: str, section: str) -> Path | None:
    """Return the keypoints file that dataset.<section>.keypoints names, or None.

    where: the value of that key. None also when the category has no keypoints. Raises InputError
    when the path is not a file.
    """
    if where is None:
        return None
    if category != PERSON:
        log.info("%s is not read: COCO has keypoints of persons only", where)
        return None
    path = Path(where)
    if not path.is_file():
        raise InputError(
            f"dataset.{section}.keypoints: {where} is not a file; name a COCO person_keypoints"
            " file, or null"
        )
    return path


def add_keypoints(
    instances: Instances, categories: Collection[int], path: Path, member: str | None = None
) -> None:
    """Add `keypoints` and `num_keypoints` to annotations of some categories, from their file.

    keypoints: a flat list, 17 times x, y, v; num_keypoints: how many have v > 0. Only annotations
    that have the same id, image_id and category_id in the file get them. path: the file, or an
    archive with `member`. Entries that are not wanted are dropped while the file is parsed. Raises
    InputError when it is not a keypoints file, or its keypoints are broken.
    """
    persons = {
        annotation["id"]: annotation
        for annotation in instances["annotations"]
        if annotation["category_id"] in categories
    }
    if not persons:
        return
    added: set[int] = set()
    mismatches = 0
    for entry in _read_entries(path, member, persons):
        annotation = persons[entry["id"]]
        if any(entry.get(key) != annotation[key] for key in ("image_id", "category_id")):
            mismatches += 1
            continue
        name = f"{path}: annotation {entry['id']}"
        if entry["id"] in added:
            raise InputError(f"{name} is there twice; give a COCO person_keypoints file")
        added.add(entry["id"])
        annotation["keypoints"] = keypoints = _checked(entry["keypoints"], name)
        annotation["num_keypoints"] = sum(v > 0 for v in keypoints[2::3])
    if added:
        log.info("%s: has keypoints of %d of %d persons", path, len(added), len(persons))
    else:
        log.warning(
            "%s: no entry has the id, image and category of any of the %d persons; the keypoints"
            " seem to belong to another annotation file, so poses are not known",
            path,
            len(persons),
        )
    if mismatches:
        log.warning(
            "%s: ignored %d entries with the id of a person but another image or category",
            path,
            mismatches,
        )


def _read_entries(
    path: Path, member: str | None, persons: dict[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    def wanted(entry: dict[str, Any]) -> dict[str, Any]:
        if "annotations" in entry:
            return {"annotations": entry["annotations"]}
        number = entry.get("id")
        if type(number) is not int or number not in persons or "keypoints" not in entry:
            return NOT_WANTED
        keys = ("id", "image_id", "category_id", "keypoints")
        return {key: entry[key] for key in keys if key in entry}

    document = read_json(path, member, "person_keypoints", wanted)
    entries = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(
            f"{path}: has no list of objects 'annotations'; give a COCO person_keypoints file"
        )
    return [entry for entry in entries if "id" in entry]


def _checked(values: Any, name: str) -> list[float]:
    if not isinstance(values, list) or len(values) != 3 * KEYPOINTS:
        raise InputError(f"{name} has no 'keypoints' of {3 * KEYPOINTS} numbers x, y, v")
    if not all(map(is_number, values)):
        raise InputError(f"{name} has 'keypoints' that are not all finite numbers")
    if any(v not in (0, 1, 2) for v in values[2::3]):
        raise InputError(f"{name} has 'keypoints' of a visibility v other than 0, 1 and 2")
    return values
