"""Which category of the annotations is meant, and what it is called."""

from pathlib import Path
from typing import Any

import pytest

from coco_dataset import EXPECTED, as_file, boxes_by_file, changed, file_of, in_folder
from helpers import one_line
from visualsearch.core.errors import InputError
from visualsearch.fetch import folder


def with_categories(
    document: dict[str, Any], names: dict[int, str], ids: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Instances with other categories; the persons get `ids` in turn, if these are given."""
    document["categories"] = [{"id": number, "name": name} for number, name in names.items()]
    persons = [entry for entry in document["annotations"] if entry["category_id"] == 1]
    for number, entry in enumerate(persons if ids else ()):
        entry["category_id"] = ids[number % len(ids)]
    return document


@pytest.mark.parametrize(
    ("names", "ids", "called"),
    [
        ({1: "person", 18: "dog"}, (), None),
        ({1: "Person", 18: "dog"}, (), None),
        ({1: " person ", 18: "dog"}, (), None),
        ({1: "pedestrian", 18: "dog"}, (), "pedestrian"),
        ({1: "Pedestrian", 18: "dog"}, (), "pedestrian"),
        # Roboflow's root, and the same in another case.
        ({0: "person", 1: "person", 18: "dog"}, (), None),
        ({0: "person", 1: "Person", 18: "dog"}, (), None),
        # Two that are used are one.
        ({1: "person", 2: "person", 18: "dog"}, (1, 2), None),
        # What is called so in the file is another, which keeps another name.
        ({1: "walker", 2: "person", 18: "dog"}, (), "walker"),
    ],
)
def test_the_category_is_found_and_called_by_its_name(
    pictures: Path,
    many: dict[str, Any],
    tmp_path: Path,
    names: dict[int, str],
    ids: tuple[int, ...],
    called: str | None,
) -> None:
    path = as_file(tmp_path / "a.json", with_categories(many, names, ids))
    listed = folder.list_images(in_folder(pictures, path, folder={"category": called}), tmp_path)
    assert boxes_by_file(listed) == {file_of(number): boxes for number, boxes in EXPECTED.items()}
    assert listed.annotations is not None
    written = [entry["name"] for entry in listed.annotations["categories"]]
    assert len(set(written)) == len(written) and "dog" in written


@pytest.mark.parametrize(
    ("names", "called", "line"),
    [
        ({1: "people", 18: "dog"}, None, r"set it to the one that means person, perhaps 'people'"),
        ({1: "Pedestrians", 18: "dog"}, None, r"perhaps 'Pedestrians'\. It has \(boxes\): Ped"),
        ({1: "walker", 18: "dog"}, None, r"person\. It has \(boxes\): walker \(4\), dog \(2\)"),
        ({1: "person", 18: "dog"}, "cat", r"has no category 'cat'"),
        ({1: "Person", 18: "PERSON"}, None, r"has 'PERSON', 'Person', which could all mean"),
    ],
)
def test_a_category_that_does_not_fit_is_one_line(
    pictures: Path,
    many: dict[str, Any],
    tmp_path: Path,
    names: dict[int, str],
    called: str | None,
    line: str,
) -> None:
    path = as_file(tmp_path / "a.json", with_categories(many, names))
    settings = in_folder(pictures, path, folder={"category": called})
    with pytest.raises(InputError, match=line) as caught:
        folder.list_images(settings, tmp_path)
    assert one_line(caught).startswith("dataset.folder.category: ")
    assert str(path) in str(caught.value)


def test_a_category_without_boxes_is_told(
    pictures: Path, many: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Roboflow's root is called so, and the boxes are of another.
    path = as_file(tmp_path / "a.json", with_categories(many, {0: "person", 1: "rider", 18: "dog"}))
    listed = folder.list_images(in_folder(pictures, path), tmp_path)
    assert set(map(len, boxes_by_file(listed).values())) == {0}
    assert "no box is of the category 'person'; if another means person, set" in caplog.text
    assert "It has (boxes): rider (4), dog (2), person (0)" in caplog.text


def test_keypoints_come_with_what_is_joined(
    pictures: Path, many: dict[str, Any], tmp_path: Path
) -> None:
    document = with_categories(many, {1: "Person", 2: "Person", 18: "dog"}, (1, 2))
    document["images"] += [document["images"][-1] | {"id": 101}]
    (first,) = (e for e in document["annotations"] if e["image_id"] == 1 and e["category_id"] < 18)
    document["annotations"] += [first | {"id": 11, "image_id": 101}]
    points = [5, 6, 2] * 17
    poses = [{**entry, "keypoints": points} for entry in document["annotations"]]
    given = as_file(tmp_path / "k.json", {"annotations": poses[1:]})
    path = as_file(tmp_path / "a.json", document)
    listed = folder.list_images(
        changed(in_folder(pictures, path), folder={"keypoints": str(given)}), tmp_path
    )
    assert listed.annotations is not None
    found = [e["image_id"] for e in listed.annotations["annotations"] if "keypoints" in e]
    # Of the first, only the entry under the other id has them.
    assert sorted(found) == [1, 2, 3, 13]
