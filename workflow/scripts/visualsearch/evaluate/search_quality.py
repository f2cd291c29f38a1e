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
from visualsearch.data.vectors import l2_normalised, stored_lengths, vectors_of
from visualsearch.embed.distortion import MIRRORED, UNMIRRORED
from visualsearch.evaluate.box_shape import box_features, nearest_by_shape
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
from visualsearch.evaluate.reduction_settings import (
    ReductionSetting,
    compared_settings,
    preference,
    prefix,
    whitened_by,
)
from visualsearch.evaluate.relevance import summary
from visualsearch.index.nearest import Nearest, Ranks, Rescored, share_found
from visualsearch.reduce.reduction import Reduction
from visualsearch.search.full_length import centred
from visualsearch.settings import EvaluationSettings

NEIGHBOURS = 10
# Few, as a comparison holds a matrix of these by the persons measured, and full-length vectors are
# copied more than once.
BATCH_ROWS = 1024

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """Persons compared by one kind of vector: exact neighbours, and the ranks of copies.

    ranks: of the mirrored copies. unmirrored: of those that are only moved.
    """

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
    sizes: NDArray[np.int64],
    reduction: Reduction,
    facts: PersonFacts | None,
    labels: pd.DataFrame,
    distorted: pa.Table,
    settings: EvaluationSettings,
    rerank: int,
) -> dict[str, Any]:
    """All measures of the search, JSON-ready; floats have 6 digits.

    embeddings, reduced: shards of full-length and reduced vectors. persons: the index's rows.
    sizes: width and height of each row's picture [N, 2]. facts: of these rows, None without
    annotations. labels: by image. distorted: rows of rule embed_distorted. rerank: search.rerank;
    with it the random pairs are of full-length vectors, which hits are sorted by then. Settings of
    the reduction are compared only where one was fitted, so for two persons or more.
    """
    sample = draw_sample(persons, settings.persons, settings.resamples, settings.seed)
    own_images = sample.image_ids[sample.rows]
    alike = NeighbourMeasures(sample, facts, labels)
    full = l2_normalised(vectors_of_rows(embeddings, sample.rows))
    short = vectors_of_rows(reduced, sample.rows)
    # Distorted copies of sampled persons, as row numbers of the sample.
    person_ids = persons["person_id"].to_numpy()
    copied = np.searchsorted(person_ids[sample.rows], distorted["person_id"].to_numpy())
    copies = {way: vectors_of(distorted, way) for way in (MIRRORED, UNMIRRORED)}

    def view(vectors: Vectors, of_copies: dict[str, Vectors]) -> View:
        own = vectors[copied]
        ranks = {way: Ranks(v, own) for way, v in of_copies.items()}
        nearest = Nearest(vectors, NEIGHBOURS, sample.rows, own_images)
        return View(nearest, ranks.get(MIRRORED), ranks.get(UNMIRRORED))

    raw = view(full, {way: l2_normalised(v) for way, v in copies.items()})
    places = parts_of(embeddings[0])
    parts = {name: view(full[:, part], {}) for name, part in places.items()}
    plain_full = view(centred(full, reduction.mean), {})
    reduced_copies = {way: reduction.transform(v) for way, v in copies.items()}
    configured = ReductionSetting(reduction.n_components, float(reduction.whiten_power))
    views = {}
    for setting in compared_settings(reduction):
        n, power = setting
        # Moved copies without a mirror are compared by the configured whitening only.
        ways = list(copies) if power == configured.whiten_power else [MIRRORED]
        of_copies = {
            way: prefix(whitened_by(reduced_copies[way], reduction, power), n) for way in ways
        }
        views[setting] = view(prefix(whitened_by(short, reduction, power), n), of_copies)
    with_own = Nearest(short, NEIGHBOURS, sample.rows)
    random = Rescored(centred(full, reduction.mean) if rerank else short, sample.random)
    candidates = Nearest(short, max(rerank, NEIGHBOURS), sample.rows, own_images)
    for batch, images in vectors_and_images(reduced, BATCH_ROWS):
        for power in sorted({setting.whiten_power for setting in views}):
            whitened = whitened_by(batch, reduction, power)
            for setting, one in views.items():
                if setting.whiten_power == power:
                    one.add(prefix(whitened, setting.n_components), images)
        with_own.add(batch, images)
        if rerank:
            candidates.add(batch, images)
        else:
            random.add(batch)
    reranked = Rescored(centred(full, reduction.mean), candidates.neighbours)
    for batch, images in vectors_and_images(embeddings, BATCH_ROWS):
        of_length_1 = l2_normalised(batch)
        raw.add(of_length_1, images)
        for name, part in places.items():
            parts[name].add(of_length_1[:, part], images)
        unit = centred(batch, reduction.mean)
        plain_full.add(unit, images)
        if rerank:
            reranked.add(unit)
            random.add(unit)

    best = views[configured]
    by_shape = nearest_by_shape(
        box_features(persons, sizes), sample.rows, sample.image_ids, NEIGHBOURS
    )
    result: dict[str, Any] = {
        "persons_measured": len(sample.rows),
        "neighbours": NEIGHBOURS,
        "columns": stored_lengths(embeddings[0]),
        "reduced_against_full_length": recalls(raw.nearest, best.nearest, sample),
        "measures": _measures(best, alike, sample, sample.rows[copied], strata=True),
        "random_pairs": scale_of(random.cosines),
        "same_image": with_strata(same_image_share(with_own.neighbours, sample), sample),
        "raw_cosine": _beside(
            _measures(raw, alike, sample, sample.rows[copied]),
            _measures(best, alike, sample, sample.rows[copied], base=raw),
        ),
        "parts": {
            name: alike.summaries(one.nearest.neighbours, base=raw.nearest.neighbours)
            for name, one in parts.items()
        },
        "box_shape": _beside(
            alike.summaries(by_shape, strata=True),
            alike.summaries(best.nearest.neighbours, base=by_shape),
        ),
        "by_components": [],
        "by_setting": [],
        "preferred_setting": None,
    }
    if reduction.is_fitted:
        compared = {
            setting: _measures(one, alike, sample, sample.rows[copied], base=best)
            for setting, one in views.items()
        }
        result["by_components"] = _by_components(
            reduction, views, compared, raw, plain_full, sample
        )
        result["by_setting"] = [
            {**setting._asdict(), "measures": measures} for setting, measures in compared.items()
        ]
        result["preferred_setting"] = preference(compared, configured)
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


def parts_of(embeddings: str) -> dict[str, slice]:
    """The places of each column of full-length vectors in the joined ones; none if it is one."""
    lengths = stored_lengths(embeddings)
    if len(lengths) == 1:
        return {}
    ends = np.cumsum(list(lengths.values())).tolist()
    return {name: slice(end - n, end) for (name, n), end in zip(lengths.items(), ends, strict=True)}


def scale_of(cosines: Vectors) -> dict[str, Any]:
    """Where the cosines of random pairs lie: their median and their 99th percentile.

    cosines: float32 [Q, m], -inf for no pair. Both are None without a pair.
    """
    known = cosines[np.isfinite(cosines)].astype(np.float64)
    quantiles = np.quantile(known, (0.5, 0.99)).round(6).tolist() if len(known) else (None, None)
    return {"pairs": len(known), "median": quantiles[0], "percentile_99": quantiles[1]}


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


def _beside(other: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Measures of another search, each with the difference of the run's own from it.

    own: the run's measures, each with its paired difference from the other search.
    """
    result = {}
    for name, found in own.items():
        part = found.get("rank1", found)
        paired = {key: part[key] for key in ("difference", "difference_interval")}
        if part is found:
            result[name] = other[name] | paired
        else:
            result[name] = other[name] | {"rank1": other[name]["rank1"] | paired}
    return result


def _by_components(
    reduction: Reduction,
    views: dict[ReductionSetting, View],
    compared: dict[ReductionSetting, dict[str, Any]],
    raw: View,
    plain_full: View,
    sample: Sample,
) -> list[dict[str, Any]]:
    """What the number of components changes, with the configured whitening."""
    rows = []
    cumulative = np.cumsum(reduction.explained_variance_ratio)
    for setting, view in views.items():
        n = setting.n_components
        if setting.whiten_power != reduction.whiten_power:
            continue
        plain = views[ReductionSetting(n, 0.0)]
        row = {
            "n_components": n,
            "explained_variance": round(float(cumulative[n - 1]), 6),
            "recall": recalls(raw.nearest, view.nearest, sample),
            "recall_without_whitening": recalls(plain_full.nearest, plain.nearest, sample),
            "measures": compared[setting],
        }
        rows.append(row)
    return rows
