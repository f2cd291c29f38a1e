"""A folder as people have them, with everything in it at once, runs to its report in one go.

Its annotations are of one labelling tool; exports by three others name the same persons.
"""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from exports import TOOLS, Export, label_studio
from messy_folder import EXCLUDE, READ, SILENT, File, fill
from running import Workspace, demo_config
from visualsearch.data.images import read_image
from visualsearch.data.skipped import read_skipped
from visualsearch.fetch import folder as folder_source
from visualsearch.fetch.matching import ABSENT
from visualsearch.settings import DatasetSettings

ANNOTATED = (READ, "cannot be decoded", "the file is empty")
LOST = "album/lost.jpg"


@dataclass(frozen=True)
class Run:
    """A run of the messy folder: what it printed, and the files of the folder."""

    workspace: Workspace
    printed: str
    files: list[File]
    truth: dict[str, Any]

    @property
    def pictures(self) -> Path:
        return self.workspace.folder / "pictures"


def folder_settings(pictures: Path, export: Export) -> dict[str, Any]:
    given = replace(export, path=pictures).settings()
    folder = {**given, "exclude": EXCLUDE}
    return {"source": "folder", "max_skipped_fraction": 0.1, "folder": folder}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("real files")
    pictures = folder / "pictures"
    files = fill(pictures)
    truth = annotations_of(pictures, files)
    lost = {"id": 1000, "file_name": LOST, "width": 9, "height": 9}
    export = label_studio(
        folder / "export", pictures, truth | {"images": [*truth["images"], lost]}, originals=True
    )
    config = demo_config(dataset=folder_settings(pictures, export), shards=1)
    config["search_set"] = {"min_score": 0.5, "min_height": 48}
    Image.new("RGB", (640, 480), "teal").save(folder / "nobody.png")
    own = [pictures / "phone/IMG_0002.HEIC", folder / "nobody.png"]
    config["queries"] = {"images": [str(path) for path in own]}
    workspace = Workspace(folder, config)
    return Run(workspace, workspace.run(), files, truth)


def test_every_picture_that_a_browser_shows_is_read(run: Run) -> None:
    manifest = pq.read_table(run.workspace.results / "dataset/manifest.parquet")
    assert set(manifest["file"].to_pylist()) == {f.name for f in run.files if f.fate == READ}
    size = {row["file"]: (row["width"], row["height"]) for row in manifest.to_pylist()}
    assert size["phone/108 megapixels.jpg"] == (9000, 12000)
    assert size["phone/IMG_0004.JPG"][0] < size["phone/IMG_0004.JPG"][1]


def test_what_is_left_out_is_listed_with_its_reason(run: Run) -> None:
    listed = read_skipped(run.workspace.results / "dataset/skipped.tsv")
    assert [entry.reason for entry in listed if "lost.jpg" in entry.file] == [ABSENT]
    for file in run.files:
        rows = [entry for entry in listed if stands_for(entry.file, file.name)]
        if file.fate in (READ, SILENT):
            assert not rows, file.name
        else:
            assert [file.fate in f"{row.file}: {row.reason}" for row in rows] == [True], file.name


def stands_for(row: str, file: str) -> bool:
    """Whether a row is about a file: by its name, by a folder that holds it, or by a pattern."""
    return (
        row == file
        or file.startswith(f"{row.removesuffix('/')}/")
        or fnmatchcase(file.lower(), row.lower())
    )


@pytest.fixture(scope="module")
def heights(run: Run) -> dict[str, list[float]]:
    """Of the persons in the search set, by the file of their picture."""
    manifest = pq.read_table(run.workspace.results / "dataset/manifest.parquet").to_pylist()
    file = {row["image_id"]: row["file"] for row in manifest}
    found: dict[str, list[float]] = {}
    for person in pq.read_table(run.workspace.results / "index/persons.parquet").to_pylist():
        found.setdefault(file[person["image_id"]], []).append(person["h"])
    return found


def test_pictures_of_a_phone_and_in_odd_forms_have_their_persons_in_the_search(
    heights: dict[str, list[float]],
) -> None:
    phone = ("IMG_0001.HEIC", "IMG_0004.JPG", "IMG_0005.mpo", "IMG_0007", "108 megapixels.jpg")
    odd = ("printed.jpg", "grey.jpg", "deep.png", "unter ordner/Ñandú 人.JPEG")
    assert {f"phone/{file}" for file in phone} | {f"odd/{file}" for file in odd} <= heights.keys()
    assert "odd/20000x10.png" not in heights


def test_a_turned_picture_is_seen_upright(heights: dict[str, list[float]]) -> None:
    """Its person is as tall as in the same picture that was not turned."""
    turned, upright = heights["phone/IMG_0004.JPG"], heights["album/P004_studio_posture.jpg"]
    assert turned == pytest.approx(upright, rel=0.1)


def test_the_closing_lines_tell_what_was_left_out_and_why(run: Run) -> None:
    end = run.printed[run.printed.rindex("\nFound ") :]
    expected = ("3 pictures", "cannot be decoded (1)", ABSENT, "@eaDir (2)", ".cr3 (1)", "video")
    for text in (*expected, "nobody.png", "skipped.tsv", "AP ", "index.html"):
        assert text in end, end
    # By name, and with what the detector saw in it, while the run went on.
    assert "nobody.png: no person of score 0.5" in run.printed


@pytest.mark.parametrize("tool", TOOLS)
def test_exports_of_four_tools_name_the_same_persons(run: Run, tool: str, tmp_path: Path) -> None:
    """Their ids differ, so they are compared by file."""
    # The tool was given the pictures as they are, which it lists and, if it renames them, copies.
    originals = {"originals": True} if tool in ("Label Studio", "Roboflow") else {}
    export = TOOLS[tool](tmp_path / "export", run.pictures, run.truth, **originals)
    settings = DatasetSettings.of(folder_settings(run.pictures, export))
    listed = folder_source.list_images(settings, tmp_path)
    names = {file.name for file in run.files if file.fate in ANNOTATED}
    assert {image.file for image in listed.images} == names
    assert listed.annotations is not None
    assert boxes_by_file(listed.annotations) == boxes_by_file(run.truth)


def annotations_of(pictures: Path, files: list[File]) -> dict[str, Any]:
    """Two boxes for each picture that a labelling tool would list, as instances."""
    images: list[dict[str, Any]] = []
    for file in (file for file in files if file.fate in ANNOTATED):
        width, height = read_image(pictures / file.name).size if file.fate == READ else (9, 9)
        images.append({"file_name": file.name, "width": width, "height": height})
    for number, image in enumerate(images, start=1):
        image["id"] = number
    boxes = [
        {"id": 2 * image["id"] + n, "image_id": image["id"], "category_id": 1, "iscrowd": 0}
        | {"bbox": [0, n / 4, image["width"] / 2, image["height"] / 4]}
        for image in images
        for n in (0, 1)
    ]
    return {
        "images": images,
        "annotations": boxes,
        "categories": [{"id": 1, "name": "person"}],
    }


def boxes_by_file(instances: dict[str, Any]) -> dict[str, list[list[float]]]:
    files = {image["id"]: image["file_name"] for image in instances["images"]}
    found: dict[str, list[list[float]]] = {}
    for entry in instances["annotations"]:
        found.setdefault(files[entry["image_id"]], []).append(entry["bbox"])
    return {file: sorted(boxes) for file, boxes in found.items()}
