"""A folder as people have them: of a phone, of a network drive, of a labelling tool, and worse.

Its pictures are openpeople's, of nobody, so that a run finds persons in them.
"""

import io
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin
from pillow_heif import register_heif_opener

from visualsearch.data.upright import EXIF_ORIENTATION
from visualsearch.fetch.openpeople import PEOPLE, VIEWS

register_heif_opener()

READ = "read"
SILENT = "passed over in silence"
EXCLUDE = ["old/backup", "*.draft.jpg"]


class File(NamedTuple):
    """A file of the folder. fate: READ, SILENT, or a part of the reason that skipped.tsv gives."""

    name: str
    content: bytes
    fate: str = READ


def person(number: int, view: str = "studio_posture", longest: int = 480) -> Image.Image:
    """One of the generated pictures, small."""
    folder = resources.files("openpeople") / f"data/curated/P{number:03d}/assets"
    with (folder / f"{view}.jpg").open("rb") as file, Image.open(file) as image:
        image.draft("RGB", (longest, longest))
        image.thumbnail((longest, longest))
        return image.convert("RGB")


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    return encoded(image, "JPEG", quality=90, **options)


def held(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return exif


def album() -> Iterator[File]:
    """Pictures as they are."""
    for number in PEOPLE[:4]:
        for view in VIEWS:
            yield File(f"album/P{number:03d}_{view}.jpg", jpeg(person(number, view)))


def phone() -> Iterator[File]:
    """What a phone saves, and what comes with it."""
    for number in (1, 2, 3):
        image = person(number, "amateur_selfie")
        yield File(f"phone/IMG_000{number}.HEIC", encoded(image, "HEIF", quality=80))
        yield File(f"phone/IMG_000{number}.MOV", b"\0\0\0\x14ftypqt  ", "video")
    sideways = person(4).transpose(Image.Transpose.ROTATE_90)
    yield File("phone/IMG_0004.JPG", jpeg(sideways, exif=held(6)))
    views = [person(5, view) for view in ("studio_portrait", "studio_posture")]
    yield File(
        "phone/IMG_0005.mpo", encoded(views[0], "MPO", save_all=True, append_images=views[1:])
    )
    yield File("phone/IMG_0006.jpg_large", jpeg(person(6)))
    yield File("phone/IMG_0007", jpeg(person(7)))
    yield File("phone/108 megapixels.jpg", jpeg(person(8).resize((9000, 12000))))
    yield File("phone/IMG_0009.CR3", b"\0\0\0\x18ftypcrx raw", "convert it to JPEG")
    yield File("phone/IMG_0009.AAE", b"<plist/>", SILENT)


def odd() -> Iterator[File]:
    """Pictures that every browser shows."""
    for width, height in ((1, 1400), (2, 2700), (20000, 10)):
        thin = Image.new("RGB", (width, height), "teal")
        yield File(f"odd/{width}x{height}.png", encoded(thin, "PNG"))
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * (3 << 20), zip=True)
    yield File("odd/text.png", encoded(person(1), "PNG", pnginfo=text))
    profile = np.random.default_rng(0).bytes(100_000) + bytes(2 << 20)
    yield File("odd/profile.png", encoded(person(2), "PNG", icc_profile=profile))
    yield File("odd/without its end.jpg", jpeg(person(3))[:-2])
    yield File("odd/printed.jpg", jpeg(person(4).convert("CMYK")))
    yield File("odd/grey.jpg", jpeg(person(4).convert("L")))
    deep = np.asarray(person(5).convert("L")).astype(np.uint16) * 257
    yield File("odd/deep.png", encoded(Image.fromarray(deep), "PNG"))
    yield File(
        "odd/moving.gif", encoded(person(6), "GIF", save_all=True, append_images=[person(7)])
    )
    yield File("odd/small.webp", encoded(person(7), "WEBP"))
    for name in ("50%20 # of.jpg", "=HYPERLINK(1).jpg", "Zoe\u0308 Mu\u0308ller.jpg", "two  .jpg"):
        yield File(f"odd/{name}", jpeg(person(8)))
    yield File("odd/unter ordner/Ñandú 人.JPEG", jpeg(person(8)))


def broken() -> Iterator[File]:
    whole = jpeg(person(9))
    yield File("broken/cut.jpg", whole[: len(whole) // 2], "cannot be decoded")
    yield File("broken/empty.jpg", b"", "the file is empty")
    yield File("broken/page.jpg", b"<!doctype html>", "not in the annotations")


def other_kinds() -> Iterator[File]:
    yield File("kinds/new.jxl", b"\xff\x0a new", "convert it to JPEG")
    yield File("kinds/layers.psd", b"8BPS layers", "convert it to JPEG")
    yield File("kinds/negative.dng", b"II*\0 raw", "convert it to JPEG")
    yield File("kinds/labels.csv", b"a,b\n", SILENT)
    yield File("kinds/notes.txt", b"notes", SILENT)


def of_other_programs() -> Iterator[File]:
    """Copies and deleted pictures. In a search they would be near-duplicates of everything."""
    thumb = jpeg(person(1, "studio_portrait", 160))
    for folder in ("@eaDir/IMG_0001.jpg", "#recycle", "$RECYCLE.BIN/S-1", ".Trash-1000/files"):
        yield File(f"{folder}/thumb.jpg", thumb, folder.split("/")[0])
    yield File("album/@eaDir/P001/SYNOPHOTO_THUMB_M.jpg", thumb, "@eaDir")
    yield File("lost+found/#12.jpg", thumb, "lost+found")
    yield File(".hidden/one.jpg", thumb, "hidden")
    yield File("phone/._IMG_0004.JPG", b"\0\5\x16\7 resource fork", "hidden")
    yield File("old/backup/P001.jpg", thumb, "dataset.folder.exclude")
    yield File("old/P002.draft.jpg", thumb, "dataset.folder.exclude")


PARTS = (album, phone, odd, broken, other_kinds, of_other_programs)


def fill(folder: Path) -> list[File]:
    """Write all of it below `folder`."""
    files = [file for part in PARTS for file in part()]
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    return files
