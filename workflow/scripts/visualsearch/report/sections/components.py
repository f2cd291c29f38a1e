"""How components and whitening change the measures: how many are enough, which are preferred."""

from typing import Any

from visualsearch.evaluate.relevance import above_chance
from visualsearch.report.blocks import Block, Figure, Paragraph
from visualsearch.report.model import Results
from visualsearch.report.numbers import count, interval, listed, percent, signed
from visualsearch.report.sections.measures import measured, summary_of, title_of

COMPONENTS = "components.svg"


def blocks(results: Results) -> list[Block]:
    """Return the figure, and what it means; nothing for fewer than two persons."""
    if not results.search["by_components"]:
        return []
    caption = "Above: variance held, ten nearest kept (without whitening), copies found first."
    if any(not name.startswith("self") for name in measured(results)):
        caption += " Below: shared by ten neighbours, above chance, with the 95 % interval."
    sentences = [_enough(results), _preferred(results)]
    return [
        Figure(COMPONENTS, _text(results), caption),
        *(Paragraph(sentence) for sentence in sentences if sentence),
    ]


def _text(results: Results) -> str:
    rows = results.search["by_components"]
    ends = [f"{row['n_components']} hold {percent(row['explained_variance'])}" for row in rows]
    return f"Variance and measures by number of components: {ends[0]} of the variance, {ends[-1]}"


def fewest_without_loss(results: Results) -> dict[str, int]:
    """Return by measure the smallest number of components without a loss against all kept.

    For it and all larger ones, the 95 % interval of the paired difference to all kept reaches 0.
    Measures that are not above chance, or of fewer than FEWEST_PERSONS, are left out.
    """
    rows = results.search["by_components"]
    least = {}
    for name in measured(results):
        summaries = [summary_of(row["measures"], name) for row in rows]
        differences = [one.get("difference_interval") if one else None for one in summaries]
        if None in differences or summaries[-1] is None or not above_chance(summaries[-1]):
            continue
        losing = [n for n, ends in enumerate(differences) if ends is not None and ends[1] < 0]
        place = min(losing[-1] + 1, len(rows) - 1) if losing else 0
        least[name] = rows[place]["n_components"]
    return least


def _enough(results: Results) -> str:
    kept = results.reduction.n_components
    rows = results.search["by_components"]
    if len(rows) < 2:
        return f"With {count(kept, 'component')} there are no fewer to compare with."
    least = fewest_without_loss(results)
    if not least:
        return "No measure shows well enough here how many components are needed."
    parts = []
    for number in sorted(set(least.values())):
        names = [title_of(name) for name, n in least.items() if n == number]
        parts.append(f"{number:,} for {listed(names)}")
    needed = max(least.values())
    first = (
        f"The fewest components without a shown loss against all {kept:,}, for the same persons: "
        f"{'; '.join(parts)}."
    )
    if needed == kept:
        return f"{first} More were not compared."
    return (
        f"{first} By these measures `reduction.n_components: {needed}` may serve as well, with "
        f"vectors {kept / needed:.1f} times shorter."
    )


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
    return f"{text} {listed(instead)} does best here: {listed(differences)}. {_how_surely(found)}"


def _how_surely(found: dict[str, Any]) -> str:
    if found["surely_worse"]:
        return f"But {listed([title_of(name) for name in found['surely_worse']])} is surely worse."
    if found["sure"]:
        return f"Surely better: {listed([title_of(name) for name in found['surely_better']])}."
    return "None of these differences is sure, but perhaps that of copies."
