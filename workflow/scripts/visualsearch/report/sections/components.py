"""How components and whitening change the measures: how many are enough, which are preferred."""

from typing import Any

from visualsearch.evaluate.relevance import above_chance
from visualsearch.report.model import Results
from visualsearch.report.numbers import count, interval, listed, percent, signed
from visualsearch.report.wording.measures import measured, summary_of, title_of
from visualsearch.report.wording.recall import keeps_all

CAPTION = (
    "Above: how much of the variance the first components hold, how many of the ten nearest "
    "full-length vectors they find (without whitening), and how many moved and mirrored copies "
    "find their original first."
)
CAPTION_BELOW = (
    " Below: what ten neighbours have in common above chance; the shade is the 95 % interval."
)


def caption(results: Results) -> str:
    """Return the caption of the figure."""
    alike = [name for name in measured(results) if not name.startswith("self")]
    return CAPTION + (CAPTION_BELOW if alike else "")


def text(results: Results) -> str:
    """Return the alternative text of the figure."""
    rows = results.search["by_components"]
    first, last = rows[0], rows[-1]
    return (
        f"Measures against the number of components: {first['n_components']} hold "
        f"{percent(first['explained_variance'])} of the variance, {last['n_components']} hold "
        f"{percent(last['explained_variance'])}"
    )


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


def sentences(results: Results) -> list[str]:
    """Say how many components would be enough here, and which setting is preferred."""
    preferred = _preferred(results)
    return _enough(results) + ([preferred] if preferred else [])


def _enough(results: Results) -> list[str]:
    kept = results.reduction.n_components
    rows = results.search["by_components"]
    if len(rows) < 2:
        return [f"With {count(kept, 'component')} there are no fewer to compare with."]
    least = fewest_without_loss(results)
    if not least:
        return ["No measure shows well enough here to say how many components are needed."]
    numbers = sorted(set(least.values()))
    parts = "; ".join(f"{number:,} for {_titles(least, number)}" for number in numbers)
    first = (
        f"Set against all {kept:,} kept, for the same persons, vectors of so many components are "
        "not shown to lose anything beyond chance (the 95 % intervals of the differences reach "
        f"0): {parts}."
    )
    needed = max(least.values())
    if needed == kept:
        second = (
            f"The next fewer, {rows[-2]['n_components']:,}, are shown to lose something; more than "
            f"the {kept:,} kept were not compared."
        )
    else:
        second = (
            f"So of the {kept:,} kept here, the first {needed:,} may serve as well, as far as "
            f"these measures can tell, with vectors {kept / needed:.1f} times shorter "
            f"(reduction.n_components: {needed})."
        )
    return [first, f"{second} {_kept_by(results, needed)}"]


def _preferred(results: Results) -> str | None:
    """Say which setting of the reduction this run's own figures prefer, and how surely."""
    search = results.search
    found = search["preferred_setting"]
    if found is None:
        return None
    configured = (results.reduction.n_components, results.reduction.whiten_power)
    chosen = (found["n_components"], found["whiten_power"])
    text = (
        f"Of {found['settings_compared']} settings of components and whitening, this run's own "
        "figures prefer"
    )
    if chosen == configured:
        return (
            f"{text} the configured one, {count(chosen[0], 'component')} with whitening "
            f"{chosen[1]:g}."
        )
    instead = [
        f"{name} {other:g} instead of {own:g}"
        for name, other, own in zip(
            ("reduction.n_components", "reduction.whiten_power"), chosen, configured, strict=True
        )
        if other != own
    ]
    measures = next(
        row["measures"]
        for row in search["by_setting"]
        if (row["n_components"], row["whiten_power"]) == chosen
    )
    differences = listed(
        [
            f"{title_of(name)} {signed(one['difference'])} ({interval(one['difference_interval'])})"
            for name in found["measures_counted"]
            if (one := summary_of(measures, name)) is not None
        ]
    )
    return (
        f"{text} {listed(instead)}: {differences}; {_how_surely(found)}. In brackets is the 95 % "
        "interval of the difference, for the same persons."
    )


def _how_surely(found: dict[str, Any]) -> str:
    if found["sure"]:
        return f"sure by {listed([title_of(name) for name in found['surely_better']])}"
    if found["surely_worse"]:
        worse = listed([title_of(name) for name in found["surely_worse"]])
        return f"not sure, as it is worse in {worse}"
    return "not sure, as no interval but that of copies lies above 0"


def _titles(least: dict[str, int], number: int) -> str:
    return listed([title_of(name) for name, n in least.items() if n == number])


def _kept_by(results: Results, number: int) -> str:
    rows = results.search["by_components"]
    row = next(row for row in rows if row["n_components"] == number)
    text = f"{number:,} components hold {percent(row['explained_variance'])} of the variance"
    recall = row["recall_without_whitening"]["recall@10"]
    if recall is None or keeps_all(results, number):
        return f"{text}."
    return f"{text} and find {percent(recall)} of the ten nearest full-length vectors."
