"""The pictures of a report, as JPEG: whole pictures, the crops of a gallery, galleries as one."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visualsearch.core.progress import progress
from visualsearch.data.boxes import clip_to_image, xywh_to_xyxy
from visualsearch.report.charts import INK, PAPER
from visualsearch.report.model import Person, Query, Results

CROP_QUALITY = 80
PICTURE_QUALITY = 70
GALLERY_QUALITY = 85

# The light page: its address is a third longer than itself, and Chromium's limit is 2 MB. With its
# text, and a third more for pictures as text, it stays below.
LIGHT_QUALITY = 60
LIGHT_SIDE = 320
LIGHT_BYTES = 800_000

# The page: the same way under 6 MB for as many crops as five queries with ten neighbours have.
PAGE_BYTES = 4_000_000
PAGE_CROPS = 55
# Pictures that take too many bytes are made smaller by this again and again.
SMALLER = 0.85

# Crops hold twice the pixels they are shown with, for dense screens.
DENSITY = 2
# A crop is at most this much wider than its row is high.
WIDEST = 1.2
# The query is shown larger than its hits.
QUERY_SCALE = 1.5


@dataclass(frozen=True)
class Jpeg:
    """A JPEG file. width, height: what it is shown with, in pixels; not those it holds."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Crops:
    """Pictures of a report. whole: by picture key; crops: by key, box, and whether a query."""

    whole: dict[str, Jpeg]
    _crops: dict[tuple[str, tuple[float, ...], bool], Jpeg]

    def of_query(self, person: Person) -> Jpeg:
        """The crop of a query."""
        return self._crops[person.picture.key, person.box, True]

    def of_hit(self, person: Person) -> Jpeg:
        """The crop of a hit."""
        return self._crops[person.picture.key, person.box, False]


def make_crops(results: Results, thumbnail_height: int, picture_side: int) -> Crops:
    """Crop every box that is shown, and shrink every picture to `picture_side`; in pixels.

    Each picture is decoded once. Jpeg.width and height of a whole picture are the picture's own,
    in which boxes are given.
    """
    wanted: dict[str, dict[tuple[tuple[float, ...], bool], None]] = {}
    for query in results.queries:
        people = [(query.person, True), *((hit.person, False) for hit in query.hits)]
        for person, is_query in people:
            wanted.setdefault(person.picture.key, {})[person.box, is_query] = None
    whole = {}
    crops = {}
    for picture in progress(results.pictures_shown(), "report", "pictures"):
        image = picture.read()
        image.info.clear()  # comments and profiles would be written again
        whole[picture.key] = _whole(image, picture_side)
        for box, is_query in wanted[picture.key]:
            height = round(thumbnail_height * (QUERY_SCALE if is_query else 1))
            crops[picture.key, box, is_query] = _crop(image, box, height)
    return Crops(whole, crops)


def within_limit(crops: Crops) -> Crops:
    """The same pictures, whole ones with so few pixels that all take at most PAGE_BYTES.

    With more crops than PAGE_CROPS there may be more bytes in proportion.
    """
    limit = PAGE_BYTES * max(1.0, len(crops._crops) / PAGE_CROPS)
    made, part = crops, 1.0
    while _bytes(made) > limit and part > 0.1:
        part *= SMALLER
        whole = {key: _smaller(jpeg, part) for key, jpeg in crops.whole.items()}
        made = Crops(whole, crops._crops)
    return made


def _smaller(jpeg: Jpeg, part: float) -> Jpeg:
    with Image.open(BytesIO(jpeg.data)) as image:
        size = (max(1, round(part * image.width)), max(1, round(part * image.height)))
        small = image.resize(size, Image.Resampling.LANCZOS)
    return Jpeg(_encoded(small, PICTURE_QUALITY), jpeg.width, jpeg.height)


def lighter(crops: Crops) -> Crops:
    """The same pictures with fewer pixels, to be shown at the same sizes.

    All together take at most LIGHT_BYTES, however many they are.
    """
    made, part = _lighter(crops, 1.0), 1.0
    while _bytes(made) > LIGHT_BYTES and part > 0.1:
        part *= SMALLER
        made = _lighter(crops, part)
    return made


def _lighter(crops: Crops, part: float) -> Crops:
    def light(jpeg: Jpeg, width: float, height: float) -> Jpeg:
        size = (max(1, round(part * width)), max(1, round(part * height)))
        with Image.open(BytesIO(jpeg.data)) as image:
            image.thumbnail(size, Image.Resampling.LANCZOS)
            return Jpeg(_encoded(image, LIGHT_QUALITY), jpeg.width, jpeg.height)

    return Crops(
        {key: light(jpeg, LIGHT_SIDE, LIGHT_SIDE) for key, jpeg in crops.whole.items()},
        {key: light(jpeg, jpeg.width, jpeg.height) for key, jpeg in crops._crops.items()},
    )


def _bytes(crops: Crops) -> int:
    return sum(len(jpeg.data) for jpeg in (*crops.whole.values(), *crops._crops.values()))


def _whole(image: Image.Image, side: int) -> Jpeg:
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return Jpeg(_encoded(small, PICTURE_QUALITY), image.width, image.height)


def _crop(image: Image.Image, box: tuple[float, ...], height: int) -> Jpeg:
    """Exactly the box, as large as fits into the row. box: left, top, width, height."""
    corners = clip_to_image(xywh_to_xyxy(np.array([box], np.float32)), *image.size)[0].tolist()
    wide, high = corners[2] - corners[0], corners[3] - corners[1]
    scale = min(height / high, WIDEST * height / wide)
    shown = (max(1, round(wide * scale)), max(1, round(high * scale)))
    # No more pixels than the picture has.
    density = min(DENSITY, max(1 / scale, 1))
    size = (max(1, round(shown[0] * density)), max(1, round(shown[1] * density)))
    small = image.resize(size, Image.Resampling.LANCZOS, box=tuple(corners))
    return Jpeg(_encoded(small, CROP_QUALITY), *shown)


def _encoded(image: Image.Image, quality: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
    return out.getvalue()


# The gallery as one picture, in units of the height of a hit.
COLUMNS = 5
GAP = 0.09
CAPTION = 0.14


def draw_gallery(query: Query, crops: Crops, thumbnail_height: int) -> bytes:
    """A query and its hits as one JPEG: the query at the left, hits by rank in rows of five.

    Each hit has its rank and cosine similarity beneath.
    """
    high = thumbnail_height
    gap, caption = round(GAP * high), round(CAPTION * high)
    font = ImageFont.load_default(size=round(0.085 * high))
    cell_wide, cell_high = round(0.95 * high), high + caption
    query_wide, query_high = round(1.25 * high), round(QUERY_SCALE * high)
    rows = -(-len(query.hits) // COLUMNS)
    columns = min(COLUMNS, len(query.hits))
    wide = 3 * gap + query_wide + columns * (cell_wide + gap)
    tall = 2 * gap + max(query_high + caption, rows * (cell_high + gap) - gap)
    sheet = Image.new("RGB", (wide, tall), PAPER)
    draw = ImageDraw.Draw(sheet)

    def place(jpeg: Jpeg, left: int, top: int, size: tuple[int, int], text: str) -> None:
        with Image.open(BytesIO(jpeg.data)) as crop:
            crop.thumbnail(size, Image.Resampling.LANCZOS)
            sheet.paste(crop, (left, top + size[1] - crop.height))
        draw.text((left, top + size[1] + caption * 0.2), text, fill=INK, font=font)

    size = (query_wide, query_high)
    place(crops.of_query(query.person), gap, gap, size, f"query {query.number}")
    line = query_wide + 2 * gap
    draw.line([(line, gap), (line, tall - gap)], fill="#d0d0d0", width=1)
    for place_number, hit in enumerate(query.hits):
        row, column = divmod(place_number, COLUMNS)
        left = query_wide + 3 * gap + column * (cell_wide + gap)
        top = gap + row * (cell_high + gap)
        text = f"{hit.rank}   {hit.shown_similarity:.2f}"
        place(crops.of_hit(hit.person), left, top, (cell_wide, high), text)
    return _encoded(sheet, GALLERY_QUALITY)
