"""What the number of components changes, and what it means for the choice."""

from typing import Any

from visualsearch.report.model import Results
from visualsearch.report.wording.numbers import count, listed, percent
from visualsearch.report.wording.search import names, summary_of, title_of

CAPTION = (
    "Above: how much of the variance the first components hold, how many of the ten nearest "
    "full-length vectors they find (without whitening), and how many moved and mirrored copies "
    "find their original first."
)
CAPTION_BELOW = (
    " Below: what ten neighbours have in common above chance; the shade is the 95 % interval."
)


def caption(results: Results) -> str:
    """What the figure shows."""
    alike = [name for name in names(results) if not name.startswith("self")]
    return CAPTION + (CAPTION_BELOW if alike else "")


def text(results: Results) -> str:
    """The figure in words, for those who do not see it."""
    rows = results.search["by_components"]
    first, last = rows[0], rows[-1]
    return (
        f"Measures against the number of components: {first['n_components']} hold "
        f"{percent(first['explained_variance'])} of the variance, {last['n_components']} hold "
        f"{percent(last['explained_variance'])}"
    )


def enough(results: Results) -> dict[str, int]:
    """From which number of components on no more is gained, by measure.

    That is the least number whose 95 % interval reaches up to the values of all larger ones.
    Measures that do not show at all are left out.
    """
    rows = results.search["by_components"]
    found = {}
    for name in names(results):
        of_numbers = [summary_of(row["measures"], name) for row in rows]
        values, ends = [], []
        for one in of_numbers:
            if one is not None:
                lift = "lift" in one
                values.append(one["lift" if lift else "value"])
                ends.append(one["lift_interval" if lift else "interval"])
        if len(values) < len(rows) or None in ends or ends[-1][0] <= 0:
            continue
        place = next(
            n for n in range(len(rows)) if n == len(rows) - 1 or max(values[n:]) <= ends[n][1]
        )
        found[name] = rows[place]["n_components"]
    return found


def sentences(results: Results) -> list[str]:
    """What the numbers of components mean for the choice made here."""
    kept = results.reduction.n_components
    rows = results.search["by_components"]
    if len(rows) < 2:
        return [f"With {count(kept, 'component')} there are no fewer to compare with."]
    least = enough(results)
    if not least:
        return ["No measure shows here, so none says how many components are needed."]
    numbers = sorted(set(least.values()))
    parts = "; ".join(f"{number:,} for {_titles(least, number)}" for number in numbers)
    first = f"By the 95 % intervals, no more is gained beyond so many components: {parts}."
    needed = max(least.values())
    if needed == kept:
        second = (
            f"To the {kept:,} kept here something still rises, so none of them is idle; more than "
            "these were not compared."
        )
    else:
        second = (
            f"So of the {kept:,} kept here, the first {needed:,} serve as well, as far as these "
            f"measures can tell, with vectors {kept / needed:.1f} times shorter "
            f"(reduction.n_components: {needed})."
        )
    return [first, f"{second} {_kept_by(rows, needed)}"]


def _titles(least: dict[str, int], number: int) -> str:
    return listed([title_of(name) for name, n in least.items() if n == number])


def _kept_by(rows: list[dict[str, Any]], number: int) -> str:
    row = next(row for row in rows if row["n_components"] == number)
    text = f"{number:,} components hold {percent(row['explained_variance'])} of the variance"
    recall = row["recall_without_whitening"]["recall@10"]
    if recall is None:
        return f"{text}."
    return f"{text} and find {percent(recall)} of the ten nearest full-length vectors."
