"""HTTP GET in bounded time and memory, with the reason in one line where it fails.

requests and urllib3 speak HTTP. Their timeouts limit how long a server may be silent, but not how
long it may take: a byte now and then would keep a connection open for ever. So each step of an
answer runs in a thread of its own, and the caller stops waiting when time is up.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, TypeVar

import requests
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.util import Retry

from visualsearch import __version__

T = TypeVar("T")

KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
LONGEST_CONNECT_SECONDS = 15.0
MOST_REDIRECTS = 5

WORTH_ANOTHER_TRY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
IMPOSSIBLE_URLS = (
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    LocationValueError,
)

# Its warnings repeat the failures that this module reports, one line each.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class DownloadFailed(Exception):
    """A download failed; the message is a short reason, without the URL."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class NotServed(DownloadFailed):
    """The server refuses, or the client was stopped: asking again would not help."""


class TooLong(DownloadFailed):
    """The body has more bytes than allowed."""


class Connections:
    """Connections to HTTP servers; threads may share the object, and each has its own session.

    A server may be silent for `timeout_seconds`, and an answer may take `allowed_seconds`, three
    times as long.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self.timeouts = (min(LONGEST_CONNECT_SECONDS, timeout_seconds), timeout_seconds)
        self.allowed_seconds = 3 * timeout_seconds
        # Done when `stop` was called.
        self.stopped: Future[None] = Future()
        self._local = threading.local()

    def stop(self) -> None:
        """Make every thread that waits for an answer fail now, and all later requests."""
        if not self.stopped.done():
            self.stopped.set_result(None)

    @contextmanager
    def open(self, url: str, headers: dict[str, str] | None = None) -> Iterator["Answer"]:
        """GET `url`, and yield the answer when its head has come. Raises DownloadFailed.

        The status is 200, or with `headers` (of a range) also 206 or 416.
        """
        ends = time.monotonic() + self.allowed_seconds
        session = self._session()

        def head() -> requests.Response:
            return session.get(url, headers=headers, stream=True, timeout=self.timeouts)

        def give_up(late: "Future[requests.Response]") -> None:
            # requests has no way to close a connection before its response is there. So the
            # thread keeps the session, and closes the response if it ever comes.
            del self._local.session
            late.add_done_callback(_close)

        with _failing("no answer"):
            response = _in_time(head, ends, self.stopped, give_up)
        with response:
            _check_head(response, bool(headers))
            with _failing("the connection broke"):
                yield Answer(response, ends, self.stopped)

    def _session(self) -> requests.Session:
        # requests does not promise that threads may share a session.
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.headers["User-Agent"] = f"visualsearch/{__version__}"
            # Lengths and ranges must count the bytes of the file itself.
            session.headers["Accept-Encoding"] = "identity"
            # Redirects may lead to any host, as mirrors do it, but only by http or https: the
            # session has no other adapter.
            session.max_redirects = MOST_REDIRECTS
            session.hooks["response"].append(_drop_redirect_body)
            self._local.session = session
        return self._local.session


class Answer:
    """An answer whose head has come; each chunk of the body must come by `ends`."""

    def __init__(self, response: requests.Response, ends: float, stopped: "Future[None]") -> None:
        self.response = response
        self.ends = ends
        self._stopped = stopped

    def chunks(self, have: int, max_bytes: int) -> Iterator[bytes]:
        """Yield the body, 1 MiB at a time.

        Raises TooLong when it and the `have` bytes of an earlier answer exceed `max_bytes`.
        """
        content = self.response.iter_content(MEBIBYTE)
        received = have + length_of(self.response)
        if received <= max_bytes:
            received = have
            while chunk := _in_time(
                lambda: next(content, b""), self.ends, self._stopped, self._give_up
            ):
                received += len(chunk)
                if received > max_bytes:
                    break
                yield chunk
            else:
                return
        raise TooLong(f"it is longer than {max_bytes // MEBIBYTE} MiB")

    def _give_up(self, late: "Future[bytes]") -> None:
        # Wakes the thread that reads. This fails when the connection has ended by itself.
        with suppress(ValueError, RuntimeError, OSError):
            self.response.raw.shutdown()


def _in_time(
    step: Callable[[], T],
    ends: float,
    stopped: "Future[None]",
    give_up: Callable[["Future[T]"], None],
) -> T:
    """Return `step()`, which runs in a thread of its own.

    When it has not returned by `ends` (of time.monotonic) or `stopped` is done, calls `give_up`
    with its future and raises DownloadFailed.
    """
    if stopped.done():
        raise NotServed("given up")
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(step())
        except Exception as error:
            result.set_exception(error)

    # A daemon cannot hold up the end of the process, however long its server goes on.
    threading.Thread(target=run, daemon=True).start()
    either: list[Future[Any]] = [result, stopped]
    wait(either, max(ends - time.monotonic(), 0), FIRST_COMPLETED)
    if result.done():
        return result.result()
    give_up(result)
    if stopped.done():
        raise NotServed("given up")
    raise DownloadFailed("it came too slowly")


def _close(late: "Future[requests.Response]") -> None:
    if late.exception() is None:
        late.result().close()


@contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except IMPOSSIBLE_URLS as error:
        raise NotServed(f"{what}: {_cause(error)}") from error
    # The address of a redirect can make requests itself raise ValueError.
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise DownloadFailed(f"{what}: {_cause(error)}") from error


def _check_head(response: requests.Response, resuming: bool) -> None:
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


def length_of(response: requests.Response) -> int:
    """The Content-Length, or 0 when it is missing or not a number."""
    text = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0


def _seconds(retry_after: str | None) -> float | None:
    """The wait that a server asks for, in seconds; None when the header cannot be read."""
    try:
        return Retry().parse_retry_after(retry_after) if retry_after else None
    except (HTTPError, ValueError, OverflowError):
        return None


def _drop_redirect_body(response: requests.Response, **_: Any) -> None:
    # requests would read the whole body, however long.
    if response.is_redirect and not 0 < length_of(response) <= 64 * KIBIBYTE:
        response.close()


def _cause(error: BaseException) -> str:
    # urllib3 wraps errors in errors; the innermost says what happened.
    for candidate in [getattr(error, "reason", None), *error.args]:
        if isinstance(candidate, BaseException):
            return _cause(candidate)
    text = getattr(error, "strerror", None) or str(error)
    # Some messages begin with an object: "HTTPConnection(host=...): it failed".
    text = re.sub(r"^<?\w+[(. ].*?[)>]: ", "", " ".join(text.split())) or type(error).__name__
    # A server's text must not steer the terminal.
    return "".join(char if char.isprintable() else "?" for char in text)[:120]
