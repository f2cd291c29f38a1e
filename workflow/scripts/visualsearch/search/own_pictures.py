"""Makes queries of the user's own pictures, with the run's detector and reduction.

It stands here and not in embed/, as it needs the reduction, which comes after embedding.
"""

import hashlib
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from visualsearch.core.errors import InputError
from visualsearch.core.progress import progress
from visualsearch.data.boxes import Boxes, clip_to_image, xyxy_to_xywh
from visualsearch.data.images import Decoded, UnreadableImage, decode_image, read_file
from visualsearch.data.skipped import Skipped
from visualsearch.data.tables import BOX_COLUMNS, QUERIES
from visualsearch.data.vectors import (
    full_length_columns,
    vector_column,
    vectors_of,
    with_full_length,
    with_vector,
)
from visualsearch.detect.base import Backbone, Detector
from visualsearch.detect.failures import Failures
from visualsearch.detect.run import detect_category
from visualsearch.embed.embedding import embed_boxes
from visualsearch.embed.persons import in_search_set, vector_lengths
from visualsearch.reduce.reduction import Reduction
from visualsearch.settings import EmbeddingSettings, SearchSetSettings
from visualsearch.settings.values import BOX, given_box

log = logging.getLogger(__name__)

# The terminal names at most so many pictures; the log and the table name all.
MOST_NAMED = 10
BY_HAND = f'give its box, as in "me.jpg{BOX}10,20,30,40", or set queries.boxes: whole'


class GivesNoQuery(Exception):
    """A picture gives no query. The message says why, and what to do."""


class QueryPicture(NamedTuple):
    """One of queries.images. given: as the user wrote it, with a box or without. path: its file."""

    given: str
    path: str


class Chosen(NamedTuple):
    """Boxes of a picture that become queries.

    boxes: corners [N, 4]. scores: [N], null for boxes without detection. reasons: [N] texts.
    """

    boxes: Boxes
    scores: pa.Array
    reasons: list[str]


@dataclass(frozen=True)
class Persons:
    """Which persons in a picture become queries: those of the search set, or some of them.

    category: what is detected. boxes: "best" for the person of the best score, "all" for every one,
    a number for so many, the largest first; "whole" for the whole picture instead. advice: what to
    do about a picture without a person; None for what a configuration can change.
    """

    detector: Detector
    category: str
    search_set: SearchSetSettings
    boxes: str | int
    advice: str | None = None


def embed_query_images(
    backbone: Backbone,
    pictures: Sequence[QueryPicture],
    reduction: Reduction,
    embedding: EmbeddingSettings,
    persons: Persons | None,
    images: pa.Table,
    max_pixels: int,
) -> tuple[pa.Table, pa.Table, list[Skipped]]:
    """Find, embed and reduce the persons in the user's own pictures.

    persons: which are searched for; None if every picture is given with a box. A picture that is
    given with a box is searched for with that box. images: image_id and sha256 of the manifest; a
    picture with one of these contents gets its image_id, so that it does not find itself.
    max_pixels: a picture with more gives no query.

    Returns rows of tables.QUERIES with reduced vectors; a table of their full-length vectors, in
    the same order; and the pictures without a query of their own, each with the reason. Two
    pictures of the same content and box are one query, and the second does not count as without.
    """
    schema = with_vector(QUERIES, reduction.n_components)
    lengths = vector_lengths(backbone.map_lengths, embedding)
    full_schema = with_full_length(pa.schema([]), lengths)
    tables = [schema.empty_table()]
    full_length = [full_schema.empty_table()]
    skipped = []
    failures = Failures()
    first: dict[tuple[str, Sequence[float] | None], int] = {}
    for place, picture in enumerate(progress(pictures, "own pictures", "images")):
        try:
            data = read_file(picture.path)
            decoded, sha256 = decode_image(data, max_pixels), hashlib.sha256(data).hexdigest()
            box = _box_without_detection(picture.given, persons, decoded.size)
            same = first.setdefault((sha256, box), place)
            if same != place:
                reason = _why_again(picture.given, pictures[same].given, pictures)
                skipped.append(Skipped(None, picture.given, reason, counts=False))
                continue
            with _left_out_if_the_network_fails(failures, picture.path):
                chosen = (
                    _by_hand(box, whole=BOX not in picture.given)
                    if box is not None
                    else _detected(persons, decoded, picture.given)
                )
                corners = decoded.to_image(chosen.boxes)
                vectors = embed_boxes(backbone, decoded.image, corners, embedding)
        except (UnreadableImage, GivesNoQuery) as error:
            skipped.append(Skipped(None, picture.given, str(error)))
            continue
        stored = pa.table(full_length_columns(vectors, lengths)).cast(full_schema)
        full_length.append(stored)
        n, row = len(chosen.boxes), pc.index(images["sha256"], sha256).as_py()
        in_set = "" if row < 0 else "; the picture is in the set"
        columns = {
            "query": np.zeros(n),
            "role": ["own picture"] * n,
            "reason": [f"your own picture, {reason}{in_set}" for reason in chosen.reasons],
            "person_id": pa.nulls(n, pa.int64()),
            "image_id": pa.array([None if row < 0 else images["image_id"][row].as_py()] * n),
            "picture": [picture.path] * n,
            "score": chosen.scores,
            **dict(zip(BOX_COLUMNS, xyxy_to_xywh(chosen.boxes).T, strict=True)),
            # From the stored float16 vectors, as for the search set.
            "vector": vector_column(reduction.transform(vectors_of(stored))),
        }
        tables.append(pa.table(columns).cast(schema))
    queries, vectors_table = pa.concat_tables(tables), pa.concat_tables(full_length)
    return queries, vectors_table, list(dict.fromkeys(skipped))


def tell_skipped(skipped: Sequence[Skipped], n_queries: int) -> None:
    """Warn of the pictures without a query. Raises InputError if no picture gives one."""
    lines = [f"{entry.file}: {entry.reason}" for entry in skipped]
    shown = lines[:MOST_NAMED]
    if len(lines) > MOST_NAMED:
        shown.append(f"{len(lines) - MOST_NAMED:,} more are in the log")
    if not n_queries:
        for line in lines:
            log.info("queries.images: %s", line)
        raise InputError(
            f"queries.images: no picture gives a query. {'. '.join(shown)}. Correct this, or "
            "remove the pictures from queries.images, and run the same command again"
        )
    for line in shown:
        log.warning("queries.images: %s", line)
    for line in lines[MOST_NAMED:]:
        log.info("queries.images: %s", line)


@contextmanager
def _left_out_if_the_network_fails(failures: Failures, path: str) -> Iterator[None]:
    try:
        yield
    except GivesNoQuery:
        failures.succeeded()
        raise
    except Exception as error:
        raise GivesNoQuery(failures.left_out(error, path).reason) from error
    failures.succeeded()


def _why_again(given: str, same: str, pictures: Sequence[QueryPicture]) -> str:
    if given != same:
        return f"the same picture as another, so both are one query: {same}"
    times = sum(picture.given == given for picture in pictures)
    return f"given {times} times; it is used once"


def _box_without_detection(
    given: str, persons: Persons | None, size: tuple[int, int]
) -> tuple[float, ...] | None:
    """Return the corners that the user gives, within the picture; None if a person is detected."""
    by_hand = given_box(given)
    width, height = size
    if by_hand is None:
        whole = persons is not None and persons.boxes == "whole"
        return (0.0, 0.0, float(width), float(height)) if whole else None
    left, top, right, bottom = by_hand.corners(width, height)
    if min(right, width) <= max(left, 0) or min(bottom, height) <= max(top, 0):
        raise GivesNoQuery(
            f"its box lies outside of the picture, which is {width} px wide and {height} px high "
            "when upright"
        )
    return tuple(clip_to_image(np.array([left, top, right, bottom]), width, height)[0].tolist())


def _by_hand(corners: Sequence[float], whole: bool) -> Chosen:
    boxes = np.array([corners], np.float32)
    return Chosen(boxes, pa.nulls(1, pa.float32()), ["whole" if whole else "box by hand"])


def _detected(persons: Persons | None, decoded: Decoded, given: str) -> Chosen:
    assert persons is not None, "a picture without a box needs a detector"
    [(found, scores, _)] = detect_category(persons.detector, [decoded.image], persons.category)
    found = decoded.to_picture(found)
    widths, heights = (found[:, 2:] - found[:, :2]).T.astype(np.float64)
    fit = np.asarray(in_search_set(pa.array(scores), pa.array(heights), persons.search_set))
    rows = np.flatnonzero(fit)
    n = len(rows)
    if not n:
        best = (float(scores[0]), float(heights[0])) if len(scores) else None
        raise GivesNoQuery(_why_nobody(persons, best))
    order = "score"
    if persons.boxes == "best":
        rows = rows[:1]
    elif isinstance(persons.boxes, int):
        order = "size"
        largest = np.argsort(-(widths * heights)[rows], kind="stable")
        rows = rows[largest[: persons.boxes]]
        if len(rows) < n:
            log.warning("%s: searching for the %d largest of %d detected", given, len(rows), n)
    reasons = [f"{persons.category} {i + 1} of {n} by {order}" for i in range(len(rows))]
    return Chosen(found[rows], pa.array(scores[rows]), reasons)


def _why_nobody(persons: Persons, best: tuple[float, float] | None) -> str:
    """best: score and height of the detection with the highest score."""
    category, search_set = persons.category, persons.search_set
    if best is None:
        return f"the detector sees no {category} in it; {persons.advice or BY_HAND}"
    score, height = best
    keys = [
        *(["search_set.min_score"] if score < search_set.min_score else []),
        *(["search_set.min_height"] if height < search_set.min_height else []),
    ]
    # Rounded down, as 0.699 must not be shown as 0.7.
    shown = f"{math.floor(score * 100) / 100:.2f} and {math.floor(height)} px"
    advice = f"lower {' and '.join(keys)}, {BY_HAND}"
    return (
        f"no {category} of score {search_set.min_score:g} and height {search_set.min_height:g} px "
        f"or more: the best has {shown}; {persons.advice or advice}"
    )
