"""All hits as a table for spreadsheets, and as values."""

import csv
import io
from typing import Any

from visualsearch.core.text import is_formula
from visualsearch.report.model import Hit, Query, Results

COLUMNS = (
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
    "x",
    "y",
    "w",
    "h",
    "same_image",
    "near_duplicate",
    "license",
    "license_url",
    "source_url",
)


def hits_csv(results: Results) -> str:
    """One line a hit, by query and rank; boxes in pixels. Labels are the last columns."""
    people = [query.person for query in results.queries]
    people += [hit.person for query in results.queries for hit in query.hits]
    kinds = sorted({kind for person in people for kind in person.picture.labels})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*COLUMNS, *(cell(f"label_{kind}") for kind in kinds)])
    for row in hit_rows(results):
        values = [*(row[name] for name in COLUMNS), *(row["labels"].get(kind) for kind in kinds)]
        writer.writerow([cell(value) for value in values])
    return out.getvalue()


def hit_rows(results: Results) -> list[dict[str, Any]]:
    """The same as values by column, with labels as {kind: value}."""
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
    return dict(zip(COLUMNS, values, strict=True))


def cell(value: Any) -> Any:
    """`value` so that a spreadsheet does not take text for a formula; numbers stay as they are."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and is_formula(value):
        return "'" + value
    return value
