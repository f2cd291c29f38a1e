"""The top of the report: five lines and two pictures."""

from visualsearch.report.blocks import Block, Figure, Findings
from visualsearch.report.model import Query, Results
from visualsearch.report.numbers import count, decimals, listed, percent
from visualsearch.report.sections.detections import is_training_set
from visualsearch.report.sections.measures import (
    LABEL,
    NO_MORE,
    TOO_FEW,
    Verdict,
    amount,
    title_of,
    verdicts,
)
from visualsearch.web.pages import PEOPLE_NOTES

OVERVIEW = "overview.jpg"
OVERVIEW_QUERIES = 8
IN_COMMON = "in_common.svg"


def blocks(results: Results) -> list[Block]:
    """Return the five lines, and the pictures of the run that has them."""
    lines: list[Block] = [
        Findings(
            [
                ("What was searched.", _searched(results)),
                (f"How well {results.nouns[1]} are found.", _found(results)),
                ("What the search sees.", _sees(results)),
                ("What is lost.", _lost(results)),
                ("How to use it.", _use(results)),
            ]
        )
    ]
    if shown := shown_in_overview(results):
        text = f"{count(len(shown), 'query', 'queries')} at the left, each with its first hits"
        lines.append(Figure(OVERVIEW, text, "Each query, left, and its first hits."))
    if judged := in_common(results):
        parts = [
            f"{title_of(one.name)}: {amount(one.name, one.found['value'])}, by chance "
            f"{amount(one.name, one.found['chance'])}"
            for one in judged
        ]
        ends = sorted({one.found["persons"] for one in judged})
        persons = " to ".join(f"{n:,}" for n in dict.fromkeys((ends[0], ends[-1])))
        caption = f"Shared by ten neighbours, with the 95 % interval, over {persons} persons."
        lines.append(Figure(IN_COMMON, "; ".join(parts), caption))
    return lines


def shown_in_overview(results: Results) -> list[Query]:
    """The queries of the first picture."""
    return [query for query in results.queries if query.hits][:OVERVIEW_QUERIES]


def in_common(results: Results) -> list[Verdict]:
    """What the second picture shows: all verdicts but that on copies."""
    return [
        one for one in verdicts(results) if not _is_copy(one) and one.found["chance"] is not None
    ]


def _searched(results: Results) -> str:
    many, n, search = results.nouns[1], len(results.queries), results.settings.search
    pictures = count(results.n_pictures, "picture")
    note = PEOPLE_NOTES.get(results.settings.dataset.source, "")
    found = count(results.n_detections, "detection")
    if not results.n_persons:
        chosen = results.settings.search_set
        why = (
            f"none of {found} has a score of {chosen.min_score:g} or more and a height of "
            f"{chosen.min_height:g} px or more; lower `search_set.min_score` or "
            "`search_set.min_height`, or give more pictures"
            if results.n_detections
            else "the detector found none; give more pictures"
        )
        return f"No {many} to search among: in {pictures}, {why}. {note}".strip()
    asked = (
        f"For {'one query' if n == 1 else f'each of {n:,} queries'}, the "
        f"{search.neighbours:,} most alike{'' if search.same_image else ' in other pictures'}."
        if n
        else "The settings under `queries` gave no query."
    )
    return f"{results.n_persons:,} {many}, of {found} in {pictures}. {asked} {note}".strip()


def _found(results: Results) -> str:
    numbers = results.detection_numbers
    if numbers is None:
        return "AP is unknown: these pictures have no annotated boxes to compare with."
    if numbers["AP"] is None:
        return f"AP is unknown: {numbers['AP_note'].rstrip('.')}."
    caution = {
        True: ", on the detector's own training pictures, so too high",
        None: ", perhaps on the detector's own training pictures, so perhaps too high",
        False: "",
    }[is_training_set(results)]
    return (
        f"AP is {decimals(numbers['AP'], 3)} and AP50 {decimals(numbers['AP50'], 3)}, against "
        f"{count(numbers['annotated'], 'annotated box', 'annotated boxes')}{caution}."
    )


def _sees(results: Results) -> str:
    judged = verdicts(results)
    groups = {
        "More than chance": [one for one in judged if one.seen and not _is_copy(one)],
        "No more than chance": [one for one in judged if one.text in (NO_MORE, "less than chance")],
        "Too few to tell": [one for one in judged if one.text == TOO_FEW and not _is_copy(one)],
    }
    told = [
        f"{how}: {listed([_told(one) for one in ones])}." for how, ones in groups.items() if ones
    ]
    if not told:
        told = ["Nothing says what neighbours share, as no picture has labels or annotations."]
    for one in judged:
        if _is_copy(one):
            text = "found, of too few to tell" if one.text == TOO_FEW else one.text
            share = percent(one.found["value"])
            told.append(f"A copy with its box moved a little is {text} ({share}).")
    if results.settings.dataset.category == "person":
        told.append("It does not identify people.")
    return " ".join(told)


def _is_copy(one: Verdict) -> bool:
    return one.name.startswith("self")


def _told(one: Verdict) -> str:
    """same view (80 % of neighbours; by chance 19 %, by box shape alone 71 %)."""
    text = amount(one.name, one.found["value"])
    text += " of neighbours" if one.name.startswith(LABEL) else ""
    others = (("by chance", one.found["chance"]), ("by box shape alone", one.by_shape))
    beside = ", ".join(f"{how} {amount(one.name, v)}" for how, v in others if v is not None)
    unsure = "; not shown beyond box shape" if one.seen and one.beyond_shape is False else ""
    return f"{title_of(one.name)} ({text}; {beside}{unsure})" if beside else title_of(one.name)


def _lost(results: Results) -> str:
    index, sidecar = results.sidecar["recall"], results.sidecar
    reduction = results.search["reduced_against_full_length"]
    if not reduction["persons_sampled"] or reduction["recall@10"] is None:
        return "Nothing: there are no neighbours to lose."
    if sidecar["backend"] == "exact":
        by_index = "The index is exact search and loses none of the ten nearest."
    elif not index["persons_sampled"] or index["recall@10"] is None:
        by_index = "What the index loses could not be measured."
    else:
        by_index = f"Of the ten nearest, the index loses {percent(1 - index['recall@10'], 1)}."
    by_reduction = (
        f"The reduction puts others in the place of {percent(1 - reduction['recall@10'], 1)}"
    )
    alone = results.search["by_components"][-1]["recall_without_whitening"]["recall@10"]
    if results.reduction.whiten_power and alone is not None:
        shortens = percent(1 - alone, 1)
        by_reduction += f": {shortens} because it shortens, the rest because it whitens, on purpose"
    rerank = results.settings.search.rerank
    again = f" Then the {rerank:,} nearest are re-ranked at full length." if rerank else ""
    return f"{by_index} {by_reduction}.{again}"


def _use(results: Results) -> str:
    explorer = (
        "in `report/explorer/index.html` everybody is a query"
        if results.settings.report.explorer
        else "`snakemake explorer` makes everybody a query"
    )
    return (
        "`visualsearch query RESULTS me.jpg`, with this run's folder for RESULTS, searches for "
        f"your own picture; {explorer}. The hits are in `report/hits.csv`, the boxes in "
        "`detections/persons.json`."
    )
