"""Says which pictures a source left out, and why none is left."""

import logging
from collections import Counter
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.data.manifest import ImageList
from visualsearch.data.skipped import Skipped
from visualsearch.settings import DatasetSettings

log = logging.getLogger(__name__)

# Most names in a line about pictures that are left out.
SHOWN = 3


def check_listed(images: ImageList, settings: DatasetSettings, listed_in: str | Path) -> None:
    """Warn of names in annotations that have no picture; raise InputError if no picture is left.

    listed_in: the file that names every picture left out, for the messages.
    """
    named = [entry for entry in images.skipped if entry.image_id is not None]
    counted = [entry for entry in images.skipped if entry.counts]
    if images.images:
        if faults := [entry for entry in named if entry.counts]:
            log.warning(
                "%d of %d pictures of the annotations are left out: %s; all are listed in %s",
                len(faults),
                len(faults) + len(images.images),
                "; ".join(f"{entry.file}: {entry.reason}" for entry in faults[:SHOWN]),
                listed_in,
            )
        return
    if not images.skipped or settings.source != "folder":
        raise InputError(
            f"dataset: {settings.source} lists no picture of use"
            f" ({len(counted)} left out); check dataset.category and the annotations"
        )
    if not named:
        if settings.folder.annotations is None:
            reason, count = _most_common(counted)
            raise InputError(
                f"dataset.folder.path: no picture in {settings.folder.path} can be used; most"
                f" often: {reason} ({count}); all are listed in {listed_in}"
            )
        raise InputError(
            f"dataset.folder.annotations: {settings.folder.annotations} lists no image; give the"
            " file of these pictures"
        )
    reason, count = _most_common(named)
    example = next(entry.file for entry in named if entry.reason == reason)
    others = [entry.file for entry in images.skipped if entry.image_id is None]
    folder = f", the folder has {others[0]}" if others else ""
    raise InputError(
        f"dataset.folder.annotations: no picture is left of the {len(named)} that"
        f" {settings.folder.annotations} names; most often: {reason} ({count}). The annotations"
        f" name {example}{folder}. Give the folder of the pictures that were annotated, or export"
        f" the annotations again; all are listed in {listed_in}"
    )


def _most_common(skipped: list[Skipped]) -> tuple[str, int]:
    return Counter(entry.reason for entry in skipped).most_common(1)[0]
