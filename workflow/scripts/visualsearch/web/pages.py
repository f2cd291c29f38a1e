"""How the report and the explorer make web pages: shared style, small scripts, the environment.

Scripts are classic ones that each define one constant, in the order in which they are given: a page
opened from disk may not load modules.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


class Inline(NamedTuple):
    """The project's own style or script as part of a page. digest: for its content policy."""

    text: Markup
    digest: str


def inline(files: Sequence[Path]) -> Inline:
    """Files one after another, to stand between the tags of one style or script element."""
    text = "\n".join(file.read_text(encoding="utf-8").strip() for file in files)
    digest = base64.b64encode(hashlib.sha256(f"\n{text}\n".encode()).digest()).decode()
    return Inline(Markup(f"\n{text}\n"), f"sha256-{digest}")


def page_environment(folder: Path) -> Environment:
    """Templates of `folder`; all that they are given is escaped, unless it is Markup."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
