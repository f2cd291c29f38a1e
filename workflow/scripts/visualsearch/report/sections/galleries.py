"""The galleries: what was searched, each query, and its neighbours."""

from collections.abc import Iterable

from visualsearch.data.shown import BOX_DIGITS, SCORE_DIGITS
from visualsearch.report.model import Hit, Label, Person, Query, Results
from visualsearch.report.numbers import Facts, count, decimals, ordinal
from visualsearch.web.pages import PEOPLE_NOTES, picture_limit_note


def lead(results: Results) -> str:
    """Say what was searched for, in one sentence."""
    one, many = results.nouns
    neighbours, n = results.settings.search.neighbours, len(results.queries)
    if not results.n_persons:
        chosen = results.settings.search_set
        why = (
            f"of {count(results.n_detections, 'detection')}, none has a score of "
            f"{chosen.min_score:g} or more and a height of {chosen.min_height:g} px or more"
            if results.n_detections
            else "the detector found none"
        )
        return f"No {many} to search among: in {count(results.n_pictures, 'picture')}, {why}."
    if not n:
        return (
            f"No query: nothing was searched for among the {results.n_persons:,} {many} that a "
            f"pretrained detector found in {count(results.n_pictures, 'picture')}."
        )
    wanted = one if neighbours == 1 else f"{neighbours:,} {many}"
    if any(len(query.hits) < neighbours for query in results.queries):
        wanted = f"{many} (up to {neighbours:,})"
    elsewhere = "" if results.settings.search.same_image else " in other pictures"
    return (
        f"For {'one query' if n == 1 else f'each of {n:,} queries'}, the {wanted} most like it"
        f"{elsewhere}, among {results.n_persons:,} that a pretrained detector found in "
        f"{count(results.n_pictures, 'picture')} and describes by its own features."
    )


def totals(results: Results) -> Facts:
    """Return the four numbers at the top."""
    threshold = decimals(results.detector["score_threshold"])
    return [
        ("pictures", f"{results.n_pictures:,}"),
        (f"detections of score {threshold} or more", f"{results.n_detections:,}"),
        (f"{results.nouns[1]} in the search set", f"{results.n_persons:,}"),
        ("queries", f"{len(results.queries):,}"),
    ]


def people_note(results: Results) -> str | None:
    """Return what readers must know about the people shown."""
    return PEOPLE_NOTES.get(results.settings.dataset.source)


def hint(results: Results) -> str:
    """Say how to read a gallery."""
    if not results.n_persons:
        many = results.nouns[1]
        return (
            f"The search set holds no {many}, so there is nothing to show. Lower "
            "search_set.min_score or search_set.min_height, or give more pictures."
        )
    if not results.queries:
        return "No query: the settings under queries gave none, so there is no gallery."
    search = results.settings.search
    order = "its neighbours follow by falling cosine similarity"
    if search.rerank:
        depth = max(search.rerank, search.neighbours)
        order += (
            f" of the full-length vectors, as a second look at the {depth:,} nearest has it; where "
            "the index had another order, its rank is told"
        )
    text = f"The query stands at the left, {order}."
    if results.n_persons == 1:
        text += (
            f" A single {results.nouns[0]} has no neighbours: lower search_set.min_score or "
            "search_set.min_height, or give more pictures."
        )
    elif results.reduction.n_persons == 2:
        text += (
            " Two persons differ from their mean by the same in opposite directions, so their "
            "cosine is −1 whoever they are."
        )
    text += _picture_limit(results)
    least = f"{search.near_duplicate:g}"
    if search.exclude_near_duplicates:
        text += (
            " Near-duplicates of a query, whose full-length vectors have a cosine of "
            f"{least} or more with its own, are left out."
        )
    elif any(hit.near_duplicate for query in results.queries for hit in query.hits):
        text += (
            f" The full-length vector of a near-duplicate has a cosine of {least} or more with its "
            "query's, whatever the cosine shown."
        )
    return text


def _picture_limit(results: Results) -> str:
    """Say how many of a picture may be hits, and that some galleries are shorter for it."""
    search = results.settings.search
    note = picture_limit_note(search.hits_per_image, results.nouns)
    if not note or results.n_persons < 2:
        return ""
    if any(len(query.hits) < search.neighbours for query in results.queries):
        note += (
            f" A gallery has fewer than {search.neighbours:,} neighbours where too few other "
            "pictures are there; search.hits_per_image: null allows more of each of these."
        )
    return f" {note}"


def no_neighbours(results: Results) -> str:
    """Say why a query has no neighbours."""
    if results.n_persons < 2:
        return "Nothing else is in the search set."
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
    return f"The second look brought in {new:,} of these {len(ranks):,} and moved {moved:,}."


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
