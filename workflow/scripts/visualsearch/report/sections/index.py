"""The index: what it does, how its settings were chosen, and how long a query takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from visualsearch.report.blocks import (
    Block,
    Details,
    Facts,
    Figure,
    MayDiffer,
    Number,
    Paragraph,
    Part,
    Table,
)
from visualsearch.report.model import Results
from visualsearch.report.numbers import Facts as Pairs
from visualsearch.report.numbers import (
    count,
    decimals,
    interval,
    listed,
    milliseconds,
    percent,
    size,
)

WORK_FIGURE, CLOCK_FIGURE = "index_work.svg", "index_clock.svg"
WORK, CLOCK = "vectors compared", "milliseconds a query"
HOW_IT_WORKS = {
    "annoy": (
        "Annoy builds trees that split the set by random planes. A query is compared with the "
        "vectors of the leaves it reaches, at least `search_k` of them."
    ),
    "faiss": (
        "The index has a short code of every vector (faiss, product quantisation with 4 bits). A "
        "query reads all codes and compares the best `candidates` vectors at full length. Reading "
        "a code counts as a sixteenth of a vector compared, as that is its size."
    ),
    "exact": (
        "Every query was compared with every vector, so nothing is missed. Up to some tens of "
        "thousands of vectors this is as fast as an approximate index."
    ),
}
# Settings of the index in its sidecar, with their names for readers.
SETTINGS = {
    "n_trees": "trees",
    "search_k": "search_k",
    "candidates": "candidates",
    "seed": "seed",
}
EFFORTS = ("search_k", "candidates")
# A query that compares this share of the vectors does about the work of exact search.
NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Point:
    """One search that tuning tried.

    cost: vectors compared or milliseconds. low: lower end of the interval of recall, None if it was
    not computed.
    """

    effort: int
    recall: float
    cost: float
    chosen: bool
    low: float | None = None


@dataclass(frozen=True)
class Curve:
    """Searches by rising effort. effort: name of its setting. exact: cost of exact search."""

    effort: str
    points: list[Point]
    exact: float
    target: float


def blocks(results: Results) -> list[Block]:
    """Return how the index works, the choice of its settings, and times."""
    if not results.n_persons:
        return [Paragraph("The index is empty.")]
    made: list[Block] = []
    drawn = curve(results)
    if drawn is not None:
        caption = "Filled: the choice. Square: exact search. Dashed: `index.target_recall`."
        made.append(Figure(WORK_FIGURE, curve_text(drawn, WORK), caption))
    made.append(Paragraph(HOW_IT_WORKS[results.sidecar["backend"]]))
    if effort_of(results) is not None:
        made.append(Paragraph(" ".join(_choice(results, drawn))))
    made.append(Facts(facts(results)))
    if drawn is not None:
        made.append(Details("The searches that were tried", [_table(drawn, WORK)]))
    if results.timing is not None:
        made.append(MayDiffer([Part("By the clock", _clock(results, results.timing))]))
    return made


def effort_of(results: Results) -> str | None:
    """Return the setting that sets how many candidates a search takes; None for exact search."""
    return next((name for name in EFFORTS if name in results.sidecar), None)


def curve(results: Results) -> Curve | None:
    """Return recall against work; None if nothing was tried."""
    return _curve(results, results.sidecar["tuning"]["curve"], "compared", results.n_persons)


def clock_curve(results: Results) -> Curve | None:
    """Return recall against milliseconds; None if nothing was tried or times are not shown."""
    timing = results.timing
    if timing is None:
        return None
    return _curve(results, timing["curve"], "milliseconds", timing["exact_milliseconds"])


def _curve(results: Results, points: list[dict[str, Any]], cost: str, exact: float) -> Curve | None:
    effort = effort_of(results)
    if effort is None or not points:
        return None
    used = results.sidecar[effort]
    shown = [
        Point(p[effort], p["recall@10"], p[cost], p[effort] == used, p.get("low")) for p in points
    ]
    return Curve(effort, shown, exact, results.sidecar["target_recall"])


def facts(results: Results) -> Pairs:
    """Return the index and its settings."""
    sidecar = results.sidecar
    rows = [
        ("backend", sidecar["backend"]),
        ("vectors", f"{sidecar['n_items']:,}, of {sidecar['dimension']:,} values each"),
        ("metric", sidecar["metric"]),
    ]
    rows += [(term, f"{sidecar[key]:,}") for key, term in SETTINGS.items() if key in sidecar]
    return [
        *rows,
        ("file", size(sidecar["index_bytes"])),
        ("recall of the ten nearest", _recall(results)),
    ]


def _choice(results: Results, tried: Curve | None) -> Iterator[str]:
    """Say which settings were taken, why, and how much work they are."""
    yield from _chosen(results, tried)
    point = next((point for point in tried.points if point.chosen), None) if tried else None
    if point is not None:
        share = point.cost / results.n_persons
        yield (
            f"A query compares {point.cost:,.0f} vectors on average, {percent(share)} of the "
            f"{results.n_persons:,}."
        )
        if share >= NEARLY_ALL:
            yield "At this size `index.backend: exact` does the same work and misses nothing."


def _recall(results: Results) -> str:
    """Recall of the ten nearest, and whether it reaches the target."""
    sidecar, recall = results.sidecar, results.sidecar["recall"]
    if not recall["persons_sampled"]:
        return "not measured: nobody is left for it"
    text = (
        f"{decimals(recall['recall@10'], 3)} (95 % interval "
        f"{interval(recall['recall@10_interval'])}) on "
        f"{count(recall['persons_sampled'], 'person')}"
    )
    if effort_of(results) is None:
        return text
    reached = "reached" if sidecar["target_reached"] else "not reached"
    return f"{text}; target {sidecar['target_recall']:g}, {reached}"


def _chosen(results: Results, tried: Curve | None) -> Iterator[str]:
    """Say who chose each setting, and by what."""
    sidecar, tuning = results.sidecar, results.sidecar["tuning"]
    effort = effort_of(results) or ""
    settings = {name: sidecar[name] for name in ("n_trees", effort) if name in sidecar}
    given = [name for name in settings if getattr(results.settings.index, name, None) is not None]
    if given:
        values = listed([f"`{name}: {settings[name]}`" for name in given])
        yield f"The configuration sets {values}."
    builds = tuning.get("builds", [])
    if "n_trees" not in given and len(builds) > 1:
        trees = listed([f"{build['n_trees']:,}" for build in builds])
        yield (
            f"Forests of {trees} trees were compared on {count(builds[-1]['n_items'], 'person')}; "
            "each found more than the one before, or as much with a tenth less to compare."
        )
    elif "n_trees" in settings and "n_trees" not in given:
        yield f"{count(settings['n_trees'], 'tree')} were enough."
    if effort in given:
        return
    points, target = (tried.points, tried.target) if tried else ([], 0.0)
    safe = next((p for p in points if p.low is not None and p.low >= target), None)
    reached = next((p for p in points if p.recall >= target), None)
    least = (
        f"`{effort}: {settings[effort]}` is the least tried that reached the target on "
        f"{count(tuning['persons_sampled'], 'other person')}"
    )
    if safe is not None and safe.chosen:
        yield f"{least}, with a margin for chance."
    elif reached is not None and reached.chosen:
        yield f"{least}."
    else:
        yield f"`{effort}: {settings[effort]}` was taken."


def curve_text(drawn: Curve, unit: str) -> str:
    """Return the alternative text of a curve."""
    first, last = drawn.points[0], drawn.points[-1]
    return (
        f"Recall against {unit}: {decimals(first.recall, 3)} at {first.cost:,.3g}, "
        f"{decimals(last.recall, 3)} at {last.cost:,.3g}; exact search: {drawn.exact:,.3g}"
    )


def _table(drawn: Curve, unit: str) -> Table:
    """The searches tried, and exact search."""

    def cost(value: float) -> str:
        return milliseconds(value) if unit == CLOCK else f"{value:,.0f}"

    rows = [
        [f"{p.effort:,}", decimals(p.recall, 3), cost(p.cost), "chosen" if p.chosen else ""]
        for p in drawn.points
    ]
    head = [drawn.effort, Number("recall of the ten nearest"), Number(unit), "choice"]
    exact = ["exact search", decimals(1, 3), cost(drawn.exact), ""]
    return Table(f"Searches tried, by {unit}", head, [*rows, exact])


def _clock(results: Results, timing: dict[str, Any]) -> list[Block]:
    made: list[Block] = []
    drawn = clock_curve(results)
    if drawn is not None:
        made.append(Figure(CLOCK_FIGURE, curve_text(drawn, CLOCK), "Square: exact search."))
    made.append(
        Paragraph(
            f"{timing['advice_text']} Times are medians on this machine with one thread, the index "
            "and exact search in turns. Nothing was chosen by them."
        )
    )
    if drawn is not None:
        made.append(Details("The times as a table", [_table(drawn, CLOCK)]))
    exact = drawn is None and effort_of(results) is None
    heads = (
        ["file", "time a query"]
        if exact
        else ["index", "time a query", "exact search", "time a query"]
    )
    rows = [
        [
            f"{row['n_items']:,}",
            size(row["index_bytes"]),
            milliseconds(row["milliseconds"]),
            *([] if exact else [size(row["exact_bytes"]), milliseconds(row["exact_milliseconds"])]),
        ]
        for row in timing["projection"]
    ]
    caption = "Projected: this set, ten and a hundred times as many persons"
    table = Table(caption, ["persons", *map(Number, heads)], rows)
    return [*made, Details(caption, [table, Paragraph(timing["projection_basis"])])]
