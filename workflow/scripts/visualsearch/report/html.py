"""The report's blocks as HTML. Galleries are not here: the page's template draws them."""

import re
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from visualsearch.report import blocks as b

NOTHING = Markup("")
NO_BREAK = "\u00a0"


def render_blocks(blocks: Sequence[b.Block], draw: Callable[[b.Figure], Markup | None]) -> Markup:
    """Return blocks as HTML; all text is escaped.

    draw: returns a figure's element; None leaves the figure out.
    """

    def joined(inner: Sequence[b.Block]) -> Markup:
        return Markup("\n").join(html(block) for block in inner)

    def html(block: b.Block) -> Markup:
        match block:
            case b.Paragraph(text):
                return Markup("<p>{}</p>").format(inline(text))
            case b.Findings(findings):
                return _listed(
                    "verdicts", [(inline(title), inline(text)) for title, text in findings]
                )
            case b.Facts(facts):
                return _listed("facts", [(escape(term), _linked(text)) for term, text in facts])
            case b.Table():
                return _table(block)
            case b.Figure(_, _, caption):
                if (drawn := draw(block)) is None:
                    return NOTHING
                return Markup("<figure>\n{}\n<figcaption>{}</figcaption>\n</figure>").format(
                    drawn, inline(caption)
                )
            case b.Links(links):
                items = Markup("\n").join(Markup("<li>{}</li>").format(_cell(one)) for one in links)
                return Markup('<ul class="sources">\n{}\n</ul>').format(items)
            case b.Code(text, _, label):
                return Markup('<pre tabindex="0" aria-label="{}"><code>{}</code></pre>').format(
                    label, text
                )
            case b.Part(title, inner):
                return Markup('<div class="part">\n<h3 id="{}">{}</h3>\n{}\n</div>').format(
                    b.section_id(title), title, joined(inner)
                )
            case b.Details(summary, inner):
                return Markup("<details>\n<summary>{}</summary>\n{}\n</details>").format(
                    summary, joined(inner)
                )
            case b.MayDiffer(inner):
                return Markup("<!-- may differ -->\n{}\n<!-- /may differ -->").format(joined(inner))
            case b.Gallery():
                raise TypeError("the page's template draws galleries")

    return joined(blocks)


def inline(text: str) -> Markup:
    """Return text with its code between backticks; no line breaks between a number and its unit."""
    return NOTHING.join(
        Markup("<code>{}</code>").format(part) if n % 2 else escape(part)
        for n, part in enumerate(b.CODE.split(together(text)))
    )


def together(text: str) -> str:
    """Return text in which no line breaks between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:%|px|ms|kB|MB|GB)(?!\w))", NO_BREAK, text)


def _listed(kind: str, rows: Sequence[tuple[Markup, Markup]]) -> Markup:
    items = [Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*row) for row in rows]
    return Markup('<dl class="{}">\n{}\n</dl>').format(kind, Markup("\n").join(items))


def _table(table: b.Table) -> Markup:
    """A wide table scrolls in its own box, so that the keyboard can reach all of it."""
    numeric = [isinstance(name, b.Number) for name in table.head]
    number = Markup(' class="number"')
    head = NOTHING.join(
        Markup('<th scope="col"{}>{}</th>').format(number if is_number else NOTHING, name)
        for name, is_number in zip(table.head, numeric, strict=True)
    )
    rows = []
    for first, *rest in table.rows:
        cells = [Markup('<th scope="row">{}</th>').format(_cell(first))]
        cells += [
            Markup('<td class="number">{}</td>').format(_unbroken(cell))
            if is_number
            else Markup("<td>{}</td>").format(_cell(cell))
            for cell, is_number in zip(rest, numeric[1:], strict=True)
        ]
        rows.append(Markup("<tr>{}</tr>").format(NOTHING.join(cells)))
    return Markup(
        '<div class="scroll" role="region" aria-label="{caption}" tabindex="0">\n<table>\n'
        "<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n"
        "</table>\n</div>"
    ).format(caption=table.caption, head=head, rows=Markup("\n").join(rows))


def _cell(cell: b.Cell) -> Markup:
    match cell:
        case b.Link(text):
            if cell.address is None:
                return escape(text)
            return Markup('<a href="{}" rel="noreferrer">{}</a>').format(cell.address, text)
        case b.Term(name, meaning):
            return Markup('{} <span class="meaning">{}</span>').format(name, meaning)
        case b.File():
            return Markup("<code>{}</code>").format(cell)
    return escape(together(cell))


def _unbroken(cell: b.Cell) -> Markup:
    """A number, which breaks only before its interval in brackets."""
    return escape(str(cell).replace(" ", NO_BREAK).replace(f"{NO_BREAK}(", " ("))


def _linked(text: str) -> Markup:
    """A fact that is a web address is a link."""
    return _cell(b.Link(text, text)) if text.startswith("https://") else escape(together(text))
