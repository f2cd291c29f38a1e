"""Chooses queries that show different things: a typical, a rare, a small person, and so on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.data.boxes import at_edges, iou, xywh_to_xyxy
from visualsearch.data.person_order import vectors_and_images, vectors_of_rows
from visualsearch.data.tables import boxes_of
from visualsearch.search.full_length import centred
from visualsearch.search.local_density import (
    BLOCK_ROWS,
    DENSITY_NEIGHBOURS,
    mean_cosine,
    nearest_elsewhere,
)

# At most so many clear detections, evenly spaced, are compared with the whole set.
MAX_COMPARED = 1000
# A small person is in the lowest tenth by height, and below half of the median.
SMALLEST_SHARE = 0.1
MIN_CROWD = 3
# The surest are among the nearest tenth by local density.
NEAREST_SHARE = 0.1
ROLES = ("typical", "rare", "small", "cut-off", "crowd", "surest")
EDGES = ("left", "top", "right", "bottom")


class Choice(NamedTuple):
    """A query: its row of the index, what it is to show, and why it was chosen."""

    row: int
    role: str
    reason: str


@dataclass(frozen=True)
class Surroundings:
    """The nearest neighbours of some persons, in other images than their own.

    rows: int64 [C], the persons. nearest: int64 [C, 10], rows of their nearest, -1 where there are
    fewer. local_density: float64 [C], mean cosine with these, nan without any. same: int64 [C], how
    many of the nearest are also nearest by the full-length vectors.
    """

    rows: NDArray[np.int64]
    nearest: NDArray[np.int64]
    local_density: NDArray[np.float64]
    same: NDArray[np.int64]

    @property
    def neighbours(self) -> NDArray[np.int64]:
        """How many nearest each person has: ten, or as many as there are."""
        return (self.nearest >= 0).sum(axis=1)

    def beside(self, row: int) -> NDArray[np.int64]:
        """`row`, the persons whose nearest include it, and its own nearest."""
        having = self.rows[(self.nearest == row).any(axis=1) | (self.rows == row)]
        return np.union1d(having, self.nearest[self.rows == row])


def surroundings(
    rows: NDArray[np.int64],
    image_ids: NDArray[np.int64],
    reduced: Sequence[str],
    embeddings: Sequence[str],
    mean: NDArray[np.float32],
) -> Surroundings:
    """Compare some persons with all, by their reduced and by their full-length vectors.

    rows: int64 [C], rows of the index. image_ids: int64 [N], the image of each row of the index.
    reduced, embeddings: shards of both. mean: of the reduction. Reads each shard twice and holds C
    vectors, so that memory does not grow with the set.
    """
    k = DENSITY_NEIGHBOURS
    images = image_ids[rows]
    nearest = nearest_elsewhere(
        vectors_and_images(reduced, BLOCK_ROWS), vectors_of_rows(reduced, rows), images, k
    )
    by_full_length = nearest_elsewhere(
        (
            (centred(vectors, mean), others)
            for vectors, others in vectors_and_images(embeddings, BLOCK_ROWS)
        ),
        centred(vectors_of_rows(embeddings, rows), mean),
        images,
        k,
    )
    same = [
        len(set(a[a >= 0].tolist()) & set(b.tolist()))
        for a, b in zip(nearest.neighbours, by_full_length.neighbours, strict=True)
    ]
    density = mean_cosine(nearest.cosines)
    return Surroundings(rows, nearest.neighbours, density, np.array(same, dtype=np.int64))


class _Ranking(NamedTuple):
    """Rows from best to worst for a role, and the reason to give for one."""

    rows: NDArray[np.int64]
    describe: Callable[[int], str]


def choose_revealing(
    persons: pa.Table, sizes: NDArray[np.int64], around: Surroundings, count: int
) -> list[Choice]:
    """At most five different persons that show different things; the first `count` of them.

    persons: the index's rows. sizes: int64 [N, 2], width and height of each person's picture.
    around: the surroundings of clear detections. A role that nobody fits is left out. No two
    persons come from one image while a role has others, so the roles that fit fewest go first.
    """
    if not len(persons):
        return []
    image_ids = persons["image_id"].to_numpy()
    chosen: dict[str, Choice] = {}

    def choose(role: str, ranking: _Ranking) -> None:
        taken = [choice.row for choice in chosen.values()]
        rows = ranking.rows[~np.isin(ranking.rows, taken)]
        fresh = rows[~np.isin(image_ids[rows], image_ids[taken])]
        if len(rows):
            row = int((fresh if len(fresh) else rows)[0])
            chosen[role] = Choice(row, role, ranking.describe(row))

    choose("crowd", _crowd(persons))
    choose(*_small_or_cut_off(persons, sizes))
    choose("typical", _typical(around))
    choose("rare", _rare(around))
    choose("surest", _surest(around, chosen.get("typical")))
    return [chosen[role] for role in ROLES if role in chosen][:count]


def _typical(around: Surroundings) -> _Ranking:
    """By falling local density, of those above the median."""
    density, median = around.local_density, _median(around.local_density)

    def describe(row: int) -> str:
        return f"typical: {_density(around, row)}, more than {_compared(around, row, above=True)}"

    above = np.where(density > median, density, np.nan)
    return _Ranking(_by_falling(around.rows, above), describe)


def _rare(around: Surroundings) -> _Ranking:
    """By rising local density, of those below the median."""
    density, median = around.local_density, _median(around.local_density)

    def describe(row: int) -> str:
        density = _density(around, row)
        return f"rare: even {density}, less than {_compared(around, row, above=False)}"

    below = np.where(density < median, density, np.nan)
    return _Ranking(_by_falling(around.rows, -below), describe)


def _surest(around: Surroundings, typical: Choice | None) -> _Ranking:
    """Of those whose neighbours are near, by how many of these the full-length vectors confirm.

    Near is the nearest tenth by local density, and above the median of all. Persons beside the
    typical one do not count while there are others, as it shows their neighbours already. At least
    as many neighbours as the median person's must be confirmed. Of equal numbers the nearest goes
    first.
    """
    density, agreement = around.local_density, around.same
    known = np.flatnonzero(~np.isnan(density))
    beside = np.isin(around.rows[known], around.beside(typical.row) if typical else [])
    others = known if beside.all() else known[~beside]
    near = others
    if len(known):
        limit = np.quantile(density[others], 1 - NEAREST_SHARE)
        confirmed = agreement[others] >= np.median(agreement[known])
        # Where all are equally near, nobody is.
        near = others[(density[others] >= limit) & (density[others] > _median(density)) & confirmed]
    rows = around.rows[near]
    order = np.lexsort((rows, -density[near], -agreement[near]))
    mean = agreement[known].mean() if len(known) else np.nan

    def describe(row: int) -> str:
        n, same = (_of(around, row, values) for values in (around.neighbours, agreement))
        return (
            f"surest of its neighbours: {same:.0f} of its {n:.0f} nearest are the same by the "
            f"full-length vectors ({mean:.1f} on average), and they are near: a mean cosine of "
            f"{_two(_of(around, row, density))}, more than {_compared(around, row, above=True)}"
        )

    return _Ranking(rows[order], describe)


def _density(around: Surroundings, row: int) -> str:
    n, density = _of(around, row, around.neighbours), _of(around, row, around.local_density)
    return f"its {n:.0f} nearest in other pictures have a mean cosine of {_two(density)}"


def _compared(around: Surroundings, row: int, above: bool) -> str:
    """How many have a lower local density than a person, or a higher one, and the median."""
    density = around.local_density
    mine = _of(around, row, density)
    n = int((density < mine).sum() if above else (density > mine).sum())
    return f"{n:,} of the {len(density):,} compared; their median is {_two(_median(density))}"


def _small_or_cut_off(persons: pa.Table, sizes: NDArray[np.int64]) -> tuple[str, _Ranking]:
    """Small persons by falling score; if nobody is small, persons cut off by an edge."""
    height, score = persons["h"].to_numpy(), persons["score"].to_numpy()
    median = np.median(height)
    limit = min(np.quantile(height, SMALLEST_SHARE), median / 2)
    at_edge = at_edges(xywh_to_xyxy(boxes_of(persons)), sizes)

    def small(row: int) -> str:
        text = f"small: {height[row]:.0f} px high, where half of all are {median:.0f} px or more"
        if at_edge[row].any():
            text += f", and cut off at the {_and(at_edge[row])} of its picture"
        return text

    def cut_off(row: int) -> str:
        return f"cut off: its box ends at the {_and(at_edge[row])} of its picture"

    rows = np.flatnonzero(height <= limit)
    if len(rows):
        return "small", _Ranking(_by_falling(rows, score[rows]), small)
    edges = at_edge.sum(axis=1)
    rows = np.flatnonzero(edges)
    return "cut-off", _Ranking(rows[np.lexsort((rows, -score[rows], -edges[rows]))], cut_off)


def _crowd(persons: pa.Table) -> _Ranking:
    """In the image with most persons, the one of the best score whose box others overlap."""
    image_ids, score = persons["image_id"].to_numpy(), persons["score"].to_numpy()
    images, counts = np.unique(image_ids, return_counts=True)
    crowded = int(np.argmax(counts))
    if counts[crowded] < MIN_CROWD:
        return _Ranking(np.empty(0, dtype=np.int64), str)
    rows = np.flatnonzero(image_ids == images[crowded])
    boxes = xywh_to_xyxy(boxes_of(persons)[rows])
    overlapping = (iou(boxes, boxes) > 0).sum(axis=1) - 1
    order = np.lexsort((rows, -score[rows], overlapping == 0))

    def describe(row: int) -> str:
        n = int(overlapping[np.searchsorted(rows, row)])
        overlap = {0: "no other box overlaps", 1: "1 other box overlaps"}
        boxes = overlap.get(n, f"{n} other boxes overlap")
        return f"in a crowd: {len(rows)} are in its picture, and {boxes} its own"

    return _Ranking(rows[order][:1], describe)


def _and(at_edge: NDArray[np.bool_]) -> str:
    """left edge; left and top edges; left, top and right edges."""
    *names, last = (edge for edge, there in zip(EDGES, at_edge, strict=True) if there)
    return f"{', '.join(names)} and {last} edges" if names else f"{last} edge"


def _by_falling(rows: NDArray[np.int64], values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Rows by falling value, equal ones by rising row, without those whose value is nan."""
    known = np.flatnonzero(~np.isnan(values))
    return rows[known][np.lexsort((rows[known], -values[known]))]


def _two(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # no -0.00


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values[~np.isnan(values)])) if np.any(~np.isnan(values)) else np.nan


def _of(around: Surroundings, row: int, values: NDArray) -> float:
    return float(values[np.flatnonzero(around.rows == row)[0]])
