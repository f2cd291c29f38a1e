"""How good the search is: what neighbours have in common, and what reranking changes."""

from typing import Any, NamedTuple

from visualsearch.report.model import Results
from visualsearch.report.numbers import (
    DASH,
    count,
    decimals,
    interval,
    percent,
    percent_interval,
    signed,
)
from visualsearch.report.wording.measures import Summary, compared, measured, summary_of, title_of

TRY_RERANK = (
    "None was taken here. search.rerank: 100 takes it: the hundred nearest by the index are sorted "
    "anew by their full-length vectors."
)
RELEVANCE_UNITS = (
    "All values but ranks go from 0 to 1. By chance: the same for persons drawn at random. Box "
    "shape: the same for the ten neighbours that the boxes alone give, by aspect, height and the "
    "edges of the picture that they touch; no pixel is looked at. Raw cosine: the same for the "
    "full-length vectors, compared without mean, PCA and whitening."
)


class MeasureRow(NamedTuple):
    """A row of a table of measures. meaning: what was measured, or for which persons."""

    name: str
    meaning: str
    value: str
    interval: str
    chance: str
    lift: str
    lift_interval: str
    box_shape: str
    raw: str
    persons: str


def relevance_paragraphs(results: Results) -> list[str]:
    """Say how relevance was measured."""
    persons = results.search["persons_measured"]
    if not persons:
        return ["Nobody was there to be searched for, so nothing was measured."]
    text = (
        f"{count(persons, 'person')}, evenly spread over the search set, "
        f"{'was' if persons == 1 else 'were'} searched for exactly, in other pictures than their "
        "own; what is measured is the vectors, not the index. Intervals hold 95 % of bootstrap "
        "resamples of whole pictures."
    )
    if results.detection_numbers is None:
        text += " Pose and context need annotated pictures, which these are not."
    elif "pose" not in measured(results):
        text += " Pose needs annotated keypoints, which these pictures have not."
    return [text, RELEVANCE_UNITS]


def relevance(results: Results) -> list[MeasureRow]:
    """Return the table of relevance."""
    measures, raw = results.search["measures"], results.search["raw_cosine"]
    by_shape = results.search["box_shape"]
    rankings = results.search.get("mean_average_precision", {})
    rows = []
    for name, found in measured(results).items():
        others = (summary_of(by_shape, name), summary_of(raw, name))
        if name.startswith("self"):
            found = _against_chance(found, 1 / results.n_persons)
        rows.append(_measure_row(title_of(name), MEANINGS.get(name, LABEL), found, *others))
        if name == "self":
            rows.append(_rank_row(measures[name], raw.get(name), found, results.n_persons))
        ranking = rankings.get(name.removeprefix("label:"))
        if name.startswith("label:") and ranking and ranking["value"] is not None:
            rows.append(_measure_row(title_of(name), RANKING, ranking))
    same_image = results.search["same_image"]
    if same_image["value"] is not None:
        rows.append(_measure_row("same picture", SAME_PICTURE, same_image))
    return rows


MEANINGS = {
    "self": "moved and mirrored copies that find their original first",
    "self_unmirrored": "copies only moved that find their original first",
    "pose": "keypoint similarity of the ten neighbours, each axis by its side of the box",
    "pose_oks": "keypoint similarity, both axes by one length, the root of the box's area",
    "context": "overlap of the other categories in the ten neighbours' pictures",
}
LABEL = "precision@10: the ten neighbours that share it"
RANKING = "mean average precision of the whole ranking"
SAME_PICTURE = "of the ten nearest, where the query's own picture is allowed"


def _against_chance(found: Summary, chance: float) -> Summary:
    """Add the lift of a share of copies above chance."""
    ends = found["interval"]
    return {
        **found,
        "chance": chance,
        "lift": found["value"] - chance,
        "lift_interval": ends and [end - chance for end in ends],
    }


def _measure_row(
    name: str,
    meaning: str,
    found: Summary,
    by_shape: Summary | None = None,
    raw: Summary | None = None,
) -> MeasureRow:
    return MeasureRow(
        name,
        meaning,
        decimals(found["value"], 3),
        interval(found["interval"]),
        decimals(found.get("chance"), 3),
        signed(found.get("lift")),
        interval(found.get("lift_interval")),
        decimals(None if by_shape is None else by_shape["value"], 3),
        decimals(None if raw is None else raw["value"], 3),
        f"{found['persons']:,}",
    )


def _rank_row(
    ranks: dict[str, Any], raw: dict[str, Any] | None, found: Summary, n_persons: int
) -> MeasureRow:
    return MeasureRow(
        title_of("self"),
        "median rank of the original",
        f"{ranks['median_rank']:g}",
        DASH,
        f"{(n_persons + 1) / 2:g}",
        DASH,
        DASH,
        DASH,
        DASH if raw is None else f"{raw['median_rank']:g}",
        f"{found['persons']:,}",
    )


def by_height(results: Results) -> list[MeasureRow]:
    """Return the table of each measure by height of the box."""
    rows = []
    for name in measured(results):
        by_shape = results.search["box_shape"].get(name, {"by_height": []})["by_height"]
        of_heights = {part["height_from"]: part for part in by_shape}
        for part in results.search["measures"][name]["by_height"]:
            heights = _heights(part["height_from"], part["height_below"])
            beside = of_heights.get(part["height_from"])
            rows.append(_measure_row(title_of(name), heights, part, beside))
    return rows


def _heights(low: float, below: float | None) -> str:
    if below is None:
        return f"{low:g} px or more" if low else "any"
    return f"{low:g} px to under {below:g} px" if low else f"under {below:g} px"


def labels_sentence(results: Results) -> str | None:
    """Say how often hits share their query's labels; None if pictures have no labels."""
    if not results.labels_of_hits:
        return None
    parts = [
        f"{percent(measure['precision'])} of the neighbours share the query's {kind} "
        f"(by chance: {percent(measure['chance'])})"
        for kind, measure in results.labels_of_hits.items()
    ]
    n = len(results.queries)
    few = f"; from {count(n, 'query', 'queries')} that is no more than a tendency"
    return f"In the galleries above, {'; '.join(parts)}{few if n < 30 else ''}."


def rerank_paragraphs(results: Results) -> list[str]:
    """Say what reranking changed, or how to turn it on."""
    reranked = results.search.get("rerank")
    if reranked is None:
        return [TRY_RERANK]
    # Relevance is measured on ten neighbours, so at least ten candidates are sorted.
    text = (
        f"The {max(reranked['candidates'], 10):,} nearest by the reduced vectors were sorted anew "
        "by the full-length ones, less their mean."
    )
    changed = reranked["changed"]
    if changed["value"] is not None:
        text += (
            f" Of a person's ten neighbours that replaces {percent(changed['value'])} "
            f"(95 % interval {percent_interval(changed['interval'])})."
        )
    verdicts = [
        f"{title_of(name)}: {compared(after, 'it rises', 'it falls')}"
        for name, _, after in _reranked_measures(results)
    ]
    if verdicts:
        text += (
            " What neighbours have in common, with the second look less without it, for the same "
            f"persons: {'; '.join(verdicts)}."
        )
    return [text]


def rerank_table(results: Results) -> list[tuple[MeasureRow, MeasureRow]]:
    """Return each measure without reranking and with it."""
    return [
        (
            _measure_row(title_of(name), "", before, summary_of(results.search["box_shape"], name)),
            _measure_row(title_of(name), "", after),
        )
        for name, before, after in _reranked_measures(results)
    ]


def _reranked_measures(results: Results) -> list[tuple[str, Summary, Summary]]:
    """Return name, summary without reranking and summary with it of what has both."""
    reranked = results.search.get("rerank") or {"measures": {}}
    return [
        (name, before, after)
        for name, after in reranked["measures"].items()
        if after["value"] is not None
        and (before := summary_of(results.search["measures"], name)) is not None
    ]
