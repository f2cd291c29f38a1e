"""A local HTTP server with COCO's layout, and with the faults of real servers to switch on.

/annotations/annotations_trainval2017.zip   the instances file as train2017 and as val2017,
                                            and so the person keypoints where they are given
/train2017/<file>, /val2017/<file>          the pictures of a folder
/instances_minitrain2017.json               the instances file as minitrain's definition
"""

import hashlib
import io
import itertools
import json
import re
import socket
import struct
import sys
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

ANNOTATIONS = "/annotations/annotations_trainval2017.zip"
DEFINITION = "/instances_minitrain2017.json"
QUOTA_PAGE = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"

# What a request can meet instead of the file.
BUSY = "busy: 503 and Retry-After: 1"
RESET = "reset: the connection breaks in the middle of the body"
SHORT = "short: the body ends before its Content-Length"
TRUNCATED = "truncated: half of the file, sent as if it were all"
PAGE = "page: a web page with status 200"
ABSENT = "absent: 404"


@dataclass(frozen=True)
class Request:
    path: str
    range: str | None
    time: float


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Connections break here on purpose, or because a client gave up.
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)


class CocoServer:
    """Serves the pictures of a folder, their instances and keypoints while the `with` block runs.

    `requests` lists what was asked for. `fail` makes a path misbehave.
    """

    def __init__(
        self, folder: Path, instances: dict[str, Any], keypoints: dict[str, Any] | None = None
    ) -> None:
        self.folder = folder
        self.requests: list[Request] = []
        self._faults: dict[str, Iterator[str]] = {}
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
        self._server.shutdown()
        self._server.server_close()

    def fail(self, path: str, *faults: str, forever: bool = False) -> None:
        """Let the next requests for `path` meet `faults` in turn; all, with `forever`."""
        turns: Iterable[str] = itertools.cycle(faults) if forever else faults
        self._faults[path] = iter(turns)

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
                fault = next(server._faults.get(self.path, iter(())), None)
                body = server._content(self.path)
                if fault == ABSENT or body is None:
                    self.answer(404, b"no such key")
                elif fault == BUSY:
                    self.answer(503, b"slow down", {"Retry-After": "1"})
                elif fault == PAGE:
                    self.answer(200, QUOTA_PAGE, {"Content-Type": "text/html"})
                elif fault == TRUNCATED:
                    self.answer(200, body[: len(body) // 2])
                else:
                    self.send_file(body, wanted, fault)

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
