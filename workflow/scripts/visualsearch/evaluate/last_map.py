"""Hits by the last map alone, beside which the report shows what the search found."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.data.person_order import in_person_order, vectors_of_rows
from visualsearch.data.tables import HITS, PERSONS
from visualsearch.data.vectors import stored_lengths, vectors_of
from visualsearch.index.nearest import Nearest
from visualsearch.search.full_length import centred
from visualsearch.search.neighbours import within_limit
from visualsearch.settings import SearchSettings

BATCH_ROWS = 1024


def hits_by_last_map(
    embeddings: Sequence[str],
    persons: pa.Table,
    queries: pa.Table,
    mean: NDArray[np.float32],
    settings: SearchSettings,
) -> pa.Table:
    """The hits of the queries that are persons of the set, by their column `vector` alone.

    embeddings: shards. persons: the index's rows. queries: rows of QUERIES. mean: float32 [D], of
    the joined vectors. Vectors are of length 1, without their mean, and not reduced; the search is
    exact. Near-duplicates are not told, so none is left out. Returns rows of HITS, none if the
    tables have no further column.
    """
    lengths = stored_lengths(embeddings[0])
    place = pc.index_in(queries["person_id"], value_set=persons["person_id"])
    rows = place.drop_null().to_numpy().astype(np.int64)
    if len(lengths) == 1 or not len(rows):
        return HITS.empty_table()
    # The joined vectors hold two vectors of length 1, scaled to length 1 together.
    mean = mean[: lengths["vector"]] * np.float32(np.sqrt(len(lengths)))
    image_ids = persons["image_id"].to_numpy()
    joined = vectors_of_rows(embeddings, rows)
    asked = centred(np.ascontiguousarray(joined[:, : lengths["vector"]]), mean)
    wanted, k = settings.neighbours, settings.neighbours
    while True:
        nearest = Nearest(asked, k, rows, None if settings.same_image else image_ids[rows])
        start = 0
        for table in in_person_order(embeddings, BATCH_ROWS, ["vector"]):
            stop = start + len(table)
            nearest.add(centred(vectors_of(table), mean), image_ids[start:stop])
            start = stop
        found = [others[others >= 0] for others in nearest.neighbours]
        kept = [np.flatnonzero(within_limit(image_ids[o], settings.hits_per_image)) for o in found]
        if k >= len(persons) or min(map(len, kept)) >= wanted:
            break
        k *= 4
    tables = []
    numbers = queries.filter(pc.is_valid(place))["query"].to_pylist()
    for n, (others, keep) in enumerate(zip(found, kept, strict=True)):
        keep = keep[:wanted]
        hits = persons.take(others[keep])
        ranks = np.arange(1, len(keep) + 1)
        columns = {name: hits[name] for name in PERSONS.names} | {
            "query": np.full(len(keep), numbers[n]),
            "rank": ranks,
            "similarity": nearest.cosines[n][keep],
            "same_image": image_ids[others[keep]] == image_ids[rows[n]],
            "near_duplicate": pa.nulls(len(keep)),
            "index_rank": ranks,
            "full_similarity": pa.nulls(len(keep)),
        }
        tables.append(pa.table({name: columns[name] for name in HITS.names}).cast(HITS))
    return pa.concat_tables(tables)
