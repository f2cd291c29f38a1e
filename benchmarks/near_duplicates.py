"""How surely near-duplicates are told by the full-length vectors, less the mean of all.

Every picture of a folder is saved again: at JPEG quality 90, at 50, and at 75 % of its size. The
detector runs on each copy too, as in a run, so boxes differ a little. A person and the same person
in a copy are a pair of copies; persons of two different pictures are a pair of others.

    python benchmarks/near_duplicates.py FOLDER [FOLDER ...]

RULE chooses the threshold on the first folder; the others say how well it holds. A folder is one of
benchmarks/representation.py. The second table is of small sets, drawn from each folder; the third
of all annotated persons of all folders, a larger set; the last of reduced vectors.

What this does not show: other detectors than the bundled one; copies that are cropped, brightened
or halved; sets of tens of thousands.
"""

import argparse
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from annotated import persons_of_sets
from few_persons import DEFAULT_WAY, REDUCTION, SHARES
from numpy.typing import NDArray
from PIL import Image
from ways import described

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.progress import progress
from visualsearch.core.statistics import Z
from visualsearch.data.boxes import iou
from visualsearch.data.images import read_image
from visualsearch.data.vectors import full_length_columns, l2_normalised, vectors_of
from visualsearch.detect import load_detector
from visualsearch.detect.base import Detector
from visualsearch.detect.run import detect_category
from visualsearch.embed.embedding import embed_pictures
from visualsearch.embed.persons import vector_lengths
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.search.full_length import centred
from visualsearch.settings import DetectorSettings, EmbeddingSettings, SearchSetSettings
from visualsearch.settings.names import BUNDLED

RULE = (
    "halfway, to 0.01, between the cosine that 1 in 10,000 pairs of others reach and the one that "
    "95 % of the copies of quality 90, and 80 % of those of each other kind, reach"
)
OTHERS_REACH = 0.0001
COPIES_REACH = {"quality 90": 0.95, "quality 50": 0.8, "75 % of the size": 0.8}
EMBEDDING = EmbeddingSettings()
SEARCH_SET = SearchSetSettings()
SAME_BOX = 0.5
# Columns of embeddings/*.parquet.
PARTS = {
    "`vector` and `before`": ["vector", "before"],
    "`before` alone": ["before"],
    "`vector` alone": ["vector"],
}
DEFAULT = "`vector` and `before`"
SMALL, DRAWS = (5, 10, 20, 50), 100
UNCHANGED = "original"
# A reduced cosine that a reader takes for the same picture.
ALIKE = 0.9


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

    def of(self, images: NDArray[np.int64]) -> "Persons":
        """Return the persons of some pictures."""
        rows = np.isin(self.images, images)
        return Persons(self.images[rows], self.boxes[rows], self.vectors[rows])

    def originals(self, others: "Persons") -> NDArray[np.int64]:
        """Return the row of `others` with the same box in each person's picture, or -1: int64 [N].

        The same box overlaps most, with at least SAME_BOX intersection over union.
        """
        overlaps = iou(self.boxes, others.boxes)
        overlaps[self.images[:, None] != others.images] = 0
        return np.where(overlaps.max(axis=1) >= SAME_BOX, overlaps.argmax(axis=1), -1)


def persons_of(
    files: Sequence[Path], change: Callable[[Image.Image], Image.Image], detector: Detector
) -> dict[str, Persons]:
    """Detect and describe the persons of pictures as `change` makes them, by each of PARTS."""
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
    pictures = (
        (None, change(read_image(path).image), boxes)
        for path, boxes in zip(files, found, strict=True)
        if len(boxes)
    )
    vectors = np.concatenate([v for _, v in embed_pictures(detector, pictures, EMBEDDING)])
    # Rounded as a run stores them.
    rounded = vectors.astype(np.float16).astype(np.float32)
    columns = full_length_columns(rounded, vector_lengths(detector.map_lengths, EMBEDDING))
    table = pa.table(columns)
    return {
        part: Persons(images, boxes, l2_normalised(vectors_of(table.select(names))))
        for part, names in PARTS.items()
    }


@dataclass(frozen=True)
class Compared:
    """Cosines of centred vectors. pictures: of each copy, the picture's number."""

    copies: NDArray[np.float32]
    pictures: NDArray[np.int64]
    others: NDArray[np.float32]


def compared(originals: Persons, copies: Persons) -> Compared:
    """Compare the persons of copies with their originals, and with persons of other pictures.

    The mean is of both, as in a run of a folder that holds both.
    """
    mean = np.vstack([originals.vectors, copies.vectors]).mean(axis=0)
    cosines = centred(copies.vectors, mean) @ centred(originals.vectors, mean).T
    rows = copies.originals(originals)
    known = np.flatnonzero(rows >= 0)
    others = cosines[copies.images[:, None] != originals.images]
    return Compared(cosines[known, rows[known]], copies.images[known], others)


def small_sets(originals: Persons, copies: Persons, size: int) -> Iterator[Compared]:
    """Compare in sets of so many persons or a few more: all of randomly drawn pictures."""
    rng = np.random.default_rng(size)
    images, counts = np.unique(originals.images, return_counts=True)
    for _ in range(DRAWS):
        order = rng.permutation(len(images))
        drawn = images[order[: np.searchsorted(np.cumsum(counts[order]), size) + 1]]
        yield compared(originals.of(drawn), copies.of(drawn))


def chosen(by_kind: dict[str, Compared]) -> float:
    """The threshold by RULE."""
    others = np.concatenate([one.others for one in by_kind.values()])
    highest = np.quantile(others, 1 - OTHERS_REACH)
    lowest = min(np.quantile(by_kind[k].copies, 1 - share) for k, share in COPIES_REACH.items())
    return round(float(highest + lowest) / 2, 2)


def share(marked: NDArray[np.bool_], pictures: NDArray[np.int64]) -> str:
    """The share of copies that are marked, with Wilson's interval for as many pictures."""
    p, n = marked.mean(), len(np.unique(pictures))
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return f"{100 * p:.0f} % ({100 * (centre - half):.0f} to {100 * (centre + half):.0f})"


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |")


def heading(*cells: str) -> None:
    print()
    row(*cells)
    print("|" + "---|" * len(cells))


Found = dict[str, dict[str, dict[str, Persons]]]


def report_folders(found: Found) -> float:
    """Print each folder's copies and others; return the default's threshold.

    found: persons by folder, part and kind.
    """
    print(f"The rule: {RULE}.")
    heading("pictures", "description", "threshold", "copies", "marked", "others marked, in 1,000")
    thresholds: dict[str, float] = {}
    for folder, by_part in found.items():
        for part, by_kind in by_part.items():
            pairs = {kind: compared(by_kind[UNCHANGED], by_kind[kind]) for kind in COPIES}
            threshold = thresholds.setdefault(part, chosen(pairs))
            for kind, one in pairs.items():
                marked = share(one.copies >= threshold, one.pictures)
                wrong = f"{1000 * (one.others >= threshold).mean():.2f}"
                copies = f"{len(one.copies)} of {kind}"
                row(folder, part, f"{threshold:.2f}", copies, marked, wrong)
    return thresholds[DEFAULT]


def report_small_sets(found: Found, threshold: float) -> None:
    heading("persons", "pictures of", "copies", "marked", "others marked, in 1,000")
    for size in SMALL:
        for folder, by_part in found.items():
            by_kind = by_part[DEFAULT]
            for kind in COPIES:
                drawn = list(small_sets(by_kind[UNCHANGED], by_kind[kind], size))
                copies = np.concatenate([one.copies for one in drawn]) >= threshold
                others = np.concatenate([one.others for one in drawn]) >= threshold
                wrong = f"{1000 * others.mean():.2f}"
                row(size, folder, kind, f"{100 * copies.mean():.0f} %", wrong)


def report_larger_set(folders: list[Path], detector: Detector, threshold: float) -> None:
    persons = persons_of_sets(folders)
    parts = described(detector, persons, DEFAULT_WAY.crop, [DEFAULT_WAY])
    vectors = np.hstack([l2_normalised(parts[part][0]) for part in DEFAULT_WAY.parts])
    unit = centred(vectors, l2_normalised(vectors).mean(axis=0))
    images = persons.table["image_id"].to_numpy()
    cosines = np.where(images[:, None] != images, unit @ unit.T, -1)
    others = cosines[images[:, None] != images]
    heading("threshold", "annotated persons", "others marked, in 1,000", "persons with one or more")
    for limit in (threshold - 0.05, threshold, threshold + 0.05):
        wrong = f"{1000 * (others >= limit).mean():.3f}"
        with_one = f"{100 * (cosines.max(axis=1) >= limit).mean():.1f} %"
        row(f"{limit:.2f}", len(unit), wrong, with_one)


def report_reduced(originals: Persons, copies: Persons) -> None:
    """Print how copies score in reduced vectors, by components per person."""
    vectors = np.vstack([originals.vectors, copies.vectors])
    n = len(vectors)
    heading("persons", "components per person", f"copies of {ALIKE:g} or more", "99.9 % of others")
    for part in SHARES:
        kept = max(1, min(round(part * n), int(REDUCTION.n_components), n - 1))
        model = fit_reduction([vectors], n, vectors.shape[1], kept, REDUCTION.whiten_power)
        cosines = model.transform(copies.vectors) @ model.transform(originals.vectors).T
        rows = copies.originals(originals)
        known = np.flatnonzero(rows >= 0)
        alike = f"{100 * (cosines[known, rows[known]] >= ALIKE).mean():.0f} %"
        others = np.quantile(cosines[copies.images[:, None] != originals.images], 0.999)
        row(n, f"{part:g}", alike, f"{others:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    folders = parser.parse_args().folders
    torch.set_num_threads(1)
    detector = load_detector(DetectorSettings(BUNDLED, "default"))
    found: Found = {}
    seen: set[str] = set()
    for folder in folders:
        files = [path for path in sorted(folder.glob("images/*.jpg")) if path.name not in seen]
        seen |= {path.name for path in files}
        by_part = found[f"{folder.name}, {len(files)} pictures"] = {part: {} for part in PARTS}
        changes = {UNCHANGED: lambda image: image, **COPIES}
        for kind, change in progress(list(changes.items()), folder.name, "kinds"):
            for part, persons in persons_of(files, change, detector).items():
                by_part[part][kind] = persons
    threshold = report_folders(found)
    report_small_sets(found, threshold)
    report_larger_set(folders, detector, threshold)
    for by_part in found.values():
        report_reduced(by_part[DEFAULT][UNCHANGED], by_part[DEFAULT]["quality 90"])


if __name__ == "__main__":
    main()
