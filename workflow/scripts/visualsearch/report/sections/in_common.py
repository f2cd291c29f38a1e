"""What neighbours have in common with their query, beside chance, box shape and raw cosines."""

from collections.abc import Iterable
from typing import Any

from visualsearch.report.blocks import (
    Block,
    Cell,
    Details,
    Findings,
    Number,
    Paragraph,
    Table,
    Term,
)
from visualsearch.report.model import Results
from visualsearch.report.numbers import DASH, count, decimals, interval, listed, percent, signed
from visualsearch.report.sections.measures import (
    LABEL,
    Summary,
    Verdict,
    difference_shown,
    measured,
    summary_of,
    title_of,
    verdicts,
)

MEANINGS = {
    "self": "moved and mirrored copies that find their original first",
    "self_unmirrored": "moved copies that find their original first",
    "pose": "keypoint similarity, each axis by its side of the box",
    "pose_oks": "keypoint similarity, both axes by the root of the box's area",
    "context": "overlap of the other categories in the two pictures",
}
SHARED = "of the ten neighbours, the share with the same"
RANKING = "mean average precision of the whole ranking"
SAME_PICTURE = "of the ten nearest, when the query's own picture is allowed"
COLUMNS = (
    "By chance: the same for persons drawn at random. Box shape: the same for the ten persons with "
    "the most similar boxes (aspect, height, edges touched), so without any pixel. Raw cosine: the "
    "same for full-length vectors without mean, PCA and whitening."
)

INTERVAL = Number("95 % interval")


def blocks(results: Results) -> list[Block]:
    """Return the verdicts, the tables, and how they were measured."""
    persons = results.search["persons_measured"]
    if not persons:
        return [Paragraph("Nobody was there to search for, so nothing was measured.")]
    how = (
        f"{count(persons, 'person')}, spread evenly over the search set, "
        f"{'was' if persons == 1 else 'were'} searched for in other pictures, by exact search: "
        "this tests the vectors only, not the index. Intervals hold 95 % of bootstrap resamples "
        "of whole pictures."
    )
    if results.detection_numbers is None:
        how += " Pose and surroundings need annotated pictures."
    elif "pose" not in measured(results):
        how += " Pose needs annotated keypoints."
    rows = relevance(results)
    if not rows:
        return [Paragraph(how)]
    head = [
        "measure",
        Number("value"),
        INTERVAL,
        Number("by chance"),
        Number("above chance"),
        INTERVAL,
    ]
    table = Table(
        "What neighbours have in common",
        [*head, Number("box shape"), Number("raw cosine"), Number("persons")],
        rows,
    )
    made: list[Block] = [
        Findings([_finding(one, results) for one in verdicts(results)]),
        Paragraph(" ".join([how, *_beside(results)])),
        table,
        Paragraph(COLUMNS),
    ]
    if strata := by_height(results):
        caption = "The same by height of the box"
        names = [head[0], "height", *head[1:], Number("box shape"), Number("persons")]
        made.append(Details(caption, [Table(caption, names, strata)]))
    return made


def _finding(one: Verdict, results: Results) -> tuple[str, str]:
    title = f"{title_of(one.name).capitalize()}: {one.text}."
    found = one.found
    if one.name.startswith("self"):
        return title, f"{percent(found['value'])} of {count(found['persons'], 'copy', 'copies')}."
    ends = found["lift_interval"]
    if ends is None:
        return title, f"Of {count(found['persons'], 'person')}."
    text = f"{signed(found['lift'])} against chance ({interval(ends)})"
    if one.seen and found["chance"] < 1:
        text += f", {percent(found['lift'] / (1 - found['chance']))} of the way to full agreement"
    shape = summary_of(results.search["box_shape"], one.name) or {}
    if shape.get("difference_interval") is not None:
        text += (
            f"; {signed(shape['difference'])} against box shape "
            f"({interval(shape['difference_interval'])})"
        )
    return title, f"{text}."


def _beside(results: Results) -> Iterable[str]:
    """Say where the search differs from raw cosines, person by person."""
    shown: dict[str, list[str]] = {"better": [], "worse": [], "not shown to differ": []}
    for name in measured(results):
        sign = difference_shown(summary_of(results.search["raw_cosine"], name))
        if sign is not None:
            how = {1: "better", -1: "worse", 0: "not shown to differ"}[sign]
            shown[how].append(title_of(name))
    told = [f"{how} for {listed(names)}" for how, names in shown.items() if names]
    if told:
        yield f"Against raw cosines of the same persons, the search is {'; '.join(told)}."


def relevance(results: Results) -> list[list[Cell]]:
    """Return the rows of the table."""
    search = results.search
    rankings = search.get("mean_average_precision", {})
    rows = []
    for name, found in measured(results).items():
        raw = search["raw_cosine"]
        others = (summary_of(search["box_shape"], name), summary_of(raw, name))
        if name.startswith("self"):
            found = _against_chance(found, 1 / results.n_persons)
        rows.append(_row(Term(title_of(name), MEANINGS.get(name, SHARED)), found, *others))
        if name == "self":
            rows.append(
                _rank_row(search["measures"][name], raw.get(name), found, results.n_persons)
            )
        ranking = rankings.get(name.removeprefix(LABEL))
        if name.startswith(LABEL) and ranking and ranking["value"] is not None:
            rows.append(_row(Term(title_of(name), RANKING), ranking))
    if search["same_image"]["value"] is not None:
        rows.append(_row(Term("same picture", SAME_PICTURE), search["same_image"]))
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


def _row(
    head: Term, found: Summary, by_shape: Summary | None = None, raw: Summary | None = None
) -> list[Cell]:
    return [
        head,
        *_values(found),
        decimals(None if by_shape is None else by_shape["value"], 3),
        decimals(None if raw is None else raw["value"], 3),
        f"{found['persons']:,}",
    ]


def _values(found: Summary) -> list[str]:
    return [
        decimals(found["value"], 3),
        interval(found["interval"]),
        decimals(found.get("chance"), 3),
        signed(found.get("lift")),
        interval(found.get("lift_interval")),
    ]


def _rank_row(
    ranks: dict[str, Any], raw: dict[str, Any] | None, found: Summary, n_persons: int
) -> list[Cell]:
    middle = [DASH, f"{(n_persons + 1) / 2:g}", DASH, DASH, DASH]
    by_raw = DASH if raw is None else f"{raw['median_rank']:g}"
    head = Term(title_of("self"), "median rank of the original")
    return [head, f"{ranks['median_rank']:g}", *middle, by_raw, f"{found['persons']:,}"]


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
