"""COCO 2017: the minitrain subset of train2017, and val2017.

COCO minitrain (Samet, Hicsonmez and Akbas, https://github.com/giddyyupp/coco-minitrain) was
sampled without a seed: its definition file is the only record of what belongs to it.
"""

import logging
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as brief
from urllib.parse import quote, urlsplit

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing
from visualsearch.core.hashing import sha256_file
from visualsearch.data.images import UnreadableImage
from visualsearch.data.manifest import FetchedImage, ImageList, ListedImage, Skipped
from visualsearch.fetch import Settings
from visualsearch.fetch.coco_json import has_member
from visualsearch.fetch.download import Client, DownloadFailed, NotServed
from visualsearch.fetch.google_drive import get_drive_file
from visualsearch.fetch.instances import (
    Instances,
    category_id,
    listed_image,
    of_images,
    read_image_ids,
    read_instances,
    relative_path,
)
from visualsearch.fetch.keypoints import PERSON, add_keypoints, given_file
from visualsearch.fetch.verify import verified, verified_file
from visualsearch.settings.values import is_url

log = logging.getLogger(__name__)

# The bucket by its path: the certificate of images.cocodataset.org is for another host.
BUCKET = "https://s3.amazonaws.com/images.cocodataset.org"
NAMES_SHOWN = 5


@dataclass(frozen=True)
class Split:
    """A split of COCO 2017, and the file that says which part of it is meant."""

    name: str
    definition_drive_id: str | None = None
    # Images in the official minitrain that look-alikes lack.
    belong: frozenset[int] = frozenset()


SPLITS = {
    "coco-minitrain": Split(
        "train2017", "1lezhgY4M_Ag13w0dEzQ7x_zQ_w0ohjin", frozenset({449108, 527649})
    ),
    "coco-val2017": Split("val2017"),
}


def list_images(settings: Settings, work_dir: Path) -> ImageList:
    """Return the split's images, cut down by definition, category and max_images.

    The definition and the annotations are downloaded to `work_dir` unless they are local files.
    Persons get the keypoints of dataset.coco.keypoints, or of the annotations' own archive.
    """
    split = SPLITS[settings["source"]]
    options = settings["coco"]
    if options["images"] is not None and not is_url(options["images"]):
        folder = Path(options["images"]).expanduser()
        if not folder.is_dir():
            raise InputError(f"dataset.coco.images: {folder} is not a folder; name that of the"
                             f" {split.name} pictures, or their base URL")  # fmt: skip
    keypoints = given_file(settings, "coco")
    defined = _defined_ids(split, settings, work_dir)
    path = _annotations_file(settings, work_dir)
    keypoints_member = f"annotations/person_keypoints_{split.name}.json"
    if keypoints is None and settings["category"] == PERSON:
        if has_member(path, keypoints_member):
            keypoints = path
        else:
            log.info("%s has no %s: no pose is known", path, keypoints_member)
    instances = read_instances(
        path,
        f"annotations/instances_{split.name}.json",
        own_annotation_ids=keypoints is not None,
    )
    ids = {image["id"] for image in instances["images"]}
    if defined is not None:
        _check_definition(defined, ids, split, options["definition_images"])
        ids &= defined
    wanted = category_id(instances, settings["category"], path)
    if settings["only_with_category"]:
        ids &= {
            entry["image_id"]
            for entry in instances["annotations"]
            if entry["category_id"] == wanted
        }
    kept = of_images(instances, sorted(ids)[: settings["max_images"]])
    log.info("%d images of %s are wanted", len(kept["images"]), settings["source"])
    # The keypoints are as large a file again: what is not wanted must not be held meanwhile.
    del instances
    if keypoints is not None:
        add_keypoints(kept, wanted, keypoints, keypoints_member)
    return ImageList(_listed(kept, split, path), [], kept)


def _listed(instances: Instances, split: Split, path: Path) -> list[ListedImage]:
    images = []
    named: set[str] = set()
    for image in instances["images"]:
        file = relative_path(image["file_name"])
        if file is None or file in named:
            raise InputError(
                f"{path}: image {image['id']} has file_name {brief(image['file_name'])}, which is"
                " no path within a folder or that of another image; give COCO's own file"
            )
        named.add(file)
        source_url = f"{BUCKET}/{split.name}/{quote(file)}"
        images.append(listed_image(image, instances["licenses"], file, source_url))
    return images


def _defined_ids(split: Split, settings: Settings, work_dir: Path) -> set[int] | None:
    where = settings["coco"]["definition"]
    if where is None and split.definition_drive_id is None:
        return None
    if where is None:
        assert split.definition_drive_id is not None
        path = work_dir / "instances_minitrain2017.json"
        get_drive_file(
            split.definition_drive_id,
            path,
            settings["retries"],
            "dataset.coco.definition",
            settings["timeout_seconds"],
        )
    else:
        path = _local_file(where, "definition", settings, work_dir, None)
    try:
        return read_image_ids(path)
    except InputError:
        if path.is_relative_to(work_dir):
            # A download without a known hash: what cannot be read must not be taken for it again.
            path.unlink()
        raise


def _check_definition(
    defined: set[int], official: set[int], split: Split, count: int | None
) -> None:
    strangers = sorted(defined - official)
    if strangers:
        raise InputError(
            f"dataset.coco.definition: lists image {strangers[0]}, which {split.name} does not"
            f" have ({len(strangers)} such); give instances_minitrain2017.json"
        )
    if count is None:
        return
    if len(defined) != count:
        raise InputError(
            f"dataset.coco.definition: lists {len(defined)} images, not the {count} of"
            " dataset.coco.definition_images; give instances_minitrain2017.json"
        )
    absent = sorted(split.belong - defined)
    if absent:
        raise InputError(
            f"dataset.coco.definition: lacks image {absent[0]}, so it is not the official COCO"
            " minitrain but a set sampled anew; give instances_minitrain2017.json"
        )


def _annotations_file(settings: Settings, work_dir: Path) -> Path:
    options = settings["coco"]
    sha256 = options["annotations_sha256"]
    if sha256 is None and is_url(options["annotations"]):
        raise InputError(
            "dataset.coco.annotations_sha256: is null, which only a local dataset.coco.annotations"
            " may have; give the sha256 of the file at that URL"
        )
    return _local_file(options["annotations"], "annotations", settings, work_dir, sha256)


def _local_file(
    where: str, key: str, settings: Settings, work_dir: Path, sha256: str | None
) -> Path:
    if is_url(where):
        # Two mirrors' files of the same name are two files.
        name = Path(urlsplit(where).path).name or key
        path = work_dir / f"{zlib.crc32(where.encode()):08x}-{name}"
        _client(settings).get_file(where, path, sha256)
        return path
    path = Path(where).expanduser()
    if not path.is_file():
        raise InputError(f"dataset.coco.{key}: {path} is no file; name one, or a URL")
    if sha256 is not None and (found := sha256_file(path)) != sha256:
        raise InputError(
            f"dataset.coco.{key}: {path} has sha256 {found}, not {sha256}; set"
            f" dataset.coco.{key}_sha256 to the right one, or to null for a file of your own"
        )
    return path


def fetch(
    images: Sequence[ListedImage], image_root: Path, settings: Settings
) -> Iterator[FetchedImage | Skipped]:
    """Check the pictures in `image_root` and download those missing or broken.

    With a local folder in dataset.coco.images nothing is downloaded. Raises InputError at the
    end when pictures are missing, or early when one after another fails.
    """
    base = settings["coco"]["images"] or f"{BUCKET}/{SPLITS[settings['source']].name}/"
    if is_url(base):
        return _fetch_by_http(images, image_root, base, settings)
    return _check_folder(images, image_root)


def _check_folder(
    images: Sequence[ListedImage], image_root: Path
) -> Iterator[FetchedImage | Skipped]:
    missing = []
    for image in images:
        path = image_root / image.file
        if not os.path.isfile(path):
            missing.append(image.file)
            continue
        try:
            yield verified_file(image, path)
        except UnreadableImage as error:
            yield Skipped(image.image_id, image.file, str(error))
    if missing:
        raise InputError(
            f"{image_root}: {len(missing)} of {len(images)} pictures are missing:"
            f" {_first(missing)}; complete the folder that dataset.coco.images names"
        )


def _fetch_by_http(
    images: Sequence[ListedImage], image_root: Path, base: str, settings: Settings
) -> Iterator[FetchedImage | Skipped]:
    client = _client(settings)
    connections = settings["connections"]
    # A login page would otherwise cost every picture all its retries.
    give_up_after = max(20, 2 * connections)
    # So would a dead host, and once as many have failed as can at a time, it has had its chance.
    dead_after = max(4, connections)
    failures_in_a_row = 0
    missing: list[str] = []

    def obtain(image: ListedImage) -> FetchedImage | Skipped:
        return _obtain(image, image_root, base, client)

    with ThreadPoolExecutor(connections) as pool:
        futures = {pool.submit(obtain, image): image for image in images}
        try:
            for future in as_completed(futures):
                try:
                    result = future.result()
                except DownloadFailed as error:
                    reason = str(error)
                    missing.append(f"{futures[future].file} ({reason})")
                    failures_in_a_row += 1
                    too_many = give_up_after if isinstance(error, NotServed) else dead_after
                else:
                    reason = result.reason if isinstance(result, Skipped) else ""
                    failures_in_a_row = failures_in_a_row + 1 if reason else 0
                    too_many = give_up_after
                    yield result
                if failures_in_a_row >= too_many:
                    raise InputError(
                        f"{base}: gave up after {failures_in_a_row} failures in a row, the last:"
                        f" {reason}; mend the network or dataset.coco.images, then rerun the same"
                        " command to resume"
                    )
        finally:
            client.stop()
            pool.shutdown(cancel_futures=True)
    if missing:
        raise InputError(
            f"{base}: {len(missing)} of {len(images)} pictures could not be downloaded:"
            f" {_first(sorted(missing))}; rerun the same command to resume"
        )


def _obtain(
    image: ListedImage, image_root: Path, base: str, client: Client
) -> FetchedImage | Skipped:
    path = image_root / image.file
    try:
        return verified_file(image, path)
    except UnreadableImage as error:
        if os.path.lexists(path):
            log.info("%s: %s; downloading it again", path, error)

    def keep(body: bytes) -> FetchedImage:
        row = verified(image, body)
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(body)
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror or error}); make room or mend the"
                " folder, then rerun the same command to resume"
            ) from error
        return row

    try:
        return client.get(f"{base.rstrip('/')}/{quote(image.file)}", keep, UnreadableImage)
    except UnreadableImage as error:
        return Skipped(image.image_id, image.file, str(error))


def _client(settings: Settings) -> Client:
    return Client(settings["retries"], settings["backoff_seconds"], settings["timeout_seconds"])


def _first(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
