"""What neighbours have in common with their query, beside chance, box shape and raw cosines."""

from typing import Any

from visualsearch.report.blocks import Block, Cell, Details, Number, Paragraph, Table, Term
from visualsearch.report.model import Results
from visualsearch.report.numbers import DASH, count, decimals, interval, signed
from visualsearch.report.sections.measures import (
    LABEL,
    Summary,
    measured,
    summary_of,
    title_of,
    verdicts,
)

MEANINGS = {
    "self": "moved and mirrored copies that find their original first",
    "self_unmirrored": "moved copies that find their original first",
    "pose": "similarity of keypoints, 1 for the same pose; each axis by its side of the box",
    "pose_oks": "the same, with both axes by the root of the box's area",
    "context": "overlap of the other categories in the two pictures, 1 for the same ones",
}
SHARED = "of the ten neighbours, those with the same label of the source"
RANKING = "mean average precision of the whole ranking"
SAME_PICTURE = "of the ten nearest, when the query's own picture is allowed"
COLUMNS = (
    "By chance: persons drawn at random. Box shape: the ten persons with the most similar boxes, "
    "without any pixel. Raw cosine: full-length vectors without mean, PCA and whitening. "
    "Differences are taken person by person."
)


def blocks(results: Results) -> list[Block]:
    """Return the tables, and how they were measured."""
    persons = results.search["persons_measured"]
    if not persons:
        return [Paragraph("Nobody was there to search for, so nothing was measured.")]
    how = (
        f"{count(persons, 'person')}, spread evenly over the search set, "
        f"{'was' if persons == 1 else 'were'} searched for in other pictures by exact search: this "
        "tests the vectors only, not the index. Intervals hold 95 % of bootstrap resamples of "
        "whole pictures."
    )
    if results.detection_numbers is None:
        how += " Pose and context need annotated pictures."
    elif "pose" not in measured(results):
        how += " Pose needs annotated keypoints."
    rows = relevance(results)
    if not rows:
        return [Paragraph(how)]
    caption = "What neighbours have in common"
    numbers = ("value", "by chance", "above chance")
    beside = ("box shape", "above box shape", "raw cosine", "above raw cosine", "persons")
    head = ["measure", "verdict", *map(Number, (*numbers, *beside))]
    made: list[Block] = [Paragraph(f"{how} {COLUMNS}"), Table(caption, head, rows)]
    if strata := by_height(results):
        caption = "The same by height of the box"
        head = ["measure", "height", *map(Number, (*numbers, "box shape", "persons"))]
        made.append(Details(caption, [Table(caption, head, strata)]))
    return made


def relevance(results: Results) -> list[list[Cell]]:
    """Return the rows of the table."""
    search = results.search
    rankings = search.get("mean_average_precision", {})
    judged = {one.name: one.text for one in verdicts(results)}
    rows = []
    for name, found in measured(results).items():
        raw = search["raw_cosine"]
        others = (summary_of(search["box_shape"], name), summary_of(raw, name))
        if name.startswith("self"):
            found = _against_chance(found, 1 / results.n_persons)
        head = Term(title_of(name), MEANINGS.get(name, SHARED))
        rows.append([head, judged.get(name, ""), *_row(found, *others)])
        if name.startswith("self"):
            head = Term(title_of(name), "median rank of the original")
            ranks = _rank_row(search["measures"][name], raw.get(name), found, results.n_persons)
            rows.append([head, "", *ranks])
        ranking = rankings.get(name.removeprefix(LABEL))
        if name.startswith(LABEL) and ranking and ranking["value"] is not None:
            rows.append([Term(title_of(name), RANKING), "", *_row(ranking)])
    if search["same_image"]["value"] is not None:
        rows.append([Term("same picture", SAME_PICTURE), "", *_row(search["same_image"])])
    return rows


def _against_chance(found: Summary, chance: float) -> Summary:
    """Add the lift of a share of copies above chance."""
    ends = found["interval"]
    return {
        **found,
        "chance": chance,
        "lift": found["value"] - chance,
        "lift_interval": ends and [end - chance for end in ends],
    }


def _row(found: Summary, *others: Summary | None) -> list[Cell]:
    """others: the same by box shape and by raw cosines."""
    cells: list[Cell] = [*_values(found)]
    for other in others or (None, None):
        other = other or {"value": None}
        cells.append(decimals(other["value"], 3))
        cells.append(_above(other.get("difference"), other.get("difference_interval")))
    return [*cells, f"{found['persons']:,}"]


def _values(found: Summary) -> list[str]:
    return [
        decimals(found["value"], 3),
        decimals(found.get("chance"), 3),
        _above(found.get("lift"), found.get("lift_interval")),
    ]


def _above(difference: float | None, ends: list[float] | None) -> str:
    return signed(difference) if ends is None else f"{signed(difference)} ({interval(ends)})"


def _rank_row(
    ranks: dict[str, Any], raw: dict[str, Any] | None, found: Summary, n_persons: int
) -> list[Cell]:
    by_chance = f"{(n_persons + 1) / 2:g}"
    by_raw = DASH if raw is None else f"{raw['median_rank']:g}"
    ranked = [f"{ranks['median_rank']:g}", by_chance, DASH, DASH, DASH, by_raw, DASH]
    return [*ranked, f"{found['persons']:,}"]


def by_height(results: Results) -> list[list[Cell]]:
    """Return the rows of each measure by height of the box."""
    rows: list[list[Cell]] = []
    for name in measured(results):
        by_shape = results.search["box_shape"].get(name, {"by_height": []})["by_height"]
        beside = {part["height_from"]: part["value"] for part in by_shape}
        for part in results.search["measures"][name]["by_height"]:
            heights = _heights(part["height_from"], part["height_below"])
            shape = decimals(beside.get(part["height_from"]), 3)
            rows.append([title_of(name), heights, *_values(part), shape, f"{part['persons']:,}"])
    return rows


def _heights(low: float, below: float | None) -> str:
    if below is None:
        return f"{low:g} px or more" if low else "any"
    return f"{low:g} px to under {below:g} px" if low else f"under {below:g} px"
