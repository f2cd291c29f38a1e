"""Joins what the annotations say about one picture under several ids, and drops empty boxes."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from visualsearch.data.skipped import Skipped
from visualsearch.fetch.instances import Instances

log = logging.getLogger(__name__)


def same_pictures(
    images: list[dict[str, Any]], files: Mapping[int, str]
) -> tuple[dict[int, int], list[Skipped]]:
    """Return the id under which each image is kept: the lowest of those of its file.

    images: entries of `images` in annotations. files: the file of each id. Entries of one file that
    give it different sizes contradict each other: all are left out.
    """
    of_file: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for image in images:
        of_file[files[image["id"]]].append(image)
    kept: dict[int, int] = {}
    skipped: list[Skipped] = []
    joined = 0
    for file, entries in of_file.items():
        ids = [image["id"] for image in entries]
        sizes = {(image.get("width"), image.get("height")) for image in entries}
        if len({size for size in sizes if None not in size}) > 1:
            reason = "the annotations list it more than once, with different sizes; keep one"
            skipped += [Skipped(number, file, reason) for number in sorted(ids)]
            continue
        kept |= dict.fromkeys(ids, min(ids))
        joined += len(ids) > 1
    if joined:
        log.warning(
            "%d %s in the annotations under more than one id: joined under the lowest, and"
            " identical boxes count once",
            joined,
            "picture is" if joined == 1 else "pictures are",
        )
    return kept, skipped


def join_images(instances: Instances, kept: Mapping[int, int]) -> None:
    """Give all images and annotations the ids that `same_pictures` kept."""
    sizes: dict[int, dict[str, Any]] = defaultdict(dict)
    for image in instances["images"]:
        known = {key: image[key] for key in ("width", "height") if image.get(key)}
        sizes[kept[image["id"]]] |= known
    instances["images"] = [
        image | sizes[image["id"]]
        for image in instances["images"]
        if kept[image["id"]] == image["id"]
    ]
    seen: dict[tuple[Any, ...], tuple[int, dict[str, Any]]] = {}
    annotations = []
    for annotation in instances["annotations"]:
        before = annotation["image_id"]
        annotation["image_id"] = kept[before]
        keys = ("image_id", "category_id", "iscrowd")
        same = (*(annotation[key] for key in keys), *annotation["bbox"])
        first = seen.setdefault(same, (before, annotation))
        if first[0] == before:
            annotations.append(annotation)
        elif "keypoints" in annotation and "keypoints" not in first[1]:
            first[1].update({key: annotation[key] for key in ("keypoints", "num_keypoints")})
    instances["annotations"] = annotations


def drop_empty_boxes(instances: Instances) -> None:
    """Drop annotations whose box has no area; no detection could ever match one."""
    before = len(instances["annotations"])
    instances["annotations"] = [
        annotation
        for annotation in instances["annotations"]
        if annotation["bbox"][2] > 0 and annotation["bbox"][3] > 0
    ]
    if dropped := before - len(instances["annotations"]):
        log.warning(
            "%d of %d annotations do not count, as their boxes have a width or height of 0 or less",
            dropped,
            before,
        )
