"""What the explorer's page says of a run, and must know before it loads anything."""

from typing import Any

import numpy as np

from visualsearch.explorer.chunks import DETAILS_ROWS, NEIGHBOURS_ROWS
from visualsearch.explorer.contents import Contents
from visualsearch.explorer.thumbnails import COLUMNS, PERSONS
from visualsearch.settings import Settings
from visualsearch.web.pages import PEOPLE_NOTES, category_nouns

# How each way to make the map is called, and how its map is to be read.
PROJECTIONS = {
    "tsne": (
        "t-SNE",
        "What lies together looks alike to the search. How far apart two groups lie, how large "
        "they are and where they lie means nothing.",
    ),
    "pca": (
        "PCA",
        "The two directions in which the vectors differ most, so that what lies far apart differs; "
        "what lies together may still differ in all other directions.",
    ),
}


def page_facts(
    contents: Contents, settings: Settings, projection: str, queries: list[int | None]
) -> dict[str, Any]:
    """JSON-ready.

    projection: one of PROJECTIONS. queries: person_id of the
    report's queries, None for the user's own pictures; the first one of the set is shown first.
    """
    ids = contents.persons["person_id"].to_numpy()
    asked = np.flatnonzero(np.isin(ids, [person for person in queries if person is not None]))
    row_of = dict(zip(ids[asked].tolist(), asked.tolist(), strict=True))
    cell = settings.explorer.thumbnail_height
    search, neighbours = settings.search, settings.explorer.neighbours
    method, text = PROJECTIONS[projection]
    return {
        "title": settings.report.title,
        "things": category_nouns(settings.dataset.category),
        "persons": len(ids),
        "neighbours": neighbours,
        "shown": min(search.neighbours, neighbours),
        "chunk": {"neighbours": NEIGHBOURS_ROWS, "details": DETAILS_ROWS},
        "sheet": {"persons": PERSONS, "columns": COLUMNS, "cell": [cell, cell]},
        "order": order(settings),
        "labels": [{"kind": kind, "values": values} for kind, values, _ in contents.labels],
        "licenses": [{"name": name, "url": url} for name, url in contents.licenses],
        "first_ids": ids[::DETAILS_ROWS].tolist(),
        "start": next((row_of[person] for person in queries if person in row_of), 0),
        "same_image": search.same_image,
        "near_duplicate": search.near_duplicate,
        "report": "../index.html",
        "projection": {"method": method, "text": text},
        "notes": notes(settings),
    }


def order(settings: Settings) -> str:
    """In which order neighbours stand."""
    if settings.search.rerank:
        return "nearest first by the reduced vectors, without the report’s second look"
    return "nearest first, by cosine similarity"


def notes(settings: Settings) -> list[str]:
    """Sentences that readers of the explorer must know."""
    said = []
    if note := PEOPLE_NOTES.get(settings.dataset.source):
        said.append(note)
    if settings.search.exclude_near_duplicates:
        said.append("Near-duplicates are left out of the neighbours.")
    return said
