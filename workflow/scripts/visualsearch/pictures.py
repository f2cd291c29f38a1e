"""The pictures of a manifest, or of one shard of it, read one after another."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
from PIL import Image

from visualsearch.errors import InputError
from visualsearch.images import UnreadableImage, read_image
from visualsearch.tables import read_table

# Of a batch: so many pictures give full batches of each of a few common sizes.
WINDOW_BATCHES = 16
# The pixels that a window may hold at a time, 3 bytes each, and the next one while it is read.
WINDOW_PIXELS = 50_000_000
READERS = 8


class Picture(NamedTuple):
    """One row of the manifest, its file resolved."""

    image_id: int
    path: Path
    width: int
    height: int

    def read(self) -> Image.Image:
        """The upright RGB image; InputError where it is no longer what the manifest says."""
        try:
            image = read_image(self.path)
        except UnreadableImage as error:
            raise InputError(
                f"{self.path} was usable when fetched and is not now ({error}); rerun fetch"
            ) from error
        if image.size != (self.width, self.height):
            raise InputError(f"{self.path} has another size than when it was fetched; rerun fetch")
        return image


class Pictures:
    """Pictures by rising image_id.

    manifest: path of dataset/manifest.parquet. folder: where the pictures lie; None for the
    folder `images` beside the manifest. shard: keep this shard only.
    """

    def __init__(self, manifest: str | Path, folder: str | None, shard: int | None = None) -> None:
        self.root = Path(folder) if folder else Path(manifest).parent / "images"
        table = read_table(manifest, ["image_id", "file", "width", "height", "shard"])
        if shard is not None:
            table = table.filter(pc.equal(table["shard"], shard))
        self._rows = table.sort_by("image_id").to_pylist()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Picture]:
        for row in self._rows:
            yield Picture(row["image_id"], self.root / row["file"], row["width"], row["height"])


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
