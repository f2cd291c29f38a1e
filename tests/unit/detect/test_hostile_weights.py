"""Weights files that were made to do harm: each is refused in one line."""

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from helpers import one_line
from visualsearch.core.errors import InputError
from visualsearch.detect import load_detector
from visualsearch.detect.weights import load_weights
from visualsearch.settings import DetectorSettings

FASTER_RCNN = "fasterrcnn_mobilenet_v3_large_fpn"


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare pickle", "beside good tensors"])
def test_a_pickle_that_would_run_code_does_not(tmp_path: Path, kind: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / "w.pth"
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps(Touch(marker)))
    else:
        state = {"good": torch.zeros(3)} if kind.startswith("beside") else {}
        torch.save(
            state | {"bad": Touch(marker)}, path, _use_new_zipfile_serialization=kind != "legacy"
        )
    with pytest.raises(InputError, match="not a file of plain weights") as caught:
        load_detector(DetectorSettings(FASTER_RCNN, str(path), "cpu"))
    text = one_line(caught)
    assert not marker.exists()
    # torch's own message tells how to run the code.
    assert "weights_only" not in text and "might run code" in text
    if kind != "legacy":
        return
    # The file does run code if it is read as pickle.
    torch.load(path, weights_only=False)
    assert marker.exists()


def layer() -> torch.nn.Module:
    return torch.nn.Linear(4, 3)


STATE = {name: tensor.clone() for name, tensor in layer().state_dict().items()}


def saved_as(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def saved(path: Path, **changes: Any) -> Path:
    return saved_as(path, STATE | changes)


def filled(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def rewritten(path: Path, change: Callable[[str, bytes], bytes], packed: bool = False) -> Path:
    """A good file with its members changed."""
    good = saved(path.with_suffix(".good"))
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(path, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return path


def with_pickle(path: Path, text: bytes) -> Path:
    return rewritten(path, lambda name, data: text if name.endswith("data.pkl") else data)


def script_archive(path: Path) -> Path:
    torch.jit.script(layer()).save(str(path))
    return path


def tar_archive(path: Path) -> Path:
    """As torch saved before version 0.1.10, with a member that leads out and a link that does."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("storages", "tensors", "pickle", "../../visualsearch-evil"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return path


def bomb(path: Path) -> Path:
    """80 MB of noughts in 80 kB, by the pickle's own account too."""
    many = 20_000_000
    size, shape = b"K\x0c", b"K\x03K\x04\x86"

    def change(name: str, data: bytes) -> bytes:
        if name.endswith("data/0"):
            return bytes(4 * many)
        if name.endswith("data.pkl"):
            assert size in data and shape in data
            return data.replace(size, b"J" + struct.pack("<i", many))
        return data

    return rewritten(path, change, packed=True)


NAN = torch.tensor([1.0, float("nan"), 0.0])
WEIGHTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "tar": (tar_archive, "might run code"),
    "TorchScript": (script_archive, "might run code"),
    "os.system": (
        lambda p: with_pickle(p, b"cos\nsystem\nX\x02\x00\x00\x00id\x85R."),
        "might run code",
    ),
    "an empty pickle": (lambda p: with_pickle(p, b"."), "not a file of plain weights"),
    "a call without arguments": (
        lambda p: with_pickle(p, b"ctorch._utils\n_rebuild_tensor_v2\n)R."),
        "not a file of plain weights",
    ),
    "a memo that is not there": (lambda p: with_pickle(p, b"h\x05."), "not a file of plain"),
    "64 GB asked for": (
        lambda p: with_pickle(p, b"c__builtin__\nbytearray\n\x8a\x05\0\0\0\0\x10\x85R."),
        "not a file of plain weights",
    ),
    "deep": (lambda p: with_pickle(p, b"(" * 10**5 + b"t" * 10**5 + b"."), "no state dict"),
    "bomb": (bomb, "packed into fewer"),
    "longer than stored": (
        lambda p: rewritten(p, lambda name, data: data.replace(b"K\x0c", b"K\x64")),
        "does not match expected size",
    ),
    "NaN": (lambda p: saved(p, bias=NAN), "bias holds values that are not finite"),
    "integers": (lambda p: saved(p, bias=torch.ones(3, dtype=torch.int)), "bias is of torch.int32"),
    "complex": (lambda p: saved(p, bias=torch.ones(3) * 1j), "bias is of torch.complex64"),
    "sparse": (lambda p: saved(p, bias=torch.ones(3).to_sparse()), "torch.sparse_coo"),
    "without data": (lambda p: saved(p, bias=torch.ones(3, device="meta")), "bias is of"),
    "one too many": (lambda p: saved(p, more=NAN), "1 tensors are unknown, first more"),
    "no tensors": (lambda p: saved(p, bias=[1, 2, 3]), r"bias is \(\), not \(3,\)"),
    "missing": (lambda p: p, "no file"),
    "empty": (lambda p: filled(p, b""), "not a file of plain weights"),
    "cut short": (lambda p: filled(p, saved(p).read_bytes()[:500]), "not a file of plain weights"),
    "one tensor": (lambda p: saved_as(p, torch.zeros(3)), "holds no state dict"),
    "of another model": (
        lambda p: saved_as(p, {"backbone.x": NAN}),
        "2 tensors are missing, first bias",
    ),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_hostile_weights_are_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    make, expected = WEIGHTS[kind]
    path = make(tmp_path / "deep" / "down" / "w.pth")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=expected) as caught:
        load_weights(layer(), path, "the layer")
    assert str(path) in one_line(caught)
    assert sorted(tmp_path.rglob("*")) == before


def safetensors_of(path: Path, header: Any, body: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)
    return path


def entry(shape: list[int], start: int, stop: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


BIAS = entry([3], 48, 60)
HEADERS: dict[str, tuple[Any, int | None, str]] = {
    "length 2**63": ({}, 2**63, "header too large"),
    "length 2**64 - 1": ({}, 2**64 - 1, "header too large"),
    "length past the end": ({}, 10**8, "invalid header length"),
    "no header": ({}, 0, "not a file of plain weights"),
    "deep": (b"[" * 10**6, None, "not a file of plain weights"),
    "not UTF-8": (b"\xff\xfe", None, "not a file of plain weights"),
    "size past 2**64": ({"weight": entry([2**62, 4], 0, 48), "bias": BIAS}, None, "overflow"),
    "another shape": ({"weight": entry([4, 3], 0, 48), "bias": BIAS}, None, r"\(4, 3\), not \(3,"),
    "shape and bytes differ": ({"weight": entry([3, 5], 0, 48), "bias": BIAS}, None, "plain"),
    "overlap": ({"weight": entry([3, 4], 0, 48), "bias": entry([3], 0, 12)}, None, "offset"),
    "backwards": ({"weight": entry([3, 4], 48, 0), "bias": BIAS}, None, "plain weights"),
    "negative": ({"weight": entry([3, 4], -48, 0), "bias": BIAS}, None, "plain weights"),
    "unknown type": ({"weight": entry([3, 4], 0, 48, "X9"), "bias": BIAS}, None, "plain"),
    "integers": ({"weight": entry([3, 4], 0, 48, "I32"), "bias": BIAS}, None, "torch.int32"),
    "missing": ({"weight": entry([3, 4], 0, 60)}, None, "plain weights"),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_hostile_safetensors_are_one_line(tmp_path: Path, kind: str) -> None:
    header, length, expected = HEADERS[kind]
    path = safetensors_of(tmp_path / "w.safetensors", header, bytes(60), length)
    with pytest.raises(InputError, match=expected) as caught:
        load_weights(layer(), path, "the layer")
    assert str(path) in one_line(caught)


def test_safetensors_with_other_tensors_or_nan_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    for state, expected in (
        ({"weight": STATE["weight"]}, "1 tensors are missing, first bias"),
        (STATE | {"more": NAN}, "1 tensors are unknown, first more"),
        (STATE | {"bias": NAN}, "bias holds values that are not finite"),
    ):
        save_file(state, path)
        with pytest.raises(InputError, match=expected) as caught:
            load_weights(layer(), path, "the layer")
        one_line(caught)
    # Another precision is allowed.
    save_file({name: tensor.double() for name, tensor in STATE.items()}, path)
    load_weights(layer(), path, "the layer")
