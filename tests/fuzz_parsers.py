"""The parsers of files from outside that tests/fuzz.py feeds, and good files for each."""

import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image
from safetensors.torch import save

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

# ruff: noqa: E402
from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json
from visualsearch.data.formats import FORMATS
from visualsearch.data.images import UnreadableImage, decode_image
from visualsearch.data.manifest import ImageList, write_listed
from visualsearch.data.skipped import write_skipped
from visualsearch.detect.weights import load_weights
from visualsearch.fetch import coco, folder
from visualsearch.fetch.instances import read_image_ids
from visualsearch.settings import CocoSettings, DatasetSettings, FolderSettings, checking


@dataclass(frozen=True)
class Parser:
    """good: returns good files. parse: reads a file; raises `refusal` when it is not good."""

    good: Callable[[], list[bytes]]
    parse: Callable[[Path], Any]
    refusal: type[Exception]


def good_pictures() -> list[bytes]:
    rgb = Image.effect_mandelbrot((24, 18), (-2, -1, 1, 1), 50).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    clear = rgb.convert("RGBA")
    clear.putalpha(100)
    frames: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(90)]}
    grey = rgb.convert("L")
    wide = grey.convert("I;16")
    bilevel = rgb.convert("1")
    made: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {}),
        (rgb, "JPEG", {"progressive": True, "exif": exif, "icc_profile": b"p" * 200}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (grey, "JPEG", {}),
        (rgb, "PNG", {"exif": exif}),
        (clear, "PNG", {}),
        (rgb.convert("P"), "PNG", {"transparency": 3}),
        (wide, "PNG", {}),
        (rgb, "PNG", frames),
        (rgb, "GIF", {}),
        (rgb, "GIF", {**frames, "transparency": 1}),
        (rgb, "BMP", {}),
        (rgb.convert("P"), "BMP", {}),
        (rgb, "PPM", {}),
        (grey, "PPM", {}),
        (bilevel, "PPM", {}),
        *(
            (rgb, "TIFF", {"compression": name})
            for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        ),
        (bilevel, "TIFF", {"compression": "group4"}),
        (wide, "TIFF", {}),
        (rgb, "TIFF", {**frames, "exif": exif}),
        (rgb, "WEBP", {"exif": exif}),
        (clear, "WEBP", {"lossless": True}),
        (rgb, "WEBP", frames),
        (rgb, "JPEG2000", {}),
        (clear, "JPEG2000", {"irreversible": True}),
        (rgb, "AVIF", {}),
        (rgb, "AVIF", frames),
        (rgb, "HEIF", {"exif": exif.tobytes()}),
        (clear, "HEIF", {"quality": -1, "chroma": 444}),
        (rgb, "HEIF", frames),
        (grey, "HEIF", {"grid_tile_size": 16}),
    ]
    files = []
    for image, name, options in made:
        if name in FORMATS:
            out = io.BytesIO()
            image.save(out, name, **options)
            files.append(out.getvalue())
    return [*files, b"P3 2 1 255 1 2 3 4 5 6\n", b"P2 2 1 9 1 2\n", b"P1 2 1 1 0\n"]


def instances() -> dict[str, Any]:
    return {
        "info": {"description": "made"},
        "licenses": [{"id": 1, "name": "A licence", "url": "https://example.org/licence"}],
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": 30, "height": 20, "license": 1}
            for n in (1, 2)
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 3.5, 4], "area": 14.0}
            | {"iscrowd": 0, "segmentation": [[1, 2, 3, 4, 5, 6]], "keypoints": [1, 2, 2] * 17}
            for n in (1, 2)
        ],
        "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
    }


def good_json() -> list[bytes]:
    text = json.dumps(instances())
    indented = json.dumps(instances(), indent=1).encode()
    return [text.encode(), indented, text.encode("utf-16"), gzip.compress(text.encode(), mtime=0)]


def good_archives() -> list[bytes]:
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for kind in ("instances", "person_keypoints"):
                archive.writestr(f"annotations/{kind}_val2017.json", json.dumps(instances()))
        made.append(out.getvalue())
    return made


def layer() -> torch.nn.Module:
    return torch.nn.Linear(4, 3)


def good_weights() -> list[bytes]:
    state = layer().state_dict()
    files = []
    for content, new in ((state, True), (state, False), ({"model": state}, True)):
        out = io.BytesIO()
        torch.save(content, out, _use_new_zipfile_serialization=new)
        files.append(out.getvalue())
    out = io.BytesIO()
    torch.jit.save(torch.jit.script(layer()), out)
    return [*files, out.getvalue()]


def good_safetensors() -> list[bytes]:
    state = layer().state_dict()
    half = {name: tensor.half() for name, tensor in state.items()}
    return [save(state), save(half), save(state, {"license": "MIT"})]


def good_configurations() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "config").glob("*.yaml"))]


def parse_picture(path: Path) -> None:
    image, (width, height) = decode_image(path.read_bytes(), DatasetSettings.max_pixels)
    assert image.mode == "RGB" and 0 < width * height <= DatasetSettings.max_pixels
    image.tobytes()


def written(found: ImageList, beside: Path) -> None:
    """Write the lists, as a later stage must be able to keep what was read."""
    write_listed(beside.with_suffix(".parquet"), found.images)
    write_skipped(beside.with_suffix(".tsv"), found.skipped)
    write_json(beside.with_suffix(".kept"), found.annotations, ascii_only=True)


def in_folder(path: Path, **named: Path) -> None:
    pictures = path.parent / "pictures"
    if not pictures.exists():
        pictures.mkdir()
        for n in (1, 2):
            Image.new("RGB", (30, 20)).save(pictures / f"{n}.png")
    section = {"path": pictures, "annotations": path} | named
    names = FolderSettings(**{key: str(value) for key, value in section.items()})
    settings = DatasetSettings("folder", folder=names)
    written(folder.list_images(settings, path.parent), path)


def parse_keypoints(path: Path) -> None:
    annotations = path.parent / "instances.json"
    if not annotations.exists():
        annotations.write_bytes(good_json()[0])
    in_folder(path, annotations=annotations, keypoints=path)


def parse_archive(path: Path) -> None:
    names = CocoSettings(annotations=str(path), annotations_sha256=None, images=str(path.parent))
    settings = DatasetSettings("coco-val2017", coco=names)
    written(coco.list_images(settings, path.parent / "download"), path)


def parse_weights(path: Path) -> None:
    load_weights(layer(), path, "the layer")


def parse_safetensors(path: Path) -> None:
    parse_weights(path.rename(path.with_suffix(".safetensors")))


def parse_configuration(path: Path) -> None:
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError):
        return  # Snakemake itself reads the file and reports this.
    if isinstance(given, dict):
        checking.checked(given)


PARSERS = {
    "pictures": Parser(good_pictures, parse_picture, UnreadableImage),
    "annotations": Parser(good_json, in_folder, InputError),
    "zipped annotations": Parser(good_archives, in_folder, InputError),
    "keypoints": Parser(good_json, parse_keypoints, InputError),
    "definition": Parser(good_json, read_image_ids, InputError),
    "archive": Parser(good_archives, parse_archive, InputError),
    "weights": Parser(good_weights, parse_weights, InputError),
    "safetensors": Parser(good_safetensors, parse_safetensors, InputError),
    "configuration": Parser(good_configurations, parse_configuration, InputError),
}
