"""Annotations as CVAT, Label Studio, Roboflow and FiftyOne export them."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coco_dataset import EXPECTED, PICTURES, boxes_by_file, dataset, fetch_all, file_of
from exports import LABEL_STUDIO_NAMES, TOOLS, Export, cvat, label_studio, roboflow
from visualsearch.data.manifest import ImageList
from visualsearch.fetch import folder
from visualsearch.settings import DatasetSettings


def settings_of(export: Export, **named: Any) -> DatasetSettings:
    return dataset("folder", folder=export.settings() | named)


def check(export: Export, folder_of: Callable[[int], str]) -> ImageList:
    settings = settings_of(export)
    listed = folder.list_images(settings, export.path)
    found = boxes_by_file(listed)
    assert found == {folder_of(number): boxes for number, boxes in EXPECTED.items()}
    assert listed.skipped == []
    fetched, skipped = fetch_all(settings, listed.images, export.path)
    assert len(fetched) == len(PICTURES) and not skipped
    return listed


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_is_read_as_the_tool_writes_it(
    pictures: Path, many: dict[str, Any], tmp_path: Path, tool: str
) -> None:
    export = TOOLS[tool](tmp_path / "export", pictures, many)
    listed = folder.list_images(settings_of(export), tmp_path)
    assert sorted(boxes_by_file(listed).values()) == sorted(EXPECTED.values())
    assert listed.skipped == [] and len(listed.images) == len(PICTURES)
    fetched, skipped = fetch_all(settings_of(export), listed.images, export.path)
    assert len(fetched) == len(PICTURES) and not skipped
    assert listed.annotations is not None
    json.dumps(listed.annotations, allow_nan=False)


@pytest.mark.parametrize("version", LABEL_STUDIO_NAMES)
@pytest.mark.parametrize("originals", [False, True])
def test_names_of_each_version_of_label_studio(
    pictures: Path, many: dict[str, Any], tmp_path: Path, version: str, originals: bool
) -> None:
    export = label_studio(tmp_path / "export", pictures, many, version, originals)
    listed = folder.list_images(settings_of(export), tmp_path)
    found = boxes_by_file(listed)
    assert sorted(found.values()) == sorted(EXPECTED.values()) and listed.skipped == []
    if originals:
        assert found == {file_of(number): boxes for number, boxes in EXPECTED.items()}


def test_pictures_as_they_were_before_roboflow(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(roboflow(tmp_path / "export", pictures, many, originals=True), file_of)
    assert "matched by their names before Roboflow: 000000000001_jpg.rf." in caplog.text


def test_the_archive_that_cvat_offers(pictures: Path, many: dict[str, Any], tmp_path: Path) -> None:
    export = cvat(tmp_path / "export", pictures, many, zipped=True)
    assert export.annotations.suffix == ".zip"
    check(export, lambda number: f"images/default/{file_of(number)}")


def test_how_names_were_matched_is_a_warning(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        label_studio_export = label_studio(tmp_path / "export", pictures, many, "windows")
        folder.list_images(settings_of(label_studio_export), tmp_path)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("6 file names of the annotations were matched as paths: ")
