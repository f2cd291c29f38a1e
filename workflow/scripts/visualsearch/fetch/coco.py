"""COCO 2017: the minitrain subset of train2017, and val2017.

COCO minitrain (Samet, Hicsonmez and Akbas, https://github.com/giddyyupp/coco-minitrain) was
sampled without a seed, so only its definition file says which images belong to it.
"""

import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as brief
from urllib.parse import quote, urlsplit

from visualsearch.core.errors import InputError
from visualsearch.core.files import sha256_file
from visualsearch.data.manifest import FetchedImage, ImageList, ListedImage
from visualsearch.data.skipped import Skipped
from visualsearch.fetch.coco_json import has_member
from visualsearch.fetch.coco_pictures import check_folder, client_of, download
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
from visualsearch.fetch.verify import KnownSizes
from visualsearch.settings import DatasetSettings
from visualsearch.settings.values import is_url

log = logging.getLogger(__name__)

# The bucket in the path, as images.cocodataset.org has the certificate of another host.
BUCKET = "https://s3.amazonaws.com/images.cocodataset.org"


@dataclass(frozen=True)
class Split:
    """A split of COCO 2017, and the file that defines a subset of it.

    definition_drive_id: Google Drive id of that file; None for the whole split. belong: images of
    the official subset that known look-alikes of it lack.
    """

    name: str
    definition_drive_id: str | None = None
    belong: frozenset[int] = frozenset()


SPLITS = {
    "coco-minitrain": Split(
        "train2017", "1lezhgY4M_Ag13w0dEzQ7x_zQ_w0ohjin", frozenset({449108, 527649})
    ),
    "coco-val2017": Split("val2017"),
}


def list_images(settings: DatasetSettings, work_dir: Path) -> ImageList:
    """Return the split's images that the definition, category and max_images leave.

    The definition and the annotations are downloaded to `work_dir` unless they are local files.
    Persons get the keypoints of dataset.coco.keypoints, or of the annotations' own archive.
    """
    split = SPLITS[settings.source]
    options = settings.coco
    if options.images is not None and not is_url(options.images):
        folder = Path(options.images)
        if not folder.is_dir():
            raise InputError(f"dataset.coco.images: {folder} is not a folder; name that of the"
                             f" {split.name} pictures, or their base URL")  # fmt: skip
    keypoints = given_file(options.keypoints, settings.category, "coco")
    hashes = {}
    defined = None
    if definition := _definition_file(split, settings, work_dir):
        defined = _defined_ids(definition, work_dir)
        hashes["definition_sha256"] = sha256_file(definition)
    path = _annotations_file(settings, work_dir)
    # A given hash was compared with the file, which may have 250 MB.
    hashes["annotations_sha256"] = options.annotations_sha256 or sha256_file(path)
    keypoints_member = f"annotations/person_keypoints_{split.name}.json"
    if keypoints is None and settings.category == PERSON:
        if has_member(path, keypoints_member):
            keypoints = path
        else:
            log.info("%s has no %s, so poses are not known", path, keypoints_member)
    instances = read_instances(
        path, f"annotations/instances_{split.name}.json", own_annotation_ids=keypoints is not None
    )
    ids = {image["id"] for image in instances["images"]}
    if defined is not None:
        _check_definition(defined, ids, split, options.definition_images)
        ids &= defined
    wanted = category_id(instances, settings.category, path)
    if settings.only_with_category:
        ids &= {
            entry["image_id"]
            for entry in instances["annotations"]
            if entry["category_id"] == wanted
        }
    kept = of_images(instances, sorted(ids)[: settings.max_images])
    log.info("%d images of %s are wanted", len(kept["images"]), settings.source)
    # Free the annotations that are not wanted before the keypoints, as large a file, are read.
    del instances
    if keypoints is not None:
        add_keypoints(kept, {wanted}, keypoints, keypoints_member)
    return ImageList(_listed(kept, split, path), [], kept, hashes)


def _listed(instances: Instances, split: Split, path: Path) -> list[ListedImage]:
    images = []
    named: set[str] = set()
    for image in instances["images"]:
        file = relative_path(image["file_name"])
        if file is None or file in named:
            raise InputError(
                f"{path}: image {image['id']} has file_name {brief(image['file_name'])}, which is "
                "not a path within a folder, or is used by another image too; give COCO's own "
                "file"
            )
        named.add(file)
        source_url = f"{BUCKET}/{split.name}/{quote(file)}"
        images.append(listed_image(image, instances["licenses"], file, source_url))
    return images


def _definition_file(split: Split, settings: DatasetSettings, work_dir: Path) -> Path | None:
    where = settings.coco.definition
    if where is not None:
        return _local_file(where, "definition", settings, work_dir, None)
    if split.definition_drive_id is None:
        return None
    path = work_dir / "instances_minitrain2017.json"
    get_drive_file(
        split.definition_drive_id,
        path,
        settings.retries,
        "dataset.coco.definition",
        settings.timeout_seconds,
    )
    return path


def _defined_ids(path: Path, work_dir: Path) -> set[int]:
    try:
        return read_image_ids(path)
    except InputError:
        if path.is_relative_to(work_dir):
            # No hash is known for this download, so a broken one must not be used again.
            path.unlink()
        raise


def _check_definition(
    defined: set[int], official: set[int], split: Split, count: int | None
) -> None:
    unknown = sorted(defined - official)
    if unknown:
        raise InputError(
            f"dataset.coco.definition: lists image {unknown[0]}, which {split.name} does not"
            f" have ({len(unknown)} such); give instances_minitrain2017.json"
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
            " minitrain but another sample; give instances_minitrain2017.json"
        )


def _annotations_file(settings: DatasetSettings, work_dir: Path) -> Path:
    options = settings.coco
    sha256 = options.annotations_sha256
    if sha256 is None and is_url(options.annotations):
        raise InputError(
            "dataset.coco.annotations_sha256: null is only for a local dataset.coco.annotations;"
            " give the sha256 of the file at that URL"
        )
    return _local_file(options.annotations, "annotations", settings, work_dir, sha256)


def _local_file(
    where: str, key: str, settings: DatasetSettings, work_dir: Path, sha256: str | None
) -> Path:
    if is_url(where):
        # Files of the same name from two mirrors are two files.
        name = Path(urlsplit(where).path).name or key
        path = work_dir / f"{zlib.crc32(where.encode()):08x}-{name}"
        client_of(settings).get_file(where, path, sha256)
        return path
    path = Path(where)
    if not path.is_file():
        raise InputError(f"dataset.coco.{key}: {path} is not a file; name one, or a URL")
    if sha256 is not None and (found := sha256_file(path)) != sha256:
        raise InputError(
            f"dataset.coco.{key}: {path} has sha256 {found}, not {sha256}; set"
            f" dataset.coco.{key}_sha256 to the right one, or to null for a file of your own"
        )
    return path


def fetch(
    images: Sequence[ListedImage],
    image_root: Path,
    settings: DatasetSettings,
    known: KnownSizes,
) -> Iterator[FetchedImage | Skipped]:
    """Check the pictures in `image_root`, and download those that are missing or broken.

    When dataset.coco.images is a local folder, nothing is downloaded. Raises InputError at the end
    when pictures are missing, or early when many downloads in a row fail.
    """
    base = settings.coco.images or f"{BUCKET}/{SPLITS[settings.source].name}/"
    if is_url(base):
        return download(images, image_root, base, settings, known)
    return check_folder(images, image_root, settings, known)
