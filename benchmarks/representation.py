"""Which description of a person serves the search best: ways side by side, and a rule that chooses.

Persons are the annotated ones of COCO pictures, so that no detector's misses come in. Each is a
query, and all others in other images are searched. The PCA is fitted on all, as in a run; it sees
no annotation. Every other image, by id, belongs to half A, the others to B. The rule chooses by the
queries of A; those of B say how well the choice holds.

    python benchmarks/representation.py FOLDER [FOLDER ...]

A folder holds images/, instances.json and person_keypoints.json. An image that an earlier folder
has too is left out. Context counts where a folder has other categories than the person too.

What this does not show: another detector than the one named; a larger set, where more components
may pay; identity, which nothing here annotates.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from annotated import LIFTS, Judge, Persons, Values, persons_of_sets
from ways import OLD_DEFAULT, RAW, Way, costs, described, ways

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.progress import progress
from visualsearch.data.vectors import l2_normalised
from visualsearch.detect import load_detector
from visualsearch.detect.base import Detector
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import Reduction
from visualsearch.settings import DetectorSettings
from visualsearch.settings.names import BUNDLED

RULE = """\
A way qualifies if, on half A, self rank-1 is at least 0.99, and if it holds the last map and costs
no more than the old default. Its score is the smaller of (pose lift / 1.5 raw pose lift) and
(context lift / 1.7 raw context lift), on A. Of the ways whose score is within 3 % of the highest,
the one with the fewest values before the reduction is chosen; then the cheapest; then the highest
score. The runner-up is the highest score among the others."""
LEAST_SELF, GOALS, TIE = 0.99, {"pose": 1.5, "context": 1.7}, 0.97
N_COMPONENTS = 256


@dataclass(frozen=True)
class Result:
    """A way, measured. length: values before the reduction. cost: ms of a core a person."""

    way: Way
    length: int
    cost: float
    values: Values


def measured(judge: Judge, detector: Detector, persons: Persons, some: list[Way]) -> list[Result]:
    cost = costs(detector, persons, some)
    results = []
    for crop in dict.fromkeys(way.crop for way in some):
        of_crop = [way for way in some if way.crop == crop]
        parts = described(detector, persons, crop, of_crop)
        models: dict[Way, Reduction] = {}
        for way in progress(of_crop, "judging", "ways"):
            vectors, copies = (
                np.hstack([l2_normalised(parts[part][which]) for part in way.parts])
                for which in (0, 1)
            )
            length = vectors.shape[1]
            if way.whiten_power is None:
                vectors, copies = l2_normalised(vectors), l2_normalised(copies)
            else:
                # The PCA is the same whatever the whitening.
                key = way._replace(whiten_power=0)
                if key not in models:
                    models[key] = fit_reduction([vectors], len(vectors), length, N_COMPONENTS, 0)
                model = replace(models[key], whiten_power=way.whiten_power)
                vectors, copies = model.transform(vectors), model.transform(copies)
            values = judge.values(vectors, copies)
            results.append(Result(way, length, cost[way.settings], values))
    return results


class Choice:
    """The rule, applied to half A."""

    def __init__(self, judge: Judge, results: list[Result]) -> None:
        self.judge = judge
        of_way = {result.way: result for result in results}
        self.raw, self.old = of_way[RAW], of_way[OLD_DEFAULT]
        ranked = sorted(filter(self.qualifies, results), key=self.score, reverse=True)
        close = [r for r in ranked if self.score(r) >= TIE * self.score(ranked[0])]
        self.chosen = min(close, key=lambda r: (r.length, r.cost, -self.score(r)))
        self.runner_up = next(result for result in ranked if result is not self.chosen)

    def qualifies(self, result: Result) -> bool:
        """Whether it may be chosen at all."""
        finds = self.judge.mean(result.values["self"], "A") >= LEAST_SELF
        return bool(result.way.last) and finds and result.cost <= self.old.cost

    def score(self, result: Result) -> float:
        """The lift that is furthest from its goal, as its share."""
        return min(
            self.judge.ratio(result.values[name], self.raw.values[name], "A")[0] / goal
            for name, goal in GOALS.items()
        )


def every_way(judge: Judge, results: list[Result], choice: Choice) -> str:
    """All ways by half A, as Markdown; below them, box shape alone."""
    lines = [
        "| way | values | self rank-1 | pose lift | × raw | COCO's scale | × raw | context lift |"
        " × raw | ms | score |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]

    def lifts(values: Values) -> list[str]:
        pairs = [(values[name], choice.raw.values[name]) for name in LIFTS]
        cells = [
            (f"{judge.mean(v, 'A'):.4f}", f"{judge.ratio(v, r, 'A')[0]:.2f}") for v, r in pairs
        ]
        return [cell for both in cells for cell in both]

    for result in results:
        cells = [
            str(result.way),
            str(result.length),
            f"{judge.mean(result.values['self'], 'A'):.3f}",
        ]
        score = f"{choice.score(result):.3f}"
        score = score if choice.qualifies(result) else f"({score})"
        lines.append(
            "| " + " | ".join([*cells, *lifts(result.values), f"{result.cost:.1f}", score]) + " |"
        )
    shape = ["box shape alone, no pixel", "6", "–", *lifts(judge.box_shape), "0", "–"]
    return "\n".join([*lines, "| " + " | ".join(shape) + " |"])


def confirmed(judge: Judge, choice: Choice, some: dict[str, Result], half: str) -> str:
    """Some ways by a half, with 95 % intervals over images, as Markdown."""
    lines = [
        f"| half {half} | measure | lift | × raw | minus the old default |",
        "|---|---|---|---|---|",
    ]
    values = {name: result.values for name, result in some.items()} | {"box shape": judge.box_shape}
    for title, of_way in values.items():
        for name, found in of_way.items():
            mean = with_interval(judge.mean(found, half), judge.interval(found, half), ".4f")
            cells = [title, name, mean, "–", "–"]
            if name != "self":
                cells[3] = with_interval(*judge.ratio(found, choice.raw.values[name], half), ".2f")
            difference = found - choice.old.values[name]
            interval = judge.interval(difference, half)
            cells[4] = with_interval(judge.mean(difference, half), interval, "+.4f")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def with_interval(value: float, interval: list[float], form: str) -> str:
    low, high = interval
    return f"{value:{form}} ({low:{form}} to {high:{form}})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--detector", default=BUNDLED)
    parser.add_argument("--weights", default="default")
    given = parser.parse_args()
    torch.set_num_threads(1)
    persons = persons_of_sets(given.folders)
    judge = Judge(persons)
    detector = load_detector(DetectorSettings(given.detector, given.weights))
    results = measured(judge, detector, persons, ways())
    choice = Choice(judge, results)
    print(f"{len(persons.files)} persons in {len(set(persons.files))} images.")
    for name in LIFTS:
        known = int((~np.isnan(choice.raw.values[name])).sum())
        chance = np.nanmean(judge.alike.chance[name])
        print(f"{name}: known of {known}, {chance:.3f} for random persons.")
    print(f"\n{RULE}\n\nA score in brackets does not qualify.\n")
    print(every_way(judge, results, choice))
    one_side = choice.chosen.way._replace(mirrored=not choice.chosen.way.mirrored)
    some = {"raw cosine": choice.raw, "old default": choice.old, "chosen": choice.chosen}
    some["runner-up"] = choice.runner_up
    for result in results:
        if result.way == one_side:
            some["chosen, one side"] = result
    print(f"\nChosen: {choice.chosen.way}\nRunner-up: {choice.runner_up.way}")
    for half in ("B", "A and B"):
        print(f"\n{confirmed(judge, choice, some, half)}")


if __name__ == "__main__":
    main()
