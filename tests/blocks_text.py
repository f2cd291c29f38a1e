"""The words of a report's blocks."""

from collections.abc import Iterator, Sequence

from visualsearch.report import blocks as b


def text_of(blocks: Sequence[b.Block]) -> str:
    """All words of the blocks, in the order in which they are shown, without the marks of code."""
    return " ".join(part for block in b.walk(blocks) for part in _texts(block)).replace("`", "")


def _texts(block: b.Block) -> Iterator[str]:
    match block:
        case b.Paragraph(text) | b.Code(text):
            yield text
        case b.Findings(pairs) | b.Facts(pairs):
            for pair in pairs:
                yield " ".join(pair)
        case b.Table(_, head, rows):
            yield from head
            for row in rows:
                yield " ".join(map(_cell, row))
        case b.Figure(_, text, caption):
            yield f"{text} {caption}"
        case b.Links(links):
            yield from map(_cell, links)
        case b.Part(title) | b.Details(title):
            yield title
        case b.Gallery(_, finding):
            yield finding or ""


def _cell(cell: b.Cell) -> str:
    match cell:
        case b.Link(text):
            return text
        case b.Term(name, meaning):
            return f"{name} {meaning}"
    return cell


def table_of(blocks: Sequence[b.Block], caption: str) -> b.Table:
    """The table of this caption."""
    (found,) = (
        one for one in b.walk(blocks) if isinstance(one, b.Table) and one.caption == caption
    )
    return found
