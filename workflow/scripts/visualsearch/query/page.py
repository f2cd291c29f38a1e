"""The galleries of a query as one HTML file without scripts, with its pictures in it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.core.text import one_line
from visualsearch.query.run import FinishedRun
from visualsearch.report import describing
from visualsearch.report.crops import Jpeg, Wanted, cut, wanted_crops
from visualsearch.report.model import Query, ShownPicture
from visualsearch.report.numbers import decimals
from visualsearch.report.page import data_url
from visualsearch.settings import ReportSettings
from visualsearch.web.pages import category_nouns, picture_limit_note, render

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
CROP_HEIGHT = ReportSettings().thumbnail_height
# By source. The user's own picture may show real people.
FOUND_PEOPLE_NOTES = {
    "openpeople": (
        "The people found are computer-generated: they look like photographs, and nobody among "
        "them exists."
    )
}


def render_page(run: FinishedRun, queries: Sequence[Query]) -> str:
    """Return the page. A picture that is not there any more is left out of it, with a warning."""
    crops = _crops(queries)
    names = dict.fromkeys(query.person.picture.name for query in queries)
    results = one_line(str(run.results))
    nouns = category_nouns(run.dataset.category)
    notes = [
        FOUND_PEOPLE_NOTES.get(run.dataset.source),
        picture_limit_note(run.search.hits_per_image, nouns),
    ]
    return render(
        TEMPLATES,
        "query",
        (),
        {"decimals": decimals},
        shared_styles=("galleries",),
        title=f"Query: {', '.join(names)}",
        lead=(
            f"The {nouns[1]} most like {'it' if len(queries) == 1 else 'each'}, by falling cosine "
            f"similarity, among {run.sidecar['n_items']:,} that the run in {results} found."
        ),
        notes=[note for note in notes if note],
        queries=queries,
        crops=crops,
        words=describing,
        data_url=data_url,
        row=CROP_HEIGHT,
    )


def _crops(queries: Sequence[Query]) -> dict[Wanted, Jpeg]:
    people = [
        person for query in queries for person in [query.person, *(h.person for h in query.hits)]
    ]
    pictures = {person.picture.key: person.picture for person in people}
    crops: dict[Wanted, Jpeg] = {}
    unread: list[ShownPicture] = []
    for key, wanted in wanted_crops(queries).items():
        try:
            crops |= cut(pictures[key].read(), wanted, CROP_HEIGHT)
        except InputError:
            unread.append(pictures[key])
    if unread:
        log.warning(
            "%d of %d pictures are missing or have changed since the run, so they are shown "
            "without crops; the first: %s",
            len(unread),
            len(pictures),
            unread[0].stored.path if unread[0].stored else unread[0].file,
        )
    return crops
