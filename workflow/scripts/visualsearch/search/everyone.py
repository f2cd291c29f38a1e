"""The neighbours of every person, by the index; the explorer shows them."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from visualsearch.core.progress import progress
from visualsearch.data.person_order import in_person_order
from visualsearch.data.tables import count_rows, vectors_of
from visualsearch.index.index import Index
from visualsearch.search.hits import ROUNDING, find_neighbours, within_limit
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
BATCH_ROWS = 256

Found = tuple[NDArray[np.int64], NDArray[np.float64]]


def search_everyone(
    index: Index, persons: pa.Table, reduced: str, settings: SearchSettings, count: int
) -> Iterator[pa.Table]:
    """`count` neighbours of each person of a shard of reduced vectors, as rows of EVERYONE.

    persons: person_id and image_id of the index's rows. Nothing is reranked. Holds one batch of
    persons at a time.
    """
    person_ids, image_ids = (persons[name].to_numpy() for name in ("person_id", "image_id"))
    limit = settings.near_duplicate - ROUNDING
    below = limit if settings.exclude_near_duplicates else math.inf
    batches = in_person_order([reduced], BATCH_ROWS)
    total = -(-count_rows([reduced]) // BATCH_ROWS)
    for table in progress(batches, "search everyone", f"batches of {BATCH_ROWS} persons", total):
        own_rows = np.searchsorted(person_ids, table["person_id"].to_numpy())
        found: dict[str, list[Any]] = {name: [] for name in EVERYONE.names[1:]}
        for own_row, vector in zip(own_rows.tolist(), vectors_of(table), strict=True):
            find = partial(
                find_neighbours,
                index,
                image_ids,
                vector,
                per_image=settings.hits_per_image,
                own_row=own_row,
                own_image=int(image_ids[own_row]),
                same_image=settings.same_image,
                below=below,
            )
            rows, cosines = _neighbours(find, image_ids, settings, count)
            found["neighbours"].append(person_ids[rows])
            found["similarity"].append(cosines)
            found["same_image"].append(image_ids[rows] == image_ids[own_row])
            found["near_duplicate"].append(cosines >= limit)
        yield pa.table({"person_id": table["person_id"], **found}).cast(EVERYONE)


def _neighbours(
    find: Callable[..., Found], image_ids: NDArray[np.int64], settings: SearchSettings, count: int
) -> Found:
    """First the hits of the report, then more, `count` in all, each by falling cosine.

    find: the rows and cosines of `k` neighbours. An index that is asked for more neighbours may
    search further and find others among the nearest too. The report's hits are therefore asked for
    separately, so that they come first here as well.
    """
    shown = settings.neighbours
    rows, cosines = find(k=shown)
    if len(rows) == shown < count:
        further, further_cosines = find(k=count)
        new = ~np.isin(further, rows)
        rows = np.concatenate([rows, further[new]])
        cosines = np.concatenate([cosines, further_cosines[new]])
        # Of an image, the further search may have found another person.
        keep = within_limit(image_ids[rows], settings.hits_per_image)
        rows, cosines = rows[keep], cosines[keep]
    return rows[:count], cosines[:count]
