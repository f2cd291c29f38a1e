"""The report as Markdown for code hosts (GitHub's flavour), with its figures in files."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from visualsearch.data.attribution import web_address
from visualsearch.report import TEMPLATES
from visualsearch.report.model import Label, Results, ShownPicture
from visualsearch.report.numbers import decimals
from visualsearch.report.wording import WORDS

SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$])")


class Ready(str):
    """Text that is Markdown already, so it is not escaped."""


def render_markdown(results: Results, figures: dict[str, str]) -> str:
    """Return the document, which links to the folder figures/ beside it.

    figures: alternative texts by name. All values are escaped, unless they are Ready.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["decimals"] = decimals
    text = environment.get_template("report.md.j2").render(
        results=results,
        report=results.settings.report,
        **WORDS,
        figures=figures,
        gallery_file=gallery_file,
        fenced=fenced,
        link=link,
        license_link=license_link,
        labels_text=labels_text,
    )
    return re.sub(r"\n{3,}", "\n\n", text)


def gallery_file(number: int) -> str:
    """Return the file name of a query's gallery in figures/."""
    return f"query-{number:03d}.jpg"


def escaped(value: Any) -> str:
    """Return a value as one line that Markdown shows literally."""
    if isinstance(value, Ready):
        return value
    text = re.sub(r"\s+", " ", str(value)).replace("&", "&amp;")
    return SPECIAL.sub(r"\\\1", text)


def link(text: str, url: str | None) -> Ready:
    """Return a link if `url` is an http(s) address, else the text alone."""
    if web_address(url) is None:
        return Ready(escaped(text))
    return Ready(f"[{escaped(text)}](<{quote(url or '', safe=':/?#@!$&*+,;=%~')}>)")


def license_link(picture: ShownPicture) -> Ready:
    """Return the short name of a picture's licence, as a link."""
    return link(picture.license_name or "not stated", picture.license_url)


def labels_text(labels: Iterable[Label]) -> Ready:
    """Return a picture's labels, with a mark at those that the query's picture has too."""
    return Ready(
        ", ".join(
            f"{escaped(label.kind)} {escaped(label.value)}{' ✓' if label.agrees else ''}"
            for label in labels
        )
    )


def fenced(text: str, language: str) -> Ready:
    """Return a code block with a fence longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Ready(f"{fence}{language}\n{text.rstrip()}\n{fence}")
