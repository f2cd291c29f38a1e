"""Downloads that end whole and checked, or fail with a reason; tenacity tries again."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import wait
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    wait_exponential,
    wait_fixed,
    wait_random,
)

from visualsearch.core.errors import InputError
from visualsearch.core.files import sha256_file
from visualsearch.core.progress import progress
from visualsearch.fetch.http import (
    MEBIBYTE,
    Connections,
    DownloadFailed,
    NotServed,
    TooLong,
    length_of,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 120.0

# A picture is held in memory, one for each connection; COCO's largest is below 1 MiB.
MAX_PICTURE_BYTES = 32 * MEBIBYTE
# A file is streamed to disk; COCO's annotations take 241 MiB, the largest weights 170.
MAX_FILE_BYTES = 2048 * MEBIBYTE

BY_HAND = (
    "rerun to go on from where it stopped, or download it by hand and name the file in the"
    " configuration"
)


class Client:
    """HTTP GET with retries; threads may share a client.

    `retries` further attempts follow a failed one. The wait before each is a busy server's
    Retry-After, or else grows exponentially from `backoff_seconds`, with a random part. It is
    never longer than `longest_wait_seconds`.

    A server may be silent for `timeout_seconds`. A picture may take three times as long in all,
    and so may each MiB of a longer file.
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
        self.longest_wait_seconds = longest_wait_seconds
        self._connections = Connections(timeout_seconds)

    def stop(self) -> None:
        """Make every thread that uses the client fail now, also one that waits to try again."""
        self._connections.stop()

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
            with self._connections.open(url) as answer:
                body = b"".join(answer.chunks(0, max_bytes))
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
        sha256, or if none is given. Until the file is whole and checked, its bytes are in
        `<path>.part`. Raises InputError, with `advice`.
        """
        if path.exists() and (sha256 is None or sha256_file(path).startswith(sha256)):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        if sha256 is None:
            # Without a hash we cannot know whether an old part belongs to the same file.
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
                f"{part} cannot be written ({error.strerror or error}); make room or repair"
                " the folder, then rerun"
            ) from error
        os.replace(part, path)

    def _append(self, url: str, part: Path, max_bytes: int) -> None:
        have = part.stat().st_size if part.exists() else 0
        with self._connections.open(url, {"Range": f"bytes={have}-"} if have else {}) as answer:
            response = answer.response
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                # The server has no more bytes: the hash will tell whether the part is the file.
                return
            continues = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if response.status_code == HTTPStatus.OK:
                have = 0
            elif "Content-Encoding" in response.headers or not continues:
                # Ranges of a compressed file count compressed bytes, so parts do not fit.
                part.unlink()
                raise DownloadFailed("the server sent another part than requested")
            length = length_of(response)
            with open(part, "r+b" if have else "wb") as file:
                file.seek(have)
                chunks = answer.chunks(have, max_bytes)
                name = url.rsplit("/", 1)[-1]
                try:
                    for chunk in progress(chunks, name, "MiB", -(-length // MEBIBYTE) or None):
                        file.write(chunk)
                        answer.ends = time.monotonic() + self._connections.allowed_seconds
                except TooLong as error:
                    part.unlink()
                    raise NotServed(str(error)) from error

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
            stop=self._is_enough,
            wait=self._wait,
            sleep=self._sleep,
            retry=retry_if_exception(worth_repeating),
            before_sleep=tell,
            reraise=True,
        )

    def _is_enough(self, state: RetryCallState) -> bool:
        return self._connections.stopped.done() or state.attempt_number > self.retries

    def _sleep(self, seconds: float) -> None:
        wait([self._connections.stopped], seconds)

    def _wait(self, state: RetryCallState) -> float:
        assert state.outcome is not None
        asked = getattr(state.outcome.exception(), "retry_after", None)
        first, longest = self.backoff_seconds, self.longest_wait_seconds
        pause = wait_fixed(asked) if asked else wait_exponential(first, longest)
        # The random part keeps connections from all coming back at once.
        return min((pause + wait_random(0, first))(state), longest)
