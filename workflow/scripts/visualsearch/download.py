"""Downloads that end whole and checked, or fail with a reason.

requests and urllib3 speak HTTP (pooled connections, retries, Retry-After), tenacity repeats
what arrives broken, gdown knows Google Drive.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import requests
from requests.adapters import HTTPAdapter
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from visualsearch import __version__
from visualsearch.errors import InputError
from visualsearch.hashing import sha256_file
from visualsearch.progress import progress

T = TypeVar("T")
log = logging.getLogger(__name__)

BUSY_STATUS = (429, 500, 502, 503, 504)
CONNECT_AND_READ_TIMEOUT = (15, 60)
LONGEST_WAIT_SECONDS = 120
MEBIBYTE = 1 << 20


class DownloadFailed(Exception):
    """A file that could not be had; the message is a short reason, without the URL."""


class _BrokenBody(DownloadFailed):
    """The answer began well and ended early; asking again may help."""


class Client:
    """HTTP GET with retries; may be shared by threads.

    `retries` further attempts follow a failed one: after a busy server's Retry-After, else after
    a random time that grows from `backoff_seconds` to at most two minutes.
    """

    def __init__(self, retries: int, backoff_seconds: float) -> None:
        self.retries = retries
        self.backoff_seconds = backoff_seconds
        self._local = threading.local()

    def get(self, url: str, accept: Callable[[bytes], T], refused: type[Exception]) -> T:
        """Return `accept(body)`; download again when the body is cut or `accept` raises `refused`.

        Raises DownloadFailed when the server cannot be reached or gives no whole body, and
        `refused` when no body was accepted.
        """
        for attempt in self._attempts(_BrokenBody, refused):
            with attempt:
                with self._open(url) as response, _breaks_in_body():
                    body = response.content
                result = accept(body)
        return result

    def get_file(self, url: str, path: Path, sha256: str | None = None) -> None:
        """Stream `url` to `path`, or go on where an earlier call was cut off.

        A file already at `path` is kept if it has this sha256, or if none is given. The data wait
        in `<path>.part` until they are whole and checked. Raises InputError.
        """
        if path.exists() and (sha256 is None or sha256_file(path) == sha256):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        if sha256 is None:
            # Without a hash nothing tells whether an old part belongs to the same file.
            part.unlink(missing_ok=True)
        resumed = part.exists()
        try:
            self._complete(url, part)
            if resumed and sha256_file(part) != sha256:
                part.unlink()
                self._complete(url, part)
        except DownloadFailed as error:
            raise InputError(
                f"{url}: {error}; rerun to go on from where it stopped, or download it by hand"
                " and name the file in the configuration"
            ) from error
        if sha256 is not None and (found := sha256_file(part)) != sha256:
            part.unlink()
            raise InputError(f"{url}: sha256 is {found}, not {sha256} as configured; not used")
        os.replace(part, path)

    def _complete(self, url: str, part: Path) -> None:
        for attempt in self._attempts(_BrokenBody):
            with attempt:
                self._append(url, part)

    def _append(self, url: str, part: Path) -> None:
        have = part.stat().st_size if part.exists() else 0
        with self._open(url, {"Range": f"bytes={have}-"} if have else {}) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                # Nothing is left to send: the hash will say whether the part is the file.
                return
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if response.status_code != requests.codes.partial_content or not goes_on:
                have = 0
            length = int(response.headers.get("Content-Length", 0))
            with open(part, "r+b" if have else "wb") as file, _breaks_in_body():
                file.seek(have)
                chunks = response.iter_content(MEBIBYTE)
                name = url.rsplit("/", 1)[-1]
                for chunk in progress(chunks, name, "MiB", -(-length // MEBIBYTE) or None):
                    file.write(chunk)

    @contextmanager
    def _open(self, url: str, headers: dict[str, str] | None = None) -> Iterator[requests.Response]:
        try:
            response = self._session().get(
                url, headers=headers, stream=True, timeout=CONNECT_AND_READ_TIMEOUT
            )
        except requests.exceptions.RetryError as error:
            raise DownloadFailed(f"the server stayed busy: {_cause(error)}") from error
        except (requests.RequestException, HTTPError) as error:
            raise DownloadFailed(f"no answer: {_cause(error)}") from error
        with response:
            resuming = bool(headers) and response.status_code == 416
            if not response.ok and not resuming:
                raise DownloadFailed(f"HTTP {response.status_code} {response.reason}")
            yield response

    def _session(self) -> requests.Session:
        # requests does not promise that threads may share a session.
        if not hasattr(self._local, "session"):
            retry = Retry(
                total=self.retries,
                status_forcelist=BUSY_STATUS,
                backoff_factor=self.backoff_seconds,
                backoff_jitter=self.backoff_seconds,
                backoff_max=LONGEST_WAIT_SECONDS,
                retry_after_max=LONGEST_WAIT_SECONDS,
            )
            session = requests.Session()
            session.headers["User-Agent"] = f"visualsearch/{__version__}"
            # Lengths and ranges must count the bytes of the file itself.
            session.headers["Accept-Encoding"] = "identity"
            session.mount("https://", HTTPAdapter(max_retries=retry))
            session.mount("http://", HTTPAdapter(max_retries=retry))
            self._local.session = session
        return self._local.session

    def _attempts(self, *worth_repeating: type[Exception]) -> Retrying:
        return Retrying(
            stop=stop_after_attempt(self.retries + 1),
            wait=wait_random_exponential(self.backoff_seconds, max=LONGEST_WAIT_SECONDS),
            retry=retry_if_exception_type(worth_repeating),
            reraise=True,
        )


@contextmanager
def _breaks_in_body() -> Iterator[None]:
    try:
        yield
    except requests.RequestException as error:
        raise _BrokenBody(f"the connection broke: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    # urllib3 wraps errors in errors; the innermost says what happened.
    inner = [getattr(error, "reason", None), *error.args]
    for candidate in inner:
        if isinstance(candidate, BaseException):
            return _cause(candidate)
    text = getattr(error, "strerror", None) or str(error)
    # What is left of urllib3's own names an object: "HTTPConnection(host=...): it failed".
    return re.sub(r"^<?\w+[(. ].*?[)>]: ", "", " ".join(text.split())) or type(error).__name__


def get_drive_file(
    file_id: str, path: Path, retries: int, key: str, url: str | None = None
) -> None:
    """Download a public file of Google Drive to `path`, unless it is there.

    Drive answers a used-up quota with a web page and status 200; that, and every other failure,
    raises InputError telling to download by hand and set the configuration key `key`.
    `url` replaces Drive's own address, for tests.
    """
    import gdown

    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    log.info("downloading Google Drive file %s to %s", file_id, path)
    arrived = path.with_name(path.name + ".part")
    try:
        gdown.download(
            url=url or f"https://drive.google.com/uc?id={file_id}",
            output=str(arrived),
            quiet=True,
            use_cookies=False,
            retries=retries,
            timeout=CONNECT_AND_READ_TIMEOUT,
        )
        with open(arrived, "rb") as file:
            if file.read(256).lstrip().startswith(b"<"):
                raise gdown.DownloadError("it sent a web page instead, as it does past its quota")
        os.replace(arrived, path)
    except (gdown.DownloadError, requests.RequestException, OSError) as error:
        # gdown wraps its reason in advice for its own command line.
        text = str(error).removeprefix("Failed to retrieve file url:").split("You may still")[0]
        raise InputError(
            f"Google Drive did not give file {file_id} ({' '.join(text.split())}); open"
            f" https://drive.google.com/file/d/{file_id}/view in a browser, download it, and set"
            f" {key} to its path"
        ) from error
    finally:
        arrived.unlink(missing_ok=True)
