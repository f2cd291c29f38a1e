"""Queries and their first hits in one picture; and beside them those by the last map alone."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from visualsearch.data.resizing import fitted
from visualsearch.report.colours import INK, ORANGE, PAPER
from visualsearch.report.crops import (
    GALLERY_QUALITY,
    GAP,
    QUERY_SCALE,
    Crops,
    Jpeg,
    Wanted,
    cut,
    encoded,
    wanted_crops,
)
from visualsearch.report.model import COMPARED_HITS, Hit, Person, Query

# Height of a crop, in heights of the report's crops.
SMALL = 0.6


def draw_overview(queries: Sequence[Query], crops: Crops, thumbnail_height: int) -> Jpeg | None:
    """Return a row for each query: itself and its first hits. None without queries."""
    rows = [(query, [query.hits]) for query in queries]
    return _sheet(rows, ["the most alike"], crops, thumbnail_height)


def draw_comparison(queries: Sequence[Query], crops: Crops, thumbnail_height: int) -> Jpeg | None:
    """Return a row for each query: itself, its first hits, and its first by the last map alone.

    A line lies below a hit that is not among all the hits of the other side. None if no query has
    hits by the last map alone.
    """
    rows = [(query, [query.hits, query.by_last_map]) for query in queries if query.by_last_map]
    return _sheet(rows, ["this run", "the last map alone"], crops, thumbnail_height)


def _sheet(
    rows: Sequence[tuple[Query, list[list[Hit]]]],
    titles: Sequence[str],
    crops: Crops,
    thumbnail_height: int,
) -> Jpeg | None:
    """Draw rows of a query and COMPARED_HITS of each list of hits.

    titles: one for each list. crops: those of the report; others are cut out of their pictures.
    """
    if not rows:
        return None
    high = round(SMALL * thumbnail_height)
    gap, title = round(GAP * thumbnail_height), round(0.2 * thumbnail_height)
    query_high = round(QUERY_SCALE * high)
    side = COMPARED_HITS * (high + gap)
    lefts = [2 * gap + query_high + n * (gap + side) for n in range(len(titles))]
    cut_out = crops.crops | _other_crops(rows, crops, high)
    sheet = Image.new("RGB", (lefts[-1] + side, title + len(rows) * (query_high + 2 * gap)), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=round(0.1 * thumbnail_height))
    for left, text in zip([gap, *lefts], ["query", *titles], strict=True):
        draw.text((left, gap / 2), text, fill=INK, font=font)

    def place(person: Person, is_query: bool, left: int, middle: int, size: int) -> None:
        crop = cut_out[person.picture.key, person.box, is_query]
        with Image.open(BytesIO(crop.data)) as image:
            small = fitted(image, size, size)
        sheet.paste(small, (left + (size - small.width) // 2, middle - small.height // 2))

    for row, (query, lists) in enumerate(rows):
        middle = title + row * (query_high + 2 * gap) + query_high // 2
        place(query.person, True, gap, middle, query_high)
        for left, own in zip(lefts, lists, strict=True):
            shared = set.intersection(*({hit.person.person_id for hit in hits} for hits in lists))
            for column, hit in enumerate(own[:COMPARED_HITS]):
                start, bottom = left + column * (high + gap), middle + high // 2
                place(hit.person, False, start, middle, high)
                if hit.person.person_id not in shared:
                    line = [start, bottom + gap / 4, start + high, bottom + gap / 2]
                    draw.rectangle(line, fill=ORANGE)
    return Jpeg(encoded(sheet, GALLERY_QUALITY), *sheet.size)


def _other_crops(
    rows: Sequence[tuple[Query, list[list[Hit]]]], crops: Crops, height: int
) -> dict[Wanted, Jpeg]:
    """Return crops of the persons that have none in the report. Each picture is decoded once."""
    shown = [
        replace(query, hits=[hit for own in lists for hit in own[:COMPARED_HITS]])
        for query, lists in rows
    ]
    pictures = {h.person.picture.key: h.person.picture for query in shown for h in query.hits}
    made: dict[Wanted, Jpeg] = {}
    for key, wanted in wanted_crops(shown).items():
        if missing := [crop for crop in wanted if crop not in crops.crops]:
            made |= cut(pictures[key].read(), missing, height)
    return made
