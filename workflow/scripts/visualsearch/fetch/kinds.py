"""Tells pictures from other files, by their suffix or their first bytes."""

import fnmatch
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path


def _suffixes(text: str) -> frozenset[str]:
    return frozenset(f".{suffix}" for suffix in text.split())


PICTURE_SUFFIXES = _suffixes(
    "jpg jpeg jpe jfif pjpeg pjp mpo png apng webp gif bmp tif tiff ppm pgm pbm pnm"
    " jp2 j2k j2c jpc jpf jpx avif avifs heic heics heif heifs hif"
)
RAW_SUFFIXES = _suffixes(
    "3fr arw cr2 cr3 crw dcr dng erf fff gpr iiq k25 kdc mef mos mrw nef nrw orf pef raf raw rw2"
    " rwl sr2 srf srw x3f"
)
# Pictures that are not read.
UNREAD_SUFFIXES = RAW_SUFFIXES | _suffixes(
    "jxl jxr hdp wdp bpg qoi psd psb xcf kra ora svg svgz eps ai wmf emf exr hdr pfm tga ico icns"
    " cur dds pcx sgi pict pct mng jng fits dcm"
)
VIDEO_SUFFIXES = _suffixes(
    "mp4 m4v mov avi mkv webm wmv mpg mpeg mts m2ts 3gp 3g2 flv ogv vob lrv insv"
)
# Copies that ExifTool keeps, and thumbnails of a camera's videos.
COPY_SUFFIXES = frozenset(
    {".thm", *(f"{suffix}_original" for suffix in PICTURE_SUFFIXES | UNREAD_SUFFIXES)}
)
# Files without pictures, of which a folder may have as many as pictures. They are not opened.
# The last line is of unfinished and spare copies.
OTHER_SUFFIXES = _suffixes(
    "txt json jsonl ndjson geojson xml csv tsv yaml yml toml ini cfg conf md rst log html htm css"
    " js py ipynb sh bat php sql db sqlite sqlite3 parquet arrow feather npy npz pkl pickle h5 hdf5"
    " mat pt pth onnx safetensors tfrecord bin dat lmdb mdb zip gz tgz bz2 xz zst 7z rar tar iso"
    " pdf doc docx xls xlsx ppt pptx odt ods odp rtf mp3 wav flac m4a ogg opus aac wma srt vtt aae"
    " xmp pp3 dop cos lnk url webloc desktop ds_store nfo exe dll so ply obj stl"
    " tmp temp bak old swp part partial crdownload download sha256 md5"
)

# Folders in which other programs keep pictures beside a person's own. Patterns as in
# dataset.folder.exclude; none is a name that a person would choose.
FOLDERS_OF_OTHERS = (
    # Synology: thumbnails, deleted files, snapshots, temporary files.
    *("@eaDir", "#recycle", "#snapshot", "@tmp", "@sharebin"),
    # QNAP. Its thumbnails, .@__thumb, are hidden.
    *("@Recycle", "@Recently-Snapshot"),
    # NetApp.
    "~snapshot",
    # Windows.
    *("$RECYCLE.BIN", "System Volume Information"),
    # macOS: in zip archives, on servers, and in its photo library, whose originals are taken.
    *("__MACOSX", "Network Trash Folder", "Temporary Items", "*.photoslibrary/resources"),
    # Lightroom.
    "*.lrdata",
    # Linux.
    "lost+found",
)

# Enough for the longest of the signatures.
HEAD_BYTES = 26
SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP  \r\n\x87\n",
    b"\xff\x4f\xff\x51",
)
# Main brands of HEIF: https://www.iana.org/assignments/media-types/image/heif
HEIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc")
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)


def suffix_of(name: str) -> str:
    """Return the suffix of a file name, in lower case, with its dot."""
    return os.path.splitext(name)[1].lower()


def is_picture_by_name(name: str) -> bool:
    """Whether a file name has the suffix of a picture, which may be one that is not read."""
    return suffix_of(name) in PICTURE_SUFFIXES | UNREAD_SUFFIXES


def holds_picture(path: str | Path) -> bool:
    """Whether the first bytes of a file are those of a picture."""
    try:
        file = os.open(path, os.O_RDONLY)
    except (OSError, ValueError):
        return False
    try:
        head = os.read(file, HEAD_BYTES)
    except OSError:
        return False
    finally:
        os.close(file)
    return (
        head.startswith(SIGNATURES)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS)
        # Any text may begin with BM.
        or (head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in BMP_HEADERS)
    )


class Patterns:
    """Patterns of files and folders, relative to a folder, in any case.

    `*` stands for any characters of one name, `?` for one of them, and a `**` between slashes for
    any number of folders. A pattern without a slash is met wherever a file or folder has that name.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        parts = {text: text.removeprefix("./").rstrip("/").split("/") for text in patterns}
        self._of_names = [text for text in parts if len(parts[text]) == 1]
        names = "|".join(f"({_expression(parts[text][0])})" for text in self._of_names)
        self._name = re.compile(names, re.IGNORECASE) if names else None
        self._of_paths = {
            text: [_compiled(part) for part in parts[text]]
            for text in parts
            if len(parts[text]) > 1
        }

    def first_match(self, path: str) -> str | None:
        """Return a pattern that a path with forward slashes meets, or None."""
        path = unicodedata.normalize("NFC", path)
        found = self._name and self._name.match(path.rpartition("/")[2])
        if found and found.lastindex:
            return self._of_names[found.lastindex - 1]
        names = path.split("/") if self._of_paths else []
        return next((text for text, parts in self._of_paths.items() if _meet(names, parts)), None)


def _compiled(part: str) -> re.Pattern[str] | None:
    """What a name of a path must match; None for any number of names."""
    return None if part == "**" else re.compile(_expression(part), re.IGNORECASE)


def _expression(part: str) -> str:
    # Brackets stand for themselves: they are common in names.
    return fnmatch.translate(unicodedata.normalize("NFC", part).replace("[", "[[]"))


def _meet(names: Sequence[str], parts: Sequence[re.Pattern[str] | None]) -> bool:
    if not parts:
        return not names
    first = parts[0]
    if first is None:
        return any(_meet(names[n:], parts[1:]) for n in range(len(names) + 1))
    return bool(names and first.match(names[0])) and _meet(names[1:], parts[1:])
