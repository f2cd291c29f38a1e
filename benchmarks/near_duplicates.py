"""How surely near-duplicates are told by the cosine of the full-length vectors.

Every picture of a folder is saved again: at JPEG quality 90, at 50, and at 75 % of its size. The
detector runs on each copy too, as in a run, so boxes differ a little. A person and the same person
in a copy are a pair of copies; persons of two different pictures are a pair of others.

    python benchmarks/near_duplicates.py PICTURES [PICTURES ...]

The threshold is chosen on the first folder, by RULE, and confirmed on the others.

What this does not show: other detectors than the one named; copies that are cropped, brightened or
halved.
"""

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.data.boxes import iou
from visualsearch.data.images import read_image
from visualsearch.detect.base import Detector
from visualsearch.detect.run import detect_category
from visualsearch.embed.embedding import embed_pictures
from visualsearch.reduce.reduction import l2_normalised
from visualsearch.settings import EmbeddingSettings, SearchSetSettings

RULE = (
    "the smallest multiple of 0.005 that at most 1 in 1,000 pairs of a copy and a person of another "
    "picture reach, as long as it marks 95 % of the copies of quality 90 and 80 % of the others"
)
SEARCH_SET = SearchSetSettings()
SAME_BOX = 0.5
GOALS = {"quality 90": 0.95, "quality 50": 0.8, "75 % of the size": 0.8}
MOST_OTHERS = 0.001
DESCRIPTIONS = {
    "192x192 surroundings, last map, gem": {},
    "192x192 surroundings, both maps, average": {"maps": "both", "pooling": "average"},
    "256x128 stretched, both maps, average": {
        "maps": "both",
        "pooling": "average",
        "fit": "stretch",
        "size": [256, 128],
    },
}
DEFAULT = {
    "region": "crop",
    "fit": "surroundings",
    "margin": 0,
    "size": [192, 192],
    "maps": "last",
    "pooling": "gem",
    "mirrored": True,
}


def saved_again(image: Image.Image, quality: int, scale: float = 1) -> Image.Image:
    """Return the picture as it is after being resized and saved as JPEG."""
    size = (round(image.width * scale), round(image.height * scale))
    small = image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "quality 90": lambda image: saved_again(image, 90),
    "quality 50": lambda image: saved_again(image, 50),
    "75 % of the size": lambda image: saved_again(image, 90, 0.75),
}


# What is compared with the copies: the picture as it is.
ORIGINAL = "original"


@dataclass(frozen=True)
class Persons:
    """Persons of the pictures of a folder, or of their copies, by picture.

    images: int64 [N], the number of each person's picture. boxes: corners, float32 [N, 4], in
    pixels of the original. vectors: unit vectors, float32 [N, D].
    """

    images: NDArray[np.int64]
    boxes: NDArray[np.float32]
    vectors: NDArray[np.float32]

    def originals(self, others: "Persons") -> NDArray[np.int64]:
        """Return the row of `others` with the same box in each person's picture, or -1: int64 [N].

        The same box overlaps most, with at least SAME_BOX intersection over union.
        """
        overlaps = iou(self.boxes, others.boxes)
        overlaps[self.images[:, None] != others.images] = 0
        return np.where(overlaps.max(axis=1) >= SAME_BOX, overlaps.argmax(axis=1), -1)


def persons_of(
    files: Sequence[Path],
    change: Callable[[Image.Image], Image.Image],
    detector: Detector,
    settings: dict[str, EmbeddingSettings],
) -> dict[str, Persons]:
    """Detect and describe the persons of pictures as `change` makes them, in each way."""
    found, scales = [], []
    for path in files:
        original = read_image(path).image
        image = change(original)
        (persons,) = detect_category(detector, [image], "person")
        heights = persons.boxes[:, 3] - persons.boxes[:, 1]
        wanted = (persons.scores >= SEARCH_SET.min_score) & (heights >= SEARCH_SET.min_height)
        found.append(persons.boxes[wanted])
        scales.append(original.width / image.width)
    images = np.repeat(np.arange(len(files)), [len(boxes) for boxes in found])
    boxes = np.concatenate([b * scale for b, scale in zip(found, scales, strict=True)])
    described = {}
    for name, one in settings.items():
        pictures = (
            (None, change(read_image(path).image), boxes)
            for path, boxes in zip(files, found, strict=True)
            if len(boxes)
        )
        vectors = np.concatenate([v for _, v in embed_pictures(detector, pictures, one)])
        # Rounded as a run stores them.
        stored = l2_normalised(vectors.astype(np.float16).astype(np.float32))
        described[name] = Persons(images, boxes, stored)
    return described
