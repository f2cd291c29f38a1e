"""Which picture each file name of the annotations means, and what is said about it."""

import os
import time
import unicodedata
from pathlib import Path

import pytest

from visualsearch.fetch.matching import ABSENT, Matches, match_names

DOUBLE = "more than one name could mean the same picture:"
ROOT = Path("/data/shop")


def matched(names: list[str], files: list[str], **originals: str) -> Matches:
    return match_names(names, files, ROOT, originals)


@pytest.mark.parametrize(
    ("name", "file", "how"),
    [
        ("a.jpg", "a.jpg", None),
        ("sub/a b.jpg", "sub/a b.jpg", None),
        ("sub\\a.jpg", "sub/a.jpg", "as paths:"),
        ("images/a.jpg", "a.jpg", "without their folder 'images/':"),
        ("images\\a.jpg", "a.jpg", "as paths, without their folder 'images/':"),
        ("upload/3/a.jpg", "a.jpg", "without their folder 'upload/3/':"),
        ("/data/shop/sub/a.jpg", "sub/a.jpg", "as paths:"),
        ("/home/me/pics/sub/a.jpg", "sub/a.jpg", "without their folder 'home/me/pics/':"),
        ("C:\\Users\\me\\pics\\a.jpg", "a.jpg", "as paths, without their folder 'Users/me/pics/':"),
        ("../../media/upload/7/a.jpg", "a.jpg", "without their folder '../../media/upload/7/':"),
        ("..\\label\\a.jpg", "a.jpg", "as paths, without their folder 'label/':"),
        ("a.jpg", "images/default/a.jpg", "in the folder 'images/default/':"),
        ("upload/7/a.jpg", "images/a.jpg", "by the end of their path, in another folder:"),
        ("my%20pic.jpg", "my pic.jpg", "as decoded addresses:"),
        ("my%20pic.jpg", "my%20pic.jpg", None),
        ("https://host/x/a.jpg?X=1&y=2", "x/a.jpg", "as paths:"),
        ("https://host/x/a%20b.jpg", "a b.jpg", "as decoded addresses, without their folder 'x/':"),
        ("s3://bucket/set/a.jpg", "a.jpg", "without their folder 's3:/bucket/set/':"),
        ("s3://bucket/set/a.jpg?v=1", "a.jpg", "as paths, without their folder 'set/':"),
        ("file:///data/shop/a.jpg", "a.jpg", "as paths:"),
        ("/data/local-files/?d=set/a.jpg", "set/a.jpg", "as paths:"),
        ("/data/local-files/?d=set/a.jpg&x=1", "set/a.jpg", "as paths:"),
        ("IMG_1.JPG", "img_1.jpg", "without regard to case"),
        ("é.jpg", unicodedata.normalize("NFD", "é.jpg"), "without regard to case"),
        ("images/7/0a1b2c3d-a.jpg", "a.jpg", "without the hash that Label Studio puts in front"),
        ("0a1b2c3d-my_pic_1.jpg", "my pic (1).jpg".replace("(", "").replace(")", ""), "hash"),
        ("a_jpg.rf.0123456789abcdef.jpg", "a_jpg.rf.0123456789abcdef.jpg", None),
        ("a_jpg.rf.0123456789abcdef.jpg", "old/a.jpg", "by their names before Roboflow"),
        ("IMG-1_JPG.rf.0123456789abcdef.jpg", "IMG-1.JPG", "by their names before Roboflow"),
        ("a", "a.jpg", "without a suffix:"),
        ("sub/frame.001", "sub/frame.001.png", "without a suffix:"),
    ],
)
def test_a_name_gets_the_one_picture_that_it_can_mean(
    name: str, file: str, how: str | None
) -> None:
    found = matched([name, "other.jpg"], [file, "other.jpg", "more/else.jpg"])
    assert found.files == {name: file, "other.jpg": "other.jpg"}
    assert found.reasons == {}
    if how is None:
        assert found.ways == []
    else:
        (line,) = found.ways
        assert how in line and line.endswith(f": {name} is {file}")
        assert line.startswith("1 file name of the annotations was matched ")


def test_the_name_before_roboflow_may_be_told() -> None:
    name = "IMG_1_jpeg_jpg.rf.0123456789abcdef.jpg"
    assert matched([name], ["IMG_1.jpeg"], **{name: "IMG_1.jpeg"}).files == {name: "IMG_1.jpeg"}


@pytest.mark.parametrize(
    ("names", "files", "reasons"),
    [
        (["a.jpg"], ["b.jpg"], [ABSENT]),
        (
            ["a.jpg"],
            ["x/a.jpg", "y/a.jpg"],
            ["more than one picture could be meant: x/a.jpg and y/a.jpg"],
        ),
        (
            ["z/a.jpg"],
            ["w/a.jpg", "x/a.jpg", "y/a.jpg"],
            ["more than one picture could be meant: w/a.jpg, x/a.jpg and 1 more"],
        ),
        (
            ["1/a.jpg", "2/a.jpg"],
            ["a.jpg"],
            2 * ["more than one name could mean the same picture: 1/a.jpg and 2/a.jpg"],
        ),
        (["A.JPG"], ["a.jpg", "A.jpg"], ["more than one picture could be meant: A.jpg and a.jpg"]),
        # Three exports of one picture are three pictures.
        (
            ["a_jpg.rf.0.jpg", "a_jpg.rf.1.jpg", "a_jpg.rf.2.jpg"],
            ["a.jpg"],
            3 * [f"{DOUBLE} a_jpg.rf.0.jpg, a_jpg.rf.1.jpg and 1 more"],
        ),
        (["a.jpg"], ["a.png"], [ABSENT]),
        ([""], ["a.jpg"], [ABSENT]),
        (["../.."], ["a.jpg"], [ABSENT]),
    ],
)
def test_what_is_left_has_its_reason(
    names: list[str], files: list[str], reasons: list[str]
) -> None:
    found = matched(names, files)
    assert found.files == {} and found.ways == []
    assert [found.reasons[name] for name in names] == reasons


def test_an_exact_name_is_never_taken_by_a_loose_one() -> None:
    # The first could mean either; the second says which it is.
    found = matched(["images/a.jpg", "sub/a.jpg"], ["a.jpg", "sub/a.jpg"])
    assert found.files == {"images/a.jpg": "a.jpg", "sub/a.jpg": "sub/a.jpg"}
    found = matched(["A.jpg", "a.jpg"], ["a.jpg"])
    assert found.files == {"a.jpg": "a.jpg"} and found.reasons == {"A.jpg": ABSENT}
    found = matched(["0a1b2c3d-a.jpg", "a.jpg"], ["a.jpg", "x/0a1b2c3d-a.jpg"])
    assert found.files == {"0a1b2c3d-a.jpg": "x/0a1b2c3d-a.jpg", "a.jpg": "a.jpg"}
    # The picture of a name in another folder must be the only one called so.
    found = matched(["1/a.jpg", "2/a.jpg"], ["2/a.jpg", "3/a.jpg"])
    assert found.files == {"2/a.jpg": "2/a.jpg"}


def test_folders_tell_pictures_of_one_name_apart() -> None:
    names = [f"/srv/set/{part}/{n}.jpg" for part in ("train", "val") for n in range(3)]
    files = [name.removeprefix("/srv/set/") for name in names]
    found = matched(names, files)
    assert found.files == dict(zip(names, files, strict=True))
    (line,) = found.ways
    assert line.startswith("6 file names of the annotations were matched without their folder 'srv")
    found = matched(files, [f"{file.split('/')[0]}/images/{file.split('/')[1]}" for file in files])
    assert (
        found.files == {} and "more than one picture could be meant" in found.reasons["val/2.jpg"]
    )


def test_folders_of_several_names_are_not_quoted() -> None:
    found = matched(
        ["x/a.jpg", "y/b.jpg", "c.jpg", "d.jpg"], ["a.jpg", "b.jpg", "1/c.jpg", "2/d.jpg"]
    )
    assert [line.split(" matched ")[1] for line in found.ways] == [
        "without their folders: x/a.jpg is a.jpg",
        "in subfolders: c.jpg is 1/c.jpg",
    ]


def test_order_changes_nothing() -> None:
    names = ["images/a.jpg", "sub/a.jpg", "B.JPG", "0a1b2c3d-c.jpg", "1/d.jpg", "2/d.jpg"]
    files = ["a.jpg", "sub/a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    forward, backward = matched(names, files), matched(names[::-1], files[::-1])
    assert forward.files == backward.files and forward.reasons == backward.reasons
    assert len(forward.files) == 4


def test_a_hundred_thousand_names_take_seconds() -> None:
    files = [f"part{n % 97}/img_{n}.jpg" for n in range(100_000)]
    names = [f"C:\\set\\PART{n % 97}\\IMG_{n}.jpg" for n in range(100_000)]
    start = time.process_time()
    found = matched(names, files)
    # Files of one name in as many folders, none of which can be told apart.
    assert matched([f"{n}/a.jpg" for n in range(20_000)], ["x/a.jpg", "y/a.jpg"]).files == {}
    # Processor time, and far above what was measured.
    assert time.process_time() - start < 30
    assert len(found.files) == 100_000 and len(found.ways) == 1


def test_names_made_to_take_long_take_no_time() -> None:
    names = [
        "../" * 300_000 + "a.jpg",
        "x/" * 300_000 + "b.jpg",
        "_jpg.rf." * 100_000,
        "%2e" * 10**5,
    ]
    start = time.process_time()
    found = matched(names, ["a.jpg", "b.jpg", "c/c.jpg"])
    assert list(found.files.values()) == ["a.jpg", "b.jpg"]
    assert time.process_time() - start < 20


def test_a_relative_root_is_known_in_absolute_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [f"{tmp_path}/pics/a.jpg", f"{tmp_path}/pics/sub/a.jpg"]
    found = match_names(names, ["a.jpg", "sub/a.jpg"], "pics")
    assert found.files == dict(zip(names, ["a.jpg", "sub/a.jpg"], strict=True))
    assert os.path.isabs(names[0])
