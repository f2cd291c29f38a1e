"""The archives of pictures, and where pictures are found."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from visualsearch.core.errors import InputError
from visualsearch.data.manifest import FetchedImage, ListedImage, write_manifest
from visualsearch.data.picture_archive import PictureArchive, kept_in_archive, write_archive
from visualsearch.data.pictures import Pictures
from visualsearch.data.tables import read_table

NAMES = ["b/é 1.png", "a.png", "c\nd.png"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + number, 5), (number, 0, 0)).save(folder / name)
    return folder


def manifest_of(pictures: Path, shards: int) -> Path:
    rows = [
        FetchedImage(ListedImage(number, name), 8 + number, 5, "")
        for number, name in enumerate(NAMES)
    ]
    path = pictures.parent / "manifest.parquet"
    write_manifest(path, rows, shards)
    return path


def test_same_files_give_the_same_bytes_whatever_their_order_and_times(pictures: Path) -> None:
    first, second = pictures.parent / "1.zip", pictures.parent / "2.zip"
    write_archive(first, pictures, NAMES)
    (pictures / NAMES[0]).touch()
    write_archive(second, pictures, reversed(NAMES))
    assert first.read_bytes() == second.read_bytes()
    for name in NAMES:
        assert PictureArchive(first).read(name) == (pictures / name).read_bytes()


def test_an_empty_shard_has_an_archive_too(tmp_path: Path) -> None:
    write_archive(tmp_path / "0.zip", tmp_path, [])
    assert (tmp_path / "0.zip").stat().st_size > 0
    PictureArchive(tmp_path / "0.zip")


def test_a_picture_that_is_gone_is_one_line_and_leaves_no_archive(pictures: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png was usable when fetched"):
        write_archive(pictures.parent / "0.zip", pictures, [*NAMES, "gone.png"])
    assert [path.name for path in pictures.parent.iterdir()] == ["images"]


@pytest.mark.parametrize("keep", [0, 1, 30, 100, -1])
def test_a_damaged_archive_is_one_line(pictures: Path, keep: int) -> None:
    path = pictures.parent / "0.zip"
    write_archive(path, pictures, NAMES)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"0\.zip is not a complete archive"):
        PictureArchive(path).read(NAMES[0])


def test_each_changed_byte_is_found_or_changes_nothing(pictures: Path) -> None:
    path = pictures.parent / "0.zip"
    write_archive(path, pictures, NAMES)
    whole, picture = path.read_bytes(), (pictures / "a.png").read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            assert PictureArchive(path).read("a.png") == picture
        except InputError:
            refused += 1
    assert refused > len(picture)


def test_threads_share_an_archive(pictures: Path) -> None:
    write_archive(pictures.parent / "0.zip", pictures, NAMES)
    archive = PictureArchive(pictures.parent / "0.zip")
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(archive.read, NAMES * 200))
    assert read == [(pictures / name).read_bytes() for name in NAMES] * 200


def test_a_fetch_into_an_archive_goes_on_after_an_error(pictures: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.zip"
    write_archive(whole, pictures, NAMES)
    path = tmp_path / "results/0.zip"
    with pytest.raises(KeyboardInterrupt), kept_in_archive(path, NAMES) as first:
        shutil.copy(pictures / "a.png", first)
        (first / ".other.png.1.part").write_bytes(b"half")
        raise KeyboardInterrupt
    assert not first.exists() and PictureArchive(path).names == {"a.png"}
    with kept_in_archive(path, NAMES) as folder:
        assert [file.name for file in folder.rglob("*")] == ["a.png"]
        for name in NAMES:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes((pictures / name).read_bytes())
    assert path.read_bytes() == whole.read_bytes()


def test_an_archive_follows_the_pictures_that_are_wanted(pictures: Path, tmp_path: Path) -> None:
    path, fewer = tmp_path / "0.zip", tmp_path / "fewer.zip"
    write_archive(path, pictures, NAMES)
    write_archive(fewer, pictures, NAMES[:2])
    with kept_in_archive(path, NAMES[:2]):
        pass
    assert path.read_bytes() == fewer.read_bytes()


def test_a_damaged_archive_is_fetched_anew(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "0.zip"
    write_archive(path, pictures, NAMES)
    path.write_bytes(path.read_bytes()[:100])
    with kept_in_archive(path, NAMES) as folder:
        assert not list(folder.rglob("*.png"))


def test_pictures_are_found_in_archives_and_without_them_in_the_folder(pictures: Path) -> None:
    manifest = manifest_of(pictures, shards=2)
    images = [picture.read().image.tobytes() for picture in Pictures(manifest, None)]
    of_shards = read_table(manifest, ["file", "shard"]).filter(pa.compute.field("shard") == 0)
    archive = manifest.parent / "pictures/0.zip"
    write_archive(archive, pictures, of_shards["file"].to_pylist())
    for name in of_shards["file"].to_pylist():
        (pictures / name).unlink()
    # Those of shard 1 are still in the folder.
    assert [picture.read().image.tobytes() for picture in Pictures(manifest, None)] == images
    archived = next(iter(Pictures(manifest, None, shard=0)))
    assert archived.path == archive / NAMES[0]
    with pytest.raises(InputError, match="usable when fetched"):
        next(iter(Pictures(manifest, str(pictures)))).read()
