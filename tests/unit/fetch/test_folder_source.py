"""The user's own folder of pictures, with and without annotations."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from coco_dataset import (
    LICENSES,
    PICTURES,
    as_file,
    changed,
    dataset,
    fetch_all,
    file_of,
    ids,
    in_folder,
)
from visualsearch import fetch
from visualsearch.core.errors import InputError
from visualsearch.data.skipped import Skipped
from visualsearch.fetch import folder
from visualsearch.fetch.left_out import check_listed
from visualsearch.fetch.walk import pictures_in


def test_pictures_are_found_in_all_folders(pictures: Path) -> None:
    deep = pictures / "Ünter ordner" / "人"
    deep.mkdir(parents=True)
    for name in ("B.JPeG", "c.webp", "é.png"):
        Image.new("RGB", (5, 4)).save(deep / name)
    for name in (".hidden.jpg", "notes.txt", "jpg"):
        (deep / name).write_bytes(b"not a picture")
    (pictures / ".cache").mkdir()
    Image.new("RGB", (5, 4)).save(pictures / ".cache" / "thumbnail.png")
    (deep / "loop").symlink_to(pictures, target_is_directory=True)
    files = pictures_in(pictures)
    names = [file_of(i) for i in PICTURES] + [
        f"Ünter ordner/人/{name}" for name in ("B.JPeG", "c.webp", "é.png")
    ]
    assert files == sorted(names)

    settings = in_folder(pictures)
    listed = folder.list_images(settings, pictures)
    assert ids(listed) == sorted(ids(listed)) and len(set(ids(listed))) == 9
    fetched, skipped = fetch_all(settings, listed.images, pictures)
    assert sorted(fetched) == files and not skipped
    assert listed.annotations is None
    assert ids(folder.list_images(in_folder(pictures, max_images=4), pictures)) == ids(listed)[:4]


def test_adding_a_picture_changes_no_other_id(pictures: Path) -> None:
    def by_file() -> dict[str, int]:
        listed = folder.list_images(in_folder(pictures), pictures)
        return {image.file: image.image_id for image in listed.images}

    before = by_file()
    Image.new("RGB", (5, 4)).save(pictures / "0-first.png")
    after = by_file()
    assert after.pop("0-first.png") not in before.values()
    assert after == before
    expected = int(hashlib.sha256(file_of(1).encode()).hexdigest()[:16], 16) % 10**12
    assert before[file_of(1)] == expected


def test_colliding_ids_are_counted_up(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "id_of_name", lambda file: 10**12 - 2)
    listed = folder.list_images(in_folder(pictures), pictures)
    assert ids(listed) == [0, 1, 2, 3, 10**12 - 2, 10**12 - 1]


def test_folder_with_annotations(pictures: Path, instances: dict[str, Any], tmp_path: Path) -> None:
    (pictures / "sub").mkdir()
    (pictures / file_of(2)).rename(pictures / "sub" / "two.jpg")
    by_id = {image["id"]: image for image in instances["images"]}
    by_id[2] |= {"file_name": "./sub/two.jpg"}
    by_id[3]["width"] += 1
    del by_id[5]["width"], by_id[5]["height"]
    by_id[8] |= {"file_name": "../outside.jpg"}
    (pictures / file_of(13)).unlink()
    Image.new("RGB", (5, 4)).save(pictures / "extra.png")
    del instances["info"]
    instances["annotations"][0]["id"] = 0

    settings = in_folder(pictures, as_file(tmp_path / "instances.json", instances))
    assert fetch.has_annotations(settings)
    listed = folder.list_images(settings, tmp_path)
    assert ids(listed) == [1, 2, 3, 5]
    left_out = {entry.file: (entry.image_id, entry.reason) for entry in listed.skipped}
    assert left_out.keys() == {"../outside.jpg", file_of(8), file_of(13), "extra.png"}
    assert left_out[file_of(13)] == (13, "named in the annotations, not in the folder")
    assert left_out["extra.png"] == (None, "in the folder, not in the annotations")
    assert left_out["../outside.jpg"][0] == 8
    # Pictures that are not named stop no run.
    assert {entry.file for entry in listed.skipped if not entry.counts} == {file_of(8), "extra.png"}
    # Only http(s) addresses become links.
    assert listed.images[0].source_url == "http://images.example/never-fetched.jpg"
    assert listed.images[0].license_url == LICENSES[0]["url"]

    kept = listed.annotations
    assert kept is not None and kept["info"] == {}
    assert [image["id"] for image in kept["images"]] == [1, 2, 3, 5]
    numbers = [annotation["id"] for annotation in kept["annotations"]]
    assert len(set(numbers)) == len(numbers) and min(numbers) > 0

    fetched, skipped = fetch_all(settings, listed.images, pictures)
    assert sorted(fetched) == sorted([file_of(1), "sub/two.jpg", file_of(5)])
    assert "25 x 24 in the annotations" in skipped[file_of(3)].reason


def test_annotations_of_pictures_that_the_walk_leaves_out(
    pictures: Path, instances: dict[str, Any], tmp_path: Path
) -> None:
    """The annotations take what is hidden; what the user excludes stays out."""
    by_id = {image["id"]: image for image in instances["images"]}
    for number, place in ((1, ".hidden"), (2, "@eaDir"), (3, "private")):
        (pictures / place).mkdir()
        (pictures / file_of(number)).rename(pictures / place / "picture.jpg")
        by_id[number]["file_name"] = f"{place}/picture.jpg"
    annotations = as_file(tmp_path / "instances.json", instances)
    without = changed(in_folder(pictures, annotations), folder={"exclude": ("private",)})
    listed = folder.list_images(without, tmp_path)
    files = {image.image_id: image.file for image in listed.images}
    assert files[1] == ".hidden/picture.jpg" and files[2] == "@eaDir/picture.jpg"
    assert 3 not in files
    reason = "named in the annotations, left out by dataset.folder.exclude: private"
    assert Skipped(3, "private/picture.jpg", reason, counts=False) in listed.skipped
    everything = folder.list_images(in_folder(pictures, annotations), tmp_path)
    assert ids(everything) == sorted([*files, 3])
    nothing = changed(in_folder(pictures, annotations), folder={"exclude": ("picture.jpg", "*0*")})
    (pictures / "other.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="named in the annotations, left out by dataset"):
        check_listed(folder.list_images(nothing, tmp_path), nothing, "skipped.tsv")


def test_an_excluded_picture_gives_its_annotations_to_no_other(
    pictures: Path, instances: dict[str, Any], tmp_path: Path
) -> None:
    """Its name is matched first, also with what a labelling tool puts in front."""
    [image] = [image for image in instances["images"] if image["id"] == 1]
    for place in ("private", "public"):
        (pictures / place).mkdir()
        shutil.copy(pictures / file_of(1), pictures / place / "picture.jpg")
    (pictures / file_of(1)).unlink()
    image["file_name"] = "images/0a1b2c3d-picture.jpg"
    settings = in_folder(pictures, as_file(tmp_path / "instances.json", instances))
    listed = folder.list_images(settings, tmp_path)
    doubt = "more than one picture could be meant: private/picture.jpg and public/picture.jpg"
    assert Skipped(1, image["file_name"], doubt) in listed.skipped
    image["file_name"] = "images/0a1b2c3d-picture.jpg"
    (pictures / "public/picture.jpg").rename(pictures / "public/other.jpg")
    without = changed(settings, folder={"exclude": ("private",)})
    listed = folder.list_images(without, tmp_path)
    reason = "named in the annotations, left out by dataset.folder.exclude: private"
    assert Skipped(1, image["file_name"], reason, counts=False) in listed.skipped
    assert 1 not in ids(listed)


def test_folders_without_pictures(tmp_path: Path, pictures: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for settings, message in (
        (in_folder(empty), "holds no picture"),
        (in_folder(tmp_path / "absent"), "is not a folder"),
        (in_folder(pictures / file_of(1)), "is not a folder"),
        (dataset("folder"), "is not set"),
        (in_folder(pictures, tmp_path / "absent.json"), r"absent\.json: No such file"),
    ):
        with pytest.raises(InputError, match=message):
            folder.list_images(settings, tmp_path)
