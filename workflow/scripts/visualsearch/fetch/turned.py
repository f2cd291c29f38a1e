"""Turns annotations upright that were made on pictures as the camera stored them.

A camera may store a picture lying on its side, with an EXIF orientation that says how to turn it.
All stages see it upright. Some tools ignore the orientation: their sizes, and mostly their boxes,
are those of the stored picture. Format: https://www.exif.org, tag 0x0112.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visualsearch.data.boxes import leaves_image
from visualsearch.data.formats import FORMATS
from visualsearch.data.upright import EXIF_ORIENTATION, SIDEWAYS
from visualsearch.fetch.instances import Instances

log = logging.getLogger(__name__)

Box = tuple[float, float, float, float]

LABEL_STUDIO = "Label Studio"
# Waiting for a drive in a network, not computing, takes the time.
THREADS = 8


def stored_size(path: Path) -> tuple[int, int, int]:
    """Return width and height as stored, and the EXIF orientation; zeros if they are not known.

    Only the head of the file is read.
    """
    try:
        if path.is_file():
            with Image.open(path, formats=FORMATS) as image:
                return *image.size, int(image.getexif().get(EXIF_ORIENTATION, 1))
    except Exception:
        # Of any kind, from a broken file. The check of the picture gives the reason.
        pass
    return 0, 0, 0


def turn_upright(instances: Instances, root: Path, files: Mapping[int, str]) -> None:
    """Correct the sizes and boxes of pictures whose stored size the annotations give.

    files: the file of each image, relative to `root`. The boxes are turned too, and keypoints,
    unless they fit the upright pictures better than the stored ones: one tool made them all. Where
    they fit both, they are of the stored pictures, as COCO defines them; but Label Studio gives
    stored sizes with upright boxes (https://github.com/HumanSignal/label-studio/issues/6608).
    """
    images = [image for image in instances["images"] if image.get("width") and image.get("height")]
    with ThreadPoolExecutor(THREADS) as pool:
        paths = [root / files[image["id"]] for image in images]
        stored = dict(zip((i["id"] for i in images), pool.map(stored_size, paths), strict=True))
    sideways = {
        image["id"]
        for image in images
        if stored[image["id"]][2] in SIDEWAYS
        and image["width"] != image["height"]
        and (image["width"], image["height"]) == stored[image["id"]][:2]
    }
    if not sideways:
        return
    ids = [entry["image_id"] for entry in instances["annotations"]]
    boxes = np.array(
        [entry["bbox"] for entry in instances["annotations"] if entry["image_id"] in sideways]
    )
    sizes = np.array([stored[i][:2] for i in ids if i in sideways]).reshape(-1, 2)
    outside_stored = int(leaves_image(boxes, sizes).sum())
    outside_upright = int(leaves_image(boxes, sizes[:, ::-1]).sum())
    upright = instances["info"].get("contributor") == LABEL_STUDIO
    turned = outside_stored < outside_upright or (outside_stored == outside_upright and not upright)
    for annotation in instances["annotations"]:
        size = stored.get(annotation["image_id"])
        if turned and size is not None:
            _turn(annotation, *size)
    for image in images:
        if image["id"] in sideways:
            image["width"], image["height"] = image["height"], image["width"]
    log.warning(
        "%d of the annotated pictures have the size from before they were turned upright "
        "(EXIF); their boxes %s",
        len(sideways),
        "were turned with them" if turned else "fit the upright pictures and were kept",
    )


def _turn(annotation: dict[str, Any], width: int, height: int, orientation: int) -> None:
    x, y, w, h = annotation["bbox"]
    annotation["bbox"] = list(_turned((x, y, w, h), width, height, orientation))
    points = annotation.get("keypoints")
    if points:
        annotation["keypoints"] = [
            value
            for x, y, v in zip(points[::3], points[1::3], points[2::3], strict=True)
            for value in (
                *(_turned((x, y, 0, 0), width, height, orientation)[:2] if v else (x, y)),
                v,
            )
        ]


def _turned(box: Box, width: int, height: int, orientation: int) -> Box:
    """A box of the stored picture, width x height, in the upright one."""
    x, y, w, h = box
    right, below = width - x - w, height - y - h
    boxes: dict[int, Box] = {
        2: (right, y, w, h),
        3: (right, below, w, h),
        4: (x, below, w, h),
        5: (y, x, h, w),
        6: (below, x, h, w),
        7: (below, right, h, w),
        8: (y, right, h, w),
    }
    return boxes.get(orientation, box)
