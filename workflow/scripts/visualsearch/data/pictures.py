"""The pictures of a manifest, or of one shard of it, read one after another."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
from PIL import Image

from visualsearch.core.errors import InputError
from visualsearch.data.images import UnreadableImage, decode_image, read_file
from visualsearch.data.picture_archive import Archive
from visualsearch.data.tables import read_table

# Of a batch: so many pictures give full batches of each of a few common sizes.
WINDOW_BATCHES = 16
# The pixels that a window may hold at a time, 3 bytes each, and the next one while it is read.
WINDOW_PIXELS = 50_000_000
READERS = 8


class Picture(NamedTuple):
    """One row of the manifest, its file resolved. archive: where it lies, as `file`, in one."""

    image_id: int
    path: Path
    width: int
    height: int
    archive: Archive | None = None
    file: str = ""

    def read(self) -> Image.Image:
        """The upright RGB image; InputError where it is no longer what the manifest says."""
        try:
            data = self.archive.read(self.file) if self.archive else read_file(self.path)
            image = decode_image(data)
        except UnreadableImage as error:
            raise InputError(
                f"{self.path} was usable when fetched and is not now ({error}); rerun fetch"
            ) from error
        if image.size != (self.width, self.height):
            raise InputError(f"{self.path} has another size than when it was fetched; rerun fetch")
        return image


class Places:
    """Where the pictures of a manifest lie.

    manifest: path of dataset/manifest.parquet. folder: the user's own; None for what is beside the
    manifest: the archives `pictures/<shard>.zip`, or, of shards without one, the folder `images`.
    """

    def __init__(self, manifest: str | Path, folder: str | None) -> None:
        self._folder = folder
        self._beside = Path(manifest).parent
        self._archives: dict[int, Archive | None] = {}

    def picture(self, row: Mapping[str, Any]) -> Picture:
        """The picture of a row of the manifest: its image_id, file, width, height and shard."""
        file, archive = row["file"], self._archive(row["shard"])
        if archive is not None:
            root = archive.path
        else:
            root = Path(self._folder) if self._folder else self._beside / "images"
        return Picture(row["image_id"], root / file, row["width"], row["height"], archive, file)

    def _archive(self, shard: int) -> Archive | None:
        if self._folder is not None:
            return None
        if shard not in self._archives:
            path = self._beside / "pictures" / f"{shard}.zip"
            self._archives[shard] = Archive(path) if path.exists() else None
        return self._archives[shard]


class Pictures:
    """Pictures by rising image_id.

    manifest, folder: as of Places. shard: keep this shard only.
    """

    def __init__(self, manifest: str | Path, folder: str | None, shard: int | None = None) -> None:
        self._places = Places(manifest, folder)
        table = read_table(manifest, ["image_id", "file", "width", "height", "shard"])
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
) -> Iterator[list[tuple[Picture, Image.Image]]]:
    """Read pictures window by window, to be sorted into batches there; each window in order.

    With a batch_size of 1 a window is one picture, read when it is asked for: a job has one core.
    Else threads read the next window while the caller works on this one, as a GPU must not wait.
    """
    if batch_size == 1:
        for picture in pictures:
            yield [(picture, picture.read())]
        return
    with ThreadPoolExecutor(READERS) as readers:
        waiting: list[tuple[Picture, Future[Image.Image]]] = []
        for window in _windows(pictures, WINDOW_BATCHES * batch_size):
            ready, waiting = waiting, [(p, readers.submit(p.read)) for p in window]
            if ready:
                yield [(picture, image.result()) for picture, image in ready]
        if waiting:
            yield [(picture, image.result()) for picture, image in waiting]


def _windows(pictures: Iterable[Picture], most: int) -> Iterator[list[Picture]]:
    """Consecutive pictures, at most so many and of no more pixels together than WINDOW_PIXELS."""
    window: list[Picture] = []
    for picture in pictures:
        pixels = sum(p.width * p.height for p in [*window, picture])
        if window and (len(window) == most or pixels > WINDOW_PIXELS):
            yield window
            window = []
        window.append(picture)
    if window:
        yield window
