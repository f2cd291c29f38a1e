"""What re-ranking by full-length vectors changes."""

from visualsearch.report.blocks import Block, Number, Paragraph, Table
from visualsearch.report.model import Results
from visualsearch.report.numbers import decimals, interval, percent, percent_interval
from visualsearch.report.sections.measures import Summary, difference_shown, summary_of, title_of

SHOWN = {1: "rises", -1: "falls", 0: "is not shown to change", None: "cannot be told"}


def blocks(results: Results) -> list[Block]:
    """Return what changed, measure by measure; nothing if re-ranking was off."""
    reranked = results.search.get("rerank")
    if reranked is None:
        return []
    # Relevance is measured on ten neighbours, so at least ten candidates are sorted.
    text = (
        f"The {max(reranked['candidates'], 10):,} nearest reduced vectors were sorted again by "
        "their full-length vectors, less the mean."
    )
    changed = reranked["changed"]
    if changed["value"] is not None:
        text += (
            f" This replaces {percent(changed['value'])} of a person's ten neighbours "
            f"(95 % interval {percent_interval(changed['interval'])})."
        )
    compared = _compared(results)
    if not compared:
        return [Paragraph(text)]
    head = [
        "measure",
        Number("without"),
        Number("with"),
        Number("95 % interval"),
        "by the difference",
    ]
    rows = [
        [
            title_of(name),
            decimals(before["value"], 3),
            decimals(after["value"], 3),
            interval(after["interval"]),
            f"{SHOWN[difference_shown(after)]} ({interval(after.get('difference_interval'))})",
        ]
        for name, before, after in compared
    ]
    return [Paragraph(text), Table("Without re-ranking and with it", head, rows)]


def _compared(results: Results) -> list[tuple[str, Summary, Summary]]:
    """Return name, summary without re-ranking and summary with it of what has both."""
    return [
        (name, before, after)
        for name, after in results.search["rerank"]["measures"].items()
        if after["value"] is not None
        and (before := summary_of(results.search["measures"], name)) is not None
    ]
