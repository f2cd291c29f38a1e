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

CLOCK_CAPTION = (
    "The same searches by the clock: recall of the ten nearest against milliseconds a query. The "
    "square is exact search."
)
CLOCK_NOTE = (
    "Times are medians on the machine of this run, with one thread; the index and exact search "
    "took turns. They differ from run to run, and nothing was chosen by them."
)
# What the sidecar says of how an index was built and searches, and what readers call it.
SETTINGS = {
    "n_trees": "trees",
    "connectivity": "links a vector",
    "expansion_add": "candidates when adding",
    "search_k": "search_k",
    "expansion_search": "expansion_search",
    "seed": "seed",
}
EFFORTS = ("search_k", "expansion_search")
# From this share of the vectors on, a query does the work of exact search.
NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Point:
    """One search that was tried.

    cost: vectors compared (or distances computed), or milliseconds. low: least recall that chance
    leaves likely, None where that is not known.
    """

    effort: int
    recall: float
    cost: float
    chosen: bool
    low: float | None = None


@dataclass(frozen=True)
class Curve:
    """Searches by rising effort. effort: its name. exact: what exact search costs."""

    effort: str
    points: list[Point]
    exact: float
    target: float


def effort_of(results: Results) -> str | None:
    """Name of the setting that says how far a search goes; None for exact search."""
    return next((name for name in EFFORTS if name in results.sidecar), None)


def curve(results: Results) -> Curve | None:
    """Recall against work; None where nothing was tried."""
    return _curve(results, results.sidecar["tuning"]["curve"], "compared", results.n_persons)


def clock_curve(results: Results) -> Curve | None:
    """Recall against milliseconds; None where nothing was tried, or times are not shown."""
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


def work_of(results: Results) -> str:
    """What the work of a query is counted in."""
    # A graph is walked: a vector may be met more than once.
    return "distances computed" if results.sidecar["backend"] == "hnsw" else "vectors compared"


def curve_caption(results: Results) -> str:
    """What the figure of recall against work shows."""
    return (
        f"How many of the ten nearest a query finds, against {work_of(results)}. The dashed line "
        "is index.target_recall, the filled point what was chosen, the square exact search."
    )


def facts(results: Results) -> Facts:
    """The index and its settings."""
    sidecar = results.sidecar
    found = [
        ("backend", sidecar["backend"]),
        ("vectors", f"{sidecar['n_items']:,}, of {sidecar['dimension']:,} values each"),
        ("metric", sidecar["metric"]),
    ]
    found += [(term, f"{sidecar[key]:,}") for key, term in SETTINGS.items() if key in sidecar]
    found.append(("file", size(sidecar["index_bytes"])))
    for k in (1, 10) if results.n_persons else ():
        recall = sidecar["recall"][f"recall@{k}"]
        ends = interval(sidecar["recall"][f"recall@{k}_interval"])
        found.append((f"recall at {k}", f"{decimals(recall, 3)} (95 % interval {ends})"))
    return found


def paragraph(results: Results) -> str:
    """What the index does, and what its settings mean."""
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
        "hnsw": (
            "The index is a graph (HNSW) in which each vector has links to some that are near it, "
            "on several levels from coarse to fine. A query walks along them towards what is "
            "nearest. expansion_search says how many candidates it keeps on the way: more find "
            "more, and take longer."
        ),
        "exact": (
            "Every query was compared with every vector, so nothing is missed; up to some tens of "
            "thousands of vectors this is as fast as an approximate index."
        ),
    }[results.sidecar["backend"]]


def choice(results: Results) -> list[str]:
    """Which settings, chosen by whom and why; nothing for exact search."""
    effort = effort_of(results)
    if effort is None:
        return []
    found = curve(results)
    sentences = [
        f"The target is to find {results.sidecar['target_recall']:g} of the ten nearest "
        "(index.target_recall).",
        *_chosen(results, effort, found),
    ]
    point = _point_of(found)
    if point is not None:
        sentences += _work(results, point)
    return [" ".join(sentences), _reached(results)]


def _point_of(found: Curve | None) -> Point | None:
    return next((point for point in found.points if point.chosen), None) if found else None


def _work(results: Results, point: Point) -> list[str]:
    """How much a query of the chosen search compares, and what exact search would."""
    n, share = results.n_persons, point.cost / results.n_persons
    if share > 1:
        told = f"more than exact search's {n:,}"
    else:
        told = f"{percent(share)} of exact search's {n:,}"
    work = f"{point.cost:,.0f}"
    graph = results.sidecar["backend"] == "hnsw"
    work = f"computes {work} distances" if graph else f"compares {work} vectors"
    sentences = [f"A query then {work} on average, {told}."]
    if share >= NEARLY_ALL:
        sentences.append(
            "At this size exact search (index.backend: exact) would do the same work more simply, "
            "and miss nothing."
        )
    return sentences


def _chosen(results: Results, effort: str, found: Curve | None) -> list[str]:
    """Who chose each setting."""
    sidecar, tuning = results.sidecar, results.sidecar["tuning"]
    settings = {name: sidecar[name] for name in ("n_trees", effort) if name in sidecar}
    given = [name for name in settings if getattr(results.settings.index, name, None) is not None]
    sentences = []
    if given:
        told = listed([f"{name} {settings[name]:,}" for name in given])
        sentences.append(f"{told} {'are' if len(given) > 1 else 'is'} set in the configuration.")
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
        points, target = (found.points, found.target) if found else ([], 0.0)
        safe = next((p for p in points if p.low is not None and p.low >= target), None)
        reached = next((p for p in points if p.recall >= target), None)
        if safe is not None and safe.chosen:
            sentences.append(
                f"{taken} is the least of those tried that reached it with a margin for chance, "
                f"{on}."
            )
        elif reached is not None and reached.chosen:
            sentences.append(f"{taken} is the least of those tried that reached it, {on}.")
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
    """A curve in words, for those who do not see it."""
    first, last = drawn.points[0], drawn.points[-1]
    return (
        f"Recall of the ten nearest against {unit}: {decimals(first.recall, 3)} at "
        f"{first.cost:,.3g}, {decimals(last.recall, 3)} at {last.cost:,.3g}; exact search takes "
        f"{drawn.exact:,.3g}"
    )


def curve_table(drawn: Curve, clock: bool) -> list[tuple[str, str, str, str]]:
    """(effort, recall, cost, remark) of each search tried, and of exact search."""

    def cost(value: float) -> str:
        return milliseconds(value) if clock else f"{value:,.0f}"

    rows = [
        (
            f"{point.effort:,}",
            decimals(point.recall, 3),
            cost(point.cost),
            "chosen" if point.chosen else "",
        )
        for point in drawn.points
    ]
    return [*rows, ("exact search", decimals(1, 3), cost(drawn.exact), "")]


def projection_heads(results: Results) -> list[tuple[str, bool]]:
    """(heading, whether numbers stand beneath it) of the columns of `projection`."""
    if effort_of(results) is None:
        return [("persons", False), ("file", True), ("time a query", True)]
    return [
        ("persons", False),
        ("index", True),
        ("time a query", True),
        ("exact search", True),
        ("time a query", True),
    ]


def projection(results: Results) -> list[list[str]]:
    """Size of the file and time a query for this set and larger ones, and exact search's."""
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
