"""The ways to describe a person that representation.py compares: their vectors, and their cost."""

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from annotated import SEED, Persons
from numpy.typing import NDArray
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.progress import progress
from visualsearch.data.boxes import clip_to_image, mirror
from visualsearch.data.images import read_image
from visualsearch.detect.base import Detector
from visualsearch.embed.distortion import distorted_boxes
from visualsearch.embed.embedding import embed_pictures
from visualsearch.embed.persons import corners_of
from visualsearch.embed.pooling import POOLINGS, stripes
from visualsearch.embed.regions import REGIONS
from visualsearch.settings import EmbeddingSettings

COST_PERSONS, COST_ROUNDS = 40, 7

Cells = tuple[int, int]
Crop = tuple[str, tuple[int, int]]


class Way(NamedTuple):
    """One description. last, before: rows and columns of cells in which a map is pooled.

    Each map's values have length 1 before they are joined. whiten_power: None for no reduction.
    """

    crop: Crop
    pooling: str = "average"
    last: Cells | None = (1, 1)
    before: Cells | None = None
    mirrored: bool = True
    whiten_power: float | None = 0.25

    def __str__(self) -> str:
        fit, (height, width) = self.crop
        maps = [f"last {self.last[0]}x{self.last[1]}"] if self.last else []
        maps += [f"before {self.before[0]}x{self.before[1]}"] if self.before else []
        sides = "mirrored" if self.mirrored else "one side"
        power = "not reduced" if self.whiten_power is None else f"whitening {self.whiten_power:g}"
        return f"{height}x{width} {fit}, {self.pooling}, {' + '.join(maps)}, {sides}, {power}"

    @property
    def parts(self) -> list[tuple[str, str, Cells, bool]]:
        """What its vector is joined of: pooling, map, cells, mirrored."""
        maps = {"last": self.last, "before": self.before}
        return [(self.pooling, name, cells, self.mirrored) for name, cells in maps.items() if cells]

    @property
    def settings(self) -> EmbeddingSettings:
        """The settings of the workflow that cost as much."""
        fit, size = self.crop
        maps = "both" if self.before else "last"
        return EmbeddingSettings(
            fit=fit, size=size, pooling=self.pooling, mirrored=self.mirrored, maps=maps
        )


LARGE, SURROUNDED = ("stretch", (300, 300)), ("surroundings", (192, 192))
TALL, TALL_SURROUNDED = ("stretch", (256, 128)), ("surroundings", (256, 128))
RAW = Way(LARGE, mirrored=False, whiten_power=None)
OLD_DEFAULT = Way(SURROUNDED, "gem", whiten_power=0.5)
ONE = (1, 1)
FEW_CELLS = [(ONE, None), (ONE, ONE), (ONE, (6, 1))]
MANY_CELLS = [(ONE, None), *((ONE, (rows, 1)) for rows in (1, 2, 3, 6))]
MANY_CELLS += [(ONE, (3, 2)), (ONE, (6, 2)), ((3, 1), (3, 1)), (None, (6, 1))]


def ways() -> list[Way]:
    """All that are compared, RAW and OLD_DEFAULT among them."""
    both = ("average", "gem")
    described = [
        Way(crop, pooling, last, before, mirrored)
        for crop, poolings, cells, mirrored in (
            (LARGE, both[:1], FEW_CELLS, True),
            (SURROUNDED, both, [*FEW_CELLS, ((3, 1), (3, 1))], True),
            (TALL_SURROUNDED, both[:1], FEW_CELLS, True),
            (TALL, both, MANY_CELLS, True),
            (TALL, both[:1], FEW_CELLS, False),
        )
        for pooling, (last, before) in product(poolings, cells)
    ]
    return [RAW, *(way._replace(whiten_power=p) for way in described for p in (0.0, 0.25, 0.5))]


def described(
    detector: Detector, persons: Persons, crop: Crop, some: list[Way]
) -> dict[tuple, list[NDArray[np.float32]]]:
    """The parts of some ways with this crop: vectors of all persons, and of their copies.

    A copy is the moved box in the mirrored picture. One pass through the network serves all ways.
    """
    settings = EmbeddingSettings(fit=crop[0], size=crop[1], maps="both", mirrored=True)
    wanted = {part for way in some for part in way.parts}
    found: dict[tuple, tuple[list, list]] = {part: ([], []) for part in wanted}
    boxes = corners_of(persons.table)
    moved = distorted_boxes(persons.table["person_id"].to_numpy(), boxes, SEED)
    for rows, image in pictures_of(persons, f"{crop[1][0]}x{crop[1][1]} {crop[0]}"):
        there = mirror(clip_to_image(moved[rows], *image.size), image.width)
        views = (image, boxes[rows]), (ImageOps.mirror(image), there)
        for which, (picture, corners) in enumerate(views):
            corners = clip_to_image(corners, *picture.size)
            inputs = zip(*REGIONS["crop"].inputs(detector, picture, corners, settings), strict=True)
            batch = tuple(np.concatenate(each) for each in inputs)
            maps = REGIONS["crop"].maps(detector, batch, settings)
            for pooling, name, cells, mirrored in wanted:
                pooled = in_cells(maps[name], pooling, cells)
                # Rows alternate: a box, its mirror image.
                pooled = (pooled[0::2] + pooled[1::2]) / 2 if mirrored else pooled[0::2]
                found[pooling, name, cells, mirrored][which].append(pooled)
    return {part: [np.concatenate(each) for each in both] for part, both in found.items()}


def pictures_of(persons: Persons, what: str) -> Iterator[tuple[NDArray[np.int64], Image.Image]]:
    """Each picture with the rows of its persons. what: named in the line that shows progress."""
    files = np.array(persons.files)
    for name in progress(list(dict.fromkeys(persons.files)), what, "images"):
        yield np.flatnonzero(files == name), read_image(persons.folder / name).image


def in_cells(maps: NDArray[np.float32], pooling: str, cells: Cells) -> NDArray[np.float32]:
    """Pool maps [N, C, h, w] in rows and columns of cells: [N, C * cells]."""
    columns = np.array_split(maps, cells[1], axis=3)
    each = [cell for column in columns for cell in stripes(column, cells[0])]
    return np.concatenate([POOLINGS[pooling](cell) for cell in each], axis=1)


def costs(detector: Detector, persons: Persons, some: list[Way]) -> dict[EmbeddingSettings, float]:
    """Milliseconds of a core a person, as the workflow embeds. Pictures are read before.

    Each way runs right after the old default, several times. Its cost is the median ratio of the
    two times the least that the old default took: what else the machine does changes a core's
    speed by a third. Cells cost next to nothing, so ways that differ only in them share a cost.
    """
    boxes, read, n = corners_of(persons.table), [], 0
    for rows, image in pictures_of(persons, "reading"):
        read.append((None, image, boxes[rows]))
        n += len(rows)
        if n >= COST_PERSONS:
            break

    def milliseconds(settings: EmbeddingSettings) -> float:
        start = time.process_time()
        for _ in embed_pictures(detector, read, settings):
            pass
        return 1000 * (time.process_time() - start) / n

    old = OLD_DEFAULT.settings
    ratios = defaultdict(list)
    least = milliseconds(old)
    for settings in [*dict.fromkeys(way.settings for way in some)] * COST_ROUNDS:
        before = milliseconds(old)
        least = min(least, before)
        ratios[settings].append(1 if settings == old else milliseconds(settings) / before)
    return {settings: least * float(np.median(found)) for settings, found in ratios.items()}
