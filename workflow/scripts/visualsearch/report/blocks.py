"""What a report is made of. Sections build these blocks; `html` and `markdown` render them.

Text is plain and not yet escaped. Between backticks, CODE is shown as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from visualsearch.data.attribution import web_address
from visualsearch.report.model import Query

# Only characters that no renderer escapes: a user's label between backticks does no harm.
CODE = re.compile(r"`([\w .:,/=-]+)`")


class Number(str):
    """The heading of a column of numbers, which is aligned to the right."""


class File(str):
    """A cell with the path of a file, from the folder of results."""


@dataclass(frozen=True)
class Link:
    """A link to a web address, or to a section as #id; text alone if `url` is neither."""

    text: str
    url: str | None

    @property
    def address(self) -> str | None:
        """The address to link to; None if `url` is neither."""
        if self.url is not None and self.url.startswith("#"):
            return self.url
        return web_address(self.url)


@dataclass(frozen=True)
class Term:
    """The head of a row, with a few words on what it means."""

    name: str
    meaning: str


Cell = str | Link | Term


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Findings:
    """A list of (conclusion, the numbers behind it)."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Facts:
    """A list of (term, value)."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table. The first cell of a row is its head. caption: also its name for screen readers."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Figure:
    """A figure in the report's folder figures/. text: alternative text."""

    file: str
    text: str
    caption: str


@dataclass(frozen=True)
class Links:
    """A list of links."""

    links: Sequence[Link]


@dataclass(frozen=True)
class Code:
    """A block of code. label: its name for screen readers."""

    text: str
    language: str
    label: str


@dataclass(frozen=True)
class Gallery:
    """A query and its hits. finding: what they have in common, None if nothing is known."""

    query: Query
    finding: str | None


@dataclass(frozen=True)
class Part:
    """Blocks under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Details:
    """Blocks that are folded until a reader opens them."""

    summary: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class MayDiffer:
    """Blocks that may differ between runs with the same results: times, machines, commands."""

    blocks: Sequence[Block]


Block = (
    Paragraph
    | Findings
    | Facts
    | Table
    | Figure
    | Links
    | Code
    | Gallery
    | Part
    | Details
    | MayDiffer
)


@dataclass(frozen=True)
class Section:
    """A section of the report, which starts at the anchor `section_id(title)`."""

    title: str
    blocks: Sequence[Block]


def section_id(title: str) -> str:
    """Return the anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))


def walk(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield blocks and those within them, in the order in which they are shown."""
    for block in blocks:
        yield block
        if isinstance(block, Part | Details | MayDiffer):
            yield from walk(block.blocks)
