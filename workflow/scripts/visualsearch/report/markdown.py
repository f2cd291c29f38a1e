"""The report as Markdown for code hosts (GitHub's flavour), with its figures in files."""

import html
import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from visualsearch.report import blocks as b
from visualsearch.report.describing import marks, no_neighbours, reason, rerank_effect
from visualsearch.report.model import Hit, Label, Query, Results
from visualsearch.report.numbers import DASH, decimals

SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$])")


def render_markdown(results: Results, sections: Sequence[b.Section]) -> str:
    """Return the document, which links to the folder figures/ beside it."""
    parts = [f"# {escaped(results.settings.report.title)}"]
    for section in sections:
        parts += [f"## {escaped(section.title)}", *_all(section.blocks, results)]
    return "\n\n".join(parts) + "\n"


def gallery_file(number: int) -> str:
    """Return the file name of a query's gallery in figures/."""
    return f"query-{number:03d}.jpg"


def _all(blocks: Sequence[b.Block], results: Results) -> list[str]:
    return [text for block in blocks if (text := _markdown(block, results))]


def _markdown(block: b.Block, results: Results) -> str:
    match block:
        case b.Paragraph(text):
            return inline(text)
        case b.Findings(items):
            return "\n".join(f"- **{inline(title)}** {inline(text)}" for title, text in items)
        case b.Facts(pairs):
            return _table(["", ""], pairs)
        case b.Table(_, head, rows):
            return _table(head, rows)
        case b.Figure(file, text, caption):
            picture = f"![{escaped(text)}](figures/{file})"
            return f"{picture}\n\n*{inline(caption)}*" if caption else picture
        case b.Links(links):
            return ", ".join(_cell(link) for link in links)
        case b.Code(text, language, _):
            return fenced(text, language)
        case b.Part(title, inner):
            return "\n\n".join([f"### {escaped(title)}", *_all(inner, results)])
        case b.Details(summary, inner):
            # Between elements of HTML, Markdown's escapes do not count.
            line = html.escape(" ".join(summary.split()))
            head = f"<details>\n<summary>{line}</summary>"
            return "\n\n".join([head, *_all(inner, results), "</details>"])
        case b.MayDiffer(inner):
            return "\n\n".join(
                ["<!-- may differ -->", *_all(inner, results), "<!-- /may differ -->"]
            )
        case b.Gallery(query, finding):
            return _markdown(_gallery(query, finding, results), results)


def _gallery(query: Query, finding: str | None, results: Results) -> b.Part:
    why = reason(query)
    why = f"{why[:1].upper()}{why[1:]}."
    said = " ".join(filter(None, (finding, why, rerank_effect(query))))
    text = f"Query {query.number} and its neighbours"
    blocks: list[b.Block] = [b.Paragraph(said), b.Figure(gallery_file(query.number), text, "")]
    if not query.hits:
        blocks.append(b.Paragraph(no_neighbours(results)))
    reranked = results.settings.search.rerank > 0
    head = ["rank", b.Number("similarity")]
    head += [b.Number("rank by the index"), b.Number("reduced")] if reranked else []
    head += [b.Number("person"), "picture", "marks", b.Number("score"), "licence"]
    head += ["labels"] if query.labels else []
    rows = [_row(query, hit, reranked) for hit in (None, *query.hits)]
    blocks.append(b.Details("As a table", [b.Table(text, head, rows)]))
    return b.Part(f"Query {query.number}: {query.role}", blocks)


def _row(query: Query, hit: Hit | None, reranked: bool) -> list[b.Cell]:
    """A row of a gallery's table; hit: None for the query itself."""
    person = hit.person if hit else query.person
    picture = person.picture
    cells: list[b.Cell] = [str(hit.rank) if hit else "query"]
    cells.append(decimals(hit.shown_similarity, 3) if hit else "")
    if reranked:
        cells += [str(hit.index_rank), decimals(hit.similarity, 3)] if hit else ["", ""]
    cells += [
        DASH if person.person_id is None else str(person.person_id),
        picture.name,
        ", ".join(marks(hit)) if hit else "",
        decimals(person.score, 3),
        b.Link(picture.license_name or "not stated", picture.license_url) if picture.stored else "",
    ]
    return [*cells, labels_text(hit.labels if hit else query.labels)] if query.labels else cells


def labels_text(labels: Iterable[Label]) -> str:
    """Return a picture's labels, with a mark at those that the query's picture has too."""
    return ", ".join(
        f"{label.kind} {label.value}{' ✓' if label.agrees else ''}" for label in labels
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[b.Cell]]) -> str:
    lines = [
        [escaped(name) for name in head],
        ["---:" if isinstance(name, b.Number) else "---" for name in head],
        *([_cell(cell) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: b.Cell) -> str:
    match cell:
        case b.Link(text):
            if cell.address is None:
                return escaped(text)
            return f"[{escaped(text)}](<{quote(cell.address, safe=':/?#@!$&*+,;=%~')}>)"
        case b.Term(name, meaning):
            return f"{escaped(name)}: {escaped(meaning)}"
        case b.File():
            return f"`{cell}`"
    return escaped(cell)


def inline(text: str) -> str:
    """Return text with its code between backticks and all else escaped."""
    return "".join(
        f"`{part}`" if n % 2 else escaped(part) for n, part in enumerate(b.CODE.split(text))
    )


def escaped(value: str) -> str:
    """Return a value as one line that Markdown shows literally."""
    return SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", value).replace("&", "&amp;"))


def fenced(text: str, language: str) -> str:
    """Return a code block with a fence longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
