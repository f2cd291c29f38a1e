"""The neighbours of every person, by the index; the explorer shows them."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.progress import progress
from visualsearch.data.person_order import in_person_order
from visualsearch.data.tables import count_rows, vectors_of
from visualsearch.index.index import Index
from visualsearch.search.full_length import FullLength
from visualsearch.search.hits import Found, are_near_duplicates, find_for_all, find_neighbours
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
    batches = in_person_order([reduced], BATCH_ROWS)
    total = -(-count_rows([reduced]) // BATCH_ROWS)
    for table in progress(batches, "search everyone", f"batches of {BATCH_ROWS} persons", total):
        own_rows = np.searchsorted(person_ids, table["person_id"].to_numpy()).tolist()
        vectors = vectors_of(table)

        def find(
            n: int,
            k: int,
            own_rows: list[int] = own_rows,
            vectors: NDArray[np.float32] = vectors,
        ) -> Found:
            own_row, own_image = own_rows[n], int(image_ids[own_rows[n]])
            return find_neighbours(
                index, image_ids, vectors[n], k, own_row, own_image, settings.same_image
            )

        every = partial(find_for_all, find, own_rows, full_length=full_length, settings=settings)
        found = _neighbours(every, settings.neighbours, count)
        columns = {
            "person_id": table["person_id"],
            "neighbours": [person_ids[rows] for rows, _ in found],
            "similarity": [cosines for _, cosines in found],
            "same_image": [
                image_ids[rows] == image_ids[own]
                for own, (rows, _) in zip(own_rows, found, strict=True)
            ],
            "near_duplicate": [
                are_near_duplicates(cosines, settings)
                for cosines in full_length.cosines(own_rows, [rows for rows, _ in found])
            ],
        }
        yield pa.table(columns).cast(EVERYONE)


def _neighbours(every: Callable[[int], list[Found]], shown: int, count: int) -> list[Found]:
    """First the `shown` hits of the report, then more, `count` in all, each by falling cosine.

    every: the rows and cosines of that many neighbours of each person. An index that is asked for
    more neighbours may search further and find others among the nearest too. The report's hits are
    therefore asked for separately, so that they come first here as well.
    """
    firsts = every(shown)
    result = []
    for (rows, cosines), (further, further_cosines) in zip(
        firsts, every(count) if shown < count else firsts, strict=True
    ):
        new = ~np.isin(further, rows)
        if len(rows) == shown:
            rows = np.concatenate([rows, further[new]])
            cosines = np.concatenate([cosines, further_cosines[new]])
        result.append((rows[:count], cosines[:count]))
    return result
