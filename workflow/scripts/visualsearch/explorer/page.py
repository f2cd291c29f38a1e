"""The page of the explorer, and the facts of a run that it needs before it loads any data."""

from typing import Any

import numpy as np

from visualsearch.explorer import TEMPLATES
from visualsearch.explorer.chunks import DETAILS_ROWS, NEIGHBOURS_ROWS, PICTURES_ROWS
from visualsearch.explorer.contents import Contents
from visualsearch.explorer.thumbnails import SHEET_COLUMNS, SHEET_PERSONS
from visualsearch.explorer.vectors import (
    ALPHABET,
    CHARACTERS_TOGETHER,
    CODES_TOGETHER,
    HIGHEST,
    VECTORS_ROWS,
)
from visualsearch.settings import Settings
from visualsearch.web.pages import PEOPLE_NOTES, category_nouns, picture_limit_note, render

SCRIPTS = (
    "words",
    "focus",
    "chunks",
    "persons",
    "thumbnails",
    "selection",
    "filters",
    "searcher",
    "searching",
    "address",
    "asking",
    "query",
    "hit",
    "gallery",
    "behind",
    "finding",
    "trail",
    "points",
    "view",
    "colouring",
    "stage",
    "map-pictures",
    "layers",
    "pointing",
    "shapes",
    "choosing",
    "moving",
    "takeaway",
    "selected",
    "map",
    "explorer",
)
# Of a page that searches for its reader's own pictures. explorer.js, the last of all, uses them.
OWN_PICTURE_SCRIPTS = (
    "resampling",
    "own_worker",
    "own_networks",
    "own_boxes",
    "own_hits",
    "own_picture",
)

# By method of the map: its name for readers, and how to read the map.
PROJECTIONS = {
    "tsne": (
        "t-SNE",
        "Points that lie close together look alike to the search. The distance between two groups, "
        "their size and their place mean nothing.",
    ),
    "pca": (
        "PCA",
        "The map shows the two directions in which the vectors differ most. Points far apart "
        "differ; points close together may still differ in the other directions.",
    ),
}


def page_facts(
    contents: Contents,
    settings: Settings,
    projection: str,
    queries: list[int | None],
    own_pictures: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the facts, JSON-ready.

    projection: one of PROJECTIONS. queries: person_id of each query of the report, None for a
    picture that the user gave. The page starts with the first query that is in the search set.
    own_pictures: as `write_own_pictures` returns them, None without.
    """
    ids = contents.persons["person_id"].to_numpy()
    asked = np.flatnonzero(np.isin(ids, [person for person in queries if person is not None]))
    row_of = dict(zip(ids[asked].tolist(), asked.tolist(), strict=True))
    cell = settings.explorer.thumbnail_height
    search, neighbours = settings.search, settings.explorer.neighbours
    method, text = PROJECTIONS[projection]
    notes = [PEOPLE_NOTES.get(settings.dataset.source, "")]
    nouns = category_nouns(settings.dataset.category)
    notes.append(picture_limit_note(search.hits_per_image, nouns))
    if search.exclude_near_duplicates:
        notes.append("Near-duplicates are left out of the neighbours.")
    order = "most similar first, by cosine similarity"
    if search.rerank:
        order = "most similar first by the reduced vectors; unlike the report, not reranked"
    return {
        "title": settings.report.title,
        "things": nouns,
        "category": settings.dataset.category,
        "persons": len(ids),
        "neighbours": neighbours,
        "shown": min(search.neighbours, neighbours),
        "chunk": {
            "neighbours": NEIGHBOURS_ROWS,
            "details": DETAILS_ROWS,
            "pictures": PICTURES_ROWS,
            "vectors": VECTORS_ROWS,
        },
        "code": {
            "alphabet": ALPHABET.decode("ascii"),
            "highest": HIGHEST,
            "together": CODES_TOGETHER,
            "characters": CHARACTERS_TOGETHER,
        },
        "sheet": {"persons": SHEET_PERSONS, "columns": SHEET_COLUMNS, "cell": [cell, cell]},
        "order": order,
        "labels": [{"kind": kind, "values": values} for kind, values, _ in contents.labels],
        "licenses": [{"name": name, "url": url} for name, url in contents.licenses],
        "first_ids": ids[::DETAILS_ROWS].tolist(),
        "first_pictures": contents.picture_of[::DETAILS_ROWS].tolist(),
        "pictures": contents.n_pictures,
        "whole_pictures": settings.explorer.pictures,
        "start": next((row_of[person] for person in queries if person in row_of), 0),
        "same_image": search.same_image,
        "hits_per_image": search.hits_per_image,
        "exclude_near_duplicates": search.exclude_near_duplicates,
        "near_duplicate": search.near_duplicate,
        "report": "../index.html",
        "projection": {"method": method, "text": text},
        "notes": [note for note in notes if note],
        "own_pictures": own_pictures,
    }


def render_page(facts: dict[str, Any]) -> str:
    """Return the page. facts: as `page_facts` returns them."""
    scripts: tuple[str, ...] = SCRIPTS
    styles: tuple[str, ...] = ("controls", "search", "map")
    if facts["own_pictures"]:
        scripts = (*SCRIPTS[:-1], *OWN_PICTURE_SCRIPTS, SCRIPTS[-1])
        styles = (*styles, "own_picture")
    return render(TEMPLATES, "explorer", scripts, styles=styles, facts=facts)
