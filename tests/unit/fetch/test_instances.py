"""Instances files that are broken: one clear line each."""

import json
from pathlib import Path
from typing import Any

import pytest

from coco_dataset import as_file, in_folder
from coco_server import QUOTA_PAGE
from visualsearch.core.errors import InputError
from visualsearch.fetch import folder


# Section, key of its first entry (None for the whole section), and the wrong value.
@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("images", None, None),
        ("images", None, {"1": 2}),
        ("images", None, ["a"]),
        ("annotations", None, 3),
        ("categories", None, None),
        ("images", "id", "13"),
        ("images", "id", [1]),
        ("images", "id", True),
        ("images", "id", -1),
        ("images", "id", 1),
        ("images", "id", 10**12),
        ("images", "file_name", None),
        ("images", "file_name", "\ud800.jpg"),
        ("images", "width", -1),
        ("images", "width", "640"),
        ("images", "height", 3.5),
        ("annotations", "image_id", 4),
        ("annotations", "image_id", []),
        ("annotations", "category_id", 2),
        ("annotations", "category_id", {}),
        ("annotations", "bbox", [1, 2, 3]),
        ("annotations", "bbox", [1, 2, 3, "4"]),
        ("annotations", "bbox", None),
        ("annotations", "area", float("nan")),
        ("annotations", "area", "big"),
        ("annotations", "iscrowd", []),
        ("categories", "id", "1"),
        ("categories", "id", 18),  # that of another category
        ("categories", "name", None),
        ("categories", "name", "dog"),  # that of another category
    ],
)
def test_broken_annotations_are_one_clear_line(
    pictures: Path, instances: dict[str, Any], tmp_path: Path, section: str, key: str, value: Any
) -> None:
    if key is None:
        instances[section] = value
    else:
        instances[section][0][key] = value
    path = as_file(tmp_path / "instances.json", json.dumps(instances))
    with pytest.raises(InputError, match=r"instances.json") as caught:
        folder.list_images(in_folder(pictures, path), tmp_path)
    assert "\n" not in str(caught.value)


def test_an_image_id_of_13_digits_is_refused_with_what_to_do(
    pictures: Path, instances: dict[str, Any], tmp_path: Path
) -> None:
    instances["images"][0]["id"] = 2026112915230  # a camera's clock, as some exports have it
    path = as_file(tmp_path / "instances.json", instances)
    with pytest.raises(InputError) as caught:
        folder.list_images(in_folder(pictures, path), tmp_path)
    assert str(caught.value) == (
        f"{path}: image id 2026112915230 has more than 12 digits; a person's id adds three, and a"
        " spreadsheet rounds numbers of more than 15. Renumber the images of the file"
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"7", QUOTA_PAGE, b"\xff\xfe\xfa", b'{"images": [NaN]}', b"[" * 100_000],
    ids=lambda data: str(data[:20]),
)
def test_files_that_are_no_annotations(pictures: Path, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"instances.json: .*give a COCO instances file") as caught:
        folder.list_images(in_folder(pictures, path), tmp_path)
    assert "\n" not in str(caught.value)
