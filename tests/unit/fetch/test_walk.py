"""The walk through a person's folder: what is a picture, and what is left out and why."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from coco_dataset import changed, in_folder
from visualsearch import fetch
from visualsearch.core.errors import InputError
from visualsearch.data.skipped import Skipped, left_out_lines
from visualsearch.fetch import folder
from visualsearch.fetch.walk import (
    RAW_OF_A_PAIR,
    UNREAD,
    contents_of,
    fingerprint_of,
    pictures_in,
)


def encoded(kind: str) -> bytes:
    data = BytesIO()
    Image.new("RGB", (5, 4)).save(data, kind)
    return data.getvalue()


JPEG = encoded("JPEG")


def fill(root: Path, *names: str, content: bytes = JPEG) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def left_out(root: Path, *exclude: str) -> dict[str, tuple[str, int]]:
    return {row.file: (row.reason, row.files) for row in contents_of(root, exclude).left_out}


def test_pictures_are_known_by_their_content_if_not_by_their_name(tmp_path: Path) -> None:
    by_content = ["a.jpg_large", "b.jpg:large", "c.jpg?x=1", "d.jpg@w_200", "e", "f.jpg!d", "g.1"]
    fill(tmp_path, *by_content)
    kinds = {"PNG": "h", "GIF": "i", "BMP": "j", "TIFF": "k", "WEBP": "l", "JPEG2000": "m"}
    for kind, name in {**kinds, "AVIF": "n"}.items():
        fill(tmp_path, name, content=encoded(kind))
    by_name = ["o.jfif", "p.pjpeg", "q.PJP", "r.mpo", "s.HEIC", "t.hif"]
    fill(tmp_path, *by_name)
    fill(tmp_path, "BMW", content=b"BMW and other makers of cars, in a text without a suffix")
    fill(tmp_path, "README", "u.unknown", content=b"a text")
    fill(tmp_path, "empty", content=b"")
    # Surely no pictures, whatever they hold: of these a folder may have one beside each picture.
    fill(tmp_path, "a.txt", "a.json", "a.jpg.part", "a.zip")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to("gone")
    assert pictures_in(tmp_path) == sorted([*by_content, *kinds.values(), "n", *by_name])
    assert left_out(tmp_path) == {}


def test_what_other_programs_keep_is_counted_by_folder(tmp_path: Path) -> None:
    fill(tmp_path, "2019/IMG_1.jpg", "thumbnails/own.jpg", "trash/own.jpg", "@tmp.jpg")
    fill(tmp_path, *(f"2019/@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_{size}.jpg" for size in ("S", "XL")))
    fill(
        tmp_path, "#recycle/deleted.jpg", "$Recycle.Bin/S-1/$RX.jpg", "lost+found/1", "a/@Recycle/b"
    )
    fill(tmp_path, "Mine.photoslibrary/originals/1.jpg", "Mine.photoslibrary/resources/x/1.jpg")
    fill(tmp_path, "resources/own.jpg", "__MACOSX/2019/._IMG_1.jpg")
    fill(tmp_path, "2019/IMG_1.jpg_original", "2019/IMG_2.CR2_original", "2019/MVI_1.THM")
    fill(
        tmp_path,
        ".thumbnails/1.png",
        ".Trash-1000/files/2.jpg",
        ".git/config",
        "2019/.@__thumb/IMG_1.jpg",
    )
    fill(tmp_path, "2019/._IMG_1.jpg", "2019/._IMG_2.jpg", "2019/.x.jpg", ".DS_Store")
    contents = contents_of(tmp_path)
    own = ["2019/IMG_1.jpg", "@tmp.jpg", "Mine.photoslibrary/originals/1.jpg"]
    assert contents.pictures == [*own, "resources/own.jpg", "thumbnails/own.jpg", "trash/own.jpg"]
    assert left_out(tmp_path) == {
        "2019/@eaDir/": ("kept by another program: @eaDir", 2),
        "#recycle/": ("kept by another program: #recycle", 1),
        "$Recycle.Bin/": ("kept by another program: $RECYCLE.BIN", 1),
        "__MACOSX/": ("kept by another program: __MACOSX", 1),
        "Mine.photoslibrary/resources/": ("kept by another program: *.photoslibrary/resources", 1),
        "2019/*.jpg_original": ("kept by another program: *.jpg_original", 1),
        "2019/*.cr2_original": ("kept by another program: *.cr2_original", 1),
        "2019/*.thm": ("kept by another program: *.thm", 1),
        ".thumbnails/": ("hidden: .thumbnails", 1),
        ".Trash-1000/": ("hidden: .Trash-1000", 1),
        "2019/.@__thumb/": ("hidden: .@__thumb", 1),
        "2019/._*": ("hidden: ._*", 2),
        "2019/.*": ("hidden: .*", 1),
    }


def test_pictures_that_are_not_read_are_listed_with_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path, "IMG_1.CR3", "IMG_1.JPG", "IMG_2.CR3", "IMG_3.dng", "IMG_3.HEIC", "IMG_4.jxl")
    fill(tmp_path, "a/logo.svg", "a/layers.psd", "a/IMG_1.MOV", "a/IMG_2.mov", "b/IMG_1.mp4")
    raw, unread = RAW_OF_A_PAIR, UNREAD
    assert left_out(tmp_path) == {
        "IMG_1.CR3": (f"{raw}: .cr3", 1),
        "IMG_2.CR3": (f"{unread}: .cr3", 1),
        "IMG_3.dng": (f"{raw}: .dng", 1),
        "IMG_4.jxl": (f"{unread}: .jxl", 1),
        "a/logo.svg": (f"{unread}: .svg", 1),
        "a/layers.psd": (f"{unread}: .psd", 1),
        "a/*.mov": ("video, not read: .mov", 2),
        "b/*.mp4": ("video, not read: .mp4", 1),
    }
    listed = folder.list_images(in_folder(tmp_path), tmp_path)
    assert not [entry for entry in listed.skipped if entry.counts]
    assert left_out_lines(listed.skipped) == [
        "not counted as pictures of the set: not read, convert it to JPEG (4): .cr3 (1), .jxl (1),"
        " .psd (1), .svg (1); video, not read (3): .mov (2), .mp4 (1);"
        " camera raw beside a picture that is read (2): .cr3 (1), .dng (1)"
    ]


def test_a_folder_without_a_picture_says_what_it_holds(tmp_path: Path) -> None:
    fill(tmp_path, "IMG_1.CR3", "IMG_2.CR3", "@eaDir/x.jpg")
    with pytest.raises(InputError) as raised:
        folder.list_images(in_folder(tmp_path), tmp_path)
    assert str(raised.value) == (
        f"dataset.folder.path: {tmp_path} holds no picture that can be read (jpg, png, ...);"
        " left out: not read, convert it to JPEG (2): .cr3; kept by another program (1): @eaDir"
    )


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        ("private", {"private/1.jpg", "2019/private/2.jpg"}),
        ("Private/", {"private/1.jpg", "2019/private/2.jpg"}),
        ("./private/1.jpg", {"private/1.jpg"}),
        ("2019/private", {"2019/private/2.jpg"}),
        ("*.PNG", {"3.png", "2019/[x] é/4.png"}),
        ("2019/*", {"2019/private/2.jpg", "2019/[x] é/4.png"}),
        ("2019/*/?.jpg", {"2019/private/2.jpg"}),
        ("**/private/*", {"private/1.jpg", "2019/private/2.jpg"}),
        ("2019/**", {"2019/private/2.jpg", "2019/[x] é/4.png"}),
        ("**/2019/**/?.png", {"2019/[x] é/4.png"}),
        # Brackets and the like stand for themselves; an accent is the same however it is stored.
        ("[x] e\N{COMBINING ACUTE ACCENT}", {"2019/[x] é/4.png"}),
        ("(.*)", set()),
    ],
)
def test_patterns_leave_out_files_and_folders(
    pattern: str, gone: set[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"private/1.jpg", "2019/private/2.jpg", "3.png", "2019/[x] é/4.png", "5.jpg"}
    fill(tmp_path, *names)
    settings = changed(in_folder(tmp_path), folder={"exclude": (pattern,)})
    listed = folder.list_images(settings, tmp_path)
    assert {image.file for image in listed.images} == names - gone
    assert fetch.count(settings) == len(names - gone)
    reason = f"left out by dataset.folder.exclude: {pattern}"
    assert listed.skipped == [Skipped(None, pattern, reason, False, len(gone))]
    warned = [f"dataset.folder.exclude: '{pattern}' leaves out no picture"] * (not gone)
    assert [record.getMessage() for record in caplog.records] == warned


def test_many_stars_take_no_time(tmp_path: Path) -> None:
    fill(tmp_path, "a" * 200)
    assert pictures_in(tmp_path, ("*a" * 30 + "*b", "**/" * 3 + "*a" * 30 + "*b")) == ["a" * 200]


def test_only_pictures_of_the_set_change_the_fingerprint(tmp_path: Path) -> None:
    """It decides at every start whether the pictures are listed again."""
    fill(tmp_path, "2019/IMG_1.jpg", "private/2.jpg")
    settings = changed(in_folder(tmp_path), folder={"exclude": ("private",)})
    before = fetch.fingerprint(settings)
    fill(tmp_path, "2019/@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_XL.jpg", "#recycle/3.jpg", ".x/4.jpg")
    fill(tmp_path, "private/5.jpg", "2019/IMG_1.mov", "2019/IMG_1.txt", "2019/._IMG_1.jpg")
    assert fetch.fingerprint(settings) == before
    assert fingerprint_of([tmp_path]) != before
    fill(tmp_path, "2019/without_suffix")
    assert fetch.fingerprint(settings) != before


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """As a user who may not open what belongs to root, if this is root."""
    if os.geteuid() != 0:
        yield
        return
    try:
        os.seteuid(65534)
    except OSError:
        pytest.skip("NOT TESTED: this system lets root be nobody else")
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_opened_stops_nobody() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        fill(root, "a.jpg", "closed/b.jpg", "closed/in/c.jpg")
        (root / "closed").chmod(0o700 if os.geteuid() == 0 else 0)
        with as_somebody_else():
            before = fetch.fingerprint(in_folder(root))
            listed = folder.list_images(in_folder(root), root)
        (root / "closed").chmod(0o755)
        assert [image.file for image in listed.images] == ["a.jpg"]
        reason = "folder that cannot be opened: Permission denied"
        assert listed.skipped == [Skipped(None, "closed/", reason, counts=False)]
        # Once it can be opened, the pictures are listed again.
        assert len(pictures_in(root)) == 3 and fetch.fingerprint(in_folder(root)) != before
        root.chmod(0o700 if os.geteuid() == 0 else 0)
        with (
            as_somebody_else(),
            pytest.raises(InputError, match=r"Permission denied; name a folder of pictures"),
        ):
            pictures_in(root)
        root.chmod(0o700)


def test_a_folder_deeper_than_the_system_can_name_stops_nobody(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg")
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=place)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(place)
    contents = contents_of(tmp_path)
    [(file, reason, files)] = contents.left_out
    # pytest removes old folders by their names, and could not remove this one.
    shutil.rmtree(tmp_path / ("d" * 250))
    assert contents.pictures == ["a.jpg"] and file.startswith("ddd") and files == 1
    assert reason == "folder that cannot be opened: File name too long"
