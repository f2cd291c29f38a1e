"""The report as one HTML file that needs no other: style, script and pictures lie in it."""

import base64
import hashlib
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from visualsearch.report import TEMPLATES, wording
from visualsearch.report.crops import Crops, Jpeg
from visualsearch.report.drawings import inline_svg
from visualsearch.report.model import Label, Person, Results


def render_page(
    results: Results, crops: Crops, variance_figure: str, precision_recall_figure: str | None
) -> str:
    """The whole page. The figures are SVG files.

    Jinja escapes all that it is given; only the project's own files go in as they are.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["decimals"] = wording.decimals
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        results=results,
        config=results.config,
        words=wording,
        crops=crops,
        data_url=data_url,
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8").strip()),
        script=Markup(script),
        script_digest=digest,
        variance=inline_svg(variance_figure, "variance-", wording.variance_text(results)),
        precision_recall=inline_svg(
            precision_recall_figure, "curve-", wording.PRECISION_RECALL_TEXT
        )
        if precision_recall_figure
        else None,
        large_views=_large_views(results),
        pictures={
            key: {"url": data_url(jpeg), "width": jpeg.width, "height": jpeg.height}
            for key, jpeg in crops.whole.items()
        },
    )


def data_url(jpeg: Jpeg) -> str:
    """A JPEG as the address of itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.data).decode()


def _large_views(results: Results) -> list[list[dict[str, Any]]]:
    """What the script shows when a crop is opened: for each query, itself and its hits."""
    return [
        [
            _large_view(
                f"Query {query.number}", wording.describe_query(query), query.person, query.labels
            ),
            *(
                _large_view(
                    f"Query {query.number}, neighbour {hit.rank}",
                    wording.describe_hit(query, hit),
                    hit.person,
                    hit.labels,
                    hit.similarity,
                    hit.same_image,
                )
                for hit in query.hits
            ),
        ]
        for query in results.queries
    ]


def _large_view(
    heading: str,
    text: str,
    person: Person,
    labels: list[Label],
    similarity: float | None = None,
    same_image: bool = False,
) -> dict[str, Any]:
    picture = person.picture
    links = []
    if picture.stored is not None:
        links.append(["licence", picture.license or "no licence stated", picture.license_url or ""])
    if picture.source_url:
        links.append(["source", picture.source_url, picture.source_url])
    return {
        "heading": heading,
        "text": text,
        "picture": picture.key,
        "box": [round(value, 2) for value in person.box],
        "facts": [list(fact) for fact in wording.person_facts(person, similarity)],
        "labels": [[label.kind, label.value, label.agrees] for label in labels],
        "links": links,
        "sameImage": same_image,
    }
