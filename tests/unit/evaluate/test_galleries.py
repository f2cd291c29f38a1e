"""What a query and its hits have in common, on a set made by hand."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from visualsearch.data.tables import HITS, PERSONS, QUERIES
from visualsearch.evaluate.galleries import measure_galleries
from visualsearch.evaluate.person_facts import PersonFacts

# Seven persons, each in a picture of its own, of 300 x 300. The last ends at an edge.
N = 7
HEIGHTS = [100, 150, 151, 67, 66, 100, 100]
LEFT = [100, 100, 100, 100, 100, 100, 0]
VIEWS = ["front", "front", "front", "back", "back", None, "back"]


def rows_of(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema)


def person(row: int) -> dict[str, Any]:
    box = {"x": LEFT[row], "y": 50, "w": 40, "h": HEIGHTS[row]}
    ids = {"person_id": row * 1000, "image_id": row, "det_index": 0, "score": 0.9}
    return ids | box


def measured(
    found: dict[int | None, list[int]],
    facts: PersonFacts | None = None,
    views: list[str | None] = VIEWS,
    images: list[int] | None = None,
    per_image: int | None = None,
) -> list[dict[str, Any]]:
    """found: by query, the rows of its hits; None for one of the user's own pictures.

    images: of the persons; each has its own if None.
    """
    persons = [person(row) for row in range(N)]
    if images:
        persons = [one | {"image_id": image} for one, image in zip(persons, images, strict=True)]
    queries, hits = [], []
    for number, (query, rows) in enumerate(found.items()):
        of_set = {} if query is None else person(query)
        queries.append({"query": number, "role": "r", "reason": "r", **of_set})
        hits += [{"query": number, "rank": n, **person(row)} for n, row in enumerate(rows, 1)]
    known = [n for n, view in enumerate(views) if view]
    labels = pd.DataFrame({"view": [views[n] for n in known]}, index=known, dtype="string")
    sizes = np.full((N, 2), 300)
    galleries = measure_galleries(
        rows_of(PERSONS, persons),
        rows_of(QUERIES, queries),
        rows_of(HITS, hits),
        sizes,
        facts,
        labels,
        seed=0,
        per_image=per_image,
    )
    assert json.loads(json.dumps(galleries, allow_nan=False)) == galleries
    return galleries


def test_labels_and_scale_beside_chance() -> None:
    """Of the six others, two are of the query's view and three are not; one has no label."""
    (found,) = measured({0: [1, 2, 3, 5]})
    assert found["query"] == 0 and not found["cut_off"]
    assert found["measures"] == {
        "label:view": {"hits": 3, "value": round(2 / 3, 6), "chance": 0.4},
        # Heights of 150, 67 and 100 are like 100; 151 and 66 are not.
        "height": {"hits": 4, "value": 0.75, "chance": round(4 / 6, 6)},
        "cut_off": {"hits": 4, "value": 1.0, "chance": round(5 / 6, 6)},
    }


def test_each_query_has_its_own_hits() -> None:
    found = measured({5: [0], None: [1, 2], 6: [3, 4, 0]})
    assert [gallery["query"] for gallery in found] == [0, 2]  # a picture of one's own has none
    assert set(found[0]["measures"]) == {"height", "cut_off"}  # its label is not known
    assert found[0]["measures"]["height"]["hits"] == 1
    assert found[1]["cut_off"]
    assert found[1]["measures"]["label:view"] == {
        "hits": 3,
        "value": round(2 / 3, 6),
        "chance": 0.4,
    }
    assert found[1]["measures"]["cut_off"]["value"] == 0


def test_pose_and_context_of_those_that_are_annotated() -> None:
    keypoints = np.full((N, 17, 2), np.nan, dtype=np.float32)
    keypoints[[0, 1, 2]] = 0.5
    keypoints[2] = 100  # far from any
    context = np.zeros((N, 2), dtype=bool)
    context[[0, 1, 2], 0] = context[1, 1] = True
    facts = PersonFacts(keypoints, np.ones((N, 2), np.float32), context, np.arange(N) < 4)
    (found,) = measured({0: [1, 4, 2]}, facts, [None] * N)
    assert found["measures"]["pose"] == {"hits": 2, "value": 0.5, "chance": 0.5}
    # Half of the other's categories are shared, then all; at random also none of the fourth's.
    assert found["measures"]["context"] == {"hits": 2, "value": 0.75, "chance": 0.5}
    (found,) = measured({5: [1, 2]}, facts, [None] * N)
    assert set(found["measures"]) == {"height", "cut_off"}


def test_random_persons_are_as_many_of_a_picture_as_hits_may_be() -> None:
    """Picture 1 shows three persons, of whom one counts."""
    images = [0, 1, 1, 1, 4, 5, 6]
    views = ["front", "front", None, None, "back", None, None]
    for per_image, chance in ((None, 3 / 4), (1, 1 / 2)):
        (found,) = measured({0: [1, 4]}, views=views, images=images, per_image=per_image)
        assert found["measures"]["label:view"]["chance"] == pytest.approx(chance, abs=1e-6)


def test_without_hits_or_queries_nothing_is_known() -> None:
    assert measured({}) == measured({None: [1]}) == []
    (found,) = measured({0: []})
    assert found["measures"] == {}


@pytest.mark.parametrize("query", range(N))
def test_chance_leaves_out_the_query(query: int) -> None:
    """Everybody else as a hit is what chance is."""
    others = [row for row in range(N) if row != query]
    for found in measured({query: others})[0]["measures"].values():
        assert found["value"] == found["chance"]
