"""The user's own folder of pictures, with or without COCO annotations; nothing is copied."""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.data.attribution import web_address
from visualsearch.data.manifest import MAX_IMAGE_ID, FetchedImage, ImageList, ListedImage
from visualsearch.data.skipped import Skipped, in_words
from visualsearch.fetch.categories import join_categories, wanted_categories
from visualsearch.fetch.instances import (
    ORIGINAL,
    Instances,
    is_utf8,
    listed_image,
    of_images,
    read_instances,
    relative_path,
)
from visualsearch.fetch.joining import drop_empty_boxes, join_images, same_pictures
from visualsearch.fetch.keypoints import add_keypoints, given_file
from visualsearch.fetch.kinds import PICTURE_SUFFIXES, suffix_of
from visualsearch.fetch.left_out import NOT_ANNOTATED
from visualsearch.fetch.matching import match_names
from visualsearch.fetch.turned import turn_upright
from visualsearch.fetch.verify import KnownSizes, check_file
from visualsearch.fetch.walk import EXCLUDED, Rules, contents_of, pictures_in
from visualsearch.settings import DatasetSettings

log = logging.getLogger(__name__)

NOT_UTF8 = "the file's name is not UTF-8; rename it"
IMPOSSIBLE = "its file_name in the annotations is not a path within the folder"


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
    files, left_out = _contents(root, options.exclude)
    if options.annotations is None:
        images, skipped = _by_name(files)
        return ImageList(_lowest_ids(images, settings), skipped + left_out)
    listed = _annotated(root, files, Path(options.annotations), settings)
    # Annotations may name a hidden picture, for example.
    used = {image.file for image in listed.images}
    return replace(
        listed, skipped=listed.skipped + [entry for entry in left_out if entry.file not in used]
    )


def _contents(root: Path, exclude: Sequence[str]) -> tuple[list[str], list[Skipped]]:
    """The pictures of a folder, and what was never meant to be a picture of the set."""
    files, left_out = contents_of(root, exclude)
    skipped = [Skipped(None, file, reason, False, n) for file, reason, n in left_out]
    if not files:
        others = f"; left out: {in_words(skipped)}" if skipped else ""
        raise InputError(
            f"dataset.folder.path: {root} holds no picture that can be read (jpg, png, ...){others}"
        )
    for entry in skipped:
        if not entry.files:
            log.warning("dataset.folder.exclude: '%s' leaves out no picture", entry.file)
    return files, skipped


def _by_name(files: Sequence[str]) -> tuple[list[ListedImage], list[Skipped]]:
    images: list[ListedImage] = []
    skipped: list[Skipped] = []
    taken: set[int] = set()
    for file in files:
        if not is_utf8(file):
            skipped.append(Skipped(None, file, NOT_UTF8))
            continue
        image_id = id_of_name(file)
        while image_id in taken:
            image_id = (image_id + 1) % (MAX_IMAGE_ID + 1)
        taken.add(image_id)
        images.append(ListedImage(image_id, file))
    return images, skipped


def id_of_name(file: str) -> int:
    """Return an image id made of the sha256 of a relative path; it depends on no other file."""
    digest = hashlib.sha256(file.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") % (MAX_IMAGE_ID + 1)


def _annotated(
    root: Path, files: Sequence[str], path: Path, settings: DatasetSettings
) -> ImageList:
    keypoints = given_file(settings.folder.keypoints, settings.category, "folder")
    instances = read_instances(path, own_annotation_ids=keypoints is not None)
    wanted = wanted_categories(instances, settings.category, settings.folder.category, path)
    skipped = [Skipped(None, file, NOT_UTF8) for file in files if not is_utf8(file)]
    files = [file for file in files if is_utf8(file)]
    named, without_file = _matched(instances, root, files, settings.folder.exclude)
    skipped += without_file
    found = [image for image in instances["images"] if image["id"] in named]
    kept_ids, contradicting = same_pictures(found, named)
    skipped += contradicting
    used = set(named.values())
    skipped += [
        # The set is what the annotations name; other pictures beside it are no fault.
        Skipped(None, file, NOT_ANNOTATED, counts=False)
        for file in files
        if file not in used
    ]
    ids = frozenset(sorted(set(kept_ids.values()))[: settings.max_images])
    kept_ids = {number: kept for number, kept in kept_ids.items() if kept in ids}
    kept = of_images(instances, kept_ids)
    # Free the annotations that are not wanted before the keypoints are read.
    del instances
    if keypoints is not None:
        add_keypoints(kept, wanted, keypoints)
    join_categories(kept, wanted, settings.category)
    join_images(kept, kept_ids)
    drop_empty_boxes(kept)
    turn_upright(kept, root, named)
    for image in kept["images"]:
        image["file_name"] = named[image["id"]]
    return ImageList(_listed(kept), skipped, kept)


def _matched(
    instances: Instances, root: Path, files: Sequence[str], exclude: Sequence[str]
) -> tuple[dict[int, str], list[Skipped]]:
    """The file of each image of the annotations, and the images without one.

    Pictures that the user excludes are matched too, so that no other gets their annotations.
    """
    rules = Rules(exclude)
    names = {image["id"]: image["file_name"] for image in instances["images"]}
    possible = {number: name for number, name in names.items() if "\0" not in name}
    # As a path, an address would lose a slash, and be none.
    exact = {
        number: name if "://" in name else relative_path(name) or name
        for number, name in possible.items()
    }
    originals = {
        exact[image["id"]]: original
        for image in instances["images"]
        if (original := image.pop(ORIGINAL, None)) and image["id"] in exact
    }
    there = frozenset(files)
    more = {name for name in exact.values() if name not in there and _unlisted(root, name, rules)}
    if exclude:
        more |= set(filter(is_utf8, pictures_in(root))) - there
    matches = match_names(exact.values(), [*files, *sorted(more)], root, originals)
    for line in matches.ways:
        log.warning("%s", line)
    named: dict[int, str] = {}
    skipped: list[Skipped] = []
    for number, name in names.items():
        file = matches.files.get(exact.get(number, ""))
        if file is None:
            reason = matches.reasons.get(exact.get(number, ""), IMPOSSIBLE)
            skipped.append(Skipped(number, name, reason))
        elif by_user := [r for r in rules.reasons_of_file(file) if r.startswith(EXCLUDED)]:
            reason = f"named in the annotations, {by_user[0]}"
            skipped.append(Skipped(number, name, reason, counts=False))
        else:
            named[number] = file
    return named, skipped


def _unlisted(root: Path, name: str, rules: Rules) -> bool:
    """Whether a name is that of a file that the walk leaves out: hidden, or of another suffix."""
    path = relative_path(name)
    if path is None:
        return False
    left_out = rules.reasons_of_file(path) or suffix_of(path) not in PICTURE_SUFFIXES
    return bool(left_out) and os.path.isfile(root / path)


def _listed(instances: Instances) -> list[ListedImage]:
    return [
        listed_image(
            image,
            instances["licenses"],
            image["file_name"],
            web_address(image.get("flickr_url")) or web_address(image.get("coco_url")),
        )
        for image in instances["images"]
    ]


def _lowest_ids(images: list[ListedImage], settings: DatasetSettings) -> list[ListedImage]:
    return sorted(images, key=lambda image: image.image_id)[: settings.max_images]


def fetch(
    images: Sequence[ListedImage],
    image_root: Path,
    settings: DatasetSettings,
    known: KnownSizes,
) -> Iterator[FetchedImage | Skipped]:
    """Check every picture in the user's folder."""
    for image in images:
        yield check_file(image, image_root / image.file, known, settings.max_pixels)
