"""Random HTTP answers, made of parts that servers send and of parts that they never should."""

import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from visualsearch.core.errors import InputError
from visualsearch.fetch.download import Client, DownloadFailed

BODY = b"hello"
STATUS_LINES = [
    *["HTTP/1.1 200 OK"] * 8, *["HTTP/1.1 302 Found"] * 4, "HTTP/1.1 206 Partial Content",
    "HTTP/1.1 416 x", "HTTP/1.1 204 x", "HTTP/1.1 304 x", "HTTP/1.1 199 x", "HTTP/1.1 429 x",
    "HTTP/1.1 503 x", "HTTP/1.1 1000 x", "HTTP/1.1 -1 x", "HTTP/1.1 abc", "HTTP/0.9 200", "ICY 200",
    "HTTP/1.1", "", "\x1b[2Jgone", "HTTP/1.1 404 \x1b[2J\xff", "HTTP/1.1 200 " + "a" * 70_000,
    "HTTP/1.1 100 Continue\r\n\r\n" * 200 + "HTTP/1.1 200 OK",
]  # fmt: skip
HEADERS = {
    "Content-Length": ["5", "0", "-1", "5, 5", "5, 6", "abc", "9" * 30, "9" * 5000, "+5", "1_0"],
    "Transfer-Encoding": ["chunked", "gzip", "chunked, gzip", "identity", "x"],
    "Content-Encoding": ["gzip", "deflate", "br", "zstd", "identity", "x", "gzip," * 50, ""],
    "Location": [
        "/x", "http://", "//", "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:9/",
        "file:///etc/passwd", "ftp://x/", "http://\xff\xfe/", "\x80\x81", "http://%zz/", "data:,x",
        f"http://{'a' * 300}/", "http://.../", "http:///x", "?", "#", "javascript:alert(1)",
    ],
    "Content-Range": ["bytes 3-4/5", "bytes 0-4/5", "bytes */5", "bytes -", "x"],
    "Retry-After": [
        "0", "-1", "abc", "9" * 5000, "1e5", " ", "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 99 Foo 99999999999 99:99:99 GMT",
    ],
    "Set-Cookie": ["=", "a" * 10_000, "a=b; expires=foo; max-age=x; domain=..", "\xff=\xfe"],
    "Bad Header": ["x"], "X\xff": ["y"], "": ["z"],
}  # fmt: skip
BODIES = [
    *[BODY] * 4, b"", b"5\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello", b"-5\r\nhello",
    b"\x1f\x8b\x08\x00no", b"F" * 20 + b"\r\nhello",
    b"5;" + b"x" * 70_000 + b"\r\nhello", bytes(range(256)),
]  # fmt: skip


def answer(chance: random.Random) -> bytes:
    lines = [chance.choice(STATUS_LINES)]
    for _ in range(chance.randrange(5)):
        name = chance.choice(list(HEADERS))
        lines.append(
            f"{name}: {chance.choice(HEADERS[name])}" + chance.choice(["", "", "\r\n more"])
        )
    if chance.random() < 0.03:
        lines += ["X: y"] * 200
    end = "\r\n\r\n" if chance.random() < 0.95 else ""
    return ("\r\n".join(lines) + end).encode("latin1") + chance.choice(BODIES)


class Server:
    """Sends `answer` for every request, and closes the connection."""

    def __init__(self) -> None:
        self.answer = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/x"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(self.answer)
                except OSError:
                    pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    yield running
    running.listener.close()


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.torture)])
def test_whatever_a_server_answers_is_the_file_or_one_line(
    server: Server, tmp_path: Path, count: int
) -> None:
    chance = random.Random(0)
    path = tmp_path / "file"
    part = tmp_path / "file.part"
    came = 0

    def accept(body: bytes) -> bytes:
        if body != BODY:
            raise ArithmeticError("another file")
        return body

    for number in range(count):
        server.answer = answer(chance)
        client = Client(0, 0, timeout_seconds=2, longest_wait_seconds=0.01)
        path.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
        try:
            if number % 2:
                assert client.get(server.url, accept, ArithmeticError) == BODY
            else:
                if number % 4:
                    part.write_bytes(BODY[:3])
                client.get_file(server.url, path, hashlib.sha256(BODY).hexdigest(), 1000)
                assert path.read_bytes() == BODY and not part.exists()
            came += 1
        except (DownloadFailed, InputError, ArithmeticError) as error:
            assert str(error).isprintable() and len(str(error)) < 500
            assert not path.exists()
    # If hardly any came through, the answers would be too strange to test much.
    assert 0.02 < came / count < 0.5
