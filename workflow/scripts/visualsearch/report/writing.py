"""Every form of the report, written to its place."""

from pathlib import Path

from visualsearch.core.files import replacing, write_text
from visualsearch.report.crops import draw_gallery, lighter, make_crops, within_limit
from visualsearch.report.figures import make_figures
from visualsearch.report.hits_table import hits_csv
from visualsearch.report.markdown import gallery_file, render_markdown
from visualsearch.report.model import ResultFiles, load_results
from visualsearch.report.page import render_page
from visualsearch.settings import Settings


def write_report(
    files: ResultFiles,
    settings: Settings,
    pictures_folder: str | None,
    index: str,
    light: str,
    markdown: str,
    hits: str,
    figures: str,
) -> None:
    """Write the page, the Markdown with its folder of figures, and the table of hits.

    files: what to show. pictures_folder: the user's own folder
    of pictures, or None. index, light, markdown, hits, figures: paths to write. The light page is
    for Snakemake's report, which puts a page into an address: Chromium opens none above 2 MB.
    """
    results = load_results(files, settings, pictures_folder)
    height = settings.report.thumbnail_height
    crops = within_limit(make_crops(results, height, settings.report.picture_side))
    for query in results.queries:
        with replacing(Path(figures) / gallery_file(query.number)) as temporary:
            temporary.write_bytes(draw_gallery(query, crops, height))
    drawn = make_figures(files, results, figures)
    write_text(markdown, render_markdown(results, drawn))
    write_text(hits, hits_csv(results))
    write_text(index, render_page(results, crops, drawn, alone=True))
    write_text(light, render_page(results, lighter(crops), drawn, alone=False))
