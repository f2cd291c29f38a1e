"""Figures of the report: SVG by matplotlib, one style, the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from visualsearch.atomic import replacing
from visualsearch.colours import BLUE, GREEN, INK, ORANGE, PAPER

if TYPE_CHECKING:
    from visualsearch.reduction import Reduction

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


@contextmanager
def drawing(path: str | Path, width: float = 6.4, height: float = 3.6) -> Iterator[Axes]:
    """Yield axes; write them as SVG to `path`, atomically. Width and height in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.add_subplot()
        with replacing(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def draw_explained_variance(path: str | Path, reduction: Reduction) -> None:
    """Share of the variance that the first components explain, and where it was cut."""
    cumulative = 100 * np.cumsum(reduction.explained_variance_ratio)
    kept = reduction.n_components
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
    """Precision against recall. curve: [101, 4] as evaluation.evaluate_detections gives it."""
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
