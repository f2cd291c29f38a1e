"""Downloads that end whole and checked, or fail with a reason, in bounded time and memory.

requests and urllib3 speak HTTP (pooled connections, redirects), tenacity tries again.
"""

import io
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_fixed,
    wait_random,
)
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util import Retry

from visualsearch import __version__
from visualsearch.core.errors import InputError
from visualsearch.core.hashing import sha256_file
from visualsearch.core.progress import progress

T = TypeVar("T")
log = logging.getLogger(__name__)

KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
TIMEOUT_SECONDS = 60.0
LONGEST_CONNECT_SECONDS = 15.0
LONGEST_WAIT_SECONDS = 120.0
MOST_REDIRECTS = 5

# Pictures are held in memory, one a connection; COCO's largest has less than a megabyte.
MAX_PICTURE_BYTES = 32 * MEBIBYTE
# Files are held on disk; the annotations have 241 MiB, the largest weights 170.
MAX_FILE_BYTES = 2048 * MEBIBYTE

BY_HAND = (
    "rerun to go on from where it stopped, or download it by hand and name the file in the"
    " configuration"
)

WORTH_ANOTHER_TRY = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
IMPOSSIBLE_URLS = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    LocationValueError,
)

# What they warn of is told here, by exceptions and in one line each.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class DownloadFailed(Exception):
    """A file that could not be had; the message is a short reason, without the URL."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class NotServed(DownloadFailed):
    """The answer is no: asking again would not help."""


class _Pace:
    """Until when the answer that is being read may last, and the socket that it comes from."""

    def __init__(self) -> None:
        self.ends = 0.0
        self.sock: socket.socket | None = None

    def allow(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()

    def cut(self) -> None:
        """End it now, from another thread."""
        self.ends = 0.0
        if self.sock is not None:
            with suppress(OSError):
                # That of ssl would pull the encryption from under the thread that reads.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class Client:
    """HTTP GET with retries; may be shared by threads.

    `retries` further attempts follow a failed one: after a busy server's Retry-After, else after
    a time that doubles from `backoff_seconds`, with chance in it; two minutes at most.

    A server may be silent for `timeout_seconds`. A picture may take three times as long in all,
    and so may each MiB of a longer file: who sends a byte now and then is not silent.
    """

    def __init__(
        self,
        retries: int,
        backoff_seconds: float,
        timeout_seconds: float = TIMEOUT_SECONDS,
        longest_wait_seconds: float = LONGEST_WAIT_SECONDS,
    ) -> None:
        self.retries = retries
        self.backoff_seconds = backoff_seconds
        self.timeouts = (min(LONGEST_CONNECT_SECONDS, timeout_seconds), timeout_seconds)
        self.allowed_seconds = 3 * timeout_seconds
        self.longest_wait_seconds = longest_wait_seconds
        self._stopped = threading.Event()
        self._local = threading.local()
        self._paces: list[_Pace] = []

    def stop(self) -> None:
        """Let all threads fail now, whether they wait for an answer or to try again."""
        self._stopped.set()
        for pace in list(self._paces):
            pace.cut()

    def get(
        self,
        url: str,
        accept: Callable[[bytes], T],
        refused: type[Exception],
        max_bytes: int = MAX_PICTURE_BYTES,
    ) -> T:
        """Return `accept(body)`; download again when the body is cut or `accept` raises `refused`.

        Raises DownloadFailed when the server cannot be reached or gives no whole body of at most
        `max_bytes`, and `refused` when no body was accepted.
        """

        def attempt() -> T:
            with self._open(url) as response:
                body = b"".join(_chunks(response, 64 * KIBIBYTE, 0, max_bytes))
            return accept(body)

        return self._attempts(url, refused)(attempt)

    def get_file(
        self,
        url: str,
        path: Path,
        sha256: str | None = None,
        max_bytes: int = MAX_FILE_BYTES,
        advice: str = BY_HAND,
    ) -> None:
        """Stream `url` to `path`, or go on where an earlier call was cut off.

        sha256: its first digits, or all of them. A file already at `path` is kept if it has this
        sha256, or if none is given. The data wait in `<path>.part` until they are whole and
        checked. Raises InputError, with `advice`.
        """
        if path.exists() and (sha256 is None or sha256_file(path).startswith(sha256)):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        if sha256 is None:
            # Without a hash nothing tells whether an old part belongs to the same file.
            part.unlink(missing_ok=True)
        resumed = part.exists()
        complete = self._attempts(url)
        try:
            complete(self._append, url, part, max_bytes)
            if resumed and sha256 and not sha256_file(part).startswith(sha256):
                part.unlink()
                complete(self._append, url, part, max_bytes)
            if sha256 and not (found := sha256_file(part)).startswith(sha256):
                part.unlink()
                raise DownloadFailed(f"its sha256 is {found}, not {sha256}")
        except DownloadFailed as error:
            raise InputError(f"{url}: could not be fetched ({error}); {advice}") from error
        except OSError as error:
            raise InputError(
                f"{part} cannot be written ({error.strerror or error}); make room or mend the"
                " folder, then rerun"
            ) from error
        os.replace(part, path)

    def _append(self, url: str, part: Path, max_bytes: int) -> None:
        have = part.stat().st_size if part.exists() else 0
        with self._open(url, {"Range": f"bytes={have}-"} if have else {}) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                # Nothing is left to send: the hash will say whether the part is the file.
                return
            goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if response.status_code == HTTPStatus.OK:
                have = 0
            elif "Content-Encoding" in response.headers or not goes_on:
                # Of a file that comes packed nonetheless, parts do not fit together.
                part.unlink()
                raise DownloadFailed("another part came than was asked for")
            length = _length(response)
            with open(part, "r+b" if have else "wb") as file:
                file.seek(have)
                chunks = _chunks(response, MEBIBYTE, have, max_bytes)
                name = url.rsplit("/", 1)[-1]
                try:
                    for chunk in progress(chunks, name, "MiB", -(-length // MEBIBYTE) or None):
                        file.write(chunk)
                        self._pace().allow(self.allowed_seconds)
                except _TooLong as error:
                    part.unlink()
                    raise NotServed(str(error)) from error

    @contextmanager
    def _open(self, url: str, headers: dict[str, str] | None = None) -> Iterator[requests.Response]:
        if self._stopped.is_set():
            raise NotServed("given up")
        self._pace().allow(self.allowed_seconds)
        with self._failing("no answer"):
            response = self._session().get(url, headers=headers, stream=True, timeout=self.timeouts)
        with response:
            self._check_head(response, bool(headers))
            with self._failing("the connection broke"):
                yield response

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        try:
            yield
        except IMPOSSIBLE_URLS as error:
            raise NotServed(f"{what}: {_cause(error)}") from error
        # Where a server redirects to can make requests itself stumble, with a ValueError.
        except (requests.RequestException, HTTPError, ValueError) as error:
            slow = self._pace().left <= 0
            raise DownloadFailed(
                "it came too slowly" if slow else f"{what}: {_cause(error)}"
            ) from error

    def _check_head(self, response: requests.Response, resuming: bool) -> None:
        status = response.status_code
        if status == HTTPStatus.OK or (resuming and status in (206, 416)):
            return
        phrase = next((known.phrase for known in HTTPStatus if known == status), "")
        reason = f"HTTP {status} {phrase}".strip()
        if 400 <= status < 500 and status not in WORTH_ANOTHER_TRY:
            raise NotServed(reason)
        busy = status >= 500 or status in WORTH_ANOTHER_TRY
        raise DownloadFailed(
            f"the server is busy: {reason}" if busy else reason,
            _seconds(response.headers.get("Retry-After")),
        )

    def _session(self) -> requests.Session:
        # requests does not promise that threads may share a session.
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.headers["User-Agent"] = f"visualsearch/{__version__}"
            # Lengths and ranges must count the bytes of the file itself.
            session.headers["Accept-Encoding"] = "identity"
            # To any host, as mirrors do it, but by http or https only: there is no other adapter.
            session.max_redirects = MOST_REDIRECTS
            session.hooks["response"].append(_drop_redirect_body)
            session.mount("https://", _PacedAdapter(self._pace()))
            session.mount("http://", _PacedAdapter(self._pace()))
            self._local.session = session
        return self._local.session

    def _pace(self) -> _Pace:
        if not hasattr(self._local, "pace"):
            self._local.pace = _Pace()
            self._paces.append(self._local.pace)
        return self._local.pace

    def _attempts(self, url: str, refused: type[Exception] = DownloadFailed) -> Retrying:
        def worth_repeating(error: BaseException) -> bool:
            return isinstance(error, DownloadFailed | refused) and not isinstance(error, NotServed)

        name = url.rsplit("/", 1)[-1]

        def tell(state: RetryCallState) -> None:
            assert state.outcome is not None
            log.info(
                "%s: %s; again in %.1f s", name, state.outcome.exception(), state.upcoming_sleep
            )

        return Retrying(
            stop=stop_after_attempt(self.retries + 1) | stop_when_event_set(self._stopped),
            wait=self._wait,
            sleep=sleep_using_event(self._stopped),
            retry=retry_if_exception(worth_repeating),
            before_sleep=tell,
            reraise=True,
        )

    def _wait(self, state: RetryCallState) -> float:
        assert state.outcome is not None
        asked = getattr(state.outcome.exception(), "retry_after", None)
        first, longest = self.backoff_seconds, self.longest_wait_seconds
        wait = wait_fixed(asked) if asked else wait_exponential(first, longest)
        # With chance, so that not all connections come back at once.
        return min((wait + wait_random(0, first))(state), longest)


class _TooLong(DownloadFailed):
    """More bytes than anything here has."""


def _chunks(
    response: requests.Response, chunk_bytes: int, have: int, max_bytes: int
) -> Iterator[bytes]:
    """The body. Raises _TooLong once it makes more than `max_bytes` with those that one has."""
    received = have
    if have + _length(response) <= max_bytes:
        for chunk in response.iter_content(chunk_bytes):
            received += len(chunk)
            if received > max_bytes:
                break
            yield chunk
        else:
            return
    raise _TooLong(f"it is longer than {max_bytes // MEBIBYTE} MiB")


def _length(response: requests.Response) -> int:
    """The Content-Length, 0 where there is none that can be read."""
    text = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0


def _seconds(retry_after: str | None) -> float | None:
    """How long a server asks to wait, in seconds or as a date; None where it says neither."""
    try:
        return Retry().parse_retry_after(retry_after) if retry_after else None
    except (HTTPError, ValueError, OverflowError):
        return None


def _drop_redirect_body(response: requests.Response, **_: Any) -> None:
    # requests would read it whole, however long.
    if response.is_redirect and not 0 < _length(response) <= 64 * KIBIBYTE:
        response.close()


class _PacedAdapter(HTTPAdapter):
    """Connections whose answers end by the time that `pace` allows."""

    def __init__(self, pace: _Pace) -> None:
        self._pace = pace
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if isinstance(make := pool.ConnectionCls, type):

            def paced(*args: Any, **kwargs: Any) -> Any:
                connection = make(*args, **kwargs)
                connection.response_class = self._response
                return connection

            pool.ConnectionCls = paced
        return pool

    def _response(self, sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:
        self._pace.sock = sock
        response = HTTPResponse(sock, *args, **kwargs)
        response.fp = io.BufferedReader(_PacedReader(response.fp.detach(), sock, self._pace))
        return response


class _PacedReader(io.RawIOBase):
    """A socket's stream; its timeout is what is left, where that is less than its own."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, pace: _Pace) -> None:
        self._raw, self._sock, self._pace = raw, sock, pace
        self._timeout = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._pace.left
        if left <= 0:
            raise TimeoutError("too slow")
        self._sock.settimeout(min(left, self._timeout or left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _cause(error: BaseException) -> str:
    # urllib3 wraps errors in errors; the innermost says what happened.
    inner = [getattr(error, "reason", None), *error.args]
    for candidate in inner:
        if isinstance(candidate, BaseException):
            return _cause(candidate)
    text = getattr(error, "strerror", None) or str(error)
    # What is left of urllib3's own names an object: "HTTPConnection(host=...): it failed".
    text = re.sub(r"^<?\w+[(. ].*?[)>]: ", "", " ".join(text.split())) or type(error).__name__
    return _shown(text)


def _shown(text: str) -> str:
    """What a server said, fit for a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)[:120]
