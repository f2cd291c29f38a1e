"""The report as one HTML file that needs no other: style, script and pictures lie in it."""

import base64
import re
from typing import Any

from markupsafe import Markup

from visualsearch.report import TEMPLATES
from visualsearch.report.crops import Crops, Jpeg
from visualsearch.report.model import Hit, Label, Person, Results, ShownPicture
from visualsearch.report.numbers import decimals
from visualsearch.report.wording import WORDS, gallery
from visualsearch.web.pages import TEMPLATES as SHARED
from visualsearch.web.pages import inline, page_environment

STYLES = (SHARED / "base.css", TEMPLATES / "report.css")
# Each uses only those before it.
SCRIPTS = (
    SHARED / "elements.js",
    SHARED / "clipboard.js",
    TEMPLATES / "announce.js",
    TEMPLATES / "galleries.js",
    TEMPLATES / "boxes.js",
    TEMPLATES / "copying.js",
    TEMPLATES / "dialog.js",
    TEMPLATES / "filters.js",
    TEMPLATES / "context.js",
    TEMPLATES / "downloads.js",
    TEMPLATES / "report.js",
)

EXPLORER = "explorer/index.html"


def render_page(
    results: Results,
    crops: Crops,
    figures: dict[str, Markup],
    downloads: dict[str, Any],
    alone: bool,
) -> str:
    """Return the whole page.

    figures: SVG elements by name. downloads: files that the page offers, by format. alone: whether
    the page lies in the report's folder, with the explorer beside it.
    """
    environment = page_environment(TEMPLATES)
    environment.filters["decimals"] = decimals
    environment.filters["together"] = together
    return environment.get_template("report.html.j2").render(
        results=results,
        report=results.settings.report,
        **WORDS,
        crops=crops,
        data_url=data_url,
        style=inline(STYLES).text,
        theme=inline([SHARED / "theme.js"]),
        script=inline(SCRIPTS),
        explorer=EXPLORER if alone and results.settings.report.explorer else None,
        figures=figures,
        ranges=_ranges(results),
        large_views=_large_views(results),
        pictures={
            picture.key: _whole_picture(results, picture, crops.whole[picture.key])
            for picture in results.pictures_shown()
        },
        downloads=downloads,
    )


def together(text: str) -> str:
    """A sentence in which no line ends between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:%|px|ms|kB|MB|GB)(?!\w))", "\u00a0", text)


def data_url(jpeg: Jpeg) -> str:
    """A JPEG as the address of itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.data).decode()


def _whole_picture(results: Results, picture: ShownPicture, jpeg: Jpeg) -> dict[str, Any]:
    """A picture for the script. persons: (person_id, box) of all of the search set in it."""
    people = results.boxes.get(picture.image_id, {}) if picture.image_id is not None else {}
    return {
        "url": data_url(jpeg),
        "width": jpeg.width,
        "height": jpeg.height,
        "persons": [[str(person_id), _rounded(box)] for person_id, box in people.items()],
    }


def _rounded(box: tuple[float, ...]) -> list[float]:
    return [round(value, 2) for value in box]


def _ranges(results: Results) -> dict[str, tuple[float, float]] | None:
    """Least and largest score and height of the hits, for the filters; None without hits."""
    hits = [hit.person for query in results.queries for hit in query.hits]
    if not hits:
        return None
    scores, heights = [_shown_score(hit) for hit in hits], [_shown_height(hit) for hit in hits]
    return {"score": (min(scores), max(scores)), "height": (min(heights), max(heights))}


def _shown_score(person: Person) -> float:
    return float(f"{person.score:.2f}")


def _shown_height(person: Person) -> int:
    return round(person.box[3])


def _large_views(results: Results) -> list[list[dict[str, Any]]]:
    """What the script shows when a crop is opened: for each query, itself and its hits."""
    return [
        [
            _large_view(
                f"Query {query.number}", gallery.describe_query(query), query.person, query.labels
            ),
            *(
                _large_view(
                    f"Query {query.number}, neighbour {hit.rank}",
                    gallery.describe_hit(query, hit),
                    hit.person,
                    hit.labels,
                    hit,
                )
                for hit in query.hits
            ),
        ]
        for query in results.queries
    ]


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
    facts = [*(gallery.hit_facts(hit) if hit else []), *gallery.person_facts(person)]
    return {
        "heading": heading,
        "text": text,
        "picture": picture.key,
        "box": _rounded(person.box),
        "person": None if person.person_id is None else str(person.person_id),
        "score": _shown_score(person),
        "height": _shown_height(person),
        "facts": [list(fact) for fact in facts],
        "labels": [[label.kind, label.value, label.agrees] for label in labels],
        "links": links,
        "marks": gallery.marks(hit) if hit else [],
    }
