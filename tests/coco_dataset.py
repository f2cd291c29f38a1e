"""A small dataset in COCO's format, settings for it, and fixtures; for tests of the sources."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coco_server import CocoServer
from visualsearch import fetch
from visualsearch.data.manifest import FetchedImage, ImageList, ListedImage
from visualsearch.data.skipped import Skipped
from visualsearch.settings import CocoSettings, DatasetSettings

LICENSES = [{"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/by/2.0/"}]
# Image id: width and height. 5 shows nothing, 8 only a dog, 13 only a crowd of persons.
PICTURES = {1: (40, 30), 2: (30, 40), 3: (24, 24), 5: (32, 20), 8: (20, 32), 13: (50, 40)}
# Image id, category id and iscrowd of each annotation.
ANNOTATED = [(1, 1, 0), (1, 18, 0), (2, 1, 0), (3, 1, 0), (8, 18, 0), (13, 1, 1)]


def file_of(image_id: int) -> str:
    return f"{image_id:012d}.jpg"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with PICTURES."""
    path = tmp_path / "pictures"
    path.mkdir()
    rng = np.random.default_rng(0)
    for image_id, (width, height) in PICTURES.items():
        noise = rng.integers(0, 255, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(path / file_of(image_id))
    return path


@pytest.fixture
def instances() -> dict[str, Any]:
    """The annotations of PICTURES."""
    return {
        "info": {"description": "made by a test"},
        "licenses": LICENSES,
        "images": [
            {
                "id": image_id,
                "file_name": file_of(image_id),
                "width": width,
                "height": height,
                "license": 4,
                "coco_url": "http://images.example/never-fetched.jpg",
                "flickr_url": "javascript:alert(1)",
            }
            for image_id, (width, height) in reversed(PICTURES.items())
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image_id,
                "category_id": category_id,
                "bbox": [1, 2, 10.5, 12],
                "area": 100.0,
                "iscrowd": crowd,
                "segmentation": {"counts": [1, 2], "size": [3, 3]} if crowd else [[1, 1, 2, 2]],
            }
            for number, (image_id, category_id, crowd) in enumerate(ANNOTATED, start=1)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
    }


@pytest.fixture
def many(pictures: Path, instances: dict[str, Any]) -> dict[str, Any]:
    """Instances whose boxes differ from picture to picture."""
    for number, entry in enumerate(instances["annotations"]):
        entry["bbox"] = [number, number + 1, 9, 8 + number]
    return instances


# The boxes of persons in `many`, and whether they are crowds, by image id.
EXPECTED = {1: [([0, 1, 9, 8], 0)], 2: [([2, 3, 9, 10], 0)], 3: [([3, 4, 9, 11], 0)], 5: [], 8: [],
            13: [([5, 6, 9, 13], 1)]}  # fmt: skip


@pytest.fixture
def server(
    pictures: Path, instances: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[CocoServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with CocoServer(pictures, instances) as running:
        yield running


def changed(settings: DatasetSettings, **changes: Any) -> DatasetSettings:
    """Settings with other values; a dict changes some keys of its section."""
    return replace(
        settings,
        **{
            key: replace(getattr(settings, key), **value) if isinstance(value, dict) else value
            for key, value in changes.items()
        },
    )


def dataset(source: str, **changes: Any) -> DatasetSettings:
    """Settings with short waits, and no address outside this machine."""
    settings = DatasetSettings(
        source,
        connections=4,
        retries=2,
        backoff_seconds=0.01,
        coco=CocoSettings(
            annotations="http://127.0.0.1:9/annotations.zip", annotations_sha256="0" * 64
        ),
    )
    return changed(settings, **changes)


def minitrain(server: CocoServer, **changes: Any) -> DatasetSettings:
    return changed(dataset("coco-minitrain", coco=server.dataset()), **changes)


def in_folder(
    path: str | Path, annotations: Path | str | None = None, **changes: Any
) -> DatasetSettings:
    named = {"path": str(path), "annotations": str(annotations) if annotations else None}
    return changed(changed(dataset("folder"), folder=named), **changes)


def as_file(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def ids(listed: ImageList) -> list[int]:
    return [image.image_id for image in listed.images]


def fetch_all(
    settings: DatasetSettings, images: list[ListedImage], root: Path
) -> tuple[dict[str, FetchedImage], dict[str, Skipped]]:
    """What the source's `fetch` yields, by file."""
    results = list(fetch.load(settings).fetch(images, root, settings, {}))
    fetched = {result.listed.file: result for result in results if isinstance(result, FetchedImage)}
    skipped = {result.file: result for result in results if isinstance(result, Skipped)}
    assert len(fetched) + len(skipped) == len(results)
    return fetched, skipped


def boxes_by_file(listed: ImageList) -> dict[str, list[Any]]:
    """The boxes of persons of each picture, and whether they are crowds, by its file."""
    assert listed.annotations is not None
    (person,) = (c["id"] for c in listed.annotations["categories"] if c["name"] == "person")
    files = {image["id"]: image["file_name"] for image in listed.annotations["images"]}
    assert files == {image.image_id: image.file for image in listed.images}
    found: dict[str, list[Any]] = {file: [] for file in files.values()}
    for entry in listed.annotations["annotations"]:
        if entry["category_id"] == person:
            found[files[entry["image_id"]]].append((entry["bbox"], entry["iscrowd"]))
    return found
