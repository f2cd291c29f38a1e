"""Annotated persons of COCO pictures, and the measures of their vectors, for the benchmarks."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.statistics import Bootstrap, interval_of
from visualsearch.evaluate.box_shape import box_features, nearest_by_shape
from visualsearch.evaluate.neighbour_measures import NeighbourMeasures, Sample
from visualsearch.evaluate.person_facts import person_facts
from visualsearch.evaluate.search_quality import NEIGHBOURS
from visualsearch.index.nearest import Nearest, Ranks

# Measured above chance; pose_oks is in COCO's scale.
LIFTS = ("pose", "pose_oks", "context")
MIN_HEIGHT, RESAMPLES, SEED = 48, 1000, 0

Values = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Persons:
    """Annotated persons by rising id. table: as rows of PERSONS. sizes: of their pictures.

    files: of their pictures, in `folder`. context_known: bool [N]; None if it is for all.
    """

    folder: Path
    table: pa.Table
    sizes: NDArray[np.int64]
    files: list[str]
    annotations: dict[str, Any]
    context_known: NDArray[np.bool_] | None = None


def annotated_persons(folder: Path, instances: Path, keypoints: Path) -> Persons:
    """Persons of at least MIN_HEIGHT pixels that are no crowds, by image id."""
    annotations = json.loads(instances.read_text())
    points = {entry["id"]: entry for entry in json.loads(keypoints.read_text())["annotations"]}
    for entry in annotations["annotations"]:
        if entry["id"] in points:
            entry["keypoints"] = points[entry["id"]]["keypoints"]
    person = next(c["id"] for c in annotations["categories"] if c["name"] == "person")
    of_images = {image["id"]: image for image in annotations["images"]}
    entries = annotations["annotations"]
    wanted = sorted(
        (e for e in entries if e["category_id"] == person and not e["iscrowd"]),
        key=lambda entry: (entry["image_id"], entry["id"]),
    )
    wanted = [entry for entry in wanted if entry["bbox"][3] >= MIN_HEIGHT]
    boxes = np.array([entry["bbox"] for entry in wanted], dtype=np.float32)
    ids = np.array([entry["image_id"] for entry in wanted])
    place = np.arange(len(ids)) - np.searchsorted(ids, ids)
    columns = {name: boxes[:, i] for i, name in enumerate("xywh")}
    table = pa.table({"person_id": ids * 1000 + place, "image_id": ids, **columns})
    images = [of_images[number] for number in ids.tolist()]
    sizes = np.array([(image["width"], image["height"]) for image in images])
    known = np.full(len(ids), any(e["category_id"] != person for e in entries))
    return Persons(folder, table, sizes, [i["file_name"] for i in images], annotations, known)


def persons_of_sets(folders: list[Path]) -> Persons:
    """Persons of several folders as one. An image that an earlier folder has too is left out."""
    tables, sizes, files, known = [], [], [], []
    annotations: dict[str, Any] = {}
    seen: set[int] = set()
    for folder in folders:
        found = annotated_persons(
            folder / "images", folder / "instances.json", folder / "person_keypoints.json"
        )
        rows = np.flatnonzero(~np.isin(found.table["image_id"].to_numpy(), list(seen)))
        new = [e for e in found.annotations["annotations"] if e["image_id"] not in seen]
        annotations.setdefault("categories", found.annotations["categories"])
        annotations.setdefault("annotations", []).extend(new)
        seen |= {image["id"] for image in found.annotations["images"]}
        tables.append(found.table.take(rows))
        sizes.append(found.sizes[rows])
        files += [str(found.folder / found.files[row]) for row in rows]
        known.append(found.context_known[rows])
    table = pa.concat_tables(tables).combine_chunks()
    order = np.argsort(table["person_id"].to_numpy())
    return Persons(
        Path(),
        table.take(order),
        np.concatenate(sizes)[order],
        [files[row] for row in order],
        annotations,
        np.concatenate(known)[order],
    )


class Judge:
    """Measures vectors, by half of the images."""

    def __init__(self, persons: Persons) -> None:
        self.image_ids = persons.table["image_id"].to_numpy()
        n = len(self.image_ids)
        rows = np.arange(n)
        others = np.where(self.image_ids[None] == self.image_ids[:, None], -1, rows)
        heights = persons.table["h"].to_numpy().astype(np.float64)
        bootstrap = Bootstrap(self.image_ids, RESAMPLES, SEED)
        self.sample = Sample(rows, self.image_ids, heights, others, bootstrap)
        facts = person_facts(persons.annotations, persons.table, "person")
        if persons.context_known is not None:
            facts = replace(facts, matched=facts.matched & persons.context_known)
        self.alike = NeighbourMeasures(self.sample, facts, pd.DataFrame())
        features = box_features(persons.table, persons.sizes)
        self.box_shape = self.lifts(nearest_by_shape(features, rows, self.image_ids, NEIGHBOURS))
        second = np.isin(self.image_ids, np.unique(self.image_ids)[1::2])
        self.halves = {"A": ~second, "B": second, "A and B": np.full(n, True)}
        self.bootstraps = {
            name: Bootstrap(self.image_ids[mask], RESAMPLES, SEED)
            for name, mask in self.halves.items()
        }

    def values(self, vectors: NDArray[np.float32], copies: NDArray[np.float32]) -> Values:
        """For each person: whether its copy finds it first, and LIFTS above chance."""
        nearest = Nearest(vectors, NEIGHBOURS, self.sample.rows, self.image_ids)
        ranks = Ranks(copies, vectors)
        nearest.add(vectors, self.image_ids)
        ranks.add(vectors)
        found = {"self": (ranks.ranks == 1).astype(np.float64)}
        return found | self.lifts(nearest.neighbours)

    def lifts(self, neighbours: NDArray[np.int64]) -> Values:
        """LIFTS of each person's neighbours [N, k] above chance."""
        measured = [name for name in LIFTS if name in self.alike.names]
        return {
            name: self.alike.of_neighbours(name, neighbours) - self.alike.chance[name]
            for name in measured
        }

    def mean(self, values: NDArray[np.float64], half: str) -> float:
        """Mean over a half's persons, those not known left out."""
        return float(np.nanmean(values[self.halves[half]]))

    def interval(self, values: NDArray[np.float64], half: str) -> list[float]:
        """95 % interval of that mean, over images."""
        return self.bootstraps[half].interval(values[self.halves[half]]) or [np.nan, np.nan]

    def ratio(
        self, values: NDArray[np.float64], base: NDArray[np.float64], half: str
    ) -> tuple[float, list[float]]:
        """Ratio of two means over a half's persons known in both, with its 95 % interval.

        Both means of a resample are of the same images.
        """
        mask = self.halves[half] & ~np.isnan(values + base)
        means = self.bootstraps[half].means
        above, below = (np.where(mask, each, np.nan)[self.halves[half]] for each in (values, base))
        interval = interval_of(means(above) / means(below)) or [np.nan, np.nan]
        return float(values[mask].mean() / base[mask].mean()), interval
