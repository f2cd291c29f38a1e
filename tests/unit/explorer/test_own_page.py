"""What the explorer's folder holds for own pictures, and that it holds nothing without them."""

import base64
import gzip
import hashlib
import json
import lzma
import re
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import ROOT
from explorer_run import Made, make
from visualsearch.explorer.own_pictures import RUNTIME, OwnPictures

FACTS = {"crop": {"size": [256, 128]}, "find": {"side": 300}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("made"), 6)


def with_own_pictures(made: Made, folder: Path, finds: bool = True) -> Path:
    for name in ("describe", "find"):
        (folder / name).write_bytes(name.encode() * 1000)
    (folder / "facts.json").write_text(json.dumps(FACTS | ({} if finds else {"find": None})))
    find = str(folder / "find") if finds else None
    own = OwnPictures(str(folder / "facts.json"), str(folder / "describe"), find)
    changed = replace(made, files=replace(made.files, own_pictures=own))
    return changed.build(f"own-{finds}")


def policy(folder: Path) -> str:
    text = (folder / "index.html").read_text(encoding="utf-8")
    return re.search('http-equiv="Content-Security-Policy" content="(.*?)">', text).group(1)


def unpacked(file: Path) -> bytes:
    return gzip.decompress(base64.b64decode(file.read_text().split('"')[3]))


def test_a_page_without_them_runs_no_webassembly(made: Made) -> None:
    folder = made.build("without")
    assert "wasm" not in policy(folder)
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert 'id="own-file"' not in text and "ownNetworks =" not in text
    assert not [file for file in folder.rglob("*") if "own" in file.name or "onnx" in file.name]


def test_the_folder_holds_networks_runtime_and_licences(made: Made, tmp_path: Path) -> None:
    folder = with_own_pictures(made, tmp_path)
    assert "script-src 'strict-dynamic' 'sha256-" in policy(folder)
    assert "'wasm-unsafe-eval'; style-src" in policy(folder)
    assert "unsafe-inline" not in policy(folder) and "connect-src" not in policy(folder)
    for name in ("describe", "find"):
        assert unpacked(folder / f"data/own-{name}.js") == name.encode() * 1000
    assert unpacked(folder / "data/own-wasm.js")[:4] == b"\0asm"
    script = (RUNTIME / "ort.wasm.bundle.min.mjs").read_bytes()
    assert unpacked(folder / "data/own-runtime.js") == script
    licences = folder / "onnxruntime-web"
    assert "MIT License" in (licences / "LICENSE").read_text()
    assert "protobuf" in (licences / "ThirdPartyNotices.txt").read_text(encoding="utf-8")
    text = (folder / "index.html").read_text(encoding="utf-8")
    facts = json.loads(text.split('id="facts">')[1].split("</script>")[0])["own_pictures"]
    assert facts == FACTS | {"megabytes": 5}
    assert "Click one of the boxes" in text


def test_without_a_detector_boxes_are_drawn(made: Made, tmp_path: Path) -> None:
    folder = with_own_pictures(made, tmp_path, finds=False)
    assert not (folder / "data/own-find.js").exists()
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "Draw a box on the picture" in text and "Click one of the boxes" not in text


def test_the_vendored_files_have_the_hashes_that_are_listed() -> None:
    text = (RUNTIME / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)`(?: in it)? \| .*? \| `([0-9a-f]{64})` \|$", text, re.M))
    found = {}
    for file in RUNTIME.iterdir():
        if file.name != "README.md":
            content = file.read_bytes()
            found[file.name] = hashlib.sha256(content).hexdigest()
            if file.suffix == ".xz":
                found[file.stem] = hashlib.sha256(lzma.decompress(content)).hexdigest()
    assert found == rows
    version = re.search(r"v([\d.]+)", (RUNTIME / "ort.wasm.bundle.min.mjs").read_text()).group(1)
    licences = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    assert f"| onnxruntime-web, which comes along | {version} | MIT |" in licences
