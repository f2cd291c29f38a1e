"""The figures of a report: those that stages drew, and the index's curves."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from visualsearch.core.files import replacing
from visualsearch.report.charts import draw_recall
from visualsearch.report.model import ResultFiles, Results
from visualsearch.report.wording import components, detector, index, vectors


@dataclass(frozen=True)
class Figure:
    """An SVG file in the report's folder. text: what is to be seen in it."""

    path: Path
    text: str


def make_figures(files: ResultFiles, results: Results, folder: str | Path) -> dict[str, Figure]:
    """Write each figure to <folder>/<name>.svg; by name."""
    # Without any figure too, the folder is what the workflow waits for.
    Path(folder).mkdir(parents=True, exist_ok=True)
    drawn = {}
    if results.reduction.is_fitted:
        drawn["explained_variance"] = (files.variance_figure, vectors.variance_text(results))
    if files.precision_recall_figure:
        figure = (files.precision_recall_figure, detector.PRECISION_RECALL_TEXT)
        drawn["precision_recall"] = figure
    if results.search["by_components"]:
        drawn["components"] = (files.components_figure, components.text(results))
    made = {}
    for name, (source, text) in drawn.items():
        made[name] = Figure(Path(folder) / f"{name}.svg", text)
        with replacing(made[name].path) as temporary:
            shutil.copyfile(source, temporary)
    curves = {
        "index_work": (index.curve(results), index.work_of(results)),
        "index_clock": (index.clock_curve(results), "milliseconds a query"),
    }
    for name, (curve, unit) in curves.items():
        if curve is not None:
            made[name] = Figure(Path(folder) / f"{name}.svg", index.curve_text(curve, unit))
            draw_recall(
                made[name].path,
                [(point.cost, point.recall) for point in curve.points],
                [n for n, point in enumerate(curve.points) if point.chosen],
                curve.exact,
                curve.target,
                unit,
            )
    return made
