"""The measures of evaluation/search.json: their names and order, and how two are compared."""

from typing import Any

from visualsearch.evaluate.relevance import FEWEST_PERSONS
from visualsearch.report.model import Results
from visualsearch.report.numbers import interval

Summary = dict[str, Any]


def title_of(name: str) -> str:
    """Return a measure's name for readers."""
    titles = {
        "self": "mirrored copy",
        "self_unmirrored": "moved copy",
        "pose_oks": "pose in COCO's scale",
    }
    if name.startswith("label:"):
        return f"same {name.removeprefix('label:')}"
    return titles.get(name, name)


def summary_of(measures: dict[str, Any], name: str) -> Summary | None:
    """Return a measure's value, interval and persons; None if it was not measured."""
    measure = measures.get(name)
    if measure is not None and name.startswith("self"):
        measure = measure["rank1"]
    return measure if measure is not None and measure["value"] is not None else None


def measured(results: Results) -> dict[str, Summary]:
    """Return the summaries of what was measured, in the order in which they are shown."""
    measures = results.search["measures"]
    labels = sorted(name for name in measures if name.startswith("label:"))
    names = ("self", "self_unmirrored", "pose", "pose_oks", "context", *labels)
    return {name: found for name in names if (found := summary_of(measures, name)) is not None}


def compared(found: Summary, above: str, below: str) -> str:
    """Return `above` or `below` if the interval of a paired difference excludes 0, with the ends.

    found: a summary with the `difference_interval` to another way, taken person by person. Whether
    two separate intervals overlap says nothing here, as both are of the same persons.
    """
    ends = found.get("difference_interval")
    if ends is None:
        return "no difference known"
    if found["persons"] < FEWEST_PERSONS:
        verdict = "too few persons to tell"
    else:
        verdict = above if ends[0] > 0 else below if ends[1] < 0 else "no difference shown"
    return f"{verdict} (95 % interval of the difference {interval(ends)})"
