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

WORK_FIGURE = "index_work.svg"
WORK = "vectors compared"
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
class Tried:
    """A search that tuning tried.

    low: lower end of the 99 % interval of recall, None if it was not computed. compared: how many
    vectors a query was compared with.
    """

    effort: int
    recall: float
    low: float | None
    compared: float
    chosen: bool


def blocks(results: Results) -> list[Block]:
    """Return how the index works, the choice of its settings, and times."""
    if not results.n_persons:
        return [Paragraph("The index is empty.")]
    made: list[Block] = []
    searches = tried(results)
    if searches:
        caption = "Filled: the choice. Square: exact search. Dashed: `index.target_recall`."
        made.append(Figure(WORK_FIGURE, _curve_text(searches, results.n_persons), caption))
    made.append(Paragraph(HOW_IT_WORKS[results.sidecar["backend"]]))
    if effort_of(results) is not None:
        made.append(Paragraph(" ".join(_choice(results, searches))))
    made.append(Facts(facts(results)))
    if searches:
        rows = [
            [
                f"{one.effort:,}",
                decimals(one.recall, 3),
                decimals(one.low, 3),
                f"{one.compared:,.0f}",
                "chosen" if one.chosen else "",
            ]
            for one in searches
        ]
        rows.append(["exact search", decimals(1, 3), decimals(1, 3), f"{results.n_persons:,}", ""])
        numbers = ("recall of the ten nearest", "lower end, 99 %", WORK)
        head = [effort_of(results) or "", *map(Number, numbers), ""]
        caption = "The searches that were tried"
        made.append(Details(caption, [Table(caption, head, rows)]))
    if results.timing is not None:
        made.append(MayDiffer([Part("By the clock", _clock(results, results.timing))]))
    return made


def effort_of(results: Results) -> str | None:
    """Return the setting that sets how many candidates a search takes; None for exact search."""
    return next((name for name in EFFORTS if name in results.sidecar), None)


def tried(results: Results) -> list[Tried]:
    """Return the searches that tuning tried, by rising effort."""
    effort = effort_of(results)
    if effort is None:
        return []
    return [
        Tried(
            one[effort],
            one["recall@10"],
            one.get("low"),
            one["compared"],
            one[effort] == results.sidecar[effort],
        )
        for one in results.sidecar["tuning"]["curve"]
    ]


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


def _choice(results: Results, searches: list[Tried]) -> Iterator[str]:
    """Say who chose each setting, and how much work the search is."""
    sidecar = results.sidecar
    names = [name for name in ("n_trees", *EFFORTS) if name in sidecar]
    given = [name for name in names if getattr(results.settings.index, name, None) is not None]
    for how, some in (
        ("The configuration sets {}.", given),
        (
            "{} is the result of tuning on {}: the least tried whose recall is surely at the "
            "target.",
            [name for name in names if name not in given],
        ),
    ):
        if some:
            values = listed([f"`{name}: {sidecar[name]}`" for name in some])
            persons = count(sidecar["tuning"]["persons_sampled"], "other person")
            yield how.format(values, persons)
    chosen = next((one for one in searches if one.chosen), None)
    if chosen is not None:
        share = chosen.compared / results.n_persons
        yield (
            f"A query compares {chosen.compared:,.0f} vectors on average, {percent(share)} of the "
            f"{results.n_persons:,}."
        )
        if share >= NEARLY_ALL:
            yield "Exact search (`index.backend: exact`) compares no more, and misses nothing."


def _curve_text(searches: list[Tried], exact: int) -> str:
    ends = [f"{decimals(one.recall, 3)} at {one.compared:,.3g}" for one in searches]
    return f"Recall against {WORK}: {ends[0]}, {ends[-1]}; exact search: {exact:,}"


def _clock(results: Results, timing: dict[str, Any]) -> list[Block]:
    exact = effort_of(results) is None
    heads = ["file", "time a query"]
    if not exact:
        heads = ["index", "time a query", "exact search", "time a query"]
    rows = [
        [
            f"{row['n_items']:,}",
            size(row["index_bytes"]),
            milliseconds(row["milliseconds"]),
            *([] if exact else [size(row["exact_bytes"]), milliseconds(row["exact_milliseconds"])]),
        ]
        for row in timing["projection"]
    ]
    caption = "This set, and projected: ten and a hundred times as many persons"
    return [
        Paragraph(
            f"{timing['advice_text']} Times are medians on this machine with one thread, the index "
            "and exact search in turns. Nothing was chosen by them."
        ),
        Table(caption, ["persons", *map(Number, heads)], rows),
        Paragraph(timing["projection_basis"]),
    ]
