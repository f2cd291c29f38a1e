"""Says which other format a file seems to have that was given for COCO annotations."""

import json
import re
from pathlib import Path
from typing import Any

HEAD_BYTES = 4096
EXPORT = "export it as COCO JSON"

ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
}
YOLO_LINE = re.compile(r"\s*\d+(\s+-?[0-9.]+(e-?\d+)?){4,}\s*", re.IGNORECASE)


def described(path: Path) -> str | None:
    """Return what a file that is not JSON seems to be and what to do, or None."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return None
    if b"ustar" in head[257:263]:
        return "a tar archive; unpack it"
    for mark, name in ARCHIVES.items():
        if head.startswith(mark):
            return f"{name}; unpack it"
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    lower = text.lower()
    if "<annotations>" in lower:
        return "CVAT's XML; in CVAT, export the task in the format COCO 1.0"
    if "<annotation>" in lower or "<annotation " in lower:
        return f"Pascal VOC XML, one file for each picture; {EXPORT} in the tool that wrote it"
    if lower.startswith(("<!doctype html", "<html")):
        return "a web page; the download was perhaps refused, so download it again"
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and all(YOLO_LINE.fullmatch(line) for line in lines[:20]):
        return f"YOLO text, one file for each picture; {EXPORT} in the tool that wrote it"
    if {"names", "nc"} & {line.partition(":")[0] for line in lines}:
        return f"YOLO's list of classes; {EXPORT} in the tool that wrote it"
    if len(lines) > 1 and _is_object(lines[0]):
        return f"JSON lines, an object in each line; {EXPORT} in the tool that wrote it"
    if lines and lines[0].count(",") >= 4 and not text.startswith(("{", "[")):
        return f"a table in CSV; {EXPORT} in the tool that wrote it"
    return None


def described_json(document: Any) -> str | None:
    """Return what JSON without COCO's lists seems to be and what to do, or None."""
    if isinstance(document, list):
        keys: set[str] = set()
        for entry in document[:20]:
            keys |= entry.keys() if isinstance(entry, dict) else set()
        if {"data"} <= keys and keys & {"annotations", "predictions", "completions"}:
            return "Label Studio's own JSON; in Label Studio, export in the format COCO"
        if {"image_id", "bbox", "score"} <= keys:
            return "a list of detections; give the annotations, not a detector's results"
        if {"image", "annotations"} <= keys:
            return f"CreateML's JSON; {EXPORT} in the tool that wrote it"
        return None
    if not isinstance(document, dict):
        return None
    if {"shapes", "imagePath"} <= document.keys():
        return "labelme's JSON of one picture; join all of them with labelme2coco"
    first = next(iter(document.values()), None)
    if "_via_img_metadata" in document or (isinstance(first, dict) and "regions" in first):
        return "VGG Image Annotator's own JSON; in it, export annotations in COCO format"
    if "items" in document and isinstance(document.get("categories"), dict):
        return f"Datumaro's JSON; {EXPORT} with datum convert"
    if "samples" in document:
        return "FiftyOne's own JSON; export the dataset as fiftyone.types.COCODetectionDataset"
    return None


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
