"""A picture of the hits that the search found, beside those by the last map alone."""

from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from visualsearch.report.colours import INK, ORANGE, PAPER
from visualsearch.report.crops import GALLERY_QUALITY, GAP, QUERY_SCALE, Jpeg, crop_box, encoded
from visualsearch.report.model import COMPARED_HITS, Box, Person, Query, Results, ShownPicture

# Height of a crop, in heights of the report's crops.
SMALL = 0.6


def draw_comparison(results: Results, thumbnail_height: int) -> Jpeg | None:
    """Return a row for each query: itself, its first hits, and its first by the last map alone.

    A line lies below a hit that is not among all the hits of the other side. None if no query has
    hits by the last map alone.
    """
    compared = [query for query in results.queries if query.by_last_map]
    if not compared:
        return None
    high = round(SMALL * thumbnail_height)
    gap, title = round(GAP * thumbnail_height), round(0.2 * thumbnail_height)
    query_high = round(QUERY_SCALE * high)
    side = COMPARED_HITS * (high + gap)
    lefts = [2 * gap + query_high, 3 * gap + query_high + side]
    crops = _crops(compared, high)
    sheet = Image.new(
        "RGB", (lefts[1] + side, title + len(compared) * (query_high + 2 * gap)), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=round(0.1 * thumbnail_height))
    for left, text in zip(lefts, ("this run", "the last map alone"), strict=True):
        draw.text((left, gap / 2), text, fill=INK, font=font)

    def place(person: Person, left: int, middle: int, size: int) -> None:
        crop = crops[person.picture.key, person.box].copy()
        crop.thumbnail((size, size), Image.Resampling.LANCZOS)
        sheet.paste(crop, (left + (size - crop.width) // 2, middle - crop.height // 2))

    for row, query in enumerate(compared):
        middle = title + row * (query_high + 2 * gap) + query_high // 2
        place(query.person, gap, middle, query_high)
        both = (query.hits, query.by_last_map)
        for left, own, other in zip(lefts, both, both[::-1], strict=True):
            theirs = {hit.person.person_id for hit in other}
            for column, hit in enumerate(own[:COMPARED_HITS]):
                start, bottom = left + column * (high + gap), middle + high // 2
                place(hit.person, start, middle, high)
                if hit.person.person_id not in theirs:
                    line = [start, bottom + gap / 4, start + high, bottom + gap / 2]
                    draw.rectangle(line, fill=ORANGE)
    return Jpeg(encoded(sheet, GALLERY_QUALITY), *sheet.size)


def _crops(queries: list[Query], height: int) -> dict[tuple[str, Box], Image.Image]:
    """The crops of all persons in the comparison; each picture is decoded once."""
    wanted: dict[str, tuple[ShownPicture, dict[Box, None]]] = {}
    for query in queries:
        hits = [*query.hits[:COMPARED_HITS], *query.by_last_map[:COMPARED_HITS]]
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
