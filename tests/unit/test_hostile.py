"""Files from outside that were made to do harm: each is refused in one line, or does none."""

import csv
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from coco_dataset import dataset, in_folder
from conftest import ROOT
from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json
from visualsearch.data.manifest import ImageList, Skipped, read_skipped, write_listed, write_skipped
from visualsearch.detect import load_detector, ssdlite
from visualsearch.detect.torchvision_models import load_weights
from visualsearch.evaluate.detections import evaluate_detections
from visualsearch.fetch import coco, folder
from visualsearch.report.hits_table import cell
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import BUNDLED

FASTER_RCNN = "fasterrcnn_mobilenet_v3_large_fpn"


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


def one_line(caught: pytest.ExceptionInfo[InputError]) -> str:
    text = str(caught.value)
    assert "\n" not in text and len(text) < 700
    return text


# Weights


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
    # The file is what it is said to be.
    torch.load(path, weights_only=False)
    assert marker.exists()


def layer() -> torch.nn.Module:
    return torch.nn.Linear(4, 3)


STATE = {name: tensor.clone() for name, tensor in layer().state_dict().items()}


def saved(path: Path, **changes: Any) -> Path:
    torch.save(STATE | changes, path)
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
    "NaN": (lambda p: saved(p, bias=NAN), "bias holds values that are no finite numbers"),
    "integers": (lambda p: saved(p, bias=torch.ones(3, dtype=torch.int)), "bias is of torch.int32"),
    "complex": (lambda p: saved(p, bias=torch.ones(3) * 1j), "bias is of torch.complex64"),
    "sparse": (lambda p: saved(p, bias=torch.ones(3).to_sparse()), "torch.sparse_coo"),
    "without data": (lambda p: saved(p, bias=torch.ones(3, device="meta")), "bias is of"),
    "one too many": (lambda p: saved(p, more=NAN), "1 tensors are unknown, first more"),
    "no tensors": (lambda p: saved(p, bias=[1, 2, 3]), r"bias is \(\), not \(3,\)"),
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
        (STATE | {"bias": NAN}, "bias holds values that are no finite numbers"),
    ):
        save_file(state, path)
        with pytest.raises(InputError, match=expected) as caught:
            load_weights(layer(), path, "the layer")
        one_line(caught)
    # Another precision is no harm.
    save_file({name: tensor.double() for name, tensor in STATE.items()}, path)
    load_weights(layer(), path, "the layer")


def test_changed_bundled_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from visualsearch.detect import bundled

    changed = tmp_path / "model.safetensors"
    data = bytearray(bundled.WEIGHTS.read_bytes())
    data[-5] ^= 1
    changed.write_bytes(data)
    monkeypatch.setattr(bundled, "WEIGHTS", changed)
    with pytest.raises(InputError, match=r"damaged or another file \(SHA-256 differs\)"):
        load_detector(DetectorSettings(BUNDLED, device="cpu"))
    with pytest.raises(InputError, match="SHA-256 differs"):
        ssdlite.load_ssdlite(changed)


# Annotations

DEEP = 10**6
# Deep enough that what is parsed could not be written again, or copied.
LESS_DEEP = 900


def document() -> dict[str, Any]:
    return {
        "info": {"description": "made by a test"},
        "licenses": [{"id": 1, "name": "A licence", "url": "https://example.org/licence"}],
        "images": [{"id": 1, "file_name": "1.png", "width": 30, "height": 20, "license": 1}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "person"}],
    }


PLACES = {
    f"{section}.{key}": (section, key)
    for section, keys in {
        "": ("info", "licenses", "images", "annotations", "categories", "more"),
        "info": ("description", "more"),
        "licenses": ("id", "name", "url", "more"),
        "images": ("id", "file_name", "width", "height", "license", "coco_url", "more"),
        "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation",
                        "keypoints", "more"),
        "categories": ("id", "name", "supercategory", "more"),
    }.items()
    for key in keys
}  # fmt: skip
VALUES = {
    "1.0": "1.0",
    "1.5": "1.5",
    "-1": "-1",
    "2**31": str(2**31),
    "2**43": str(2**43),
    "2**63": str(2**63),
    "2**64": str(2**64),
    "10**400": "1" + "0" * 400,
    "10**5000": "1" + "0" * 5000,
    "1e999": "1e999",
    "NaN": "NaN",
    "-Infinity": "-Infinity",
    "true": "true",
    "null": "null",
    "text": '"1"',
    "empty": '""',
    "half a character": '"\\ud800"',
    "nought": '"a\\u0000b"',
    "escape": '"\\u001b]0;x\\u0007\\n=1+1"',
    "long": '"' + "x" * 10**6 + '"',
    "list": "[]",
    "object": "{}",
    "deep list": "[" * LESS_DEEP + "]" * LESS_DEEP,
    "deep object": '{"a":' * LESS_DEEP + "1" + "}" * LESS_DEEP,
    "too deep": "[" * DEEP + "]" * DEEP,
    "too deep, objects": '{"a":' * DEEP + "1" + "}" * DEEP,
}
MARK = '""'


def with_value(whole: dict[str, Any], section: str, key: str, text: str) -> str:
    """A document as JSON in which one value is the text."""
    part = whole[section] if section else whole
    (part[0] if isinstance(part, list) else part)[key] = ""
    return json.dumps(whole).replace(MARK, text)


@pytest.fixture(scope="module")
def one_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (30, 20)).save(path / "1.png")
    return path


def listed(pictures: Path, annotations: Path, keypoints: Path | None = None) -> ImageList:
    named = {"keypoints": str(keypoints) if keypoints else None}
    return folder.list_images(in_folder(pictures, annotations, folder=named), pictures)


def refused_or_harmless(pictures: Path, annotations: Path, keypoints: Path | None = None) -> bool:
    """Whether what could be read can also be written, measured against, and is plain."""
    try:
        found = listed(pictures, annotations, keypoints)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return False
    out = annotations.parent
    write_listed(out / "images.parquet", found.images)
    write_skipped(out / "skipped.tsv", found.skipped)
    assert set(read_skipped(out / "skipped.tsv")) == set(found.skipped)
    assert found.annotations is not None
    write_json(out / "kept.json", found.annotations, indent=None, ascii=True)
    named = {category["name"] for category in found.annotations["categories"]}
    assert all(isinstance(name, str) for name in named)
    images = [image.image_id for image in found.images]
    if images:
        result = {"image_id": images[0], "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9}
        write_json(out / "results.json", [result])
        evaluate_detections(out / "kept.json", out / "results.json", "person", images)
    return True


@pytest.mark.parametrize("place", PLACES)
def test_hostile_annotations_are_refused_or_harmless(
    one_picture: Path, tmp_path: Path, place: str
) -> None:
    path = tmp_path / "instances.json"
    passed = set()
    for name, text in VALUES.items():
        path.write_text(with_value(document(), *PLACES[place], text))
        if refused_or_harmless(one_picture, path):
            passed.add(name)
    # What Python's reader cannot hold never gets through, wherever it stands.
    assert passed.isdisjoint({"10**5000", "NaN", "-Infinity", "too deep", "too deep, objects"})
    if place == "images.id":
        assert passed == set()
    if place.endswith("more"):
        assert passed >= {"1e999", "2**64", "half a character", "deep list", "deep object"}


def test_two_categories_of_one_id_or_name_are_refused(one_picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    for second in ({"id": 1, "name": "dog"}, {"id": 2, "name": "person"}):
        made = document()
        made["categories"].append(second)
        path.write_text(json.dumps(made))
        with pytest.raises(InputError, match="unique") as caught:
            listed(one_picture, path)
        one_line(caught)


def test_a_number_of_a_box_is_finite_or_refused(one_picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    numbers = {"1.0", "1.5", "-1", "2**31", "2**43", "2**63", "2**64", "1e308"}
    for side in range(4):
        for name, text in (VALUES | {"1e308": "1e308"}).items():
            box: list[Any] = [1, 2, 3, 4]
            box[side] = ""
            made = document()
            made["annotations"][0] |= {"bbox": box, "area": 5}
            path.write_text(json.dumps(made).replace(MARK, text))
            assert refused_or_harmless(one_picture, path) == (name in numbers), (side, name)


def test_hostile_keypoints_are_refused_or_harmless(one_picture: Path, tmp_path: Path) -> None:
    instances, path = tmp_path / "instances.json", tmp_path / "keypoints.json"
    instances.write_text(json.dumps(document()))
    points = [1, 2, 2] * 17
    fields = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": points}
    for section, key in [("", "annotations"), *(("annotations", key) for key in fields)]:
        for name, text in VALUES.items():
            path.write_text(with_value({"annotations": [dict(fields)]}, section, key, text))
            passed = refused_or_harmless(one_picture, instances, path)
            assert not (passed and name in {"NaN", "too deep", "10**5000"}), (key, name)
    for name, text in VALUES.items():
        made = json.dumps({"annotations": [fields | {"keypoints": ["", *points[1:]]}]})
        path.write_text(made.replace(MARK, text))
        passed = refused_or_harmless(one_picture, instances, path)
        assert passed == (name in {"1.0", "1.5", "-1", "2**31", "2**43", "2**63", "2**64"}), name


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("utf-32"),
    ],
    ids=["BOM", "UTF-16", "UTF-16 BE", "UTF-32"],
)
def test_json_in_any_unicode_encoding_is_read(
    one_picture: Path, tmp_path: Path, encode: Callable[[str], bytes]
) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(encode(json.dumps(document())))
    assert [image.file for image in listed(one_picture, path).images] == ["1.png"]


def test_of_two_keys_the_last_counts(one_picture: Path, tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    text = json.dumps(document())
    path.write_text(text.replace('"file_name": "1.png"', '"file_name": "x", "file_name": "1.png"'))
    assert [image.file for image in listed(one_picture, path).images] == ["1.png"]
    path.write_text(text.replace('"id": 1,', '"id": 1, "id": 1.0,', 1).replace("}", ', "id": []}'))
    assert not refused_or_harmless(one_picture, path)


# Archives

MEMBER = "annotations/instances_val2017.json"


def annotated(archive: Path) -> ImageList:
    named = {"annotations": str(archive), "annotations_sha256": None}
    named |= {"images": str(archive.parent)}
    return coco.list_images(dataset("coco-val2017", coco=named), archive.parent / "download")


def test_nothing_is_unpacked_from_an_archive(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    path = place / "annotations.zip"
    link = zipfile.ZipInfo("annotations/link")
    link.external_attr = 0o120777 << 16
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        for name in ("../../evil", "/tmp/visualsearch-evil", "../instances_val2017.json", MEMBER):
            archive.writestr(name, "{}")
        archive.writestr(link, "/etc/passwd")
        archive.writestr("annotations/link/evil", "through the link")
        archive.writestr(MEMBER, json.dumps(document()))
    before = sorted(tmp_path.rglob("*"))
    assert [image.file for image in annotated(path).images] == ["1.png"]
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/visualsearch-evil").exists()


def test_a_member_that_is_a_link_is_read_as_its_text(tmp_path: Path) -> None:
    path = tmp_path / "annotations.zip"
    (tmp_path / "secret.json").write_text(json.dumps(document()))
    link = zipfile.ZipInfo(MEMBER)
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "../secret.json")
    with pytest.raises(InputError, match="not JSON"):
        annotated(path)


def patched(path: Path, change: Callable[[bytearray, int], None]) -> None:
    """Change the entry of a one-member archive in its central directory."""
    data = bytearray(path.read_bytes())
    change(data, data.rindex(b"PK\x01\x02"))
    path.write_bytes(data)


def size_of(text: int) -> Callable[[bytearray, int], None]:
    def change(data: bytearray, start: int) -> None:
        data[start + 24 : start + 28] = struct.pack("<I", text)

    return change


def encrypted(data: bytearray, start: int) -> None:
    data[start + 8] |= 1
    data[6] |= 1


def patches(data: bytearray, start: int) -> None:
    data[start + 8] |= 1 << 5


def of_a_later_zip(data: bytearray, start: int) -> None:
    data[start + 6] = 110


def packed_by(method: int) -> Callable[[bytearray, int], None]:
    def change(data: bytearray, start: int) -> None:
        data[start + 10] = data[8] = method

    return change


LIES = {
    "too small": (size_of(10), "not JSON|broken archive"),
    "too large": (size_of(2**30 + 1), "more than 1024 MB unpacked"),
    "encrypted": (encrypted, "broken archive .*encrypted"),
    "patches": (patches, "broken archive"),
    "of a later zip": (of_a_later_zip, "broken archive"),
    **{f"method {n}": (packed_by(n), "broken archive|not JSON|Invalid") for n in (0, 1, 9, 12, 14)},
    **{f"method {n}": (packed_by(n), "broken archive") for n in (93, 99)},
}


@pytest.mark.parametrize("lie", LIES)
def test_archives_that_lie_are_one_line(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "annotations.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, json.dumps(document()))
    change, expected = LIES[lie]
    patched(path, change)
    with pytest.raises(InputError, match=expected) as caught:
        annotated(path)
    assert str(path) in one_line(caught)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "annotations.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(MEMBER, "w", force_zip64=True) as member,
    ):
        for _ in range(65):
            member.write(bytes(2**24))
    assert path.stat().st_size < 6_000_000
    with pytest.raises(InputError, match="more than 1024 MB unpacked"):
        annotated(path)


# Names


def hostile_names() -> list[str]:
    return [
        "\x1b]0;owned\x07\x1b[2J.jpg",
        "two\nlines ERROR: forged.jpg",
        "\x9b31m.jpg",
        "\u202egpj.exe",
        "half \udce9.jpg",
    ]


# A process of its own: pytest too notes what is logged, and its workers hand on UTF-8 alone.
JOB = """
import logging, sys
from types import SimpleNamespace
from visualsearch.core.errors import InputError
from visualsearch.core.job import job
with job(SimpleNamespace(log=[sys.argv[1]], input=[], output=[])):
    text = eval(sys.argv[2])
    logging.getLogger("test").warning("left out: %s", text)
    raise InputError(f"what is wrong: {text}; what to do")
"""


def said_by_a_job(log: Path, text: str) -> tuple[str, str]:
    """What a job that stumbles over `text` shows and logs."""
    done = subprocess.run(
        [sys.executable, "-c", JOB, str(log), text],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.decode("utf-8"), log.read_text(encoding="utf-8")


def test_names_cannot_steer_a_terminal_or_forge_a_line(tmp_path: Path) -> None:
    for name in hostile_names():
        shown, logged = said_by_a_job(tmp_path / "job.log", ascii(name))
        for text in (shown, logged):
            assert all(char.isprintable() for char in text.replace("\n", "")), ascii(text)
            assert not [line for line in text.splitlines() if line.startswith("lines")]
        assert shown.splitlines()[-1].startswith("ERROR: ") and "Traceback" not in shown


def test_a_text_of_any_length_is_cut_where_it_matters_least(tmp_path: Path) -> None:
    shown, _ = said_by_a_job(tmp_path / "job.log", "'x' * 10**6")
    last = shown.splitlines()[-1]
    assert len(last) < 21_000 and "what is wrong" in last and "what to do" in last


FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "－1"]


@pytest.mark.parametrize("name", [*FORMULAS, *hostile_names()[:4], "a\\x1b", "\\=1", "\\u2028"])
def test_skipped_tsv_has_neither_formulas_nor_escapes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "skipped.tsv"
    skipped = [Skipped(1, name, name), Skipped(None, f"a{name}", f"b {name}")]
    write_skipped(path, skipped)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert len(lines) == 4 and all(line.replace("\t", "").isprintable() for line in lines)
    for row in csv.reader(io.StringIO("\n".join(lines)), delimiter="\t"):
        assert not [text for text in row if text[:1] in ("=", "+", "-", "@", "＝", "－")]
    assert read_skipped(path) == sorted(skipped, key=lambda entry: entry.file)


@pytest.mark.parametrize("name", FORMULAS)
def test_cells_of_the_table_of_hits_are_no_formulas(name: str) -> None:
    assert cell(name) == "'" + name
