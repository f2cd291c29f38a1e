"""The registry of sources: where pictures come from, one entry for each `dataset.source`.

The workflow calls the functions of this module before any job runs, so it imports no packages that
take long to load. A job calls `load`, which imports the module of its source. To add a source, see
CONTRIBUTING.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from visualsearch.core.errors import InputError
from visualsearch.fetch.walk import fingerprint_of, pictures_in
from visualsearch.settings import CocoSettings, DatasetSettings
from visualsearch.settings.values import is_address, is_url

if TYPE_CHECKING:
    from visualsearch.data.manifest import FetchedImage, ImageList, ListedImage
    from visualsearch.data.skipped import Skipped
    from visualsearch.fetch.verify import KnownSizes


class Source(Protocol):
    """What the module of a source offers."""

    def list_images(self, settings: DatasetSettings, work_dir: Path) -> ImageList:
        """Return the pictures wanted. `work_dir` keeps what must be downloaded to know them."""

    def fetch(
        self,
        images: Sequence[ListedImage],
        image_root: Path,
        settings: DatasetSettings,
        known: KnownSizes,
    ) -> Iterator[FetchedImage | Skipped]:
        """Bring missing pictures to `image_root`, and check every picture; in any order.

        known: pictures that an earlier run checked, by their content.
        Raises InputError, after all others are done, when pictures could not be fetched.
        """


@dataclass(frozen=True)
class Entry:
    """An entry of the registry: a source's module, and what is known before it is imported.

    load: imports the module.
    has_annotations: whether the source gives COCO instances.
    local_root: the user's own folder of pictures; None when pictures are fetched into the results.
    local_inputs: the user's own files and folders that decide which pictures are listed.
    count: how many pictures there are, or at most if annotations choose among them; None if that
        is not known before they are listed.
    """

    load: Callable[[], Source]
    has_annotations: Callable[[DatasetSettings], bool]
    local_root: Callable[[DatasetSettings], str | None]
    local_inputs: Callable[[DatasetSettings], list[str | None]]
    count: Callable[[DatasetSettings], int | None]


def _coco() -> Source:
    from visualsearch.fetch import coco

    return coco


def _folder() -> Source:
    from visualsearch.fetch import folder

    return folder


def _openpeople() -> Source:
    from visualsearch.fetch import openpeople

    return openpeople


def _coco_root(settings: DatasetSettings) -> str | None:
    images = settings.coco.images
    return None if images is None or is_url(images) else images


def _coco_inputs(settings: DatasetSettings) -> list[str | None]:
    named = (settings.coco.definition, settings.coco.annotations, settings.coco.keypoints)
    return [name for name in named if name is not None and not is_url(name)]


def _folder_inputs(settings: DatasetSettings) -> list[str | None]:
    return [settings.folder.path, settings.folder.annotations, settings.folder.keypoints]


def _val2017_count(settings: DatasetSettings) -> int | None:
    official = settings.coco.annotations_sha256 == CocoSettings.annotations_sha256
    return 5000 if official else None


def _folder_count(settings: DatasetSettings) -> int | None:
    try:
        return len(pictures_in(settings.folder.path or "", settings.folder.exclude))
    except InputError:
        # It is in a bucket, or cannot be read, which the job that lists it reports.
        return None


SOURCES = {
    "coco-minitrain": Entry(
        load=_coco,
        has_annotations=lambda settings: True,
        local_root=_coco_root,
        local_inputs=_coco_inputs,
        count=lambda settings: settings.coco.definition_images,
    ),
    "coco-val2017": Entry(
        load=_coco,
        has_annotations=lambda settings: True,
        local_root=_coco_root,
        local_inputs=_coco_inputs,
        count=_val2017_count,
    ),
    "folder": Entry(
        load=_folder,
        has_annotations=lambda settings: settings.folder.annotations is not None,
        local_root=lambda settings: settings.folder.path,
        local_inputs=_folder_inputs,
        count=_folder_count,
    ),
    "openpeople": Entry(
        load=_openpeople,
        has_annotations=lambda settings: False,
        local_root=lambda settings: None,
        local_inputs=lambda settings: [],
        count=lambda settings: 60,
    ),
}


def load(settings: DatasetSettings) -> Source:
    """Import and return the module of the source that the settings name."""
    return SOURCES[settings.source].load()


def has_annotations(settings: DatasetSettings) -> bool:
    """Whether the dataset comes with COCO annotations."""
    return SOURCES[settings.source].has_annotations(settings)


def count(settings: DatasetSettings) -> int | None:
    """Return how many pictures there are, or at most if annotations choose; None if not known."""
    known, most = SOURCES[settings.source].count(settings), settings.max_images
    return known if most is None or known is None else min(known, most)


def local_root(settings: DatasetSettings) -> str | None:
    """Return the user's own folder of pictures; None when they are fetched into the results."""
    return SOURCES[settings.source].local_root(settings)


def local_files(settings: DatasetSettings) -> list[str]:
    """Return the user's own files and folders on this machine, without those in a bucket."""
    paths = {local_root(settings), *SOURCES[settings.source].local_inputs(settings)}
    return sorted(path for path in paths if path is not None and not is_address(path))


def image_root(settings: DatasetSettings, results: str | Path) -> str:
    """Return the folder to which the manifest's `file` is relative."""
    return local_root(settings) or f"{results}/dataset/images"


def fingerprint(settings: DatasetSettings) -> str:
    """Return a hash that changes when the user's own inputs to the dataset change.

    It covers path, size and time of change, but not content, so it is cheap. It is "" when there
    are no such inputs.
    """
    paths = SOURCES[settings.source].local_inputs(settings)
    given = [path for path in paths if path is not None]
    return fingerprint_of(given, settings.folder.exclude)
