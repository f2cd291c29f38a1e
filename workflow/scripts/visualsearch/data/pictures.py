"""Reads the pictures of a manifest, or of one shard of it, in the order of image_id."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc

from visualsearch.core.errors import InputError
from visualsearch.data.images import Decoded, UnreadableImage, decode_image, read_file
from visualsearch.data.picture_archive import PictureArchive
from visualsearch.data.tables import read_table

# Batches in a window: enough for full batches of each of a few common sizes.
WINDOW_BATCHES = 16
# Most pixels in a window, 4 bytes each. The next window is read meanwhile.
WINDOW_PIXELS = 50_000_000
READERS = 8
FETCH_AGAIN = "run the same command again with --forcerun fetch_images"


class Picture(NamedTuple):
    """A picture of the manifest and where it is: in `path`, or as `file` in `archive`.

    sha256: of the file's content when it was fetched; "" when it is not known.
    """

    image_id: int
    path: Path
    width: int
    height: int
    archive: PictureArchive | None = None
    file: str = ""
    sha256: str = ""

    def read(self) -> Decoded:
        """Return the upright picture. Raises InputError when it has changed since the fetch."""
        try:
            data = self.archive.read(self.file) if self.archive else read_file(self.path)
            if self.sha256 and hashlib.sha256(data).hexdigest() != self.sha256:
                raise InputError(f"{self.path} is not the file that was fetched; {FETCH_AGAIN}")
            decoded = decode_image(data)
        except UnreadableImage as error:
            raise InputError(
                f"{self.path} was usable when fetched and is not now ({error}); {FETCH_AGAIN}"
            ) from error
        if decoded.size != (self.width, self.height):
            raise InputError(
                f"{self.path} has another size than when it was fetched; {FETCH_AGAIN}"
            )
        return decoded


class Places:
    """Knows where the pictures of a manifest are.

    manifest: path of dataset/manifest.parquet. folder: the user's own folder of pictures. When it
    is None they are beside the manifest: in the archive `pictures/<shard>.zip`, or in the folder
    `images` if the shard has no archive.
    """

    def __init__(self, manifest: str | Path, folder: str | None) -> None:
        self._folder = folder
        self._beside = Path(manifest).parent
        self._archives: dict[int, PictureArchive | None] = {}

    def picture(self, row: Mapping[str, Any]) -> Picture:
        """Return the picture of a row of the manifest (image_id, file, width, height and shard)."""
        file, archive = row["file"], self._archive(row["shard"])
        if archive is not None:
            root = archive.path
        else:
            root = Path(self._folder) if self._folder else self._beside / "images"
        return Picture(
            row["image_id"],
            root / file,
            row["width"],
            row["height"],
            archive,
            file,
            row.get("sha256", ""),
        )

    def _archive(self, shard: int) -> PictureArchive | None:
        if self._folder is not None:
            return None
        if shard not in self._archives:
            path = self._beside / "pictures" / f"{shard}.zip"
            self._archives[shard] = PictureArchive(path) if path.exists() else None
        return self._archives[shard]


class Pictures:
    """The pictures of a manifest, by ascending image_id.

    manifest, folder: as of Places. shard: only this shard.
    """

    def __init__(self, manifest: str | Path, folder: str | None, shard: int | None = None) -> None:
        self._places = Places(manifest, folder)
        table = read_table(manifest, ["image_id", "file", "width", "height", "shard", "sha256"])
        if shard is not None:
            table = table.filter(pc.equal(table["shard"], shard))
        self._rows = table.sort_by("image_id").to_pylist()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Picture]:
        for row in self._rows:
            yield self._places.picture(row)


def read_ahead(
    pictures: Iterable[Picture], batch_size: int
) -> Iterator[list[tuple[Picture, Decoded]]]:
    """Yield windows of consecutive pictures, decoded; the caller sorts them into batches.

    With a batch_size of 1, for a job with one core, a window is one picture and nothing is read
    ahead. Otherwise threads read the next window meanwhile, so that a GPU need not wait.
    """
    if batch_size == 1:
        for picture in pictures:
            yield [(picture, picture.read())]
        return
    with ThreadPoolExecutor(READERS) as readers:
        waiting: list[tuple[Picture, Future[Decoded]]] = []
        for window in _windows(pictures, WINDOW_BATCHES * batch_size):
            ready, waiting = waiting, [(p, readers.submit(p.read)) for p in window]
            if ready:
                yield [(picture, decoded.result()) for picture, decoded in ready]
        if waiting:
            yield [(picture, decoded.result()) for picture, decoded in waiting]


def _windows(pictures: Iterable[Picture], most: int) -> Iterator[list[Picture]]:
    """Yield consecutive pictures, at most `most`, with at most WINDOW_PIXELS pixels together."""
    window: list[Picture] = []
    for picture in pictures:
        pixels = sum(p.width * p.height for p in [*window, picture])
        if window and (len(window) == most or pixels > WINDOW_PIXELS):
            yield window
            window = []
        window.append(picture)
    if window:
        yield window
