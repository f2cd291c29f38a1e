"""The report's hits among the neighbours that the explorer shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from visualsearch.data.manifest import DETECTIONS_PER_IMAGE
from visualsearch.data.tables import read_table
from visualsearch.search.neighbours import within_limit

# The lists of a person's neighbours (search.everyone.EVERYONE), and the columns of HITS that say
# the same.
OF_HITS = {
    "neighbours": "person_id",
    "similarity": "similarity",
    "same_image": "same_image",
    "near_duplicate": "near_duplicate",
}


def hits_of_persons(queries: str, hits: str) -> dict[int, list[dict[str, Any]]]:
    """The hits of each query that is a person of the set, by rank. queries, hits: the tables."""
    asked = read_table(queries, ["query", "person_id"]).to_pydict()
    person_of = dict(zip(asked["query"], asked["person_id"], strict=True))
    found: dict[int, list[dict[str, Any]]] = {}
    for hit in read_table(hits, ["query", *OF_HITS.values()]).to_pylist():
        # None for the user's own picture.
        if (person := person_of[hit["query"]]) is not None:
            found.setdefault(person, []).append(hit)
    return found


def put_hits_first(
    found: dict[str, list[Any]],
    hits: Mapping[int, Sequence[dict[str, Any]]],
    per_image: int | None,
    count: int,
) -> None:
    """Put the hits of the report's queries before their other neighbours.

    found: columns of search.everyone.EVERYONE, in which the lists of the queries are replaced.
    hits: rows of HITS by rank, of each person that is a query. per_image: the most of an image. An
    index may miss some of the nearest; without this, the report would show other persons.
    """
    for place, person in enumerate(found["person_id"]):
        if not (mine := hits.get(person)):
            continue
        shown = {hit["person_id"] for hit in mine}
        others = [n for n, other in enumerate(found["neighbours"][place]) if other not in shown]
        ids = [hit["person_id"] for hit in mine]
        ids += [found["neighbours"][place][n] for n in others]
        keep = np.flatnonzero(within_limit(np.array(ids) // DETECTIONS_PER_IMAGE, per_image))
        for name, of_hit in OF_HITS.items():
            values = [hit[of_hit] for hit in mine] + [found[name][place][n] for n in others]
            found[name][place] = [values[n] for n in keep[:count]]
