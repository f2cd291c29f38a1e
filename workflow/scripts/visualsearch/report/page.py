"""The report as one HTML file that needs no other: style, script and pictures lie in it."""

import base64
import re
from typing import Any

from visualsearch.report import TEMPLATES
from visualsearch.report.crops import Crops, Jpeg
from visualsearch.report.drawings import inline_svg
from visualsearch.report.figures import Figure
from visualsearch.report.model import Hit, Label, Person, Results
from visualsearch.report.wording import WORDS, gallery
from visualsearch.report.wording.numbers import decimals
from visualsearch.web import TEMPLATES as SHARED
from visualsearch.web import inline, page_environment

STYLES = (SHARED / "base.css", TEMPLATES / "report.css")
SCRIPTS = (SHARED / "elements.js", TEMPLATES / "report.js")


def render_page(results: Results, crops: Crops, figures: dict[str, Figure]) -> str:
    """The whole page.

    Jinja escapes all that it is given; only the project's own files go in as they are.
    """
    environment = page_environment(TEMPLATES)
    environment.filters["decimals"] = decimals
    environment.filters["together"] = together
    return environment.get_template("report.html.j2").render(
        results=results,
        config=results.config,
        **WORDS,
        crops=crops,
        data_url=data_url,
        style=inline(STYLES).text,
        theme=inline([SHARED / "theme.js"]),
        script=inline(SCRIPTS),
        figures={
            name: inline_svg(figure.path, f"{name}-", figure.text)
            for name, figure in figures.items()
        },
        large_views=_large_views(results),
        pictures={
            key: {"url": data_url(jpeg), "width": jpeg.width, "height": jpeg.height}
            for key, jpeg in crops.whole.items()
        },
    )


def together(text: str) -> str:
    """A sentence in which no line ends between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:%|px|ms|kB|MB|GB)(?!\w))", "\u00a0", text)


def data_url(jpeg: Jpeg) -> str:
    """A JPEG as the address of itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.data).decode()


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
        links.append(["licence", picture.license or "no licence stated", picture.license_url or ""])
    if picture.source_url:
        links.append(["source", picture.source_url, picture.source_url])
    facts = [*(gallery.hit_facts(hit) if hit else []), *gallery.person_facts(person)]
    return {
        "heading": heading,
        "text": text,
        "picture": picture.key,
        "box": [round(value, 2) for value in person.box],
        "facts": [list(fact) for fact in facts],
        "labels": [[label.kind, label.value, label.agrees] for label in labels],
        "links": links,
        "marks": gallery.marks(hit) if hit else [],
    }
