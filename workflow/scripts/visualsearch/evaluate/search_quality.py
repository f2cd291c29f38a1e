"""How good the search is: what reducing loses, and how alike the neighbours are.

One pass over the full-length and the reduced vectors of all persons, side by side; a sample of
persons, evenly spread, is searched for. What is compared is exact search, so that these are
figures of the representation; what the index loses is measured when it is built.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.statistics import Bootstrap, evenly_spaced
from visualsearch.data.boxes import xywh_to_xyxy
from visualsearch.data.person_order import vectors_and_images, vectors_of_rows
from visualsearch.data.tables import boxes_of, vectors_of
from visualsearch.embed.distortion import VECTORS
from visualsearch.evaluate.relevance import (
    KEYPOINT_SIGMAS,
    average_precision,
    by_height,
    context_overlap,
    match,
    mean_of_known,
    normalised_keypoints,
    pose_similarity,
    summary,
)
from visualsearch.index.nearest import Nearest, Ranks, Rescored, share_found
from visualsearch.reduce.reduction import Reduction, l2_normalised
from visualsearch.search.rerank import centred

NEIGHBOURS = 10
# Pixels of box height between small, medium and tall persons.
HEIGHT_EDGES = (96.0, 192.0)
# Random persons that chance is reckoned from, for each person measured.
RANDOM_PERSONS = 1000
# Few, as a comparison holds a matrix of these by the persons measured, and full-length vectors are
# copied more than once.
BATCH_ROWS = 1024
# Cosines of whole rankings held at once: a quarter of a gigabyte.
MOST_RANKED = 1 << 26

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class PersonFacts:
    """What annotations say of each person of the set, by row.

    keypoints: normalised, float32 [N, 17, 2], nan where unknown. context: bool [N, C], which
    other categories the image shows. matched: bool [N], whether an annotation was found for it.
    """

    keypoints: NDArray[np.float32]
    context: NDArray[np.bool_]
    matched: NDArray[np.bool_]


def person_facts(annotations: dict[str, Any], persons: pa.Table, category: str) -> PersonFacts:
    """Match the persons of the set with annotations, by IoU of at least 0.5.

    annotations: COCO instances, with keypoints where there are any. persons: rows of PERSONS.
    Crowds are not matched; as categories of an image they count.
    """
    ids = sorted(entry["id"] for entry in annotations["categories"])
    names = {entry["name"]: entry["id"] for entry in annotations["categories"]}
    searched = names[category]
    place = {number: i for i, number in enumerate(i for i in ids if i != searched)}
    of_image: dict[int, list[dict[str, Any]]] = {}
    shows: dict[int, NDArray[np.bool_]] = {}
    for entry in annotations["annotations"]:
        image = entry["image_id"]
        shown = shows.setdefault(image, np.zeros(len(place), dtype=bool))
        if entry["category_id"] != searched:
            shown[place[entry["category_id"]]] = True
        elif not entry["iscrowd"]:
            of_image.setdefault(image, []).append(entry)
    n = len(persons)
    keypoints = np.full((n, len(KEYPOINT_SIGMAS), 2), np.nan, dtype=np.float32)
    context = np.zeros((n, len(place)), dtype=bool)
    matched = np.zeros(n, dtype=bool)
    image_ids = persons["image_id"].to_numpy()
    boxes = xywh_to_xyxy(boxes_of(persons))
    for image in np.unique(image_ids).tolist():
        entries = of_image.get(image, [])
        if not entries:
            continue
        # Rows are by person id, so by falling score within an image.
        start, stop = np.searchsorted(image_ids, [image, image + 1])
        annotated = np.array([entry["bbox"] for entry in entries], dtype=np.float32)
        found = match(boxes[start:stop], xywh_to_xyxy(annotated))
        rows = np.arange(start, stop)[found >= 0]
        matched[rows] = True
        context[rows] = shows[image]
        for row, entry in zip(rows, found[found >= 0], strict=True):
            points = entries[entry].get("keypoints")
            if points:
                given = np.array(points, dtype=np.float64).reshape(1, -1, 3)
                keypoints[row] = normalised_keypoints(given, annotated[entry : entry + 1])[0]
    return PersonFacts(keypoints, context, matched)


@dataclass(frozen=True)
class Sample:
    """The persons that are searched for.

    rows: int64 [Q], rising. image_ids: int64 [N], of the whole set. heights: float64 [Q], pixels.
    random: int64 [Q, m], persons of other images drawn for each, -1 for none.
    """

    rows: Rows
    image_ids: NDArray[np.int64]
    heights: Values
    random: Rows
    bootstrap: Bootstrap


def draw_sample(persons: pa.Table, most: int, resamples: int, seed: int) -> Sample:
    """At most `most` persons, evenly spread over the set, and what chance is reckoned from."""
    image_ids = persons["image_id"].to_numpy()
    rows = evenly_spaced(len(persons), most)
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


class Alikeness:
    """Measures of neighbours by what annotations and labels say, with their chance.

    facts: None without annotations. labels: one column a kind, indexed by image_id, as
    evaluation.labels_by_image gives them.
    """

    def __init__(self, sample: Sample, facts: PersonFacts | None, labels: pd.DataFrame) -> None:
        self.sample = sample
        self.facts = facts
        self.labels = {}
        for kind in sorted(labels.columns):
            codes, _ = pd.factorize(labels[kind].reindex(sample.image_ids))
            if len(np.unique(codes[codes >= 0])) > 1:
                self.labels[kind] = codes
        self.chance = {name: mean_of_known(self._pairs(name, sample.random)) for name in self.names}

    @property
    def names(self) -> list[str]:
        """The measures that can be taken: pose, context, and label:KIND for each kind."""
        found = []
        if self.facts is not None:
            if not np.isnan(self.facts.keypoints[self.sample.rows]).all():
                found.append("pose")
            if self.facts.matched[self.sample.rows].any():
                found.append("context")
        return [*found, *(f"label:{kind}" for kind in self.labels)]

    def _pairs(self, name: str, others: Rows) -> Values:
        """The measure for each sampled person and each of its `others` [Q, m]; nan if unknown."""
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
        known = self.facts.matched[first] & self.facts.matched[second]
        overlap = context_overlap(self.facts.context[first], self.facts.context[second])
        return np.where(known, overlap, np.nan)

    def of_neighbours(self, name: str, neighbours: Rows) -> Values:
        """Mean of a measure over each person's neighbours [Q, k]: float64 [Q]."""
        return mean_of_known(self._pairs(name, neighbours))

    def summaries(
        self, neighbours: Rows, strata: bool = False, base: Rows | None = None
    ) -> dict[str, Any]:
        """Every measure of these neighbours, by name; with `base`, what differs from those."""
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
    """Share of each person's neighbours [Q, k] that are of its own image: float64 [Q]."""
    own = sample.image_ids[sample.rows][:, None] == sample.image_ids[found]
    return mean_of_known(np.where(found >= 0, own, np.nan).astype(np.float64))


def rank_summary(
    ranks: NDArray[np.int64], sample: Sample, rows: Rows, base: NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """What the ranks of originals, for the sampled persons `rows` [R], come to.

    rank1: the share found first. reciprocal_rank: of all ranks. Both with intervals and strata;
    rank1 also with what differs from the ranks `base` [R].
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


def component_numbers(kept: int) -> list[int]:
    """Numbers of components to compare: powers of two from 8, and all that are kept."""
    return [*(n for n in (2**i for i in range(3, 12)) if n < kept), kept]


def prefix(reduced: Vectors, n_components: int) -> Vectors:
    """Reduced vectors [N, k] as if only the first components had been kept.

    The whitening is by component and lengths cancel, so this is exact.
    """
    return l2_normalised(np.ascontiguousarray(reduced[:, :n_components]))


@dataclass(frozen=True)
class View:
    """One way to compare persons: what their exact neighbours are, and what finds them."""

    nearest: Nearest
    ranks: Ranks | None = None
    unmirrored: Ranks | None = None

    def add(self, batch: Vectors, images: NDArray[np.int64]) -> None:
        """Feed the next rows to all."""
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
    settings: dict[str, Any],
    rerank: int,
) -> dict[str, Any]:
    """All measures of the search, JSON-ready; floats have 6 digits.

    embeddings, reduced: shards of full-length and reduced vectors. persons: the index's rows.
    facts: of the rows, None without annotations. labels: by image. distorted: rows that
    rule embed_distorted made. settings: the `evaluation` section. rerank: `search.rerank`.
    Of fewer than two persons, numbers of components are not compared.
    """
    sample = draw_sample(persons, settings["persons"], settings["resamples"], settings["seed"])
    own_images = sample.image_ids[sample.rows]
    alike = Alikeness(sample, facts, labels)
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
            nearest,
            Ranks(of_copies["vector"], own),
            Ranks(of_copies["vector_unmirrored"], own),
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
    second_look = Rescored(centred(full, reduction.mean), candidates.neighbours)
    for batch, images in vectors_and_images(embeddings, BATCH_ROWS):
        raw.add(l2_normalised(batch), images)
        unit = centred(batch, reduction.mean)
        plain_full.add(unit, images)
        if rerank:
            second_look.add(unit)

    best = by_number[reduction.n_components]
    result: dict[str, Any] = {
        "persons_measured": len(sample.rows),
        "neighbours": NEIGHBOURS,
        "reduced_against_full_length": recalls(raw.nearest, best.nearest, sample),
        "measures": _measures(best, alike, sample, sample.rows[copied], strata=True),
        "same_image": _with_strata(same_image_share(with_own.neighbours, sample), sample),
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
        result["mean_average_precision"] = _label_rankings(alike, sample, short, reduced)
    if rerank:
        looked = second_look.best(NEIGHBOURS)
        changed = 1 - share_found(best.nearest.neighbours, looked)
        result["rerank"] = {
            "candidates": rerank,
            "changed": summary(changed, sample.bootstrap),
            "measures": alike.summaries(looked, base=best.nearest.neighbours),
        }
    return result


def recalls(truth: Nearest, found: Nearest, sample: Sample) -> dict[str, Any]:
    """recall@1 and recall@10 of one exact search by another's neighbours, with intervals."""
    result: dict[str, Any] = {"persons_sampled": len(sample.rows)}
    for k in (1, NEIGHBOURS):
        values = share_found(truth.neighbours[:, :k], found.neighbours[:, :k])
        measured = summary(values, sample.bootstrap)
        result[f"recall@{k}"] = measured["value"]
        result[f"recall@{k}_interval"] = measured["interval"]
    return result


def _measures(
    view: View,
    alike: Alikeness,
    sample: Sample,
    copied: Rows,
    strata: bool = False,
    base: View | None = None,
) -> dict[str, Any]:
    """All measures of a view; with `base`, what differs from that of another."""
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
    raw: View, best: View, alike: Alikeness, sample: Sample, copied: Rows
) -> dict[str, Any]:
    """The raw cosine's measures, each with how much more the run's own has."""
    result = _measures(raw, alike, sample, copied)
    for name, own in _measures(best, alike, sample, copied, base=raw).items():
        part, of = ("rank1", own["rank1"]) if "rank1" in own else (None, own)
        into = result[name][part] if part else result[name]
        into |= {key: of[key] for key in ("difference", "difference_interval")}
    return result


def _unwhitened(reduced: Vectors, reduction: Reduction) -> Vectors:
    """Plain PCA's directions of vectors that were whitened; lengths cancel."""
    return reduced * (reduction.deviations() ** reduction.whiten_power).astype(np.float32)


def _label_rankings(
    alike: Alikeness, sample: Sample, queries: Vectors, reduced: Sequence[str]
) -> dict[str, Any]:
    """Mean average precision of the whole ranking, by kind of label, other images only.

    As many persons at a time as MOST_RANKED allows; for each such part the vectors are read anew.
    """
    values = {kind: np.full(len(sample.rows), np.nan) for kind in alike.labels}
    chance = {kind: np.full(len(sample.rows), np.nan) for kind in alike.labels}
    step = max(1, MOST_RANKED // len(sample.image_ids))
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        cosines = np.empty((len(part), len(sample.image_ids)), dtype=np.float32)
        seen = 0
        for batch, _ in vectors_and_images(reduced, BATCH_ROWS):
            cosines[:, seen : seen + len(batch)] = part @ batch.T
            seen += len(batch)
        for i, near in enumerate(cosines, start):
            row = sample.rows[i]
            for kind, codes in alike.labels.items():
                others = (sample.image_ids != sample.image_ids[row]) & (codes >= 0)
                if codes[row] < 0 or not others.any():
                    continue
                order = np.argsort(-near[others], kind="stable")
                relevant = (codes[others] == codes[row])[order]
                values[kind][i] = average_precision(relevant)
                chance[kind][i] = random_average_precision(int(relevant.sum()), len(relevant))
    return {kind: _with_strata(values[kind], sample, chance[kind]) for kind in alike.labels}


def _with_strata(values: Values, sample: Sample, chance: Values | None = None) -> dict[str, Any]:
    found = summary(values, sample.bootstrap, chance)
    strata = by_height(values, sample.heights, HEIGHT_EDGES, sample.bootstrap, chance)
    return found | {"by_height": strata}


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
