"""The pictures of a report as JPEG: whole pictures, crops, and each gallery as one picture."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visualsearch.core.progress import progress
from visualsearch.data.boxes import clip_to_image, xywh_to_xyxy
from visualsearch.data.resizing import fitted, resized, scaled
from visualsearch.data.upright import Decoded
from visualsearch.report.colours import INK, PAPER
from visualsearch.report.model import Person, Query, Results

CROP_QUALITY = 80
PICTURE_QUALITY = 70
GALLERY_QUALITY = 85

# Chromium opens no data URL above 2 MB, and base64 makes the light page a third longer. With these,
# text and pictures stay below.
LIGHT_QUALITY = 60
LIGHT_SIDE = 320
LIGHT_BYTES = 800_000

# Keeps the page under 6 MB for five queries with ten neighbours each.
PAGE_BYTES = 4_000_000
PAGE_CROPS = 55
# Pictures with too many bytes are scaled by this again and again.
SMALLER = 0.85

# Crops have twice the pixels at which they are shown, for dense screens.
DENSITY = 2
# A crop's greatest width, in heights of its row.
WIDEST = 1.2
# The query is shown larger than its hits.
QUERY_SCALE = 1.5


# A crop: the key of its picture, its box, and whether it shows a query.
Wanted = tuple[str, tuple[float, ...], bool]


@dataclass(frozen=True)
class Jpeg:
    """A JPEG file. width, height: the size at which it is shown, in pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Crops:
    """The pictures of a report. whole: by picture key. crops: by key, box, and whether a query."""

    whole: dict[str, Jpeg]
    crops: dict[Wanted, Jpeg]

    def of_query(self, person: Person) -> Jpeg:
        """The crop of a query."""
        return self.crops[person.picture.key, person.box, True]

    def of_hit(self, person: Person) -> Jpeg:
        """The crop of a hit."""
        return self.crops[person.picture.key, person.box, False]


def make_crops(results: Results, thumbnail_height: int, picture_side: int) -> Crops:
    """Crop every box that is shown, and shrink every whole picture to `picture_side` pixels.

    Each picture is decoded once. A whole picture's Jpeg.width and height are the original's, as
    boxes are in its pixels.
    """
    whole = {}
    crops: dict[Wanted, Jpeg] = {}
    wanted = wanted_crops(results.queries)
    for picture in progress(results.pictures_shown(), "report", "pictures"):
        decoded = picture.read()
        crops |= cut(decoded, wanted[picture.key], thumbnail_height)
        whole[picture.key] = _whole(decoded, picture_side)
    return Crops(whole, crops)


def wanted_crops(queries: Sequence[Query]) -> dict[str, list[Wanted]]:
    """Return the crops of queries and their hits, each once, by the key of their picture."""
    wanted: dict[Wanted, None] = {}
    for query in queries:
        for person, is_query in [
            (query.person, True),
            *((hit.person, False) for hit in query.hits),
        ]:
            wanted[person.picture.key, person.box, is_query] = None
    by_picture: dict[str, list[Wanted]] = {}
    for each in wanted:
        by_picture.setdefault(each[0], []).append(each)
    return by_picture


def cut(decoded: Decoded, wanted: Iterable[Wanted], thumbnail_height: int) -> dict[Wanted, Jpeg]:
    """Cut these crops out of their picture; a query's is larger than a hit's."""
    decoded.image.info.clear()  # Pillow would write comments and profiles again
    return {
        each: crop_box(decoded, each[1], round(thumbnail_height * (QUERY_SCALE if each[2] else 1)))
        for each in wanted
    }


def within_limit(crops: Crops) -> Crops:
    """Shrink whole pictures until all pictures together take at most PAGE_BYTES.

    The limit grows in proportion if there are more crops than PAGE_CROPS.
    """

    def smaller(jpeg: Jpeg, part: float) -> Jpeg:
        with Image.open(BytesIO(jpeg.data)) as image:
            small = resized(image, scaled(*image.size, part))
        return Jpeg(encoded(small, PICTURE_QUALITY), jpeg.width, jpeg.height)

    def shrunk(part: float) -> Crops:
        if part == 1:
            return crops
        return Crops({k: smaller(jpeg, part) for k, jpeg in crops.whole.items()}, crops.crops)

    return _fit(shrunk, PAGE_BYTES * max(1.0, len(crops.crops) / PAGE_CROPS))


def lighter(crops: Crops) -> Crops:
    """Shrink all pictures until they take at most LIGHT_BYTES; they are shown at the same sizes."""

    def light(jpeg: Jpeg, size: tuple[int, int]) -> Jpeg:
        with Image.open(BytesIO(jpeg.data)) as image:
            return Jpeg(encoded(fitted(image, *size), LIGHT_QUALITY), jpeg.width, jpeg.height)

    def shrunk(part: float) -> Crops:
        side = scaled(LIGHT_SIDE, LIGHT_SIDE, part)
        return Crops(
            {key: light(jpeg, side) for key, jpeg in crops.whole.items()},
            {
                key: light(jpeg, scaled(jpeg.width, jpeg.height, part))
                for key, jpeg in crops.crops.items()
            },
        )

    return _fit(shrunk, LIGHT_BYTES)


def _fit(shrunk: Callable[[float], Crops], limit: float) -> Crops:
    """Call `shrunk` with 1 and ever smaller scales until its pictures are within the limit."""
    part = 1.0
    while _bytes(made := shrunk(part)) > limit and part > 0.1:
        part *= SMALLER
    return made


def _bytes(crops: Crops) -> int:
    return sum(len(jpeg.data) for jpeg in (*crops.whole.values(), *crops.crops.values()))


def _whole(decoded: Decoded, side: int) -> Jpeg:
    return Jpeg(encoded(fitted(decoded.image, side, side), PICTURE_QUALITY), *decoded.size)


def crop_box(decoded: Decoded, box: tuple[float, ...], height: int) -> Jpeg:
    """Crop exactly the box (left, top, width, height), as large as fits into a row of `height`."""
    image, boxes = decoded.image, decoded.to_image(xywh_to_xyxy(np.array([box], np.float32)))
    left, top, right, bottom = clip_to_image(boxes, *image.size)[0].tolist()
    wide, high = right - left, bottom - top
    scale = min(height / high, WIDEST * height / wide)
    shown = scaled(wide, high, scale)
    # No more pixels than the picture has.
    size = scaled(*shown, min(DENSITY, max(1 / scale, 1)))
    small = resized(image, size, (left, top, right, bottom))
    return Jpeg(encoded(small, CROP_QUALITY), *shown)


def encoded(image: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
    return out.getvalue()


# Of the gallery as one picture. GAP and CAPTION are parts of the height of a hit.
GALLERY_COLUMNS = 5
GAP = 0.09
CAPTION = 0.14


def draw_gallery(query: Query, crops: Crops, thumbnail_height: int) -> bytes:
    """Return a query and its hits as one JPEG: the query at the left, hits by rank in rows of five.

    Each hit has its rank and cosine similarity beneath.
    """
    high = thumbnail_height
    gap, caption = round(GAP * high), round(CAPTION * high)
    font = ImageFont.load_default(size=round(0.085 * high))
    cell_wide, cell_high = round(0.95 * high), high + caption
    query_wide, query_high = round(1.25 * high), round(QUERY_SCALE * high)
    rows = -(-len(query.hits) // GALLERY_COLUMNS)
    columns = min(GALLERY_COLUMNS, len(query.hits))
    wide = 3 * gap + query_wide + columns * (cell_wide + gap)
    tall = 2 * gap + max(query_high + caption, rows * (cell_high + gap) - gap)
    sheet = Image.new("RGB", (wide, tall), PAPER)
    draw = ImageDraw.Draw(sheet)

    def place(jpeg: Jpeg, left: int, top: int, size: tuple[int, int], text: str) -> None:
        with Image.open(BytesIO(jpeg.data)) as crop:
            small = fitted(crop, *size)
            sheet.paste(small, (left, top + size[1] - small.height))
        draw.text((left, top + size[1] + caption * 0.2), text, fill=INK, font=font)

    size = (query_wide, query_high)
    place(crops.of_query(query.person), gap, gap, size, f"query {query.number}")
    line = query_wide + 2 * gap
    draw.line([(line, gap), (line, tall - gap)], fill="#d0d0d0", width=1)
    for number, hit in enumerate(query.hits):
        row, column = divmod(number, GALLERY_COLUMNS)
        left = query_wide + 3 * gap + column * (cell_wide + gap)
        top = gap + row * (cell_high + gap)
        text = f"{hit.rank}   {hit.shown_similarity:.3f}"
        place(crops.of_hit(hit.person), left, top, (cell_wide, high), text)
    return encoded(sheet, GALLERY_QUALITY)
