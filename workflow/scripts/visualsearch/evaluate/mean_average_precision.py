"""Mean average precision of whole rankings, by labels of the images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.data.person_order import vectors_and_images
from visualsearch.evaluate.neighbour_measures import NeighbourMeasures, Sample, with_strata

BATCH_ROWS = 1024
# Cosines of whole rankings held at once: a quarter of a gigabyte.
MAX_RANKED = 1 << 26


def label_rankings(
    measures: NeighbourMeasures,
    sample: Sample,
    queries: NDArray[np.float32],
    reduced: Sequence[str],
) -> dict[str, Any]:
    """Mean average precision of rankings of all persons in other images, by kind of label.

    queries: reduced vectors of the sample, float32 [Q, D]. reduced: shards of reduced vectors, read
    once for every MAX_RANKED / N queries.
    """
    values = {kind: np.full(len(sample.rows), np.nan) for kind in measures.labels}
    chance = {kind: np.full(len(sample.rows), np.nan) for kind in measures.labels}
    step = max(1, MAX_RANKED // len(sample.image_ids))
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        cosines = np.empty((len(part), len(sample.image_ids)), dtype=np.float32)
        seen = 0
        for batch, _ in vectors_and_images(reduced, BATCH_ROWS):
            cosines[:, seen : seen + len(batch)] = part @ batch.T
            seen += len(batch)
        for i, near in enumerate(cosines, start):
            row = sample.rows[i]
            for kind, codes in measures.labels.items():
                others = (sample.image_ids != sample.image_ids[row]) & (codes >= 0)
                if codes[row] < 0 or not others.any():
                    continue
                order = np.argsort(-near[others], kind="stable")
                relevant = (codes[others] == codes[row])[order]
                values[kind][i] = average_precision(relevant)
                chance[kind][i] = random_average_precision(int(relevant.sum()), len(relevant))
    return {kind: with_strata(values[kind], sample, chance[kind]) for kind in measures.labels}


def average_precision(relevant: NDArray[np.bool_]) -> float:
    """Mean of the precisions at each relevant place of a ranking; nan if nothing is relevant."""
    places = np.flatnonzero(relevant) + 1
    if not len(places):
        return float("nan")
    return float((np.arange(1, len(places) + 1) / places).mean())


def random_average_precision(relevant: int, n: int) -> float:
    """Expected average precision of a random ranking of n, of which `relevant` are relevant.

    Bestgen, "Exact Expected Average Precision of the Random Baseline for System Evaluation"
    (Prague Bulletin of Mathematical Linguistics 103, 2015). nan where nothing is relevant.
    """
    if not relevant:
        return float("nan")
    harmonic = float((1 / np.arange(1, n + 1)).sum())
    if n == 1:
        return 1.0
    return ((relevant - 1) / (n - 1) * (n - harmonic) + harmonic) / n
