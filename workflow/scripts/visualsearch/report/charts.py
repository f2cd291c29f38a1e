"""Figures of the report: SVG by matplotlib in one style, with the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from visualsearch.core.files import replacing
from visualsearch.report.colours import BLUE, GREEN, INK, ORANGE, PAPER

if TYPE_CHECKING:
    from visualsearch.reduce.reduction import Reduction

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "visualsearch",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "legend.frameon": False,
}
# Lines differ in more than colour.
LOOKS: list[dict[str, Any]] = [
    {"color": color, "linestyle": style, "marker": marker, "linewidth": 2, "markersize": 5}
    for styles, marker in ((("-", "--", ":"), "o"), (("--", ":", "-"), "s"))
    for color, style in zip((BLUE, ORANGE, GREEN), styles, strict=True)
]


@contextmanager
def drawing_panels(
    path: str | Path, panels: int, width: float = 6.4, height: float = 3.6
) -> Iterator[list[Axes]]:
    """Yield axes one below the other, then write them as SVG to `path`.

    width, height: of each panel, in inches.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, panels * height), layout="constrained")
        yield [figure.add_subplot(panels, 1, number) for number in range(1, panels + 1)]
        with replacing(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


@contextmanager
def drawing(path: str | Path, width: float = 6.4, height: float = 3.6) -> Iterator[Axes]:
    """`drawing_panels` with one panel."""
    with drawing_panels(path, 1, width, height) as (axes,):
        yield axes


def draw_explained_variance(path: str | Path, reduction: Reduction) -> None:
    """Draw the variance that the first components explain, and how many were kept."""
    cumulative = 100 * np.cumsum(reduction.explained_variance_ratio)
    kept = reduction.n_components
    if not reduction.is_fitted:
        _draw_text(path, "fewer than two persons do not vary")
        return
    with drawing(path) as axes:
        axes.plot(np.arange(1, len(cumulative) + 1), cumulative, color=BLUE, linewidth=2)
        axes.axvline(kept, color=ORANGE, linewidth=1.5, linestyle="--")
        axes.plot([kept], [cumulative[kept - 1]], "o", color=ORANGE)
        right = kept < 0.6 * len(cumulative)
        axes.annotate(
            f"{kept} components keep {cumulative[kept - 1]:.1f} %",
            (kept, cumulative[kept - 1]),
            xytext=(8 if right else -8, -18),
            textcoords="offset points",
            horizontalalignment="left" if right else "right",
        )
        axes.set_xlabel("components")
        axes.set_ylabel("variance explained, %")
        axes.set_xlim(0, None)
        axes.set_ylim(0, 102)


def draw_precision_recall(path: str | Path, curve: NDArray[np.float64]) -> None:
    """Draw precision against recall. curve: [101, 4], as evaluate_detections returns it."""
    recall = curve[:, 0]
    lines = (
        ("IoU ≥ 0.50", curve[:, 1], BLUE, "-"),
        ("IoU ≥ 0.75", curve[:, 2], ORANGE, "--"),
        ("mean over 0.50 to 0.95", curve[:, 3], GREEN, ":"),
    )
    with drawing(path) as axes:
        for label, precision, color, style in lines:
            axes.plot(recall, precision, color=color, linestyle=style, linewidth=2, label=label)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.legend(title="a box counts as found at")


def draw_components(path: str | Path, by_components: list[dict[str, Any]]) -> None:
    """Draw how the measures depend on the number of components.

    by_components: as search_quality.measure_search returns it.
    """
    if not by_components:
        _draw_text(path, "fewer than two persons: nothing to compare")
        return
    shares = {
        "variance held": [row["explained_variance"] for row in by_components],
        "neighbours kept": [row["recall_without_whitening"]["recall@10"] for row in by_components],
        "copies found": [
            row["measures"].get("self", {}).get("rank1", {}).get("value") for row in by_components
        ],
    }
    shares = {name: values for name, values in shares.items() if None not in values}
    labels = sorted(name for name in by_components[-1]["measures"] if ":" in name)
    alike = {}
    for name in ("pose", "context", *labels):
        rows = [row["measures"].get(name, {}) for row in by_components]
        if all(row.get("lift_interval") is not None for row in rows):
            alike[name] = rows
    numbers = [row["n_components"] for row in by_components]
    with drawing_panels(path, 2 if alike else 1, height=3.4) as (kept, *below):
        for (name, values), look in zip(shares.items(), LOOKS, strict=False):
            kept.plot(numbers, 100 * np.array(values), label=name, **look)
        kept.set_ylabel("%")
        kept.set_ylim(0, 102)
        for axes in below:
            for (name, rows), look in zip(alike.items(), LOOKS, strict=False):
                low, high = np.array([row["lift_interval"] for row in rows]).T
                axes.fill_between(numbers, low, high, color=look["color"], alpha=0.15, linewidth=0)
                title = name if name in ("pose", "context") else f"same {name[6:]}"
                axes.plot(numbers, [row["lift"] for row in rows], label=_short(title), **look)
            axes.axhline(0, color=INK, linewidth=1)
            axes.set_ylabel("in common, above chance")
        for axes in (kept, *below):
            axes.set_xscale("log", base=2)
            axes.minorticks_off()
            axes.set_xticks(*_spaced(numbers))
            _legend_above(axes)
        (below[-1] if below else kept).set_xlabel("components")


def draw_in_common(
    path: str | Path,
    measures: list[tuple[str, float, list[float] | None, float, float | None]],
) -> None:
    """Draw what neighbours have in common beside chance and box shape.

    measures: (title, value, ends of its interval or None, the same by chance, the same by box shape
    or None), all from 0 to 1.
    """
    places = np.arange(len(measures))[::-1]
    titles, values, intervals, chances, shapes = zip(*measures, strict=True)
    marker: dict[str, Any] = {"markersize": 9, "markeredgecolor": INK}
    with drawing(path, height=0.9 + 0.55 * len(measures)) as axes:
        axes.barh(places, values, height=0.5, color=BLUE, label="neighbours")
        axes.plot(chances, places, "D", color=ORANGE, label="by chance", **marker)
        if any(shape is not None for shape in shapes):
            at = np.array(shapes, dtype=float)
            axes.plot(at, places, "s", color=GREEN, label="by box shape alone", **marker)
        for place, ends in zip(places, intervals, strict=True):
            if ends is not None:
                axes.plot(ends, [place, place], color=INK, linewidth=2)
        for text in axes.set_yticks(places, [_short(title) for title in titles]):
            text.label1.set_parse_math(False)  # labels are the user's text
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.6, len(measures) - 0.4)
        _legend_above(axes)


def draw_recall(
    path: str | Path,
    points: list[tuple[float, float]],
    chosen: list[int],
    exact: float,
    target: float,
    unit: str,
) -> None:
    """Draw recall of the ten nearest against the cost of a search.

    points: (cost, recall) of each search tried. chosen: positions in points. exact: cost of exact
    search. target: recall to reach. unit: of the costs.
    """
    costs, recalls = np.array(points).T
    with drawing(path, height=3.2) as axes:
        axes.axhline(target, color=INK, linewidth=1, linestyle="--", label=f"target, {target:g}")
        axes.plot(costs, recalls, "-o", color=BLUE, linewidth=2, markersize=4, label="index")
        if chosen:
            axes.plot(costs[chosen], recalls[chosen], "o", color=BLUE, markersize=9, label="chosen")
        axes.plot([exact], [1], "s", color=ORANGE, markersize=8, label="exact search", zorder=3)
        least = min(recalls.min(), target, 0.95)
        axes.set_ylim(least - 0.05 * (1 - least), 1 + 0.05 * (1 - least))
        axes.ticklabel_format(axis="y", useOffset=False)
        low, high = min(costs.min(), exact), max(costs.max(), exact)
        if low > 0 and high > 8 * low:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
            axes.minorticks_off()
        else:
            axes.set_xlim(0, 1.05 * high)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
        axes.set_xlabel(unit)
        axes.set_ylabel("recall of the ten nearest")
        _legend_above(axes)


def _draw_text(path: str | Path, text: str) -> None:
    """Draw a sentence in place of a figure that has nothing to show."""
    with drawing(path) as axes:
        axes.set_axis_off()
        axes.text(0.5, 0.5, text, horizontalalignment="center", transform=axes.transAxes)


def _spaced(numbers: list[int]) -> tuple[list[int], list[str]]:
    """Return ticks and their labels, without numbers too close to the next to be readable."""
    far = [one for one, after in pairwise(numbers) if after >= 1.4 * one] + numbers[-1:]
    return far, [str(number) for number in far]


def _short(title: str) -> str:
    return title if len(title) <= 28 else title[:27] + "…"


def _legend_above(axes: Axes) -> None:
    """Put the legend above the axes, where it covers no line."""
    labels = axes.get_legend_handles_labels()[1]
    if not labels:
        return
    # Columns are wide, as narrow screens show larger letters.
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=max(1, min(len(labels), 64 // (max(map(len, labels)) + 4))),
        fontsize=10,
        borderaxespad=0.3,
        borderpad=0,
        handlelength=1.8,
        columnspacing=2.4,
    )
    # Labels are the user's text: a dollar sign in them begins no formula.
    for text in legend.get_texts():
        text.set_parse_math(False)
