"""The figures of a report: written to its folder, and made part of its page."""

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

from markupsafe import Markup

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing
from visualsearch.report.charts import draw_in_common, draw_recall
from visualsearch.report.colours import BLUE, GREEN, INK, ORANGE, PAPER
from visualsearch.report.loading import ResultFiles
from visualsearch.report.model import Results
from visualsearch.report.sections import components, detections, index, reduction, summary
from visualsearch.report.sections.measures import title_of

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

# The page's style replaces the drawn colours by its own, which may be light or dark.
COLORS = {
    INK: "currentColor",
    PAPER: "none",
    BLUE: "var(--series-1)",
    ORANGE: "var(--series-2)",
    GREEN: "var(--series-3)",
}


def make_figures(files: ResultFiles, results: Results, folder: Path) -> None:
    """Write the SVG figures to `folder`: those that stages drew, and the report's own."""
    folder.mkdir(parents=True, exist_ok=True)  # the workflow expects it, even empty
    drawn = {
        reduction.VARIANCE: files.variance_figure if results.reduction.is_fitted else None,
        detections.PRECISION_RECALL: files.precision_recall_figure,
        components.COMPONENTS: files.components_figure if results.search["by_components"] else None,
    }
    for name, source in drawn.items():
        if source is not None:
            with replacing(folder / name) as temporary:
                shutil.copyfile(source, temporary)
    if judged := summary.in_common(results):
        draw_in_common(
            folder / summary.IN_COMMON,
            [
                (
                    title_of(one.name),
                    one.found["value"],
                    one.found["interval"],
                    one.found["chance"],
                    one.by_shape,
                )
                for one in judged
            ],
        )
    if searches := index.tried(results):
        draw_recall(
            folder / index.WORK_FIGURE,
            [(one.compared, one.recall) for one in searches],
            [n for n, one in enumerate(searches) if one.chosen],
            results.n_persons,
            results.sidecar["target_recall"],
            index.WORK,
        )


def inline_svg(path: str | Path, prefix: str, text: str) -> Markup:
    """Return an SVG file of matplotlib as an element for HTML, in the page's colours and font.

    prefix: goes before each id, as two figures of a page may have the same ids. text: alternative
    text. Raises InputError if the file is not a valid SVG.
    """
    ET.register_namespace("", SVG)
    try:
        root = ET.parse(path).getroot()
        if root.tag != f"{{{SVG}}}svg":
            raise ET.ParseError(f"it starts with {root.tag}")
    except (OSError, ET.ParseError) as error:
        raise InputError(
            f"the figure {Path(path).name} that a stage has drawn is not valid SVG ({error}); "
            "delete it in the results and rerun"
        ) from error
    for parent in list(root.iter()):
        for child in list(parent):
            # A style element would apply to the whole page.
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        element.attrib = {
            name.replace(f"{{{XLINK}}}", ""): _restyled(name, value, prefix)
            for name, value in element.attrib.items()
        }
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": text, "class": "plot"}
    return Markup(ET.tostring(root, encoding="unicode"))


def _restyled(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name.endswith("href"):
        return re.sub(r"^#", f"#{prefix}", value)
    value = re.sub(r"url\(#", f"url(#{prefix}", value)
    value = re.sub(r"\bfont-family:[^;]*;?\s*", "", value)
    for drawn, shown in COLORS.items():
        value = re.sub(re.escape(drawn), shown, value, flags=re.IGNORECASE)
    return value
