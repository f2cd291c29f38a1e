"""How components and whitening change the measures, and which setting does best."""

from typing import Any

from visualsearch.report.blocks import Block, Figure, Paragraph
from visualsearch.report.model import Results
from visualsearch.report.numbers import interval, listed, percent, signed
from visualsearch.report.sections.measures import measured, summary_of, title_of

COMPONENTS = "components.svg"


def blocks(results: Results) -> list[Block]:
    """Return the figure, and what it means; nothing for fewer than two persons."""
    if not results.search["by_components"]:
        return []
    caption = "Above: variance held, ten nearest kept (without whitening), copies found first."
    if any(not name.startswith("self") for name in measured(results)):
        caption += " Below: shared by ten neighbours, above chance, with the 95 % interval."
    preferred = _preferred(results)
    return [
        Figure(COMPONENTS, _text(results), caption),
        *([Paragraph(preferred)] if preferred else []),
    ]


def _text(results: Results) -> str:
    rows = results.search["by_components"]
    ends = [f"{row['n_components']} hold {percent(row['explained_variance'])}" for row in rows]
    return f"Variance and measures by number of components: {ends[0]} of the variance, {ends[-1]}"


def _preferred(results: Results) -> str | None:
    """Say which setting of the reduction this run's own figures prefer, and how surely."""
    search = results.search
    found = search["preferred_setting"]
    if found is None:
        return None
    configured = (results.reduction.n_components, results.reduction.whiten_power)
    chosen = (found["n_components"], found["whiten_power"])
    text = f"Of {found['settings_compared']} settings of components and whitening,"
    if chosen == configured:
        return f"{text} the configured one does best here."
    names = ("reduction.n_components", "reduction.whiten_power")
    instead = [
        f"`{name}: {other:g}` (here {own:g})"
        for name, other, own in zip(names, chosen, configured, strict=True)
        if other != own
    ]
    measures = next(
        row["measures"]
        for row in search["by_setting"]
        if (row["n_components"], row["whiten_power"]) == chosen
    )
    differences = [
        f"{title_of(name)} {signed(one['difference'])} ({interval(one['difference_interval'])})"
        for name in found["measures_counted"]
        if (one := summary_of(measures, name)) is not None
    ]
    return (
        f"{text} {listed(instead)} does best here: {listed(differences)}. {_how_surely(found)} The "
        "defaults were chosen on pictures of COCO."
    )


def _how_surely(found: dict[str, Any]) -> str:
    if found["surely_worse"]:
        return f"But {listed([title_of(name) for name in found['surely_worse']])} is surely worse."
    if found["sure"]:
        return f"Surely better: {listed([title_of(name) for name in found['surely_better']])}."
    return "None of these differences is sure, but perhaps that of copies."
