"""Measures the search: what the reduction loses, and what neighbours have in common.

Searches for evenly spaced persons among all, in one pass over the reduced and one over the
full-length vectors. The searches are exact, so that the figures describe the vectors only; what the
index loses is measured when it is built.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.data.person_order import vectors_and_images, vectors_of_rows
from visualsearch.data.tables import vectors_of
from visualsearch.embed.distortion import VECTORS
from visualsearch.evaluate.mean_average_precision import label_rankings
from visualsearch.evaluate.neighbour_measures import (
    NeighbourMeasures,
    Rows,
    Sample,
    draw_sample,
    rank_summary,
    same_image_share,
    with_strata,
)
from visualsearch.evaluate.person_facts import PersonFacts
from visualsearch.evaluate.relevance import summary
from visualsearch.index.nearest import Nearest, Ranks, Rescored, share_found
from visualsearch.reduce.reduction import Reduction, l2_normalised
from visualsearch.search.full_length import centred
from visualsearch.settings import EvaluationSettings

NEIGHBOURS = 10
# Few, as a comparison holds a matrix of these by the persons measured, and full-length vectors are
# copied more than once.
BATCH_ROWS = 1024

Vectors = NDArray[np.float32]


def component_numbers(kept: int) -> list[int]:
    """Numbers of components to compare: powers of two from 8, and all that are kept."""
    return [*(n for n in (2**i for i in range(3, 12)) if n < kept), kept]


def prefix(reduced: Vectors, n_components: int) -> Vectors:
    """Reduced vectors [N, k] with only the first components, of length 1.

    Equal to a reduction with fewer components, as each is whitened by itself and lengths cancel.
    """
    return l2_normalised(np.ascontiguousarray(reduced[:, :n_components]))


@dataclass(frozen=True)
class View:
    """Persons compared by one kind of vector: exact neighbours, and the ranks of copies."""

    nearest: Nearest
    ranks: Ranks | None = None
    unmirrored: Ranks | None = None

    def add(self, batch: Vectors, images: NDArray[np.int64]) -> None:
        """Add the next rows to all of these."""
        self.nearest.add(batch, images)
        for part in (self.ranks, self.unmirrored):
            if part is not None:
                part.add(batch)


def measure_search(
    embeddings: Sequence[str],
    reduced: Sequence[str],
    persons: pa.Table,
    reduction: Reduction,
    facts: PersonFacts | None,
    labels: pd.DataFrame,
    distorted: pa.Table,
    settings: EvaluationSettings,
    rerank: int,
) -> dict[str, Any]:
    """All measures of the search, JSON-ready; floats have 6 digits.

    embeddings, reduced: shards of full-length and reduced vectors. persons: the index's rows.
    facts: of these rows, None without annotations. labels: by image. distorted: rows of rule
    embed_distorted. rerank: search.rerank. Numbers of components are compared only where a
    reduction was fitted, so for two persons or more.
    """
    sample = draw_sample(persons, settings.persons, settings.resamples, settings.seed)
    own_images = sample.image_ids[sample.rows]
    alike = NeighbourMeasures(sample, facts, labels)
    full = l2_normalised(vectors_of_rows(embeddings, sample.rows))
    short = vectors_of_rows(reduced, sample.rows)
    # Distorted copies of sampled persons, as row numbers of the sample.
    person_ids = persons["person_id"].to_numpy()
    copied = np.searchsorted(person_ids[sample.rows], distorted["person_id"].to_numpy())
    copies = {name: vectors_of(distorted, name) for name in VECTORS}

    def view(vectors: Vectors, of_copies: dict[str, Vectors] | None) -> View:
        nearest = Nearest(vectors, NEIGHBOURS, sample.rows, own_images)
        if of_copies is None:
            return View(nearest)
        own = vectors[copied]
        return View(
            nearest, Ranks(of_copies["vector"], own), Ranks(of_copies["vector_unmirrored"], own)
        )

    raw = view(full, {name: l2_normalised(v) for name, v in copies.items()})
    plain_full = view(centred(full, reduction.mean), None)
    reduced_copies = {name: reduction.transform(v) for name, v in copies.items()}
    kept = reduction.n_components
    numbers = component_numbers(kept) if reduction.is_fitted else [kept]
    by_number = {
        n: view(prefix(short, n), {name: prefix(v, n) for name, v in reduced_copies.items()})
        for n in numbers
    }
    unwhitened = {n: view(prefix(_unwhitened(short, reduction), n), None) for n in numbers}
    with_own = Nearest(short, NEIGHBOURS, sample.rows)
    candidates = Nearest(short, max(rerank, NEIGHBOURS), sample.rows, own_images)
    for batch, images in vectors_and_images(reduced, BATCH_ROWS):
        plain = _unwhitened(batch, reduction)
        for n in numbers:
            by_number[n].add(prefix(batch, n), images)
            unwhitened[n].add(prefix(plain, n), images)
        with_own.add(batch, images)
        if rerank:
            candidates.add(batch, images)
    reranked = Rescored(centred(full, reduction.mean), candidates.neighbours)
    for batch, images in vectors_and_images(embeddings, BATCH_ROWS):
        raw.add(l2_normalised(batch), images)
        unit = centred(batch, reduction.mean)
        plain_full.add(unit, images)
        if rerank:
            reranked.add(unit)

    best = by_number[reduction.n_components]
    result: dict[str, Any] = {
        "persons_measured": len(sample.rows),
        "neighbours": NEIGHBOURS,
        "reduced_against_full_length": recalls(raw.nearest, best.nearest, sample),
        "measures": _measures(best, alike, sample, sample.rows[copied], strata=True),
        "same_image": with_strata(same_image_share(with_own.neighbours, sample), sample),
        "raw_cosine": _beside(raw, best, alike, sample, sample.rows[copied]),
        "by_components": [],
    }
    cumulative = np.cumsum(reduction.explained_variance_ratio)
    for n in numbers if reduction.is_fitted else ():
        row = {
            "n_components": n,
            "explained_variance": round(float(cumulative[n - 1]), 6),
            "recall": recalls(raw.nearest, by_number[n].nearest, sample),
            "recall_without_whitening": recalls(plain_full.nearest, unwhitened[n].nearest, sample),
            "measures": _measures(by_number[n], alike, sample, sample.rows[copied], base=best),
        }
        result["by_components"].append(row)
    if alike.labels:
        result["mean_average_precision"] = label_rankings(alike, sample, short, reduced)
    if rerank:
        after = reranked.best(NEIGHBOURS)
        changed = 1 - share_found(best.nearest.neighbours, after)
        result["rerank"] = {
            "candidates": rerank,
            "changed": summary(changed, sample.bootstrap),
            "measures": alike.summaries(after, base=best.nearest.neighbours),
        }
    return result


def recalls(truth: Nearest, found: Nearest, sample: Sample) -> dict[str, Any]:
    """recall@1 and recall@10 of one exact search against another, with intervals."""
    result: dict[str, Any] = {"persons_sampled": len(sample.rows)}
    for k in (1, NEIGHBOURS):
        values = share_found(truth.neighbours[:, :k], found.neighbours[:, :k])
        measured = summary(values, sample.bootstrap)
        result[f"recall@{k}"] = measured["value"]
        result[f"recall@{k}_interval"] = measured["interval"]
    return result


def _measures(
    view: View,
    alike: NeighbourMeasures,
    sample: Sample,
    copied: Rows,
    strata: bool = False,
    base: View | None = None,
) -> dict[str, Any]:
    """All measures of a view; with `base`, the difference from that one."""
    others = None if base is None else base.nearest.neighbours
    result = alike.summaries(view.nearest.neighbours, strata, others)
    for name in ("ranks", "unmirrored"):
        ranks: Ranks | None = getattr(view, name)
        if ranks is None or not len(copied):
            continue
        before: Ranks | None = None if base is None else getattr(base, name)
        found = rank_summary(ranks.ranks, sample, copied, None if before is None else before.ranks)
        if not strata:
            found = {key: value for key, value in found.items() if not key.endswith("by_height")}
        result["self" if name == "ranks" else "self_unmirrored"] = found
    return result


def _beside(
    raw: View, best: View, alike: NeighbourMeasures, sample: Sample, copied: Rows
) -> dict[str, Any]:
    """Measures of the raw cosine, each with the difference of the run's own from it."""
    result = _measures(raw, alike, sample, copied)
    for name, own in _measures(best, alike, sample, copied, base=raw).items():
        part, of = ("rank1", own["rank1"]) if "rank1" in own else (None, own)
        into = result[name][part] if part else result[name]
        into |= {key: of[key] for key in ("difference", "difference_interval")}
    return result


def _unwhitened(reduced: Vectors, reduction: Reduction) -> Vectors:
    """Reduced vectors with their whitening undone, up to their lengths."""
    return reduced * (reduction.deviations() ** reduction.whiten_power).astype(np.float32)
