"""Chooses how an index is built and how far it searches, so that it reaches a recall.

Work is counted in vectors compared and never in seconds, so that a busy machine chooses the same.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.statistics import evenly_spaced
from visualsearch.index.base import Backend, Rows, Vector
from visualsearch.index.index import Index
from visualsearch.index.recall import (
    RECALL_AT,
    SampledQueries,
    compared_all,
    count_hits,
    exact_cosines,
    lower_bound,
    recall_of_each,
)
from visualsearch.settings import IndexSettings

# Builds are compared on a part of the set, so that this takes as long however large the set is.
MAX_SUBSET = 20_000
MIN_SUBSET = 1_000
SAMPLED_OF_SUBSET = 300
# A dearer build must save this share of the comparisons.
SAVING = 0.1
# The least effort is chosen whose interval, at this level, lies above the target as a whole. The
# mean over another sample of this size is then above it in about 97 of 100 cases: the margin is
# 2.58 standard errors of one mean, so 1.82 of the difference of two.
LEVEL = 0.99
HALVINGS = 3


@dataclass(frozen=True)
class Point:
    """Recall@10 of a sample at one effort, its lower bound, and the work.

    low: lower bound of the recall, from a sample with one more person of whom nothing is found:
    without that person, a small sample without a miss would seem sure. Equal to the recall where
    every vector was compared. compared: vectors compared, mean of the sample.
    """

    effort: int
    recall: float
    low: float
    compared: float


@dataclass(frozen=True)
class TriedBuild:
    """A build that was tried on a part of the set.

    recall, compared: at the effort that the user set, or at the target. at_target: vectors compared
    where the recall crosses the target.
    """

    build: dict[str, Any]
    n_items: int
    recall: float
    compared: float
    at_target: float


def measure_point(index: Index, sample: SampledQueries, effort: int, seed: int) -> Point:
    """Measure a sample at one effort."""
    hits, compared = count_hits(index.at(effort), sample)
    k = RECALL_AT[-1]
    values = recall_of_each(sample, hits[k], k)
    recall = float(values.mean())
    if compared_all(index, compared):
        return Point(effort, recall, recall, float(compared.mean()))
    another = np.append(sample.image_ids, sample.image_ids.max() + 1)
    low = lower_bound(np.append(values, 0), another, seed, LEVEL)
    return Point(effort, recall, low, float(compared.mean()))


def choose_effort(
    index: Index,
    sample: SampledQueries,
    efforts: Iterable[int],
    target: float,
    seed: int,
    user_effort: int | None,
) -> tuple[int, list[Point]]:
    """The least effort that reaches the target on `sample` with a margin, and the curve up to it.

    efforts: rising ones to try. Some more are tried between the last that was too small and the
    first that was enough. The last effort is taken where none is enough. user_effort: what the user
    set, which is kept.
    """
    curve: list[Point] = []
    if len(sample):
        curve = _up_to(index, sample, efforts, seed, lambda point: point.low >= target)
        curve = _refined(index, sample, curve, target, seed)
        if user_effort is not None and user_effort not in [point.effort for point in curve]:
            curve.append(measure_point(index, sample, user_effort, seed))
            curve.sort(key=lambda point: point.effort)
    if user_effort is not None:
        return user_effort, curve
    enough = (point.effort for point in curve if point.low >= target)
    return next(enough, curve[-1].effort if curve else next(iter(efforts))), curve


def _up_to(
    index: Index,
    sample: SampledQueries,
    efforts: Iterable[int],
    seed: int,
    enough: Callable[[Point], bool],
) -> list[Point]:
    curve: list[Point] = []
    for effort in efforts:
        curve.append(measure_point(index, sample, effort, seed))
        if enough(curve[-1]):
            break
    return curve


def _refined(
    index: Index, sample: SampledQueries, curve: list[Point], target: float, seed: int
) -> list[Point]:
    if len(curve) < 2 or curve[-1].low < target:
        return curve
    short, enough = curve[-2:]
    between: list[Point] = []
    for _ in range(HALVINGS):
        effort = round(math.sqrt(short.effort * enough.effort))
        if effort in (short.effort, enough.effort):
            break
        between.append(measure_point(index, sample, effort, seed))
        if between[-1].low >= target:
            enough = between[-1]
        else:
            short = between[-1]
    return sorted([*curve, *between], key=lambda point: point.effort)


def compared_at(curve: list[Point], target: float) -> float:
    """Vectors compared where the recall crosses the target, interpolated between the points."""
    if curve[0].recall >= target:
        return curve[0].compared
    for before, after in pairwise(curve):
        if after.recall >= target:
            share = (target - before.recall) / (after.recall - before.recall)
            ends = math.log(before.compared), math.log(after.compared)
            return math.exp(ends[0] + share * (ends[1] - ends[0]))
    return curve[-1].compared


def subset_rows(n_items: int) -> Rows:
    """The rows on which builds are compared: a quarter, evenly spaced, at most MAX_SUBSET.

    A quarter, so that the growth from the subset to the whole shows. All rows of a small set.
    """
    subset = min(n_items // 4, MAX_SUBSET)
    return evenly_spaced(n_items, subset if subset >= MIN_SUBSET else n_items)


def try_builds(
    backend: Backend, vectors: Vector, held_out: NDArray[np.bool_], settings: IndexSettings
) -> list[TriedBuild]:
    """Try a backend's builds on a part of the set, the cheapest first; the last one is the best.

    vectors: float32 [N, D], those of `subset_rows`. held_out: bool [N], rows not to search for.
    Stops at the first build that is not worth more than the one before it, and leaves it out.
    """
    target, seed = settings.target_recall, settings.seed
    effort = backend.user_effort(settings)
    free = np.arange(len(vectors)) if held_out.all() else np.flatnonzero(~held_out)
    rows = free[evenly_spaced(len(free), SAMPLED_OF_SUBSET)]
    truth = exact_cosines([vectors], vectors[rows], rows, min(RECALL_AT[-1], len(vectors) - 1))
    sample = SampledQueries(rows, rows, vectors[rows], truth)
    tried: list[TriedBuild] = []
    for build in backend.builds(settings):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "index")
            n_items, dimension = vectors.shape
            facts = backend.build([vectors], path, vectors.shape, build | {"seed": seed})
            sidecar = {"n_items": n_items, "dimension": dimension, **facts}
            index = Index(sidecar, backend, backend.load(path, sidecar))
            efforts = backend.efforts(build, n_items)
            curve = _up_to(index, sample, efforts, seed, lambda point: point.recall >= target)
            crossing = compared_at(curve, target)
            point = measure_point(index, sample, effort, seed) if effort else curve[-1]
        compared = point.compared if effort else crossing
        new = TriedBuild(build, n_items, point.recall, compared, crossing)
        if tried and not _worth_more(new, tried[-1], target):
            break
        tried.append(new)
    return tried


def _worth_more(new: TriedBuild, old: TriedBuild, target: float) -> bool:
    if old.recall < target:
        return new.recall > old.recall
    return new.recall >= target and new.compared < (1 - SAVING) * old.compared


def growth_exponent(tried: TriedBuild, n_items: int, at_target: float) -> float | None:
    """b where the vectors compared at the target grow as persons**b, from the subset to the whole.

    Between 0 and 1, since no search compares more than all; None where the subset is the whole.
    """
    if tried.n_items >= n_items:
        return None
    slope = math.log(at_target / tried.at_target) / math.log(n_items / tried.n_items)
    return min(max(slope, 0.0), 1.0)


def tune(
    index: Index, sample: SampledQueries, tried: list[TriedBuild], settings: IndexSettings
) -> dict[str, Any]:
    """Choose how far the index searches; the choice and its reasons, as the sidecar keeps them.

    tried: the builds that were tried, of which the last is the one of `index`.
    """
    name, build, target = index.backend.effort_name, tried[-1].build, settings.target_recall
    assert name is not None
    efforts = list(index.backend.efforts(build, len(index)))
    user_effort = index.backend.user_effort(settings)
    effort, curve = choose_effort(index, sample, efforts, target, settings.seed, user_effort)
    exponent = None
    if curve:
        exponent = growth_exponent(tried[-1], len(index), compared_at(curve, target))
    return {
        "persons_sampled": len(sample),
        "curve": [
            {
                **build,
                name: point.effort,
                "recall@10": round(point.recall, 6),
                "low": round(point.low, 6),
                "compared": round(point.compared, 6),
            }
            for point in curve
        ],
        "chosen": {**build, name: effort},
        "builds": [
            {
                **one.build,
                "n_items": one.n_items,
                "recall@10": round(one.recall, 6),
                "compared": round(one.compared, 6),
            }
            for one in tried
        ],
        "growth_exponent": None if exponent is None else round(exponent, 6),
    }
