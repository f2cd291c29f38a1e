"""Measures of what persons and their neighbours have in common, with their chance level."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.statistics import Bootstrap, evenly_spaced
from visualsearch.evaluate.person_facts import PersonFacts
from visualsearch.evaluate.relevance import (
    by_height,
    context_overlap,
    mean_of_known,
    pose_similarity,
    summary,
)

# Pixels of box height between small, medium and tall persons.
HEIGHT_EDGES = (96.0, 192.0)
# Random persons for each measured one, from which chance is computed.
RANDOM_PERSONS = 1000

Rows = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """The measured persons.

    rows: int64 [Q], rising if drawn. image_ids: int64 [N], of the whole set. heights: float64 [Q],
    pixels. random: int64 [Q, m], random persons for each; -1 for those of the same image.
    """

    rows: Rows
    image_ids: NDArray[np.int64]
    heights: Values
    random: Rows
    bootstrap: Bootstrap


def draw_sample(persons: pa.Table, most: int, resamples: int, seed: int) -> Sample:
    """At most `most` persons, evenly spaced, and the random persons to compute chance from."""
    return sample_of(persons, evenly_spaced(len(persons), most), resamples, seed)


def sample_of(persons: pa.Table, rows: Rows, resamples: int, seed: int) -> Sample:
    """The persons of these rows, and the random persons to compute chance from."""
    image_ids = persons["image_id"].to_numpy()
    if len(persons) <= RANDOM_PERSONS:
        random = np.broadcast_to(np.arange(len(persons)), (len(rows), len(persons)))
    else:
        random = np.random.default_rng(seed).integers(
            len(persons), size=(len(rows), RANDOM_PERSONS)
        )
    random = np.where(image_ids[random] == image_ids[rows][:, None], -1, random)
    heights = persons["h"].to_numpy()[rows].astype(np.float64)
    bootstrap = Bootstrap(image_ids[rows], resamples, seed)
    return Sample(rows, image_ids, heights, random, bootstrap)


class NeighbourMeasures:
    """Pose, context and labels that measured persons share with their neighbours.

    facts: None without annotations. labels: as `labels_by_image` returns them.
    """

    def __init__(self, sample: Sample, facts: PersonFacts | None, labels: pd.DataFrame) -> None:
        self.sample = sample
        self.facts = facts
        self.labels = {}
        for kind in sorted(labels.columns):
            codes, _ = pd.factorize(labels[kind].reindex(sample.image_ids))
            if len(np.unique(codes[codes >= 0])) > 1:
                self.labels[kind] = codes
        self.chance = {name: mean_of_known(self.pairs(name, sample.random)) for name in self.names}

    @property
    def names(self) -> list[str]:
        """The measures that are known: pose, pose_oks, context, and label:KIND for each kind."""
        found = []
        if self.facts is not None:
            if not np.isnan(self.facts.keypoints[self.sample.rows]).all():
                found += ["pose", "pose_oks"]
            if self.facts.matched[self.sample.rows].any():
                found.append("context")
        return [*found, *(f"label:{kind}" for kind in self.labels)]

    def pairs(self, name: str, others: Rows) -> Values:
        """The measure of each measured person with each of its `others` [Q, m]; nan if unknown."""
        rows = self.sample.rows
        result = np.full(others.shape, np.nan)
        for start in range(0, len(rows), 64):
            part = slice(start, start + 64)
            result[part] = self._of_pairs(name, rows[part, None], others[part])
        return np.where(others >= 0, result, np.nan)

    def _of_pairs(self, name: str, first: Rows, second: Rows) -> Values:
        if name.startswith("label:"):
            codes = self.labels[name.removeprefix("label:")]
            known = (codes[first] >= 0) & (codes[second] >= 0)
            return np.where(known, codes[first] == codes[second], np.nan)
        assert self.facts is not None
        if name == "pose":
            points = self.facts.keypoints
            return pose_similarity(points[first], points[second])
        if name == "pose_oks":
            return pose_similarity(self.facts.in_one_scale(first), self.facts.in_one_scale(second))
        known = self.facts.matched[first] & self.facts.matched[second]
        overlap = context_overlap(self.facts.context[first], self.facts.context[second])
        return np.where(known, overlap, np.nan)

    def of_neighbours(self, name: str, neighbours: Rows) -> Values:
        """Mean of a measure over each person's neighbours [Q, k]: float64 [Q]."""
        return mean_of_known(self.pairs(name, neighbours))

    def summaries(
        self, neighbours: Rows, strata: bool = False, base: Rows | None = None
    ) -> dict[str, Any]:
        """Every measure of these neighbours, by name; with `base`, the difference from those."""
        result: dict[str, Any] = {}
        bootstrap = self.sample.bootstrap
        for name in self.names:
            values, chance = self.of_neighbours(name, neighbours), self.chance[name]
            other = None if base is None else self.of_neighbours(name, base)
            found = summary(values, bootstrap, chance, other)
            if strata:
                found["by_height"] = by_height(
                    values, self.sample.heights, HEIGHT_EDGES, bootstrap, chance
                )
            result[name] = found
        return result


def same_image_share(found: Rows, sample: Sample) -> Values:
    """Share of each person's neighbours [Q, k] that are in its own image: float64 [Q]."""
    own = sample.image_ids[sample.rows][:, None] == sample.image_ids[found]
    return mean_of_known(np.where(found >= 0, own, np.nan).astype(np.float64))


def rank_summary(
    ranks: NDArray[np.int64], sample: Sample, rows: Rows, base: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """Summary of the ranks [R] at which distorted copies found the persons `rows` [R].

    rank1: the share found first. reciprocal_rank: the mean of 1 / rank. Both with intervals and by
    height; rank1 also with the difference from the ranks `base` [R].
    """
    places = np.searchsorted(sample.rows, rows)

    def spread(values: NDArray[Any]) -> Values:
        every = np.full(len(sample.rows), np.nan)
        every[places] = values
        return every

    first, reciprocal = spread(ranks == 1), spread(1 / ranks)
    other = None if base is None else spread(base == 1)
    strata = (sample.heights, HEIGHT_EDGES, sample.bootstrap)
    return {
        "rank1": summary(first, sample.bootstrap, base=other),
        "reciprocal_rank": summary(reciprocal, sample.bootstrap),
        "median_rank": float(np.median(ranks)) if len(ranks) else None,
        "worst_rank": int(ranks.max()) if len(ranks) else None,
        "by_height": by_height(first, *strata),
        "reciprocal_rank_by_height": by_height(reciprocal, *strata),
    }


def with_strata(values: Values, sample: Sample, chance: Values | None = None) -> dict[str, Any]:
    """`summary` of values [Q], with a summary for each range of box height."""
    found = summary(values, sample.bootstrap, chance)
    strata = by_height(values, sample.heights, HEIGHT_EDGES, sample.bootstrap, chance)
    return found | {"by_height": strata}
