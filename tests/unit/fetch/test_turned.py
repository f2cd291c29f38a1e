"""Annotations made on pictures as the camera stored them, lying on their side."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coco_dataset import as_file, changed, fetch_all, ids, in_folder
from visualsearch.data.images import read_image
from visualsearch.data.manifest import ImageList
from visualsearch.data.upright import EXIF_ORIENTATION
from visualsearch.fetch import folder
from visualsearch.fetch.turned import stored_size

WIDTH, HEIGHT = 60, 40
# A white box on black in the stored picture: x, y, w, h.
MARK = [38, 5, 20, 9]
ORIENTATIONS = range(1, 9)


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    """Pictures 1 to 8 of 60 x 40 stored pixels, each with the EXIF orientation of its number."""
    place = tmp_path / "pictures"
    place.mkdir()
    x, y, w, h = MARK
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[y : y + h, x : x + w] = 255
    for number in ORIENTATIONS:
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = number
        Image.fromarray(pixels).save(place / f"{number}.png", exif=exif)
    return place


def document(boxes: dict[int, list[list[float]]], sizes: dict[int, tuple[int, int]]) -> Any:
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "width": sizes[n][0], "height": sizes[n][1]}
            for n in boxes
        ],
        "annotations": [
            {"id": 10 * n + i, "image_id": n, "category_id": 1, "bbox": box}
            for n, several in boxes.items()
            for i, box in enumerate(several, start=1)
        ],
        "categories": [{"id": 1, "name": "person"}],
    }


def boxes_of(listed: ImageList) -> dict[int, list[list[float]]]:
    assert listed.annotations is not None
    found: dict[int, list[list[float]]] = {}
    for entry in listed.annotations["annotations"]:
        found.setdefault(entry["image_id"], []).append(entry["bbox"])
    return found


def white_box(path: Path) -> list[float]:
    """The white box in the upright picture: x, y, w, h."""
    rows, columns = np.nonzero(np.asarray(read_image(path).image)[:, :, 0])
    x, y = columns.min(), rows.min()
    return [int(x), int(y), int(columns.max() - x + 1), int(rows.max() - y + 1)]


def test_boxes_of_stored_pictures_are_turned_with_them(
    turned: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = document(
        {n: [MARK] for n in ORIENTATIONS}, dict.fromkeys(ORIENTATIONS, (WIDTH, HEIGHT))
    )
    settings = in_folder(turned, as_file(tmp_path / "a.json", stored))
    listed = folder.list_images(settings, tmp_path)
    upright = {n: [white_box(turned / f"{n}.png")] for n in ORIENTATIONS}
    assert boxes_of(listed) == upright and upright[6] != upright[8] != [MARK]
    fetched, skipped = fetch_all(settings, listed.images, turned)
    assert len(fetched) == 8 and not skipped
    assert "4 of the annotated pictures have the size from before they were turned" in caplog.text
    assert "were turned with them" in caplog.text


def test_boxes_of_upright_pictures_are_kept(
    turned: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upright = {n: [white_box(turned / f"{n}.png")] for n in ORIENTATIONS}
    sizes = {n: read_image(turned / f"{n}.png").size for n in ORIENTATIONS}
    settings = in_folder(turned, as_file(tmp_path / "a.json", document(upright, sizes)))
    assert boxes_of(folder.list_images(settings, tmp_path)) == upright
    assert "EXIF" not in caplog.text
    # The sizes are those of the stored pictures, but the boxes fit the upright ones only.
    upright[5] += [[5, 45, 9, 14]]
    path = as_file(
        tmp_path / "b.json", document(upright, dict.fromkeys(ORIENTATIONS, (WIDTH, HEIGHT)))
    )
    settings = in_folder(turned, path)
    listed = folder.list_images(settings, tmp_path)
    assert boxes_of(listed) == upright
    assert "fit the upright pictures and were kept" in caplog.text
    fetched, skipped = fetch_all(settings, listed.images, turned)
    assert len(fetched) == 8 and not skipped


def test_boxes_of_label_studio_are_upright_whatever_sizes_it_gives(
    turned: Path, tmp_path: Path
) -> None:
    # It fits the stored picture and the upright one.
    given = document({6: [[3, 4, 9, 8]]}, {6: (WIDTH, HEIGHT)})
    other = folder.list_images(in_folder(turned, as_file(tmp_path / "a.json", given)), tmp_path)
    assert boxes_of(other) == {6: [[HEIGHT - 4 - 8, 3, 8, 9]]}
    given["info"] = {"contributor": "Label Studio"}
    listed = folder.list_images(in_folder(turned, as_file(tmp_path / "b.json", given)), tmp_path)
    assert boxes_of(listed) == {6: [[3, 4, 9, 8]]}
    assert [(image.width, image.height) for image in listed.images] == [(HEIGHT, WIDTH)]


def test_keypoints_are_turned_too(turned: Path, tmp_path: Path) -> None:
    stored = document({6: [MARK]}, {6: (WIDTH, HEIGHT)})
    path = as_file(tmp_path / "a.json", stored)
    corner = [MARK[0], MARK[1], 2]
    stored["annotations"][0]["keypoints"] = corner + 16 * [0, 0, 0]
    points = as_file(tmp_path / "k.json", stored)
    settings = changed(in_folder(turned, path), folder={"keypoints": str(points)})
    listed = folder.list_images(settings, tmp_path)
    assert listed.annotations is not None
    (entry,) = listed.annotations["annotations"]
    # The upper left corner of the stored picture's box is the upper right of the upright one.
    x, y, w, _ = white_box(turned / "6.png")
    assert entry["keypoints"] == [x + w, y, 2] + 16 * [0, 0, 0]


def test_a_picture_turned_without_exif_has_its_own_reason(turned: Path, tmp_path: Path) -> None:
    path = as_file(tmp_path / "a.json", document({1: [MARK]}, {1: (HEIGHT, WIDTH)}))
    settings = in_folder(turned, path)
    listed = folder.list_images(settings, tmp_path)
    _, skipped = fetch_all(settings, listed.images, turned)
    assert skipped["1.png"].reason.startswith("it was turned after it was annotated; give the")


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((600, 400), "it was resized after it was annotated"),
        ((31, 20), "it was resized after it was annotated"),
        ((50, 40), "it is another picture than the one annotated, or was cut"),
    ],
)
def test_a_picture_of_another_size_has_its_own_reason(
    turned: Path, tmp_path: Path, size: tuple[int, int], reason: str
) -> None:
    settings = in_folder(turned, as_file(tmp_path / "a.json", document({1: [MARK]}, {1: size})))
    listed = folder.list_images(settings, tmp_path)
    assert ids(listed) == [1]
    _, skipped = fetch_all(settings, listed.images, turned)
    start, _, sizes = skipped["1.png"].reason.partition("; give the picture that was annotated:")
    assert start == reason and sizes.startswith(" 60 x 40 pixels upright")


def test_a_broken_head_is_left_to_the_check(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe1")
    assert stored_size(tmp_path / "a.jpg") == (0, 0, 0)
    assert stored_size(tmp_path / "none.jpg") == (0, 0, 0)
