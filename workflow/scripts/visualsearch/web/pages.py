"""What the report and the explorer share: style, small scripts, words, the template environment.

Scripts are classic ones, each of which defines one constant and may use those before it: a browser
does not load modules into a page that was opened from disk.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"

# By source: what readers must know about the people shown.
PEOPLE_NOTES = {
    "openpeople": (
        "The people in these pictures are computer-generated: they look like photographs, and "
        "nobody in them exists."
    )
}


def category_nouns(category: str) -> tuple[str, str]:
    """Return singular and plural of what is searched for."""
    if category == "person":
        return "person", "persons"
    return f"“{category}”", f"objects of the category “{category}”"


class Inline(NamedTuple):
    """A style or script for a page. digest: its hash for the content security policy."""

    text: Markup
    digest: str


def inline(files: Sequence[Path]) -> Inline:
    """Join files into the content of one style or script element."""
    text = "\n".join(file.read_text(encoding="utf-8").strip() for file in files)
    digest = base64.b64encode(hashlib.sha256(f"\n{text}\n".encode()).digest()).decode()
    return Inline(Markup(f"\n{text}\n"), f"sha256-{digest}")


def page_environment(folder: Path) -> Environment:
    """Return an environment for the templates of `folder` that escapes all values but Markup."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
