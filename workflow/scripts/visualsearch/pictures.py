"""The pictures of a manifest, or of one shard of it, read one after another."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
from PIL import Image

from visualsearch.errors import InputError
from visualsearch.images import UnreadableImage, read_image
from visualsearch.tables import read_table


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
