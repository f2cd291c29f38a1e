"""How many components a small set bears: the search's measures against components per person.

Persons are the annotated ones of COCO pictures, as in benchmarks/representation.py. Subsets of so
many persons are drawn by picture, at random, from half A of the images or from half B. Each has a
PCA of its own, as a small run has.

    python benchmarks/few_persons.py FOLDER [FOLDER ...]

A folder is one of benchmarks/representation.py. How copies of pictures score with so many
components: benchmarks/near_duplicates.py.

What this does not show: another detector than the bundled one.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from annotated import RESAMPLES, SEED, Judge, Persons, persons_of_sets
from numpy.typing import NDArray
from ways import ONE, TALL, Way, described

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.progress import progress
from visualsearch.core.statistics import Bootstrap, interval_of
from visualsearch.data.vectors import l2_normalised
from visualsearch.detect import load_detector
from visualsearch.reduce import fit_pca
from visualsearch.settings import DetectorSettings, ReductionSettings
from visualsearch.settings.names import BUNDLED

# So that more components can be compared than a run keeps.
fit_pca.MOST_PER_PERSON = 1.0

RULE = (
    "half as many components as persons are kept unless, on both halves, another share is better "
    "by a measure, with an interval of the difference that leaves out 0, and worse so by none"
)
DEFAULT_WAY = Way(TALL, last=ONE, before=(6, 1))
SIZES = (30, 60, 100, 200, 400)
SHARES = (0.1, 0.2, 0.33, 0.5, 0.67, 1.0)
# The share that a run keeps: the others are compared with it.
KEPT = 0.5
SUBSETS = 12
MEASURES = ("self", "pose", "context")
REDUCTION = ReductionSettings()


def subset(image_ids: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places of the persons of randomly drawn pictures, in order, `size` of them."""
    images = np.unique(image_ids)
    place = rng.permutation(len(images))[np.searchsorted(images, image_ids)]
    return np.sort(np.argsort(place, kind="stable")[:size])


def measured(
    persons: Persons,
    vectors: NDArray[np.float32],
    copies: NDArray[np.float32],
    rows: NDArray[np.int64],
    size: int,
) -> NDArray[np.float64]:
    """Each measure of each person, by share: float64 [len(SHARES), 3, N].

    The mean over random subsets of `rows`; nan where a person is in none, or it is not known.
    """
    rng = np.random.default_rng(size)
    n = len(vectors)
    total, times = np.zeros((2, len(SHARES), len(MEASURES), n))
    most = min(int(REDUCTION.n_components), size - 1)
    for _ in progress(range(SUBSETS), f"{size} persons", "subsets"):
        drawn = rows[subset(persons.table["image_id"].to_numpy()[rows], size, rng)]
        judge = Judge(
            replace(
                persons,
                table=persons.table.take(drawn),
                sizes=persons.sizes[drawn],
                context_known=persons.context_known[drawn],
            )
        )
        whole = fit_pca.fit_reduction(
            [vectors[drawn]], size, vectors.shape[1], most, REDUCTION.whiten_power
        )
        for i, share in enumerate(SHARES):
            kept = max(1, min(round(share * size), most))
            model = replace(whole, components=whole.components[:kept])
            found = judge.values(model.transform(vectors[drawn]), model.transform(copies[drawn]))
            for j, name in enumerate(MEASURES):
                known = ~np.isnan(found[name])
                total[i, j, drawn[known]] += found[name][known]
                times[i, j, drawn[known]] += 1
    return np.where(times, total / np.maximum(times, 1), np.nan)


def report(by_size: dict[int, NDArray[np.float64]], image_ids: NDArray[np.int64]) -> None:
    """Print the tables of a half. image_ids: of all persons."""
    print("| persons | components per person | self rank-1 | pose lift | context lift |")
    print("|---|---|---|---|---|")
    for size, values in by_size.items():
        for share, found in zip(SHARES, np.nanmean(values, axis=2), strict=True):
            cells = " | ".join(f"{value:.4f}" for value in found)
            print(f"| {size} | {share:g} | {cells} |")
    print(f"\nMinus the value at {KEPT:g} components per person, mean over the sizes:\n")
    print("| components per person | self rank-1 | pose lift | context lift |")
    print("|---|---|---|---|")
    bootstrap = Bootstrap(image_ids, RESAMPLES, SEED)
    kept = SHARES.index(KEPT)
    for i, share in enumerate(SHARES):
        if i == kept:
            continue
        cells = []
        for j in range(len(MEASURES)):
            differences = [values[i, j] - values[kept, j] for values in by_size.values()]
            mean = np.mean([np.nanmean(each) for each in differences])
            resampled = np.mean([bootstrap.means(each) for each in differences], axis=0)
            low, high = interval_of(resampled) or [np.nan, np.nan]
            cells.append(f"{mean:+.4f} ({low:+.4f} to {high:+.4f})")
        print(f"| {share:g} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    torch.set_num_threads(1)
    persons = persons_of_sets(parser.parse_args().folders)
    detector = load_detector(DetectorSettings(BUNDLED, "default"))
    parts = described(detector, persons, DEFAULT_WAY.crop, [DEFAULT_WAY])
    vectors, copies = (
        np.hstack([l2_normalised(parts[part][which]) for part in DEFAULT_WAY.parts])
        for which in (0, 1)
    )
    image_ids = persons.table["image_id"].to_numpy()
    second = np.isin(image_ids, np.unique(image_ids)[1::2])
    print(f"The rule: {RULE}.")
    for name, half in (("A", ~second), ("B", second)):
        rows = np.flatnonzero(half)
        print(f"\n## Half {name}: {len(rows)} persons\n")
        report(
            {n: measured(persons, vectors, copies, rows, n) for n in SIZES if n <= len(rows)},
            image_ids,
        )


if __name__ == "__main__":
    main()
