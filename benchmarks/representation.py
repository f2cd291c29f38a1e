"""Which representation of a person serves the search best: every variant, side by side.

Persons are the annotated ones of a folder of pictures with COCO annotations, so that no detector's
misses come in. Every person is a query; all others, in other images, are what is searched. The
images fall into two halves, every other one by id: whatever is chosen is chosen by the queries of
the first half and reported for those of the second. The PCA is fitted on the vectors of all, as it
is in a run; it knows no annotation.

    python benchmarks/representation.py PICTURES instances.json person_keypoints.json

What this does not show: other detectors than the one named; a set larger than the one given, where
more components may pay; identity, which nothing here annotates.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import ImageOps

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.progress import progress
from visualsearch.core.statistics import Bootstrap, interval_of
from visualsearch.data.boxes import clip_to_image, mirror, xywh_to_xyxy
from visualsearch.data.images import read_image
from visualsearch.data.vectors import l2_normalised
from visualsearch.detect import load_detector
from visualsearch.embed.distortion import distorted_boxes
from visualsearch.embed.embedding import embed_boxes
from visualsearch.embed.persons import MAPS
from visualsearch.evaluate.box_shape import box_features, nearest_by_shape
from visualsearch.evaluate.neighbour_measures import NeighbourMeasures, Sample
from visualsearch.evaluate.person_facts import person_facts
from visualsearch.evaluate.search_quality import NEIGHBOURS
from visualsearch.index.nearest import Nearest, Ranks
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.settings import DetectorSettings, EmbeddingSettings
from visualsearch.settings.names import BUNDLED

MIN_HEIGHT = 48
RESAMPLES = 2000
# What is measured above chance.
LIFTS = ("pose", "pose_oks", "context")
SEED = 0
PLAIN = {
    "region": "crop",
    "fit": "stretch",
    "margin": 0,
    "size": [256, 128],
    "maps": "last",
    "pooling": "average",
    "mirrored": False,
}
# What the lifts are compared with, without reduction: the plain way at the bundled detector's size.
BASELINE = {**PLAIN, "size": [300, 300]}
REDUCTION = (256, 0.5)
COST_PERSONS = 40
# What the choice goes for, of the last map and of any way: the least self rank-1, and how many
# times the raw cosine's lift pose and context shall have.
GOALS = {
    "its last map": {"self": 0.97, "pose": 2.5, "context": 1.3},
    "any map": {"self": 0.99, "pose": 3, "context": 2},
}


@dataclass(frozen=True)
class Persons:
    """Annotated persons. table: as rows of PERSONS. sizes: of their pictures. files: theirs."""

    folder: Path
    table: pa.Table
    sizes: NDArray[np.int64]
    files: list[str]
    annotations: dict[str, Any]


def annotated_persons(folder: Path, instances: Path, keypoints: Path) -> Persons:
    """Persons of at least MIN_HEIGHT pixels that are no crowds, by image id."""
    annotations = json.loads(instances.read_text())
    points = {entry["id"]: entry for entry in json.loads(keypoints.read_text())["annotations"]}
    for entry in annotations["annotations"]:
        if entry["id"] in points:
            entry["keypoints"] = points[entry["id"]]["keypoints"]
    person = next(c["id"] for c in annotations["categories"] if c["name"] == "person")
    files = {image["id"]: image["file_name"] for image in annotations["images"]}
    wanted = sorted(
        (
            entry
            for entry in annotations["annotations"]
            if entry["category_id"] == person
            and not entry["iscrowd"]
            and entry["bbox"][3] >= MIN_HEIGHT
        ),
        key=lambda entry: (entry["image_id"], entry["id"]),
    )
    boxes = np.array([entry["bbox"] for entry in wanted], dtype=np.float32)
    images = np.array([entry["image_id"] for entry in wanted])
    first = np.r_[True, images[1:] != images[:-1]]
    place = np.arange(len(images)) - np.maximum.accumulate(
        np.where(first, np.arange(len(images)), 0)
    )
    table = pa.table(
        {
            "person_id": images * 1000 + place,
            "image_id": images,
            **{name: boxes[:, i] for i, name in enumerate("xywh")},
        }
    )
    sides = {image["id"]: (image["width"], image["height"]) for image in annotations["images"]}
    sizes = np.array([sides[image] for image in images.tolist()])
    return Persons(folder, table, sizes, [files[image] for image in images.tolist()], annotations)


@cache
def _detector(name: str, weights: str) -> Any:
    return load_detector(DetectorSettings(name, weights))


def embedded(
    persons: Persons, settings: dict[str, Any], detector: str, weights: str
) -> dict[str, dict[str, Any]]:
    """Vectors of all persons and of their distorted copies, by which maps they are of.

    settings: of both maps; one pass gives these and each alone, as lengths do not count. Each has
    the milliseconds that a person costs by itself, over the first COST_PERSONS.
    """
    torch.set_num_threads(1)
    network, embedding = _detector(detector, weights), EmbeddingSettings.of(settings)
    boxes = xywh_to_xyxy(np.column_stack([persons.table[name].to_numpy() for name in "xywh"]))
    moved = distorted_boxes(persons.table["person_id"].to_numpy(), boxes, SEED)
    names = np.array(persons.files)
    clean, copies = [], []
    spent, timed = dict.fromkeys(MAPS, 0.0), 0
    for name in dict.fromkeys(persons.files):
        rows = np.flatnonzero(names == name)
        image = read_image(persons.folder / name).image
        clean.append(embed_boxes(network, image, boxes[rows], embedding))
        there = mirror(clip_to_image(moved[rows], *image.size), image.width)
        copies.append(embed_boxes(network, ImageOps.mirror(image), there, embedding))
        if timed < COST_PERSONS:
            timed += len(rows)
            for maps in MAPS:
                # Of the processor, so that what else runs on the machine counts little.
                start = time.process_time()
                embed_boxes(network, image, boxes[rows], replace(embedding, maps=maps))
                spent[maps] += time.process_time() - start
    length = network.map_lengths["before"]
    parts = {"before": slice(0, length), "last": slice(length, None), "both": slice(None)}
    return {
        maps: {
            "vectors": np.concatenate(clean)[:, part],
            "copies": np.concatenate(copies)[:, part],
            "milliseconds": 1000 * spent[maps] / timed,
        }
        for maps, part in parts.items()
    }


class Judge:
    """Measures vectors, by half of the images."""

    def __init__(self, persons: Persons) -> None:
        self.image_ids = persons.table["image_id"].to_numpy()
        n = len(self.image_ids)
        rows = np.arange(n)
        others = np.broadcast_to(rows, (n, n))
        others = np.where(self.image_ids[None] == self.image_ids[:, None], -1, others)
        heights = persons.table["h"].to_numpy().astype(np.float64)
        bootstrap = Bootstrap(self.image_ids, RESAMPLES, SEED)
        self.sample = Sample(rows, self.image_ids, heights, others, bootstrap)
        facts = person_facts(persons.annotations, persons.table, "person")
        self.alike = NeighbourMeasures(self.sample, facts, pd.DataFrame())
        features = box_features(persons.table, persons.sizes)
        self.box_shape = self.lifts(nearest_by_shape(features, rows, self.image_ids, NEIGHBOURS))
        second = np.isin(self.image_ids, np.unique(self.image_ids)[1::2])
        self.halves = {"chosen on": ~second, "held out": second}
        self.bootstraps = {
            name: Bootstrap(self.image_ids[mask], RESAMPLES, SEED)
            for name, mask in self.halves.items()
        }

    def values(
        self, vectors: NDArray[np.float32], copies: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float64]]:
        """For each person: whether its copy finds it first, and LIFTS above chance."""
        nearest = Nearest(vectors, NEIGHBOURS, self.sample.rows, self.image_ids)
        ranks = Ranks(copies, vectors)
        nearest.add(vectors, self.image_ids)
        ranks.add(vectors)
        found = {"self": (ranks.ranks == 1).astype(np.float64)}
        return found | self.lifts(nearest.neighbours)

    def lifts(self, neighbours: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """LIFTS of each person's neighbours [N, k] above chance."""
        return {
            name: self.alike.of_neighbours(name, neighbours) - self.alike.chance[name]
            for name in LIFTS
        }

    def mean(self, values: NDArray[np.float64], half: str) -> float:
        """Mean over a half's persons, those not known left out."""
        return float(np.nanmean(values[self.halves[half]]))

    def ratio(
        self, values: NDArray[np.float64], base: NDArray[np.float64], half: str
    ) -> tuple[float, list[float]]:
        """Ratio of two means over a half's persons known in both, with its 95 % interval.

        Both means of a resample are of the same images.
        """
        mask = self.halves[half]
        both = np.where(np.isnan(values + base), np.nan, 1)[mask]
        values, base = values[mask] * both, base[mask] * both
        means = self.bootstraps[half].means
        interval = interval_of(means(values) / means(base)) or [np.nan, np.nan]
        return float(np.nanmean(values) / np.nanmean(base)), interval


@dataclass(frozen=True)
class Result:
    """One variant, measured. values: as Judge.values gives them."""

    settings: dict[str, Any]
    reduction: tuple[int, float] | None
    milliseconds: float
    length: int
    values: dict[str, NDArray[np.float64]]

    @property
    def name(self) -> str:
        """What is not plain about it."""
        s = self.settings
        region = {"crop": "crop", "roi_align_last": "RoIAlign, last map"}.get(
            s["region"], "RoIAlign, map before, last stage"
        )
        parts = [region, "{}x{}".format(*s["size"])]
        parts += [s["fit"]] if s["region"] == "crop" else []
        parts += [f"margin {s['margin']:g}"] if s["margin"] else []
        parts += [{"last": "last map", "before": "map before", "both": "both maps"}[s["maps"]]]
        parts += [s["pooling"]] + (["mirrored"] if s["mirrored"] else [])
        return ", ".join(parts)

    @property
    def shortened(self) -> str:
        """Its reduction."""
        return "none" if self.reduction is None else "{} / {:g}".format(*self.reduction)


def reduced(
    found: dict[str, Any], reduction: tuple[int, float] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit vectors of persons and copies, shortened as a run shortens them."""
    vectors, copies = found["vectors"], found["copies"]
    if reduction is None:
        return l2_normalised(vectors), l2_normalised(copies)
    n_components, power = reduction
    model = fit_reduction([vectors], len(vectors), vectors.shape[1], n_components, power)
    return model.transform(vectors), model.transform(copies)


def passes() -> list[dict[str, Any]]:
    """What goes through the network: ways to see a box, as they are and mirrored, pooled."""
    crops: list[dict[str, Any]] = [
        {"size": [300, 300]},
        {"size": [256, 128]},
        {"size": [224, 224]},
        {"size": [224, 224], "margin": 0.1},
        {"size": [224, 224], "margin": 0.25},
        {"size": [256, 128], "fit": "pad"},
        {"size": [224, 224], "fit": "pad"},
        {"size": [300, 300], "fit": "pad"},
        {"size": [256, 128], "fit": "surroundings"},
        {"size": [192, 192], "fit": "surroundings"},
        {"size": [224, 224], "fit": "surroundings"},
        {"size": [256, 256], "fit": "surroundings"},
        {"size": [224, 224], "fit": "surroundings", "margin": 0.1},
        {"region": "roi_align_last"},
        {"region": "roi_align_before"},
        {"region": "roi_align_before", "size": [224, 224]},
    ]
    ways = [
        {},
        {"mirrored": True},
        {"mirrored": True, "pooling": "gem"},
        {"mirrored": True, "pooling": "max"},
    ]
    return [{**PLAIN, **crop, **way, "maps": "both"} for crop in crops for way in ways]


def table(judge: Judge, results: list[Result], base: Result, half: str, intervals: bool) -> str:
    """Rows of Markdown; below them, the neighbours by box shape alone."""
    lines = [
        "| representation | components / whitening | values | self rank-1 | pose lift | × raw |"
        " pose lift, COCO's scale | × raw | context lift | × raw | ms a person |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]

    def lifts(values: dict[str, NDArray[np.float64]]) -> list[str]:
        cells = []
        for name in LIFTS:
            ratio, (low, high) = judge.ratio(values[name], base.values[name], half)
            times = f"{ratio:.2f}" + (f" ({low:.1f} to {high:.1f})" if intervals else "")
            cells += [f"{judge.mean(values[name], half):.4f}", times]
        return cells

    for result in results:
        cells = [result.name, result.shortened, str(result.length)]
        cells.append(f"{judge.mean(result.values['self'], half):.3f}")
        cells += [*lifts(result.values), f"{result.milliseconds:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    cells = ["box shape alone, no pixel", "–", "6", "–", *lifts(judge.box_shape), "0"]
    lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def score(judge: Judge, result: Result, base: Result, goals: dict[str, float]) -> float:
    """What is chosen by, on the first half: the lift that is furthest from its goal, as its share.

    What does not reach the goal of self is not chosen.
    """
    half = "chosen on"
    if judge.mean(result.values["self"], half) < goals["self"]:
        return -np.inf
    return min(
        judge.ratio(result.values[name], base.values[name], half)[0] / goals[name]
        for name in ("pose", "context")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("instances", type=Path)
    parser.add_argument("keypoints", type=Path)
    parser.add_argument("--detector", default=BUNDLED)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--jobs", type=int, default=1, help="passes at a time")
    given = parser.parse_args()
    persons = annotated_persons(given.pictures, given.instances, given.keypoints)
    judge = Judge(persons)
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        jobs = [
            (settings, pool.submit(embedded, persons, settings, given.detector, given.weights))
            for settings in passes()
        ]
        for settings, job in progress(jobs, "embedding", "passes"):
            for maps, vectors in job.result().items():
                found.append(({**settings, "maps": maps}, vectors))

    def measured(i: int, reduction: tuple[int, float] | None) -> Result:
        settings, made = found[i]
        vectors, copies = reduced(made, reduction)
        values = judge.values(vectors, copies)
        return Result(settings, reduction, made["milliseconds"], made["vectors"].shape[1], values)

    base = measured([settings for settings, _ in found].index(BASELINE), None)
    results = [measured(i, REDUCTION) for i in range(len(found))]
    n, known = len(judge.image_ids), int((~np.isnan(base.values["pose"])).sum())
    print(f"{n} persons in {len(np.unique(judge.image_ids))} images, {known} with keypoints.")
    for name in LIFTS:
        print(f"Random pairs: {name} {np.nanmean(judge.alike.chance[name]):.3f}.")
    print("\n## Every way, by the queries of the held-out half\n")
    print(table(judge, [base, *results], base, "held out", intervals=False))
    for what, goals in GOALS.items():
        fit = [
            i
            for i, result in enumerate(results)
            if what == "any map" or result.settings["maps"] == "last"
        ]
        best = max(fit, key=lambda i: score(judge, results[i], base, goals))
        if not np.isfinite(score(judge, results[best], base, goals)):
            print(f"\n## Of {what} none finds {goals['self']} of the copies first\n")
            continue
        grid = [
            measured(best, (components, power))
            for power in (0.0, 0.25, 0.5, 1.0)
            for components in (64, 128, 256, 512)
            if components < n
        ]
        print(f"\n## Best of {what}: {results[best].name}; its reduction\n")
        print(table(judge, grid, base, "held out", intervals=False))
        chosen = max(grid, key=lambda result: score(judge, result, base, goals))
        for half in judge.halves:
            print(f"\nChosen: {chosen.name}, {chosen.shortened}; the half {half}\n")
            print(table(judge, [base, chosen], base, half, intervals=True))


if __name__ == "__main__":
    main()
