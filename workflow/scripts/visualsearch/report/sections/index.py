"""The index: what it does, how its settings were chosen, and how long a query takes."""

from dataclasses import dataclass
from typing import Any

from visualsearch.report.model import Results
from visualsearch.report.numbers import (
    Facts,
    count,
    decimals,
    interval,
    listed,
    milliseconds,
    percent,
    size,
)

WORK = "vectors compared"
CURVE_CAPTION = (
    f"How many of the ten nearest a query finds, against {WORK}. The dashed line is "
    "index.target_recall, the filled point what was chosen, the square exact search."
)
CLOCK_CAPTION = (
    "The same searches by the clock: recall of the ten nearest against milliseconds a query. The "
    "square is exact search."
)
CLOCK_NOTE = (
    "Times are medians on the machine of this run, with one thread; the index and exact search "
    "took turns. They differ from run to run, and nothing was chosen by them."
)
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

    cost: vectors compared or milliseconds. low: lower end of the interval of
    recall, None if it was not computed.
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


def facts(results: Results) -> Facts:
    """Return the index and its settings."""
    sidecar = results.sidecar
    rows = [
        ("backend", sidecar["backend"]),
        ("vectors", f"{sidecar['n_items']:,}, of {sidecar['dimension']:,} values each"),
        ("metric", sidecar["metric"]),
    ]
    rows += [(term, f"{sidecar[key]:,}") for key, term in SETTINGS.items() if key in sidecar]
    rows.append(("file", size(sidecar["index_bytes"])))
    for k in (1, 10) if results.n_persons else ():
        recall = sidecar["recall"][f"recall@{k}"]
        ends = interval(sidecar["recall"][f"recall@{k}_interval"])
        rows.append((f"recall at {k}", f"{decimals(recall, 3)} (95 % interval {ends})"))
    return rows


def paragraph(results: Results) -> str:
    """Say how the index works and what its settings mean."""
    if not results.n_persons:
        return "The index is empty. With somebody in it, index.backend says what it is."
    return {
        "annoy": (
            "Annoy grows a forest of trees, each of which halves the set again and again by random "
            "planes; a query falls to a leaf of every tree, and what lies there is compared. "
            "Angular distance orders unit vectors as the cosine does. search_k says how many "
            "candidates are gathered before the comparison and is never left to itself: by default "
            "Annoy stops at trees × neighbours, a leaf or two, and misses many of the true "
            "neighbours without a word."
        ),
        "faiss": (
            "The index has a short code of every vector (faiss, product quantisation with 4 bits). "
            "A query reads all codes and compares the vectors of the best ones at full length. "
            "candidates says how many these are: more find more, and take longer. Reading a code "
            "is counted as a sixteenth of a vector compared, as that is its size."
        ),
        "exact": (
            "Every query was compared with every vector, so nothing is missed; up to some tens of "
            "thousands of vectors this is as fast as an approximate index."
        ),
    }[results.sidecar["backend"]]


def choice(results: Results) -> list[str]:
    """Say which settings were taken and why; nothing for exact search."""
    effort = effort_of(results)
    if effort is None:
        return []
    tried = curve(results)
    sentences = [
        f"The target is to find {results.sidecar['target_recall']:g} of the ten nearest "
        "(index.target_recall).",
        *_chosen(results, effort, tried),
    ]
    point = next((point for point in tried.points if point.chosen), None) if tried else None
    if point is not None:
        sentences += _work(results, point)
    return [" ".join(sentences), _reached(results)]


def _work(results: Results, point: Point) -> list[str]:
    """Say how much work the chosen search does, against exact search."""
    n, share = results.n_persons, point.cost / results.n_persons
    sentences = [
        f"A query then compares {point.cost:,.0f} vectors on average, {percent(share)} of exact "
        f"search's {n:,}."
    ]
    if share >= NEARLY_ALL:
        sentences.append(
            "At this size exact search (index.backend: exact) would do the same work more simply, "
            "and miss nothing."
        )
    return sentences


def _chosen(results: Results, effort: str, tried: Curve | None) -> list[str]:
    """Say who chose each setting, and by what."""
    sidecar, tuning = results.sidecar, results.sidecar["tuning"]
    settings = {name: sidecar[name] for name in ("n_trees", effort) if name in sidecar}
    given = [name for name in settings if getattr(results.settings.index, name, None) is not None]
    sentences = []
    if given:
        values = listed([f"{name} {settings[name]:,}" for name in given])
        sentences.append(f"{values} {'are' if len(given) > 1 else 'is'} set in the configuration.")
    builds = tuning.get("builds", [])
    if "n_trees" not in given and len(builds) > 1:
        trees = listed([f"{build['n_trees']:,}" for build in builds])
        sentences.append(
            f"Forests of {trees} trees were compared on {count(builds[-1]['n_items'], 'person')}; "
            "each found more than the one before, or as much with at least a tenth less to compare."
        )
    elif "n_trees" in settings and "n_trees" not in given:
        sentences.append(f"A forest of {count(settings['n_trees'], 'tree')} was enough.")
    if effort not in given:
        taken = f"{effort} {settings[effort]:,}"
        on = f"on {count(tuning['persons_sampled'], 'person')}"
        points, target = (tried.points, tried.target) if tried else ([], 0.0)
        safe = next((p for p in points if p.low is not None and p.low >= target), None)
        reached = next((p for p in points if p.recall >= target), None)
        least = f"{taken} is the least of those tried that reached it"
        if safe is not None and safe.chosen:
            sentences.append(f"{least} with a margin for chance, {on}.")
        elif reached is not None and reached.chosen:
            sentences.append(f"{least}, {on}.")
        else:
            sentences.append(f"{taken} was taken.")
    return sentences


def _reached(results: Results) -> str:
    sidecar, recall = results.sidecar, results.sidecar["recall"]
    if not recall["persons_sampled"]:
        return "Nobody is left to measure it on."
    text = (
        f"On {count(recall['persons_sampled'], 'person')} that had no part in this, the index "
        f"finds {decimals(recall['recall@10'], 3)} of the ten nearest (95 % interval "
        f"{interval(recall['recall@10_interval'])}): "
    )
    if sidecar["target_reached"]:
        return f"{text}the target is reached."
    return f"{text}the target is not reached. index.backend: exact misses nothing."


def curve_text(drawn: Curve, unit: str) -> str:
    """Return the alternative text of a curve."""
    first, last = drawn.points[0], drawn.points[-1]
    return (
        f"Recall of the ten nearest against {unit}: {decimals(first.recall, 3)} at "
        f"{first.cost:,.3g}, {decimals(last.recall, 3)} at {last.cost:,.3g}; exact search takes "
        f"{drawn.exact:,.3g}"
    )


def curve_table(drawn: Curve, clock: bool) -> list[tuple[str, str, str, str]]:
    """Return (effort, recall, cost, remark) of each search tried, and of exact search."""

    def cost(value: float) -> str:
        return milliseconds(value) if clock else f"{value:,.0f}"

    rows = [
        (f"{p.effort:,}", decimals(p.recall, 3), cost(p.cost), "chosen" if p.chosen else "")
        for p in drawn.points
    ]
    return [*rows, ("exact search", decimals(1, 3), cost(drawn.exact), "")]


def projection_heads(results: Results) -> list[tuple[str, bool]]:
    """Return (heading, whether the column has numbers) of the columns of `projection`."""
    if effort_of(results) is None:
        return [("persons", False), ("file", True), ("time a query", True)]
    names = ("index", "time a query", "exact search", "time a query")
    return [("persons", False), *((name, True) for name in names)]


def projection(results: Results) -> list[list[str]]:
    """Return file size and time a query for this set and larger ones, also of exact search."""
    exact = effort_of(results) is None
    return [
        [
            f"{row['n_items']:,}",
            size(row["index_bytes"]),
            milliseconds(row["milliseconds"]),
            *([] if exact else [size(row["exact_bytes"]), milliseconds(row["exact_milliseconds"])]),
        ]
        for row in (results.timing or {"projection": []})["projection"]
    ]
