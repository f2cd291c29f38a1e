"""Persons, queries and hits in words, for the report and for the page of a query."""

from collections.abc import Iterable

from visualsearch.data.shown import BOX_DIGITS, SCORE_DIGITS
from visualsearch.report.model import Hit, Label, Person, Query, Results
from visualsearch.report.numbers import Facts, decimals, ordinal


def no_neighbours(results: Results) -> str:
    """Say why a query has no neighbours."""
    if results.n_persons < 2:
        return "The search set holds nobody else."
    search = results.settings.search
    left_out = [
        *([] if search.same_image else ["in another picture"]),
        *(["no near-duplicate"] if search.exclude_near_duplicates else []),
    ]
    return f"Nothing else in the search set is {' and '.join(left_out)}."


def reason(query: Query) -> str:
    """Say why a query was chosen, without its role, which stands before it."""
    text = query.reason.removeprefix(query.role)
    return text[2:] if text != query.reason and text[:2] in (", ", ": ") else query.reason


def rerank_effect(query: Query) -> str | None:
    """Say how reranking changed a gallery; None if it changed nothing or was off."""
    ranks = [(hit.rank, hit.index_rank) for hit in query.hits]
    new = sum(before > len(ranks) for _, before in ranks)
    moved = sum(before <= len(ranks) and before != rank for rank, before in ranks)
    if not new and not moved:
        return None
    return f"Re-ranking brought in {new:,} of these {len(ranks):,} and moved {moved:,}."


def marks(hit: Hit) -> list[str]:
    """Return warnings about a hit that may be trivial."""
    return [
        *(["same image"] if hit.same_image else []),
        *(["near-duplicate"] if hit.near_duplicate else []),
    ]


def rank_before(hit: Hit) -> str | None:
    """Return a hit's rank before reranking, if reranking changed it."""
    return None if hit.index_rank == hit.rank else f"was {ordinal(hit.index_rank)}"


def hit_facts(hit: Hit) -> Facts:
    """Return a hit's similarities, for the large view."""
    if hit.full_similarity is None:
        return [("cosine similarity", decimals(hit.similarity, 3))]
    return [
        ("cosine, full-length", decimals(hit.full_similarity, 3)),
        ("cosine, reduced", decimals(hit.similarity, 3)),
        ("rank by the index", f"{hit.index_rank:,}"),
    ]


def person_facts(person: Person) -> Facts:
    """Return the facts of a detection, for the large view."""
    x, y, w, h = (decimals(side, BOX_DIGITS) for side in person.box)
    picture = person.picture
    facts: Facts = []
    if person.score is not None:
        facts.append(("detector score", decimals(person.score, SCORE_DIGITS)))
    if person.person_id is not None:
        facts.append(("person id", str(person.person_id)))
    if picture.image_id is not None:
        facts.append(("image id", str(picture.image_id)))
    facts.append(("file", picture.file if picture.stored else picture.name))
    facts.append(("box", f"{w} × {h} px at {x}, {y}"))
    return facts


def describe_labels(labels: Iterable[Label]) -> str:
    """Return labels for alternative texts: `, view studio portrait, person P001`."""
    return "".join(f", {label.kind} {label.value}" for label in labels)


def describe_query(query: Query) -> str:
    """Return the alternative text of a query's picture."""
    return f"Query {query.number}: {query.person.picture.name}" + describe_labels(query.labels)


def describe_hit(query: Query, hit: Hit) -> str:
    """Return the alternative text of a hit's picture."""
    warnings = "".join(f", {mark}" for mark in marks(hit))
    return (
        f"Neighbour {hit.rank} of query {query.number}: cosine similarity "
        f"{decimals(hit.shown_similarity, 3)}, {hit.person.picture.name}{warnings}"
        + describe_labels(hit.labels)
    )
