"""The page of the explorer."""

from typing import Any

from visualsearch.explorer import TEMPLATES
from visualsearch.web.pages import TEMPLATES as SHARED
from visualsearch.web.pages import inline, page_environment

STYLES = (SHARED / "base.css", TEMPLATES / "explorer.css")
SCRIPTS = (
    SHARED / "elements.js",
    SHARED / "clipboard.js",
    TEMPLATES / "words.js",
    TEMPLATES / "chunks.js",
    TEMPLATES / "persons.js",
    TEMPLATES / "thumbnails.js",
    TEMPLATES / "filters.js",
    TEMPLATES / "gallery.js",
    TEMPLATES / "trail.js",
    TEMPLATES / "points.js",
    TEMPLATES / "view.js",
    TEMPLATES / "colouring.js",
    TEMPLATES / "map.js",
    TEMPLATES / "explorer.js",
)


def render_page(facts: dict[str, Any]) -> str:
    """The page. facts: JSON-ready, what its scripts must know at once."""
    return (
        page_environment(TEMPLATES)
        .get_template("explorer.html.j2")
        .render(
            title=facts["title"],
            facts=facts,
            style=inline(STYLES),
            theme=inline([SHARED / "theme.js"]),
            script=inline(SCRIPTS),
        )
    )
