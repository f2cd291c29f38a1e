"""The figure that shows the queries by the last map alone."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from report_inputs import color_of
from report_run import Run
from visualsearch.report.charts import ORANGE
from visualsearch.report.comparison import draw_comparison, draw_overview
from visualsearch.report.crops import make_crops
from visualsearch.report.model import Hit, Results
from visualsearch.report.sections import embedding


def compared(results: Results, others: list[Hit]) -> Results:
    """Results whose first query has these hits by the last map alone."""
    first, *rest = results.queries
    return replace(results, queries=[replace(first, by_last_map=others), *rest])


def orange(results: Results) -> int:
    """Pixels of the figure that are orange, by halves would do."""
    figure = draw_comparison(results.queries, make_crops(results, 100, 320), 100)
    assert figure is not None
    with Image.open(BytesIO(figure.data)) as image:
        assert image.size == (figure.width, figure.height)
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return int((np.abs(pixels - ImageColor.getrgb(ORANGE)).max(axis=2) < 25).sum())


def test_lines_mark_persons_that_the_other_side_does_not_have(run: Run) -> None:
    results = run.results()
    hits = results.queries[0].hits
    assert len(hits) > 1
    same, fewer = compared(results, hits), compared(results, hits[:1])
    assert orange(same) == 0 < orange(fewer)
    text = embedding.comparison_text(fewer)
    assert text.endswith(f"the last map alone, by query: 1 of {len(hits)}")


def test_no_figure_where_the_search_uses_no_other_map(run: Run, tmp_path: Path) -> None:
    results = run.results()
    assert draw_comparison(results.queries, make_crops(results, 100, 320), 100) is None
    assert embedding.comparison_text(results) == ""
    out = run.report(tmp_path / "report")
    assert embedding.CAPTION not in (out / "report.md").read_text(encoding="utf-8")
    assert not list(out.rglob("last_map*"))


def test_the_overview_shows_each_query_with_its_first_hits(run: Run, report: Path) -> None:
    results = run.results()
    crops = make_crops(results, 64, 320)
    drawn = draw_overview(results.queries, crops, 64)
    assert drawn is not None and draw_overview([], crops, 64) is None
    assert (report / "figures/overview.jpg").read_bytes() == drawn.data
    # Persons without a crop in the report are cut out of their pictures.
    of_queries = replace(results, queries=[replace(query, hits=[]) for query in results.queries])
    cut_out = draw_overview(results.queries, make_crops(of_queries, 64, 320), 64)
    for figure in (drawn, cut_out):
        assert figure is not None
        with Image.open(BytesIO(figure.data)) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        # Nothing is marked, and the colour of each query and of its first hit is there.
        assert (np.abs(pixels - ImageColor.getrgb(ORANGE)).max(axis=2) >= 25).all()
        for query in results.queries[1:]:
            for person in (query.person, query.hits[0].person):
                color = color_of(person.picture.image_id or 0)
                assert (np.abs(pixels - color).max(axis=2) < 20).sum() > 100
