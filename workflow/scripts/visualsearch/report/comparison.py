"""Queries and their first hits in one picture; and beside them those by the last map alone."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from visualsearch.report.colours import INK, ORANGE, PAPER
from visualsearch.report.crops import GALLERY_QUALITY, GAP, QUERY_SCALE, Jpeg, crop_box, encoded
from visualsearch.report.model import COMPARED_HITS, Box, Hit, Person, Query, ShownPicture

# Height of a crop, in heights of the report's crops.
SMALL = 0.6


def draw_overview(queries: Sequence[Query], thumbnail_height: int) -> Jpeg | None:
    """Return a row for each query: itself and its first hits. None without queries."""
    rows = [(query, [query.hits]) for query in queries]
    return _sheet(rows, ["the most alike"], thumbnail_height)


def draw_comparison(queries: Sequence[Query], thumbnail_height: int) -> Jpeg | None:
    """Return a row for each query: itself, its first hits, and its first by the last map alone.

    A line lies below a hit that is not among all the hits of the other side. None if no query has
    hits by the last map alone.
    """
    rows = [(query, [query.hits, query.by_last_map]) for query in queries if query.by_last_map]
    return _sheet(rows, ["this run", "the last map alone"], thumbnail_height)


def _sheet(
    rows: Sequence[tuple[Query, list[list[Hit]]]], titles: Sequence[str], thumbnail_height: int
) -> Jpeg | None:
    """Draw rows of a query and COMPARED_HITS of each list of hits; titles: one for each list."""
    if not rows:
        return None
    high = round(SMALL * thumbnail_height)
    gap, title = round(GAP * thumbnail_height), round(0.2 * thumbnail_height)
    query_high = round(QUERY_SCALE * high)
    side = COMPARED_HITS * (high + gap)
    lefts = [2 * gap + query_high + n * (gap + side) for n in range(len(titles))]
    crops = _crops(rows, high)
    sheet = Image.new("RGB", (lefts[-1] + side, title + len(rows) * (query_high + 2 * gap)), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=round(0.1 * thumbnail_height))
    for left, text in zip([gap, *lefts], ["query", *titles], strict=True):
        draw.text((left, gap / 2), text, fill=INK, font=font)

    def place(person: Person, left: int, middle: int, size: int) -> None:
        crop = crops[person.picture.key, person.box].copy()
        crop.thumbnail((size, size), Image.Resampling.LANCZOS)
        sheet.paste(crop, (left + (size - crop.width) // 2, middle - crop.height // 2))

    for row, (query, lists) in enumerate(rows):
        middle = title + row * (query_high + 2 * gap) + query_high // 2
        place(query.person, gap, middle, query_high)
        for left, own in zip(lefts, lists, strict=True):
            shared = set.intersection(*({hit.person.person_id for hit in hits} for hits in lists))
            for column, hit in enumerate(own[:COMPARED_HITS]):
                start, bottom = left + column * (high + gap), middle + high // 2
                place(hit.person, start, middle, high)
                if hit.person.person_id not in shared:
                    line = [start, bottom + gap / 4, start + high, bottom + gap / 2]
                    draw.rectangle(line, fill=ORANGE)
    return Jpeg(encoded(sheet, GALLERY_QUALITY), *sheet.size)


def _crops(
    rows: Sequence[tuple[Query, list[list[Hit]]]], height: int
) -> dict[tuple[str, Box], Image.Image]:
    """Return all crops by picture and box; each picture is decoded once."""
    wanted: dict[str, tuple[ShownPicture, dict[Box, None]]] = {}
    for query, lists in rows:
        hits = [hit for own in lists for hit in own[:COMPARED_HITS]]
        for person in [query.person, *(hit.person for hit in hits)]:
            picture = person.picture
            wanted.setdefault(picture.key, (picture, {}))[1][person.box] = None
    crops = {}
    for key, (picture, boxes) in wanted.items():
        decoded = picture.read()
        decoded.image.info.clear()
        for box in boxes:
            with Image.open(BytesIO(crop_box(decoded, box, 2 * height).data)) as crop:
                crops[key, box] = crop.convert("RGB")
    return crops
