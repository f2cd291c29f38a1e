"""A local HTTP server with COCO's layout, which misbehaves on demand as real servers do.

/annotations/annotations_trainval2017.zip   the instances file as train2017 and as val2017,
                                            and the person keypoints, if given, likewise
/train2017/<file>, /val2017/<file>          the pictures of a folder
/instances_minitrain2017.json               the instances file as minitrain's definition
"""

import base64
import email.utils
import gzip
import hashlib
import io
import itertools
import json
import random
import re
import socket
import struct
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

ANNOTATIONS = "/annotations/annotations_trainval2017.zip"
DEFINITION = "/instances_minitrain2017.json"
QUOTA_PAGE = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"

# Faults: what a request gets instead of the file.
BUSY = "busy: 503 and Retry-After: 1"
RESET = "reset: the connection breaks in the middle of the body"
SHORT = "short: the body ends before its Content-Length"
TRUNCATED = "truncated: half of the file, sent as if it were all"
PAGE = "page: a web page with status 200"
ABSENT = "absent: 404"
TOO_MANY = "too many: 429 and a Retry-After that is a date"
TOMORROW = "tomorrow: 503 and Retry-After: 86400"
CONFUSED = "confused: 503 and a Retry-After that says nothing"
STALL = "stall: no answer, and the connection stays open"
PAUSE = "pause: half of the body, and the connection stays open"
DRIP = "drip: the body, a byte now and then"
DRIP_HEAD = "drip head: one header after another"
ENDLESS = "endless: a body without length and end"
HUGE = "huge: a Content-Length of a terabyte"
LONGER = "longer: a body that goes on after its Content-Length"
NO_LENGTH = "no length: a Content-Length that is no number, and half of the body"
MOVED = "moved: 302 to where the file is, by another host name"
ENDLESS_MOVE = "endless move: 302 to where the file is, with an endless body"
LOOP = "loop: 302 to itself"
TO_FILE = "to file: 302 to file:///etc/passwd"
NOWHERE = "nowhere: 302 to what is no URL"
BOMB = "bomb: a gigabyte of zeros, packed into a megabyte by gzip that nobody asked for"
PACKED = "packed: the file, packed by gzip that nobody asked for"
OTHER = "other: another file, whole"
GARBAGE = "garbage: what is no HTTP"
SHIFTED = "shifted: another part of the file than was asked for"
NOT_TEXT = "not text: 404 with control characters for a terminal"

# Faults that are gone at the next request.
PASSING = (
    BUSY, TOO_MANY, CONFUSED, RESET, SHORT, LONGER, NO_LENGTH, TRUNCATED, PAGE, STALL, PAUSE, DRIP,
    DRIP_HEAD, ENDLESS, HUGE, MOVED, ENDLESS_MOVE, LOOP, NOWHERE, BOMB, OTHER, GARBAGE,
)  # fmt: skip
DRIP_SECONDS = 0.1
STALL_SECONDS = 600
BOMB_BODY = gzip.compress(bytes(1 << 24)) * 64
OTHER_PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


# Faults that end the connection.
CLOSING = {NOT_TEXT, STALL, GARBAGE, DRIP_HEAD, DRIP, PAUSE, NO_LENGTH, ENDLESS, HUGE}


def soon() -> str:
    return email.utils.formatdate(time.time() + 2, usegmt=True)


# Fault: status, body and headers, from the right body.
WRONG_ANSWERS: dict[str, Callable[[bytes], tuple[int, bytes, dict[str, str]]]] = {
    ABSENT: lambda body: (404, b"no such key", {}),
    BUSY: lambda body: (503, b"slow down", {"Retry-After": "1"}),
    TOO_MANY: lambda body: (429, b"slow down", {"Retry-After": soon()}),
    TOMORROW: lambda body: (503, b"slow down", {"Retry-After": "86400"}),
    CONFUSED: lambda body: (503, b"slow down", {"Retry-After": "9" * 5000}),
    LONGER: lambda body: (200, body, {"Content-Length": str(len(body) // 2)}),
    BOMB: lambda body: (200, BOMB_BODY, {"Content-Encoding": "gzip"}),
    OTHER: lambda body: (200, OTHER_PICTURE, {"Content-Type": "image/png"}),
    PAGE: lambda body: (200, QUOTA_PAGE, {"Content-Type": "text/html"}),
    TRUNCATED: lambda body: (200, body[: len(body) // 2], {}),
}


@dataclass(frozen=True)
class Request:
    path: str
    range: str | None
    time: float


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Connections break on purpose, or because a client gave up.
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)


class CocoServer:
    """Serves the pictures of a folder, their instances and keypoints while the `with` block runs.

    requests: all requests so far. `fail` makes a path misbehave.
    """

    def __init__(
        self, folder: Path, instances: dict[str, Any], keypoints: dict[str, Any] | None = None
    ) -> None:
        self.folder = folder
        self.requests: list[Request] = []
        self._faults: dict[str, Iterator[str]] = {}
        self._random: tuple[float, int] = (0.0, 0)
        self._closing = threading.Event()
        # Bytes of endless bodies that clients have taken so far.
        self.sent = 0
        text = json.dumps(instances)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for split in ("train2017", "val2017"):
                file.writestr(f"annotations/instances_{split}.json", text)
                if keypoints is not None:
                    member = f"annotations/person_keypoints_{split}.json"
                    file.writestr(member, json.dumps(keypoints))
        self.files = {ANNOTATIONS: archive.getvalue(), DEFINITION: text.encode()}
        self.annotations_sha256 = hashlib.sha256(self.files[ANNOTATIONS]).hexdigest()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "CocoServer":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def fail(self, path: str, *faults: str, forever: bool = False) -> None:
        """Let the next requests for `path` meet `faults` in turn; all, with `forever`."""
        turns: Iterable[str] = itertools.cycle(faults) if forever else faults
        self._faults[path] = iter(turns)

    def fail_at_random(self, share: float, seed: int = 0) -> None:
        """Let this share of the requests for pictures meet one of PASSING, whenever they come."""
        self._random = share, seed

    def _fault(self, path: str) -> str | None:
        share, seed = self._random
        if share and path.startswith(("/train2017/", "/val2017/")):
            chance = random.Random(f"{seed} {path} {self.asked(path).count(path)}")
            if chance.random() < share:
                return chance.choice(PASSING)
        return next(self._faults.get(path, iter(())), None)

    def asked(self, prefix: str = "/") -> list[str]:
        """The paths asked for so far that begin with `prefix`, in order."""
        return [request.path for request in self.requests if request.path.startswith(prefix)]

    def dataset(self, split: str = "train2017") -> dict[str, Any]:
        """The `dataset.coco` settings that point a run at this server."""
        return {
            "definition": self.url + DEFINITION,
            "definition_images": None,
            "annotations": self.url + ANNOTATIONS,
            "annotations_sha256": self.annotations_sha256,
            "images": f"{self.url}/{split}/",
        }

    def _content(self, path: str) -> bytes | None:
        path = path.removeprefix("/moved")
        if path in self.files:
            return self.files[path]
        match = re.fullmatch(r"/(?:train|val)2017/([\w.-]+)", path)
        picture = self.folder / match[1] if match else None
        return picture.read_bytes() if picture and picture.is_file() else None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                server.requests.append(Request(self.path, wanted, time.monotonic()))
                fault = server._fault(self.path)
                body = server._content(self.path)
                here = f"http://localhost:{server._server.server_port}"
                redirects = {
                    MOVED: f"{here}/moved{self.path}",
                    ENDLESS_MOVE: f"{here}/moved{self.path}",
                    LOOP: self.path,
                    TO_FILE: "file:///etc/passwd",
                    NOWHERE: "http://[::1/x",
                }
                if body is None:
                    fault, body = ABSENT, b""
                if fault in WRONG_ANSWERS:
                    self.answer(*WRONG_ANSWERS[fault](body))
                elif fault in redirects:
                    self.move(redirects[fault], endless=fault == ENDLESS_MOVE)
                elif fault == PACKED:
                    # Ranges count the bytes that are sent, as the standard says.
                    self.send_file(gzip.compress(body), wanted, fault)
                elif fault in CLOSING:
                    self.close_connection = True
                    self.misbehave(fault, body)
                else:
                    self.send_file(body, wanted, fault)

            def misbehave(self, fault: str, body: bytes) -> None:
                if fault == NOT_TEXT:
                    self.send_response(404, "\x1b[2Jgone\x07")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif fault == STALL:
                    server._closing.wait(STALL_SECONDS)
                elif fault == GARBAGE:
                    self.wfile.write(b"\x1b[31m" + bytes(range(128, 256)) * 4)
                elif fault == DRIP_HEAD:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    self.drip(b"X: y\r\n" * 10_000)
                elif fault == DRIP:
                    self.answer(200, body[:1], {"Content-Length": str(len(body))})
                    self.drip(body[1:])
                elif fault == PAUSE:
                    self.answer(200, body[: len(body) // 2], {"Content-Length": str(len(body))})
                    server._closing.wait(STALL_SECONDS)
                elif fault == NO_LENGTH:
                    self.answer(200, body[: len(body) // 2], {"Content-Length": "many"})
                else:
                    self.send_response(200)
                    if fault == HUGE:
                        self.send_header("Content-Length", str(10**12))
                    self.end_headers()
                    self.endless(body)

            def send_file(self, body: bytes, wanted: str | None, fault: str | None) -> None:
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                total = len(body)
                if start >= total:
                    self.answer(416, b"", {"Content-Range": f"bytes */{total}"})
                    return
                body = body[start:]
                headers = {"Content-Length": str(len(body))}
                if wanted:
                    headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
                if fault == PACKED:
                    headers["Content-Encoding"] = "gzip"
                if fault == SHIFTED and wanted:
                    body = body[1:]
                    headers["Content-Length"] = str(len(body))
                    headers["Content-Range"] = f"bytes {start + 1}-{total - 1}/{total}"
                if fault in (RESET, SHORT):
                    body = body[: len(body) // 2]
                self.answer(206 if wanted else 200, body, headers)
                if fault == RESET:
                    # Closing with nothing to linger for sends RST.
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    time.sleep(0.05)
                    self.connection.close()
                if fault in (RESET, SHORT):
                    self.close_connection = True

            def move(self, where: str, endless: bool = False) -> None:
                self.send_response(302)
                self.send_header("Location", where)
                if endless:
                    self.close_connection = True
                    self.end_headers()
                    self.endless(b"moved")
                else:
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def drip(self, data: bytes) -> None:
                for number in range(len(data)):
                    if server._closing.wait(DRIP_SECONDS):
                        return
                    self.wfile.write(data[number : number + 1])

            def endless(self, data: bytes) -> None:
                self.wfile.write(data)
                while not server._closing.is_set():
                    server.sent += self.wfile.write(bytes(1 << 20))

            def answer(
                self, status: int, body: bytes, headers: dict[str, str] | None = None
            ) -> None:
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
