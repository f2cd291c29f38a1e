"""The neighbours of every person; the explorer shows them."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.progress import progress
from visualsearch.data.person_order import in_person_order, vectors_of_rows
from visualsearch.data.tables import count_rows
from visualsearch.data.vectors import vectors_of
from visualsearch.index.base import cosines_with
from visualsearch.index.exact_backend import ExactBackend, ExactFile, rounding
from visualsearch.index.index import Index
from visualsearch.index.nearest import BATCH_ROWS as ROWS_AT_ONCE
from visualsearch.index.nearest import Nearest
from visualsearch.search.full_length import FullLengthCosines
from visualsearch.search.neighbours import (
    Found,
    are_near_duplicates,
    find_candidates,
    find_for_all,
    first_enough,
    within_limit,
)
from visualsearch.settings import SearchSettings

# One row a person of the search set, in person order; lists are by rank.
EVERYONE = pa.schema(
    [
        ("person_id", pa.int64()),
        ("neighbours", pa.list_(pa.int64())),
        ("similarity", pa.list_(pa.float32())),
        ("same_image", pa.list_(pa.bool_())),
        ("near_duplicate", pa.list_(pa.bool_())),
    ]
)
# All vectors pass by once for each batch, so it is large.
BATCH_ROWS = 4096
# Up to so many persons, everybody is compared with everybody, exactly; above, the index is asked.
# Comparing takes 0.4 ms of a core a person at 45,000 persons and grows with them; the time of the
# whole with their square. Its limit is memory: a job holds all reduced vectors, 300 MB here.
EXACT_UP_TO = 300_000
# So many times the neighbours wanted are looked at in blocks, as some may be of images that have
# theirs already. Who needs more is searched for alone.
LOOKED_AT = 2


def exact_index(reduced: Sequence[str]) -> Index:
    """An index that compares with everybody. reduced: all shards; their vectors are held."""
    vectors = vectors_of_rows(reduced, np.arange(count_rows(reduced)))
    return Index({"dimension": vectors.shape[1]}, ExactBackend(), ExactFile(vectors))


def search_everyone(
    index: Index,
    persons: pa.Table,
    reduced: str,
    settings: SearchSettings,
    count: int,
    full_length: FullLengthCosines,
) -> Iterator[pa.Table]:
    """`count` neighbours of each person of a shard of reduced vectors, as rows of EVERYONE.

    index: one of exact search is not asked for one person after another, but compared in blocks,
    with the same result. persons: person_id and image_id of the index's rows. full_length: tells
    near-duplicates. Nothing is reranked. Holds one batch of persons at a time.
    """
    person_ids, image_ids = (persons[name].to_numpy() for name in ("person_id", "image_id"))
    batches = in_person_order([reduced], BATCH_ROWS)
    total = -(-count_rows([reduced]) // BATCH_ROWS)
    for table in progress(batches, "search everyone", f"batches of {BATCH_ROWS} persons", total):
        own_rows = np.searchsorted(person_ids, table["person_id"].to_numpy())
        batch = _Batch(index, image_ids, own_rows, vectors_of(table), settings, count)
        rows_of_each = own_rows.tolist()
        candidates = find_for_all(
            batch.find, rows_of_each, image_ids, count, 0, settings, full_length
        )
        found = [_within_limit(one, image_ids, settings, count) for one in candidates]
        full = full_length.cosines(rows_of_each, [rows for rows, _ in found])
        columns = {
            "person_id": table["person_id"],
            "neighbours": [person_ids[rows] for rows, _ in found],
            "similarity": [cosines for _, cosines in found],
            "same_image": [
                image_ids[rows] == image_ids[own]
                for own, (rows, _) in zip(rows_of_each, found, strict=True)
            ],
            "near_duplicate": [are_near_duplicates(cosines, settings) for cosines in full],
        }
        yield pa.table(columns).cast(EVERYONE)


def _within_limit(
    found: Found, image_ids: NDArray[np.int64], settings: SearchSettings, count: int
) -> Found:
    rows, cosines = found
    keep = np.flatnonzero(within_limit(image_ids[rows], settings.hits_per_image))[:count]
    return rows[keep], cosines[keep]


class _Batch:
    """Persons to search for at once.

    own_rows: int64 [Q], their rows of the index. vectors: float32 [Q, D]. in_blocks: what is known
    of each by comparing them in blocks, and whether that is all there is.
    """

    def __init__(
        self,
        index: Index,
        image_ids: NDArray[np.int64],
        own_rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
        settings: SearchSettings,
        count: int,
    ) -> None:
        self.index = index
        self.image_ids = image_ids
        self.own_rows = own_rows
        self.vectors = vectors
        self.settings = settings
        self.in_blocks: list[tuple[Found, bool]] = []
        # By the backend too, as the file of faiss has the vectors.
        if isinstance(index.backend, ExactBackend) and isinstance(index.file, ExactFile):
            self.in_blocks = _certain_nearest(
                vectors,
                index.file.vectors,
                LOOKED_AT * count,
                own_rows,
                None if settings.same_image else image_ids,
            )

    def find(self, n: int, k: int, depth: int) -> Found:
        """What `find_candidates` finds for person n of the batch."""
        if self.in_blocks:
            (rows, cosines), is_all = self.in_blocks[n]
            per_image = self.settings.hits_per_image
            enough = first_enough(self.image_ids[rows], per_image, k, depth)
            if enough is not None or is_all:
                return rows[:enough], cosines[:enough]
        return find_candidates(
            self.index,
            self.image_ids,
            self.vectors[n],
            k,
            self.settings.hits_per_image,
            depth,
            own_row=int(self.own_rows[n]),
            own_image=int(self.image_ids[self.own_rows[n]]),
            same_image=self.settings.same_image,
        )


def _certain_nearest(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    k: int,
    rows: NDArray[np.int64],
    images: NDArray[np.int64] | None,
) -> list[tuple[Found, bool]]:
    """The nearest others of each query by falling cosine, and whether there are no more.

    queries: unit vectors, float32 [Q, D], those of `rows` [Q]. vectors: of all rows, float32
    [N, D]. images: int64 [N], the image of each row, to leave out those of the query's own; None to
    allow them. Gives at most k of each query, and only those that are surely nearer than all
    others: the last bits of a product depend on the shape of its block. So what is given is what
    exact search finds, whoever else is asked for.
    """
    nearest = Nearest(queries, k, rows, None if images is None else images[rows])
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        nearest.add(vectors[part], None if images is None else images[part])
    result = []
    for query, found, cosines in zip(queries, nearest.neighbours, nearest.cosines, strict=True):
        is_all = k > 0 and found[-1] < 0
        found = found[found >= 0]
        exact = cosines_with(query, vectors[found])
        order = np.lexsort((found, -exact))
        if not is_all and k:
            # What is not among them has at most the last cosine, but for the error of a product.
            order = order[exact[order] > cosines[-1] + rounding(len(query))]
        result.append(((found[order], exact[order]), is_all))
    return result
