"""Writes every form of the report: the page, the Markdown with its figures, the table of hits."""

import csv
import io
from pathlib import Path
from typing import Any

from visualsearch.core.files import replacing, write_text
from visualsearch.core.text import is_formula
from visualsearch.data.tables import BOX_COLUMNS
from visualsearch.report.crops import draw_gallery, lighter, make_crops, within_limit
from visualsearch.report.figures import inline_svg, make_figures
from visualsearch.report.loading import ResultFiles, load_results
from visualsearch.report.markdown import gallery_file, render_markdown
from visualsearch.report.model import Hit, Query, Results
from visualsearch.report.page import render_page
from visualsearch.settings import Settings

CSV_COLUMNS = (
    "query",
    "query_person_id",
    "query_picture",
    "query_role",
    "rank",
    "index_rank",
    "similarity",
    "full_similarity",
    "person_id",
    "image_id",
    "file",
    "score",
    *BOX_COLUMNS,
    "same_image",
    "near_duplicate",
    "license",
    "license_url",
    "source_url",
)


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
    """Write the report.

    pictures_folder: the user's own folder of pictures, or None. index, light, markdown, hits,
    figures: paths to write. The light page is for Snakemake's own report, which shows it through a
    data URL: Chromium opens none above 2 MB.
    """
    results = load_results(files, settings, pictures_folder)
    height = settings.report.thumbnail_height
    crops = within_limit(make_crops(results, height, settings.report.picture_side))
    for query in results.queries:
        with replacing(Path(figures) / gallery_file(query.number)) as temporary:
            temporary.write_bytes(draw_gallery(query, crops, height))
    texts = make_figures(files, results, Path(figures))
    drawn = {
        name: inline_svg(Path(figures) / f"{name}.svg", f"{name}-", text)
        for name, text in texts.items()
    }
    table = hits_csv(results)
    downloads = {"csv": table, "rows": hit_rows(results)}
    write_text(markdown, render_markdown(results, texts))
    write_text(hits, table)
    write_text(index, render_page(results, crops, drawn, downloads, alone=True))
    write_text(light, render_page(results, lighter(crops), drawn, downloads, alone=False))


def hits_csv(results: Results) -> str:
    """Return one line a hit, by query and rank, with a column for each kind of label at the end."""
    kinds = sorted({kind for picture in results.pictures_shown() for kind in picture.labels})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *(cell(f"label_{kind}") for kind in kinds)])
    for row in hit_rows(results):
        values = [row[name] for name in CSV_COLUMNS] + [row["labels"].get(kind) for kind in kinds]
        writer.writerow([cell(value) for value in values])
    return out.getvalue()


def hit_rows(results: Results) -> list[dict[str, Any]]:
    """Return each hit by column, with its labels as {kind: value}; boxes in pixels."""
    return [
        _row(query, hit) | {"labels": hit.person.picture.labels}
        for query in results.queries
        for hit in query.hits
    ]


def _row(query: Query, hit: Hit) -> dict[str, Any]:
    person, picture = hit.person, hit.person.picture
    values = (
        query.number,
        query.person.person_id,
        query.person.picture.file,
        query.role,
        hit.rank,
        hit.index_rank,
        round(hit.similarity, 6),
        None if hit.full_similarity is None else round(hit.full_similarity, 6),
        person.person_id,
        picture.image_id,
        picture.file,
        round(person.score, 6),
        *(round(value, 3) for value in person.box),
        hit.same_image,
        hit.near_duplicate,
        picture.license,
        picture.license_url,
        picture.source_url,
    )
    return dict(zip(CSV_COLUMNS, values, strict=True))


def cell(value: Any) -> Any:
    """Return a value for CSV; text that a spreadsheet would take for a formula is quoted."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and is_formula(value):
        return "'" + value
    return value
