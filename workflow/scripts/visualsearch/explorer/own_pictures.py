"""Searching for a picture of one's own in the page: what the explorer then holds.

The job export_networks writes networks as ONNX. They run in ONNX Runtime Web, which lies in
resources/onnxruntime_web/ and needs no server.
"""

import base64
import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from visualsearch.core.files import read_json
from visualsearch.explorer.chunks import script

RUNTIME = Path(__file__).resolve().parents[4] / "resources" / "onnxruntime_web"


class OwnPictures(NamedTuple):
    """Files that the job export_networks wrote. find: None without a detector for the page."""

    facts: str
    describe: str
    find: str | None


def write_own_pictures(own: OwnPictures, folder: Path) -> dict[str, Any]:
    """Write runtime, networks and licences into the explorer's folder; return the page's facts.

    To the facts that `own` holds it adds `megabytes`, of all that the page reads for it.
    """
    size = 0
    for name, text in _chunks(own):
        size += len(text)
        (folder / "data" / f"{name}.js").write_text(text, encoding="ascii")
    licences = folder / "onnxruntime-web"
    licences.mkdir()
    (licences / "LICENSE").write_bytes((RUNTIME / "LICENSE").read_bytes())
    notices = lzma.decompress((RUNTIME / "ThirdPartyNotices.txt.xz").read_bytes())
    (licences / "ThirdPartyNotices.txt").write_bytes(notices)
    return read_json(own.facts) | {"megabytes": -(-size // 10**6)}


def _chunks(own: OwnPictures) -> Iterator[tuple[str, str]]:
    """Yield name and content of each data file."""
    runtime = (RUNTIME / "ort.wasm.bundle.min.mjs").read_bytes()
    yield "own-runtime", _compressed("own-runtime", runtime)
    wasm = lzma.decompress((RUNTIME / "ort-wasm-simd-threaded.wasm.xz").read_bytes())
    yield "own-wasm", _compressed("own-wasm", wasm)
    for name, path in (("own-describe", own.describe), ("own-find", own.find)):
        if path:
            yield name, _compressed(name, Path(path).read_bytes())


def _compressed(name: str, content: bytes) -> str:
    """Return a data file with gzip's bytes in base64."""
    packed = gzip.compress(content, compresslevel=9, mtime=0)
    return script(name, base64.b64encode(packed).decode("ascii"))
