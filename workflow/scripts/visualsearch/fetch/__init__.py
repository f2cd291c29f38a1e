"""Where pictures come from: one entry a source, chosen by `dataset.source`.

The workflow asks `has_annotations`, `image_root` and `fingerprint` before any job runs, so this
module stays light: a source's own module is imported when a job calls it.

`settings` is the validated `dataset` section of the configuration.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from visualsearch.fetch.walk import fingerprint_of
from visualsearch.settings.values import is_address, is_url

if TYPE_CHECKING:
    from visualsearch.data.manifest import FetchedImage, ImageList, ListedImage, Skipped

Settings = Mapping[str, Any]


class SourceModule(Protocol):
    """What a source's module offers."""

    def list_images(self, settings: Settings, work_dir: Path) -> "ImageList":
        """Return the pictures wanted; downloads it needs for that are kept in `work_dir`."""

    def fetch(
        self, images: "Sequence[ListedImage]", image_root: Path, settings: Settings
    ) -> "Iterator[FetchedImage | Skipped]":
        """Bring pictures that are missing to `image_root` and check each, in any order.

        Raises InputError, after all others are done, when pictures could not be had.
        """


@dataclass(frozen=True)
class Source:
    """One source.

    load: imports its module.
    has_annotations: whether it gives COCO instances.
    local_root: the user's own folder of pictures, or None where they are fetched into results.
    local_inputs: the user's own files and folders that decide what is listed.
    """

    load: Callable[[], SourceModule]
    has_annotations: Callable[[Settings], bool]
    local_root: Callable[[Settings], str | None]
    local_inputs: Callable[[Settings], list[str | None]]


def _coco() -> SourceModule:
    from visualsearch.fetch import coco

    return coco


def _folder() -> SourceModule:
    from visualsearch.fetch import folder

    return folder


def _openpeople() -> SourceModule:
    from visualsearch.fetch import openpeople

    return openpeople


def _coco_root(settings: Settings) -> str | None:
    images = settings["coco"]["images"]
    return None if images is None or is_url(images) else os.path.expanduser(images)


def _folder_root(settings: Settings) -> str | None:
    path = settings["folder"]["path"]
    return None if path is None else os.path.expanduser(path)


COCO = Source(
    load=_coco,
    has_annotations=lambda settings: True,
    local_root=_coco_root,
    local_inputs=lambda settings: [
        settings["coco"][key]
        for key in ("definition", "annotations", "keypoints")
        if settings["coco"][key] is not None and not is_url(settings["coco"][key])
    ],
)

SOURCES = {
    "coco-minitrain": COCO,
    "coco-val2017": COCO,
    "folder": Source(
        load=_folder,
        has_annotations=lambda settings: settings["folder"]["annotations"] is not None,
        local_root=_folder_root,
        local_inputs=lambda settings: [
            settings["folder"]["path"],
            settings["folder"]["annotations"],
            settings["folder"]["keypoints"],
        ],
    ),
    "openpeople": Source(
        load=_openpeople,
        has_annotations=lambda settings: False,
        local_root=lambda settings: None,
        local_inputs=lambda settings: [],
    ),
}


def load(settings: Settings) -> SourceModule:
    """Return the module of the source that the settings name."""
    return SOURCES[settings["source"]].load()


def has_annotations(settings: Settings) -> bool:
    """Whether the dataset comes with COCO annotations."""
    return SOURCES[settings["source"]].has_annotations(settings)


def local_files(settings: Settings) -> list[str]:
    """The user's own files and folders on this machine: those in a bucket are left out."""
    source = SOURCES[settings["source"]]
    named = {source.local_root(settings), *source.local_inputs(settings)} - {None}
    return sorted(str(path) for path in named if not is_address(path))


def image_root(settings: Settings, results: str | Path) -> str:
    """Return the folder to which the manifest's `file` is relative."""
    return SOURCES[settings["source"]].local_root(settings) or f"{results}/dataset/images"


def fingerprint(settings: Settings) -> str:
    """Return a hash that changes when the user's own inputs to the dataset change.

    It covers path, size and time of change, not content, so it is cheap; "" without such inputs.
    """
    paths = SOURCES[settings["source"]].local_inputs(settings)
    return fingerprint_of([path for path in paths if path is not None])
