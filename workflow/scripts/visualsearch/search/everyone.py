"""The neighbours of every person, by the index; the explorer shows them."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.progress import progress
from visualsearch.data.person_order import in_person_order
from visualsearch.data.tables import count_rows
from visualsearch.data.vectors import vectors_of
from visualsearch.index.index import Index
from visualsearch.search.full_length import FullLength
from visualsearch.search.neighbours import (
    Found,
    are_near_duplicates,
    find_candidates,
    find_for_all,
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
# The full-length vectors of all neighbours are read once for each batch, so it is large.
BATCH_ROWS = 4096


def search_everyone(
    index: Index,
    persons: pa.Table,
    reduced: str,
    settings: SearchSettings,
    count: int,
    full_length: FullLength,
) -> Iterator[pa.Table]:
    """`count` neighbours of each person of a shard of reduced vectors, as rows of EVERYONE.

    persons: person_id and image_id of the index's rows. full_length: tells near-duplicates. Nothing
    is reranked. Holds one batch of persons at a time.
    """
    person_ids, image_ids = (persons[name].to_numpy() for name in ("person_id", "image_id"))
    shown, per_image = settings.neighbours, settings.hits_per_image
    batches = in_person_order([reduced], BATCH_ROWS)
    total = -(-count_rows([reduced]) // BATCH_ROWS)
    for table in progress(batches, "search everyone", f"batches of {BATCH_ROWS} persons", total):
        own_rows = np.searchsorted(person_ids, table["person_id"].to_numpy()).tolist()
        vectors = vectors_of(table)

        def find(
            n: int,
            k: int,
            depth: int,
            own_rows: list[int] = own_rows,
            vectors: NDArray[np.float32] = vectors,
        ) -> Found:
            return find_candidates(
                index,
                image_ids,
                vectors[n],
                k,
                per_image,
                depth,
                own_row=own_rows[n],
                own_image=int(image_ids[own_rows[n]]),
                same_image=settings.same_image,
            )

        every = partial(
            find_for_all,
            find,
            own_rows,
            image_ids,
            depth=0,
            settings=settings,
            full_length=full_length,
        )
        # An index that is asked for more neighbours may search further and find others among the
        # nearest too. The report's hits are therefore asked for separately, and come first.
        first, further = every(k=shown), every(k=count) if shown < count else None
        found = [
            _joined(one, more, image_ids, per_image, count)
            for one, more in zip(first, further or first, strict=True)
        ]
        full = full_length.cosines(own_rows, [rows for rows, _ in found])
        columns = {
            "person_id": table["person_id"],
            "neighbours": [person_ids[rows] for rows, _ in found],
            "similarity": [cosines for _, cosines in found],
            "same_image": [
                image_ids[rows] == image_ids[own]
                for own, (rows, _) in zip(own_rows, found, strict=True)
            ],
            "near_duplicate": [are_near_duplicates(cosines, settings) for cosines in full],
        }
        yield pa.table(columns).cast(EVERYONE)


def _joined(
    first: Found, further: Found, image_ids: NDArray[np.int64], per_image: int | None, count: int
) -> Found:
    """The first, then those of the further that are not among them: `count` within the limit."""
    new = ~np.isin(further[0], first[0])
    rows = np.concatenate([first[0], further[0][new]])
    cosines = np.concatenate([first[1], further[1][new]])
    keep = np.flatnonzero(within_limit(image_ids[rows], per_image))[:count]
    return rows[keep], cosines[keep]
