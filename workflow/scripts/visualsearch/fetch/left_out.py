"""Says which pictures a source left out, and why none is left."""

import logging
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.data.manifest import ImageList
from visualsearch.data.skipped import by_reason
from visualsearch.settings import DatasetSettings

log = logging.getLogger(__name__)

NOT_ANNOTATED = "in the folder, not in the annotations"
# Most names in a line about pictures that are left out.
SHOWN = 3


def check_listed(images: ImageList, settings: DatasetSettings, listed_in: str | Path) -> None:
    """Warn of names in annotations that have no picture; raise InputError if no picture is left.

    listed_in: the file that names every picture left out, for the messages.
    """
    named = [entry for entry in images.skipped if entry.image_id is not None]
    faults = [entry for entry in named if entry.counts]
    if images.images:
        if faults:
            log.warning(
                "%d of %d pictures of the annotations are left out: %s; all are listed in %s",
                len(faults),
                len(faults) + len(images.images),
                "; ".join(f"{entry.file}: {entry.reason}" for entry in faults[:SHOWN]),
                listed_in,
            )
        return
    if settings.source != "folder":
        raise InputError(
            f"dataset: {settings.source} lists no usable picture; check dataset.category and the"
            " annotations"
        )
    if not named and settings.folder.annotations is not None:
        raise InputError(
            f"dataset.folder.annotations: {settings.folder.annotations} lists no image; give the"
            " file of these pictures"
        )
    most = named or [entry for entry in images.skipped if entry.counts]
    reason, _, count = by_reason(most)[0]
    if settings.folder.annotations is None:
        raise InputError(
            f"dataset.folder.path: no picture in {settings.folder.path} can be used; most often:"
            f" {reason} ({count}); all are listed in {listed_in}"
        )
    example = next(entry.file for entry in most if reason.startswith(entry.reason.split(": ")[0]))
    there = [entry.file for entry in images.skipped if entry.reason == NOT_ANNOTATED]
    folder = f", the folder has {there[0]}" if there else ""
    raise InputError(
        f"dataset.folder.annotations: no picture is left of the {len(named)} that"
        f" {settings.folder.annotations} names; most often: {reason} ({count}). The annotations"
        f" name {example}{folder}. Give the folder of the pictures that were annotated, or export"
        f" the annotations again; all are listed in {listed_in}"
    )
