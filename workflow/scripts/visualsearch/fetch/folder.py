"""The user's own folder of pictures, with or without COCO annotations; nothing is copied."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.data.attribution import web_address
from visualsearch.data.manifest import MAX_IMAGE_ID, FetchedImage, ImageList, ListedImage, Skipped
from visualsearch.fetch.instances import (
    category_id,
    is_utf8,
    listed_image,
    of_images,
    read_instances,
    relative_path,
)
from visualsearch.fetch.keypoints import add_keypoints, given_file
from visualsearch.fetch.verify import KnownSizes, check_file
from visualsearch.fetch.walk import pictures_in
from visualsearch.settings import DatasetSettings


def list_images(settings: DatasetSettings, work_dir: Path) -> ImageList:
    """Return the pictures of dataset.folder.path, or those that its annotations name.

    `work_dir` is not used. With annotations, pictures that they do not name, and names without a
    picture, are skipped with a reason. Persons get the keypoints of dataset.folder.keypoints.
    """
    options = settings.folder
    if options.path is None:
        raise InputError("dataset.folder.path: is not set; name the folder of your pictures")
    if options.keypoints is not None and options.annotations is None:
        raise InputError(
            "dataset.folder.keypoints: needs dataset.folder.annotations; name there the instances"
            " file with the same annotation ids"
        )
    root = Path(options.path)
    if not root.is_dir():
        raise InputError(f"dataset.folder.path: {root} is not a folder; name one with pictures")
    files = pictures_in(root)
    if not files:
        raise InputError(f"dataset.folder.path: {root} holds no picture (jpg, png, webp, ...)")
    if options.annotations is None:
        images, skipped = _by_name(files)
        return ImageList(_lowest_ids(images, settings), skipped)
    return _annotated(root, files, Path(options.annotations), settings)


def _by_name(files: Sequence[str]) -> tuple[list[ListedImage], list[Skipped]]:
    images: list[ListedImage] = []
    skipped: list[Skipped] = []
    taken: set[int] = set()
    for file in files:
        if not is_utf8(file):
            skipped.append(Skipped(None, file, "the file's name is not UTF-8; rename it"))
            continue
        image_id = id_of_name(file)
        while image_id in taken:
            image_id = (image_id + 1) & MAX_IMAGE_ID
        taken.add(image_id)
        images.append(ListedImage(image_id, file))
    return images, skipped


def id_of_name(file: str) -> int:
    """Return the first 43 bits of the sha256 of a relative path, which depend on no other file."""
    digest = hashlib.sha256(file.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 21


def _annotated(
    root: Path, files: Sequence[str], path: Path, settings: DatasetSettings
) -> ImageList:
    keypoints = given_file(settings.folder.keypoints, settings.category, "folder")
    instances = read_instances(path, own_annotation_ids=keypoints is not None)
    wanted = category_id(instances, settings.category, path)
    there = set(files)
    named: set[str] = set()
    images: list[ListedImage] = []
    skipped: list[Skipped] = []
    for image in instances["images"]:
        file = relative_path(image["file_name"])
        if file is None:
            reason = "its file_name in the annotations is no path within the folder"
            skipped.append(Skipped(image["id"], image["file_name"], reason))
            continue
        named.add(file)
        if file not in there and not os.path.isfile(root / file):
            reason = "named in the annotations, not in the folder"
            skipped.append(Skipped(image["id"], file, reason))
            continue
        source_url = web_address(image.get("flickr_url")) or web_address(image.get("coco_url"))
        images.append(listed_image(image, instances["licenses"], file, source_url))
    skipped += [
        Skipped(None, file, "in the folder, not in the annotations") for file in there - named
    ]
    images = _lowest_ids(images, settings)
    kept = of_images(instances, {image.image_id for image in images})
    # Free the annotations that are not wanted before the keypoints are read.
    del instances
    if keypoints is not None:
        add_keypoints(kept, wanted, keypoints)
    return ImageList(images, skipped, kept)


def _lowest_ids(images: list[ListedImage], settings: DatasetSettings) -> list[ListedImage]:
    return sorted(images, key=lambda image: image.image_id)[: settings.max_images]


def fetch(
    images: Sequence[ListedImage],
    image_root: Path,
    settings: DatasetSettings,
    known: KnownSizes,
) -> Iterator[FetchedImage | Skipped]:
    """Check every picture in the user's folder."""
    return (check_file(image, image_root / image.file, known) for image in images)
