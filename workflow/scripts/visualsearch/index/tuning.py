"""Choosing how an index is built and how far it searches, so that it reaches a recall.

What counts is the number of vectors a query compares, never the clock: the choice must be the same
on a busy machine.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.sampling import evenly_spaced
from visualsearch.index.opening import Index
from visualsearch.index.recall import (
    RECALL_AT,
    Searched,
    exact_cosines,
    found,
    least,
    shares,
)

# Builds are compared on a part of the set, so that this costs the same however large the set is.
MOST_IN_PART = 20_000
LEAST_IN_PART = 1_000
SAMPLED_IN_PART = 300
# A dearer build must save this share of the comparisons.
SAVING = 0.1
# The effort chosen is the least whose whole interval, at this level, lies above the target. A mean
# over another sample of the same size is then above it too, in about 97 of 100 cases: the margin is
# 2.58 standard errors of one mean, so 1.82 of the difference of two. The person added widens it.
LEVEL = 0.99
HALVINGS = 3


@dataclass(frozen=True)
class Point:
    """Recall@10 of a sample at one effort, what it is at least, and the work it took.

    low: the low end of the interval of a sample with one more person, of whom nothing is found. A
    small sample without a miss would otherwise seem sure. Where everything was compared, and the
    backend can tell, nothing can be missed, and it is the recall.
    """

    effort: int
    recall: float
    low: float
    compared: float


@dataclass(frozen=True)
class Tried:
    """A build tried on a part of the set.

    recall, compared: of the effort the user set, or at the target. at_target: vectors compared
    where the recall crosses the target.
    """

    build: dict[str, Any]
    n_items: int
    recall: float
    compared: float
    at_target: float


def measured(index: Index, sample: Searched, effort: int, seed: int) -> Point:
    """One point of an index's curve."""
    hits, compared = found(index.at(effort), sample)
    k = RECALL_AT[-1]
    values = shares(sample, hits[k], k)
    recall = float(values.mean())
    if index.counts_exactly and (compared >= len(index)).all():
        return Point(effort, recall, recall, float(compared.mean()))
    another = np.append(sample.image_ids, sample.image_ids.max() + 1)
    low = least(np.append(values, 0), another, seed, LEVEL)
    return Point(effort, recall, low, float(compared.mean()))


def tuned(
    index: Index,
    sample: Searched,
    efforts: Iterable[int],
    target: float,
    seed: int,
    effort: int | None,
) -> tuple[int, list[Point]]:
    """The least effort that reaches the target on `sample` with a margin, and the curve to it.

    efforts: rising ones to try; between the last too small one and the first that is enough, a few
    more are. Where none is enough, the last is taken. effort: the user's own, which is kept.
    """
    curve: list[Point] = []
    if len(sample):
        curve = _up_to(index, sample, efforts, seed, lambda point: point.low >= target)
        curve = _refined(index, sample, curve, target, seed)
        if effort is not None and effort not in [point.effort for point in curve]:
            curve.append(measured(index, sample, effort, seed))
            curve.sort(key=lambda point: point.effort)
    if effort is None:
        enough = (point.effort for point in curve if point.low >= target)
        effort = next(enough, curve[-1].effort if curve else next(iter(efforts)))
    return effort, curve


def _up_to(
    index: Index,
    sample: Searched,
    efforts: Iterable[int],
    seed: int,
    enough: Callable[[Point], bool],
) -> list[Point]:
    curve: list[Point] = []
    for effort in efforts:
        curve.append(measured(index, sample, effort, seed))
        if enough(curve[-1]):
            break
    return curve


def _refined(
    index: Index, sample: Searched, curve: list[Point], target: float, seed: int
) -> list[Point]:
    if len(curve) < 2 or curve[-1].low < target:
        return curve
    short, enough = curve[-2:]
    between: list[Point] = []
    for _ in range(HALVINGS):
        effort = round(math.sqrt(short.effort * enough.effort))
        if effort in (short.effort, enough.effort):
            break
        between.append(measured(index, sample, effort, seed))
        if between[-1].low >= target:
            enough = between[-1]
        else:
            short = between[-1]
    return sorted([*curve, *between], key=lambda point: point.effort)


def compared_at(curve: list[Point], target: float) -> float:
    """Vectors compared where the curve's recall crosses the target, between its points."""
    if curve[0].recall >= target:
        return curve[0].compared
    for before, after in pairwise(curve):
        if after.recall >= target:
            share = (target - before.recall) / (after.recall - before.recall)
            ends = math.log(before.compared), math.log(after.compared)
            return math.exp(ends[0] + share * (ends[1] - ends[0]))
    return curve[-1].compared


def rows_of_part(n_items: int) -> NDArray[np.int64]:
    """The rows on which builds are compared: a quarter, evenly spread, so that the growth from
    the part to the whole shows; no more than MOST_IN_PART, and all where there are few."""
    part = min(n_items // 4, MOST_IN_PART)
    return evenly_spaced(n_items, part if part >= LEAST_IN_PART else n_items)


def try_builds(
    module: ModuleType,
    vectors: NDArray[np.float32],
    held_out: NDArray[np.bool_],
    settings: dict[str, Any],
) -> list[Tried]:
    """Try a backend's builds on a part of the set, the cheapest first; the last is the best.

    vectors: float32 [N, D], those of `rows_of_part`. held_out: bool [N], rows not to be searched
    for. Ends at the first build that is not worth more than the one before it, and leaves that one
    out.
    """
    target, seed = settings["target_recall"], settings["seed"]
    effort = settings.get(module.PARAMETER)
    free = np.arange(len(vectors)) if held_out.all() else np.flatnonzero(~held_out)
    rows = free[evenly_spaced(len(free), SAMPLED_IN_PART)]
    depth = min(RECALL_AT[-1], len(vectors) - 1)
    truth = exact_cosines([vectors], vectors[rows], rows, depth)
    sample = Searched(rows, rows, vectors[rows], truth)
    tried: list[Tried] = []
    for build in module.builds(settings):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "part")
            n_items, dimension = vectors.shape
            facts = module.build([vectors], path, vectors.shape, build | {"seed": seed})
            sidecar = {"n_items": n_items, "dimension": dimension, **facts}
            index = Index(sidecar, module, [module.load(path, sidecar)])
            efforts = module.efforts(build, len(vectors))
            curve = _up_to(index, sample, efforts, seed, lambda point: point.recall >= target)
            crossing = compared_at(curve, target)
            point = measured(index, sample, effort, seed) if effort else curve[-1]
            compared = point.compared if effort else crossing
            new = Tried(build, len(vectors), point.recall, compared, crossing)
        if tried and not _worth_more(new, tried[-1], target):
            break
        tried.append(new)
    return tried


def _worth_more(new: Tried, old: Tried, target: float) -> bool:
    if old.recall < target:
        return new.recall > old.recall
    return new.recall >= target and new.compared < (1 - SAVING) * old.compared


def growth_exponent(tried: Tried, n_items: int, at_target: float) -> float | None:
    """b where the vectors compared at the target grow as persons**b, from the part to the whole.

    Between 0 and 1, since no search compares more than all; None where the part is the whole.
    """
    if tried.n_items >= n_items:
        return None
    slope = math.log(at_target / tried.at_target) / math.log(n_items / tried.n_items)
    return min(max(slope, 0.0), 1.0)
