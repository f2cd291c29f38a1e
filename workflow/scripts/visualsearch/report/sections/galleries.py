"""The galleries, each with its finding; and what a similarity means in this set."""

from typing import Any

from visualsearch.report.blocks import Block, Gallery, Paragraph, Part, Table
from visualsearch.report.model import Query, Results
from visualsearch.report.numbers import decimals, listed
from visualsearch.report.sections.measures import LABEL
from visualsearch.web.pages import picture_limit_note

# Fewer random pairs say nothing of their 99th percentile.
FEWEST_PAIRS = 200


def blocks(results: Results) -> list[Block]:
    """Return how to read a gallery, the galleries, and pictures that gave no query."""
    made: list[Block] = [Paragraph(text) for text in reading(results)]
    made += [Gallery(query, finding(query)) for query in results.queries]
    if results.skipped_queries:
        rows = [[entry.file.rsplit("/", 1)[-1], entry.reason] for entry in results.skipped_queries]
        title = "Pictures of yours without a query"
        made.append(Part(title, [Table(title, ["picture", "why"], rows)]))
    return made


def reading(results: Results) -> list[str]:
    """Say how to read a gallery."""
    if not results.n_persons:
        return ["There is nobody to show."]
    if not results.queries:
        return ["There is no query, so there is no gallery."]
    told = [_order(results), _scale(results), *_limits(results)]
    return [" ".join(text for text in told if text)]


def _order(results: Results) -> str:
    search = results.settings.search
    if not search.rerank:
        return "Left: the query. Then its neighbours, by falling cosine similarity."
    depth = max(search.rerank, search.neighbours)
    return (
        f"Left: the query. Then the {depth:,} nearest by the index, re-ranked by the cosine of "
        "their full-length vectors; where the index had another order, its rank is shown."
    )


def scale_marks(results: Results) -> dict[str, float]:
    """Return where the similarities of random pairs lie: median and 99th percentile.

    Empty where there were too few.
    """
    pairs = results.search.get("random_pairs")
    if pairs is None or pairs["pairs"] < FEWEST_PAIRS:
        return {}
    return {name: pairs[name] for name in ("median", "percentile_99")}


def _scale(results: Results) -> str:
    marks = scale_marks(results)
    if not marks:
        return ""
    return (
        f"Of random pairs of {results.nouns[1]}, half have a cosine of "
        f"{decimals(marks['median'])} or less, and 99 % have {decimals(marks['percentile_99'])} "
        "or less."
    )


def _limits(results: Results) -> list[str]:
    """Say who is left out of galleries, and what a near-duplicate is."""
    search = results.settings.search
    if results.n_persons == 1:
        return [
            f"A single {results.nouns[0]} has no neighbours: lower `search_set.min_score` or "
            "`search_set.min_height`, or give more pictures."
        ]
    told = [picture_limit_note(search.hits_per_image, results.nouns)]
    if told[0] and any(len(query.hits) < search.neighbours for query in results.queries):
        told.append(
            f"Where other pictures are too few, a gallery has fewer than {search.neighbours:,}; "
            "`search.hits_per_image: null` allows more of each."
        )
    if results.reduction.n_persons == 2:
        told.append("Two persons differ from their mean in opposite ways: their cosine is −1.")
    least = f"{search.near_duplicate:g} or more"
    if search.exclude_near_duplicates:
        told.append(f"Near-duplicates (full-length cosine {least}) are left out.")
    elif any(hit.near_duplicate for query in results.queries for hit in query.hits):
        told.append(f"Near-duplicate: {least} by the full-length vectors, whatever is shown.")
    return told


def finding(query: Query) -> str | None:
    """Say what a query and its hits have in common, beside what chance would give.

    Box height and cut-off are told where nothing better is known. None where nothing is, as for
    the user's own pictures.
    """
    if query.alike is None:
        return None
    known = query.alike["measures"]
    labels = {name: found for name, found in known.items() if name.startswith(LABEL)}
    # What most of the hits share comes first.
    ordered = sorted(labels.items(), key=lambda item: (-item[1]["value"], item[0]))
    told = [f"same {name.removeprefix(LABEL)} in {_counts(found)}" for name, found in ordered]
    means = []
    for name, words in (("pose", "similarity of pose"), ("context", "overlap of context")):
        if name in known:
            found = known[name]
            some = (
                ""
                if found["hits"] == len(query.hits)
                else f" over the {found['hits']:,} where it is known"
            )
            means.append(
                f"mean {words} {decimals(found['value'])}{some} (by chance "
                f"{decimals(found['chance'])})"
            )
    text = listed([*told, *means])
    if not text and {"height", "cut_off"} <= known.keys():
        where = "cut off at an edge" if query.alike["cut_off"] else "away from the edges"
        text = (
            f"about as high as the query (within a factor of 1.5): {_counts(known['height'])}; "
            f"{where}, as the query is: {_counts(known['cut_off'])}"
        )
    return f"{text[:1].upper()}{text[1:]}." if text else None


def _counts(found: dict[str, Any]) -> str:
    """8 of 10 (by chance 1.5): how many hits share something, and how many random persons would."""
    hits = found["hits"]
    by_chance = decimals(found["chance"] * hits, 1)
    return f"{round(found['value'] * hits):,} of {hits:,} (by chance {by_chance})"
