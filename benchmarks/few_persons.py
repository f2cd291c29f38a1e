"""How many components a small set bears: the search's measures against components per person.

Persons are the annotated ones of folders of pictures, as in benchmarks/representation.py. Subsets
of so many persons are drawn by picture, at random. Each has its own PCA, as a small run has, with
whitening 0.5.

    python benchmarks/few_persons.py FOLDER [FOLDER ...]

A folder holds images/, instances.json and person_keypoints.json. Context is measured in those that
have other categories than the person too.

What this does not show: another detector than the bundled one.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from representation import Judge, Persons, annotated_persons

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.data.boxes import clip_to_image, mirror, xywh_to_xyxy
from visualsearch.data.images import read_image
from visualsearch.detect import load_detector
from visualsearch.embed.distortion import distorted_boxes
from visualsearch.embed.embedding import embed_pictures
from visualsearch.reduce import fit_pca
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

# So that more components can be compared than a run keeps.
fit_pca.MOST_PER_PERSON = 1.0

RULE = (
    "the share is chosen whose worst measure is best; a measure is the mean over the sizes of its "
    "value as a share of the best value at that size"
)
SIZES = (60, 100, 200, 400, 800)
SHARES = (0.1, 0.2, 0.33, 0.5, 0.67, 1.0)
MOST = 256
SUBSETS = 6
MEASURES = ("self", "pose", "context")


def described(persons: Persons) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors of persons [N, D], and of their moved and mirrored copies, by the defaults."""
    torch.set_num_threads(1)
    detector = load_detector(DetectorSettings(BUNDLED, "default"))
    boxes = xywh_to_xyxy(np.column_stack([persons.table[name].to_numpy() for name in "xywh"]))
    moved = distorted_boxes(persons.table["person_id"].to_numpy(), boxes, 0)
    names = np.array(persons.files)

    def views() -> Iterator[tuple[str, Image.Image, NDArray[np.float32]]]:
        for name in dict.fromkeys(persons.files):
            rows = np.flatnonzero(names == name)
            image = read_image(Path(name)).image
            yield "person", image, boxes[rows]
            there = mirror(clip_to_image(moved[rows], *image.size), image.width)
            yield "copy", ImageOps.mirror(image), there

    found: dict[str, list[NDArray[np.float32]]] = {"person": [], "copy": []}
    for tag, vectors in embed_pictures(detector, views(), EmbeddingSettings()):
        found[tag].append(vectors)
    return np.concatenate(found["person"]), np.concatenate(found["copy"])


def joined(all_persons: list[Persons]) -> Persons:
    """Persons of several folders as one. Their files are whole paths."""
    first = all_persons[0]
    annotations = {
        name: [entry for persons in all_persons for entry in persons.annotations[name]]
        for name in ("images", "annotations")
    }
    return Persons(
        first.folder,
        pa.concat_tables([persons.table for persons in all_persons]),
        [str(persons.folder / file) for persons in all_persons for file in persons.files],
        {**annotations, "categories": first.annotations["categories"]},
    )


def subset(persons: Persons, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of the persons of randomly drawn pictures, in order, `size` of them."""
    images = persons.table["image_id"].to_numpy()
    drawn = rng.permutation(np.unique(images))
    place = np.argsort(drawn)[np.searchsorted(np.unique(images), images)]
    return np.sort(np.argsort(place, kind="stable")[:size])


def measured(
    persons: Persons,
    vectors: NDArray[np.float32],
    copies: NDArray[np.float32],
    size: int,
    shares: tuple[float, ...] = SHARES,
) -> NDArray[np.float64]:
    """Mean over random subsets of each measure by share: float64 [len(shares), 3]."""
    rng = np.random.default_rng(size)
    found = []
    for _ in range(SUBSETS):
        rows = subset(persons, size, rng)
        some = Persons(persons.folder, persons.table.take(rows), [], persons.annotations)
        judge = Judge(some)
        values = []
        for share in shares:
            kept = max(1, min(round(share * size), MOST, size - 1))
            model = fit_pca.fit_reduction([vectors[rows]], size, vectors.shape[1], kept, 0.5)
            one = judge.values(model.transform(vectors[rows]), model.transform(copies[rows]))
            values.append([np.nanmean(one[name]) for name in MEASURES])
        found.append(values)
    return np.mean(found, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    folders = parser.parse_args().folders
    persons = joined(
        [
            annotated_persons(f / "images", f / "instances.json", f / "person_keypoints.json")
            for f in folders
        ]
    )
    vectors, copies = described(persons)
    tables = {n: measured(persons, vectors, copies, n) for n in SIZES if n <= len(vectors)}
    print("| persons | components per person | self rank-1 | pose lift | context lift |")
    print("|---|---|---|---|---|")
    for size, values in tables.items():
        for share, (rank, pose, context) in zip(SHARES, values, strict=True):
            print(f"| {size} | {share:g} | {rank:.3f} | {pose:.4f} | {context:.4f} |")
    relative = np.mean([values / values.max(axis=0) for values in tables.values()], axis=0)
    print(f"\nThe rule: {RULE}.")
    for share, values in zip(SHARES, relative, strict=True):
        named = ", ".join(f"{n} {v:.3f}" for n, v in zip(MEASURES, values, strict=True))
        print(f"{share:g}: {named}; worst {values.min():.3f}")


if __name__ == "__main__":
    main()
