"""How surely near-duplicates are told by the full-length vectors, less the mean of all.

Every picture of a folder is saved again: at JPEG quality 90, at 50, and at 75 % of its size. The
detector runs on each copy too, as in a run, so boxes differ a little. A person and the same person
in a copy are a pair of copies; persons of two different pictures are a pair of others.

    python benchmarks/near_duplicates.py PICTURES [PICTURES ...]

The threshold is chosen on the first folder, by RULE, and confirmed on the others.

What this does not show: other detectors than the one named; copies that are cropped, brightened or
halved.
"""

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.statistics import Z
from visualsearch.data.boxes import iou
from visualsearch.data.images import read_image
from visualsearch.data.vectors import l2_normalised
from visualsearch.detect import load_detector
from visualsearch.detect.base import Detector
from visualsearch.detect.run import detect_category
from visualsearch.embed.embedding import embed_pictures
from visualsearch.search.full_length import centred
from visualsearch.settings import DetectorSettings, EmbeddingSettings, SearchSetSettings
from visualsearch.settings.names import BUNDLED

RULE = (
    "the smallest multiple of 0.01 that at most 1 in 1,000 pairs of a copy and a person of another "
    "picture reach, with the default description"
)
SEARCH_SET = SearchSetSettings()
SAME_BOX = 0.5
MOST_OTHERS = 0.001
BOTH = {"maps": "both", "pooling": "average", "margin": 0, "mirrored": True}
DESCRIPTIONS = {
    "192x192 surroundings, last map, GeM": {
        **BOTH,
        **{"maps": "last", "pooling": "gem", "fit": "surroundings", "size": [192, 192]},
    },
    "192x192 surroundings, both maps, average": BOTH | {"fit": "surroundings", "size": [192, 192]},
    "256x128 stretched, both maps, average": BOTH | {"fit": "stretch", "size": [256, 128]},
}
GRID = np.arange(60, 100) / 100
UNCHANGED = "original"


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


@dataclass(frozen=True)
class Compared:
    """Cosines of centred vectors. pictures: of each copy, the picture's number."""

    copies: NDArray[np.float32]
    pictures: NDArray[np.int64]
    others: NDArray[np.float32]


def compared(originals: Persons, copies: Persons) -> Compared:
    """Compare the persons of copies with their originals, and with persons of other pictures."""
    mean = originals.vectors.mean(axis=0)
    cosines = centred(copies.vectors, mean) @ centred(originals.vectors, mean).T
    rows = copies.originals(originals)
    known = np.flatnonzero(rows >= 0)
    others = cosines[copies.images[:, None] != originals.images]
    return Compared(cosines[known, rows[known]], copies.images[known], others)


def share(marked: NDArray[np.bool_], pictures: NDArray[np.int64]) -> str:
    """The share of copies that are marked, with Wilson's interval for as many pictures."""
    p, n = marked.mean(), len(np.unique(pictures))
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return f"{100 * p:.0f} % ({100 * (centre - half):.0f} to {100 * (centre + half):.0f})"


def report(found: dict[str, dict[str, dict[str, Persons]]]) -> None:
    """Print the threshold and the table. found: persons by folder, description and kind."""
    threshold = None
    lines = ["| pictures | description | copies | marked | persons of other pictures marked |"]
    lines.append("|---|---|---|---|---|")
    for folder, by_description in found.items():
        for name, by_kind in by_description.items():
            original = by_kind[UNCHANGED]
            pairs = {kind: compared(original, by_kind[kind]) for kind in COPIES}
            if threshold is None:
                every = np.concatenate([one.others for one in pairs.values()])
                threshold = next(t for t in GRID if (every >= t).mean() <= MOST_OTHERS)
            for kind, one in pairs.items():
                marked = share(one.copies >= threshold, one.pictures)
                wrong = 1000 * (one.others >= threshold).mean()
                cells = [folder, name, f"{len(one.copies)} of {kind}", marked]
                lines.append("| " + " | ".join([*cells, f"{wrong:.1f} in 1,000"]) + " |")
    print(f"The rule: {RULE}: {threshold:.2f}.\n")
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    torch.set_num_threads(1)
    detector = load_detector(DetectorSettings(BUNDLED, "default"))
    settings = {name: EmbeddingSettings.of(one) for name, one in DESCRIPTIONS.items()}
    found: dict[str, dict[str, dict[str, Persons]]] = {}
    for folder in parser.parse_args().pictures:
        files = sorted(folder.glob("*.jpg"))
        by_description = found[str(folder)] = {name: {} for name in settings}
        for kind, change in {UNCHANGED: lambda image: image, **COPIES}.items():
            for name, persons in persons_of(files, change, detector, settings).items():
                by_description[name][kind] = persons
    report(found)


if __name__ == "__main__":
    main()
