"""Downloads a public file of Google Drive with gdown, which handles Drive's own answers."""

import logging
import os
import shutil
import threading
from pathlib import Path

import requests

from visualsearch.core.errors import InputError
from visualsearch.fetch.download import MAX_FILE_BYTES, MEBIBYTE, TIMEOUT_SECONDS

log = logging.getLogger(__name__)


def get_drive_file(
    file_id: str,
    path: Path,
    retries: int,
    key: str,
    timeout_seconds: float = TIMEOUT_SECONDS,
    url: str | None = None,
    max_bytes: int = MAX_FILE_BYTES,
) -> None:
    """Download a public file of Google Drive to `path`, unless it exists.

    When a file's quota is used up, Drive sends a web page with status 200. That and every other
    failure raises InputError, which says to download the file by hand and set the configuration key
    `key`. url: replaces Drive's own address in tests.
    """
    import gdown

    if path.exists():
        return
    log.info("downloading Google Drive file %s to %s", file_id, path)
    # When a download fails, gdown leaves its temporary file behind.
    folder = path.with_name(f".{path.name}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    too_slow = threading.Event()
    allowed_seconds = 3 * timeout_seconds * (1 + retries)
    alarm = threading.Timer(allowed_seconds, too_slow.set)
    alarm.start()

    def watch(received: int, total: int | None) -> None:
        nonlocal alarm
        if max(received, total or 0) > max_bytes:
            raise gdown.DownloadError(f"it is longer than {max_bytes // MEBIBYTE} MiB")
        alarm.cancel()
        alarm = threading.Timer(allowed_seconds, too_slow.set)
        alarm.start()

    try:
        arrived = folder / path.name
        gdown.download(
            url=url or f"https://drive.google.com/uc?id={file_id}",
            output=str(arrived),
            quiet=True,
            use_cookies=False,
            retries=retries,
            timeout=timeout_seconds,
            progress=watch,
            cancel=too_slow,
        )
        with open(arrived, "rb") as file:
            if file.read(256).lstrip().startswith(b"<"):
                raise gdown.DownloadError(
                    "it sent a web page instead, as it does when its quota is used up"
                )
        os.replace(arrived, path)
    except (
        gdown.DownloadError,
        gdown.exceptions.DownloadCancelled,
        requests.RequestException,
        OSError,
    ) as error:
        # gdown puts its reason within advice for its own command line.
        text = str(error).removeprefix("Failed to retrieve file url:").split("You may still")[0]
        reason = "it came too slowly" if too_slow.is_set() else " ".join(text.split())
        raise InputError(
            f"Google Drive did not send file {file_id} ({reason}); open"
            f" https://drive.google.com/file/d/{file_id}/view in a browser, download it, and set"
            f" {key} to its path"
        ) from error
    finally:
        alarm.cancel()
        shutil.rmtree(folder, ignore_errors=True)
