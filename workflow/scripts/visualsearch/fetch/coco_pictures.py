"""Brings COCO's pictures to their folder: checks those that are there, and downloads the others."""

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from urllib.parse import quote

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing
from visualsearch.data.images import UnreadableImage
from visualsearch.data.manifest import FetchedImage, ListedImage
from visualsearch.data.skipped import Skipped
from visualsearch.fetch.download import Client
from visualsearch.fetch.http import DownloadFailed, NotServed
from visualsearch.fetch.verify import KnownSizes, check_file, verified, verified_file
from visualsearch.settings import DatasetSettings

log = logging.getLogger(__name__)

NAMES_SHOWN = 5


def check_folder(
    images: Sequence[ListedImage], image_root: Path, settings: DatasetSettings, known: KnownSizes
) -> Iterator[FetchedImage | Skipped]:
    """Check pictures in the user's own folder; InputError at the end when some are missing."""
    missing = []
    for image in images:
        path = image_root / image.file
        if os.path.isfile(path):
            yield check_file(image, path, known, settings.max_pixels)
        else:
            missing.append(image.file)
    if missing:
        raise InputError(
            f"{image_root}: {len(missing)} of {len(images)} pictures are missing:"
            f" {_first(missing)}; complete the folder that dataset.coco.images names"
        )


def download(
    images: Sequence[ListedImage],
    image_root: Path,
    base: str,
    settings: DatasetSettings,
    known: KnownSizes,
) -> Iterator[FetchedImage | Skipped]:
    """Check pictures, and download from below the URL `base` those that are missing or broken.

    A picture that arrives broken every time is skipped. Raises InputError at the end when some
    could not be downloaded, or as soon as too many in a row have failed.
    """
    client = client_of(settings)
    connections = settings.connections
    # A server that answers each request with, say, a login page is given up after so many.
    give_up_after = max(20, 2 * connections)
    # A host that does not answer costs more time. When every connection has failed once, with all
    # its retries, another round would not help.
    dead_after = max(4, connections)
    failures_in_a_row = 0
    missing: list[str] = []

    def obtain(image: ListedImage) -> FetchedImage | Skipped:
        return _obtain(image, image_root, base, client, known, settings.max_pixels)

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
                        f" {reason}; check the network and dataset.coco.images, then rerun the same"
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
    image: ListedImage,
    image_root: Path,
    base: str,
    client: Client,
    known: KnownSizes,
    max_pixels: int,
) -> FetchedImage | Skipped:
    path = image_root / image.file
    try:
        return verified_file(image, path, known, max_pixels)
    except UnreadableImage as error:
        if os.path.lexists(path):
            log.info("%s: %s; downloading it again", path, error)

    def keep(body: bytes) -> FetchedImage:
        row = verified(image, body, known, max_pixels)
        try:
            with replacing(path) as temporary:
                temporary.write_bytes(body)
        except OSError as error:
            raise InputError(
                f"{path} cannot be written ({error.strerror or error}); make room or repair"
                " the folder, then rerun the same command to resume"
            ) from error
        return row

    try:
        return client.get(f"{base.rstrip('/')}/{quote(image.file)}", keep, UnreadableImage)
    except UnreadableImage as error:
        return Skipped(image.image_id, image.file, str(error))


def client_of(settings: DatasetSettings) -> Client:
    """Return a client with the retries and waits of the settings."""
    return Client(settings.retries, settings.backoff_seconds, settings.timeout_seconds)


def _first(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
