"""Writes every form of the report: the page, the Markdown with its figures, the table of hits."""

import csv
import io
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from visualsearch.core.files import replacing, write_json, write_text
from visualsearch.core.text import without_formulas
from visualsearch.data.shown import shown_box, shown_score
from visualsearch.report.blocks import Figure
from visualsearch.report.comparison import draw_comparison, draw_overview
from visualsearch.report.crops import draw_gallery, lighter, make_crops, within_limit
from visualsearch.report.figures import inline_svg, make_figures
from visualsearch.report.loading import ResultFiles, load_results
from visualsearch.report.markdown import gallery_file, render_markdown
from visualsearch.report.model import Hit, Query, Results
from visualsearch.report.page import image, render_page
from visualsearch.report.provenance import provenance
from visualsearch.report.sections import document
from visualsearch.report.sections.embedding import LAST_MAP_ALONE
from visualsearch.report.sections.summary import OVERVIEW, shown_in_overview
from visualsearch.settings import Settings

# The table of hits; columns of labels follow. Boxes are in pixels.
CSV_COLUMNS: dict[str, Callable[[Query, Hit], Any]] = {
    "query": lambda query, hit: query.number,
    "query_person_id": lambda query, hit: query.person.person_id,
    "query_picture": lambda query, hit: query.person.picture.file,
    "query_role": lambda query, hit: query.role,
    "rank": lambda query, hit: hit.rank,
    "index_rank": lambda query, hit: hit.index_rank,
    "similarity": lambda query, hit: round(hit.similarity, 6),
    "full_similarity": lambda query, hit: hit.full_similarity and round(hit.full_similarity, 6),
    "person_id": lambda query, hit: hit.person.person_id,
    "image_id": lambda query, hit: hit.person.picture.image_id,
    "file": lambda query, hit: hit.person.picture.file,
    "score": lambda query, hit: shown_score(hit.person.score),
    "x": lambda query, hit: shown_box(hit.person.box)[0],
    "y": lambda query, hit: shown_box(hit.person.box)[1],
    "w": lambda query, hit: shown_box(hit.person.box)[2],
    "h": lambda query, hit: shown_box(hit.person.box)[3],
    "same_image": lambda query, hit: hit.same_image,
    "near_duplicate": lambda query, hit: hit.near_duplicate,
    "license": lambda query, hit: hit.person.picture.license,
    "license_url": lambda query, hit: hit.person.picture.license_url,
    "source_url": lambda query, hit: hit.person.picture.source_url,
}


def write_report(
    files: ResultFiles,
    settings: Settings,
    pictures_folder: str | None,
    index: str,
    light: str,
    markdown: str,
    hits: str,
    run: str,
    figures: str,
) -> None:
    """Write the report.

    pictures_folder: the user's own folder of pictures, or None. index, light, markdown, hits, run,
    figures: paths to write. The light page is for Snakemake's own report, which shows it through a
    data URL: Chromium opens none above 2 MB.
    """
    results = load_results(files, settings, pictures_folder)
    made_with = provenance(results, files)
    sections = document(results, made_with)
    height = settings.report.thumbnail_height
    crops = within_limit(make_crops(results, height, settings.report.picture_side))
    folder = Path(figures)
    for query in results.queries:
        _write(folder / gallery_file(query.number), draw_gallery(query, crops, height))
    make_figures(files, results, folder)
    pictures = {
        OVERVIEW: draw_overview(shown_in_overview(results), crops, height),
        LAST_MAP_ALONE: draw_comparison(results.queries, crops, height),
    }
    for name, picture in pictures.items():
        if picture is not None:
            _write(folder / name, picture.data)

    @cache  # of both pages
    def drawing(figure: Figure) -> Markup:
        name = figure.file.removesuffix(".svg")
        return inline_svg(folder / figure.file, f"{name}-", figure.text)

    def draw(figure: Figure, light: bool = False) -> Markup | None:
        if figure.file not in pictures:
            return drawing(figure)
        picture = pictures[figure.file]
        return None if light or picture is None else image(picture, figure.text)

    table = hits_csv(results)
    downloads = {"csv": table, "rows": hit_rows(results)}
    write_text(markdown, render_markdown(results, sections))
    write_text(hits, table)
    write_json(run, made_with.as_json(), ascii_only=True)
    write_text(index, render_page(results, sections, crops, draw, downloads, alone=True))
    light_page = render_page(
        results, sections, lighter(crops), partial(draw, light=True), downloads, alone=False
    )
    write_text(light, light_page)


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def hits_csv(results: Results) -> str:
    """Return one line a hit, by query and rank, with a column for each kind of label at the end.

    It starts with the mark of UTF-8, without which Excel misreads every name that is not English.
    Otherwise as in RFC 4180. Text is always quoted, for spreadsheets that split at other signs too.
    """
    kinds = sorted({kind for picture in results.pictures_shown() for kind in picture.labels})
    out = io.StringIO("\ufeff", newline="")
    out.seek(0, io.SEEK_END)
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([*CSV_COLUMNS, *(cell(f"label_{kind}") for kind in kinds)])
    for row in hit_rows(results):
        values = [row[name] for name in CSV_COLUMNS] + [row["labels"].get(kind) for kind in kinds]
        writer.writerow([cell(value) for value in values])
    return out.getvalue()


def hit_rows(results: Results) -> list[dict[str, Any]]:
    """Return each hit by column, with its labels as {kind: value}."""
    return [
        {name: value_of(query, hit) for name, value_of in CSV_COLUMNS.items()}
        | {"labels": hit.person.picture.labels}
        for query in results.queries
        for hit in query.hits
    ]


def cell(value: Any) -> Any:
    """Return a value for CSV; where a spreadsheet might start a formula, text gets a quote."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return without_formulas(value, "'") if isinstance(value, str) else value
