"""What the pages of report and explorer share: style, small scripts, words, how they are rendered.

Scripts are classic ones, each of which defines one constant and may use those before it: a browser
does not load modules into a page that was opened from disk.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
SHARED_SCRIPTS = ("elements", "clipboard", "saving", "boxes", "leafing")

# A magnifying glass for the browser's tab: in the page itself, so that no host is asked for a file.
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' "
    "stroke='%23d1470a' stroke-width='2.5' stroke-linecap='round'%3E"
    "%3Ccircle cx='6.5' cy='6.5' r='4.5'/%3E%3Cpath d='m10 10 4.5 4.5'/%3E%3C/svg%3E"
)

# By source: what readers must know about the people shown.
PEOPLE_NOTES = {
    "openpeople": (
        "The people in the searched pictures are computer-generated: they look like "
        "photographs, and nobody in them exists."
    )
}


def category_nouns(category: str) -> tuple[str, str]:
    """Return singular and plural of what is searched for."""
    if category == "person":
        return "person", "persons"
    return f"“{category}”", f"objects of the category “{category}”"


def picture_limit_note(limit: int | None, nouns: tuple[str, str]) -> str:
    """Say how many of a picture may be neighbours; empty if there is no limit.

    limit: search.hits_per_image. nouns: as `category_nouns` returns them.
    """
    if limit is None:
        return ""
    if limit == 1:
        return f"Of each picture, only the most similar {nouns[0]} is among the neighbours."
    return f"Of each picture, at most {limit:,} {nouns[1]} are among the neighbours."


class Inline(NamedTuple):
    """A style or script for a page. digest: its hash for the content security policy."""

    text: Markup
    digest: str


def inline(files: Sequence[Path]) -> Inline:
    """Join files into the content of one style or script element."""
    text = "\n".join(file.read_text(encoding="utf-8").strip() for file in files)
    digest = base64.b64encode(hashlib.sha256(f"\n{text}\n".encode()).digest()).decode()
    return Inline(Markup(f"\n{text}\n"), f"sha256-{digest}")


def render(
    templates: Path,
    name: str,
    scripts: Sequence[str],
    filters: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
    styles: Sequence[str] = (),
    shared_styles: Sequence[str] = (),
    **values: Any,
) -> str:
    """Render <name>.html.j2 of a folder of templates; all values but Markup are escaped.

    The template also gets `icon`, an address; `theme`, a script that runs first; `style`, from
    base.css, the `shared_styles`, <name>.css and then `styles`; and `script`, from the shared
    scripts and then `scripts`. What is shared lies in this package, all else in the folder of
    templates.
    """
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    sheets = [TEMPLATES / f"{style}.css" for style in ("base", *shared_styles)]
    sheets += [templates / f"{style}.css" for style in (name, *styles)]
    shared = [TEMPLATES / f"{script}.js" for script in SHARED_SCRIPTS]
    return environment.get_template(f"{name}.html.j2").render(
        icon=ICON,
        theme=inline([TEMPLATES / "theme.js"]),
        style=inline(sheets),
        script=inline([*shared, *(templates / f"{script}.js" for script in scripts)]),
        **values,
    )
