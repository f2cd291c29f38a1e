"""The report as one HTML file that holds its style, scripts and pictures."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from visualsearch.data.shown import shown_box
from visualsearch.report import TEMPLATES, describing, numbers
from visualsearch.report.blocks import Figure, Section, section_id
from visualsearch.report.crops import Crops, Jpeg
from visualsearch.report.html import inline, render_blocks
from visualsearch.report.model import Hit, Label, Person, Results, ShownPicture
from visualsearch.report.sections import GALLERIES, galleries
from visualsearch.web.pages import render

SCRIPTS = (
    "announce",
    "galleries",
    "copying",
    "dialog",
    "filters",
    "context",
    "downloads",
    "printing",
    "report",
)
EXPLORER = "explorer/index.html"


def render_page(
    results: Results,
    sections: Sequence[Section],
    crops: Crops,
    draw: Callable[[Figure], Markup | None],
    downloads: dict[str, Any],
    alone: bool,
) -> str:
    """Return the whole page.

    draw: returns a figure's element, or None to leave it out. downloads: files that the page
    offers, by format. alone: whether the page lies in the report's folder, with the explorer beside
    it.
    """
    summary, *others = sections
    return render(
        TEMPLATES,
        "report",
        SCRIPTS,
        {"decimals": numbers.decimals, "inline": inline},
        ("report_galleries", "report_print"),
        ("galleries",),
        results=results,
        report=results.settings.report,
        summary=summary,
        sections=others,
        galleries=GALLERIES,
        section_id=section_id,
        html=lambda blocks: render_blocks(blocks, draw),
        words=describing,
        scale_marks=galleries.scale_marks(results),
        crops=crops,
        data_url=data_url,
        explorer=EXPLORER if alone and results.settings.report.explorer else None,
        ranges=_ranges(results),
        large_views=_large_views(results),
        pictures={
            picture.key: _whole_picture(results, picture, crops.whole[picture.key])
            for picture in results.pictures_shown()
        },
        downloads=downloads,
    )


def image(jpeg: Jpeg, text: str) -> Markup:
    """Return a picture as an element. text: alternative text."""
    return Markup('<img class="sheet" src="{}" width="{}" height="{}" alt="{}">').format(
        data_url(jpeg), jpeg.width, jpeg.height, text
    )


def data_url(jpeg: Jpeg) -> str:
    """Return a JPEG as a data URL."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.data).decode()


def _whole_picture(results: Results, picture: ShownPicture, jpeg: Jpeg) -> dict[str, Any]:
    """Return a picture for the script. persons: [person_id, box] of the search set in it."""
    persons = results.boxes.get(picture.image_id, {}) if picture.image_id is not None else {}
    return {
        "url": data_url(jpeg),
        "width": jpeg.width,
        "height": jpeg.height,
        "persons": [[str(person_id), shown_box(box)] for person_id, box in persons.items()],
    }


def _ranges(results: Results) -> dict[str, tuple[float, float]] | None:
    """Return the ranges of the hits' scores and heights, for the filters; None without hits."""
    persons = [hit.person for query in results.queries for hit in query.hits]
    if not persons:
        return None
    scores = [_shown_score(person.score) for person in persons if person.score is not None]
    heights = [_shown_height(person) for person in persons]
    return {"score": (min(scores), max(scores)), "height": (min(heights), max(heights))}


def _shown_score(score: float) -> float:
    return float(f"{score:.2f}")


def _shown_height(person: Person) -> int:
    return round(person.box[3])


def _large_views(results: Results) -> list[list[dict[str, Any]]]:
    """Return what the script shows when a crop is opened: by query, itself and its hits."""
    views = []
    for query in results.queries:
        heading = f"Query {query.number}"
        text = describing.describe_query(query)
        of_query = [_large_view(heading, text, query.person, query.labels)]
        for hit in query.hits:
            text = describing.describe_hit(query, hit)
            of_query.append(
                _large_view(f"{heading}, neighbour {hit.rank}", text, hit.person, hit.labels, hit)
            )
        views.append(of_query)
    return views


def _large_view(
    heading: str, text: str, person: Person, labels: list[Label], hit: Hit | None = None
) -> dict[str, Any]:
    picture = person.picture
    links = []
    if picture.stored is not None:
        name = picture.license_name or ("licence" if picture.license_url else "no licence stated")
        links.append(["licence", name, picture.license_url or ""])
    if picture.source_url:
        links.append(["source", picture.source_url, picture.source_url])
    facts = [*(describing.hit_facts(hit) if hit else []), *describing.person_facts(person)]
    return {
        "heading": heading,
        "text": text,
        "picture": picture.key,
        "box": shown_box(person.box),
        "person": None if person.person_id is None else str(person.person_id),
        "score": None if person.score is None else _shown_score(person.score),
        "height": _shown_height(person),
        "facts": [list(fact) for fact in facts],
        "labels": [[label.kind, label.value, label.agrees] for label in labels],
        "links": links,
        "marks": describing.marks(hit) if hit else [],
    }
