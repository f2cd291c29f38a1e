"""The measures of evaluation/search.json: their names, their order, and what they show."""

from dataclasses import dataclass, replace
from typing import Any

from visualsearch.evaluate.relevance import FEWEST_PERSONS
from visualsearch.report.model import Results
from visualsearch.report.numbers import decimals, percent

Summary = dict[str, Any]
LABEL = "label:"

TITLES = {
    "self": "mirrored copy",
    "self_unmirrored": "moved copy",
    "pose_oks": "pose in COCO's scale",
}
# Shares of the way from chance to full agreement, from which a measure is seen so.
STRONGLY, CLEARLY = 0.5, 0.2
TOO_FEW = "too few persons to tell"
NO_MORE = "no more than chance"


def title_of(name: str) -> str:
    """Return a measure's name for readers."""
    if name.startswith(LABEL):
        return f"same {name.removeprefix(LABEL)}"
    return TITLES.get(name, name)


def amount(name: str, value: float) -> str:
    """A measure's value: a share in percent, or a similarity."""
    return percent(value) if name.startswith((LABEL, "self")) else decimals(value, 3)


def summary_of(measures: dict[str, Any], name: str) -> Summary | None:
    """Return a measure's value, interval and persons; None if it was not measured."""
    measure = measures.get(name)
    if measure is not None and name.startswith("self"):
        measure = measure["rank1"]
    return measure if measure is not None and measure["value"] is not None else None


def copy_of(results: Results) -> str:
    """Return the measure of distorted copies.

    If vectors average the mirrored box in, mirroring is no distortion.
    """
    return "self_unmirrored" if results.settings.embedding.mirrored else "self"


def measured(results: Results) -> dict[str, Summary]:
    """Return the summaries of what was measured, in the order in which they are shown."""
    measures = results.search["measures"]
    labels = sorted(name for name in measures if name.startswith(LABEL))
    names = (copy_of(results), "pose", "pose_oks", "context", *labels)
    return {name: found for name in names if (found := summary_of(measures, name)) is not None}


def difference_shown(found: Summary | None) -> int | None:
    """Return 1 or -1 if the interval of a paired difference lies above or below 0, else 0.

    found: a summary with the `difference_interval` to another way, taken person by person. Whether
    two separate intervals overlap says nothing here, as both are of the same persons. None if there
    is no interval, or too few persons.
    """
    ends = (found or {}).get("difference_interval")
    if found is None or ends is None or found["persons"] < FEWEST_PERSONS:
        return None
    return int(ends[0] > 0) - int(ends[1] < 0)


@dataclass(frozen=True)
class Verdict:
    """What a measure shows. Verdicts follow from the intervals alone.

    seen: surely more than chance; for a copy, surely found in half of the cases or more.
    by_shape: what box shape alone gives; beyond_shape: whether `found` is surely more than that.
    Both are None if it was not measured.
    """

    name: str
    text: str
    found: Summary
    seen: bool
    by_shape: float | None = None
    beyond_shape: bool | None = None


def verdicts(results: Results) -> list[Verdict]:
    """Return a verdict on each measure, the distorted copy first."""
    copy, found = copy_of(results), measured(results)
    judged = [_copies(copy, found[copy])] if copy in found else []
    for name, one in found.items():
        if not name.startswith("self"):
            verdict = _in_common(name, one)
            if (shape := summary_of(results.search["box_shape"], name)) is not None:
                beyond = difference_shown(shape) == 1
                verdict = replace(verdict, by_shape=shape["value"], beyond_shape=beyond)
                if verdict.seen and not beyond:
                    verdict = replace(verdict, text=f"{verdict.text}, not shown beyond box shape")
            judged.append(verdict)
    return judged


def _copies(name: str, found: Summary) -> Verdict:
    ends = found["interval"]
    if ends is None or found["persons"] < FEWEST_PERSONS:
        return Verdict(name, TOO_FEW, found, seen=False)
    low, high = ends
    if high <= 0.5:
        return Verdict(name, "missed more often than found", found, seen=False)
    for least, text in (
        (0.95, "nearly always found"),
        (0.8, "mostly found"),
        (0.5, "found more often than not"),
    ):
        if low >= least:
            return Verdict(name, text, found, seen=True)
    return Verdict(name, "found about every other time", found, seen=False)


def _in_common(name: str, found: Summary) -> Verdict:
    ends, chance = found["lift_interval"], found["chance"]
    if ends is None or found["persons"] < FEWEST_PERSONS:
        return Verdict(name, TOO_FEW, found, seen=False)
    if ends[1] < 0:
        return Verdict(name, "less than chance", found, seen=False)
    if ends[0] <= 0:
        return Verdict(name, NO_MORE, found, seen=False)
    way = found["lift"] / (1 - chance) if chance < 1 else 1.0
    strength = "strongly" if way >= STRONGLY else "clearly" if way >= CLEARLY else "weakly"
    return Verdict(name, f"seen {strength}", found, seen=True)
