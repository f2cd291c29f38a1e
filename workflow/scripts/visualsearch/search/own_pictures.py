"""Makes queries of the user's own pictures, with the run's detector and reduction. Needs torch.

It stands here and not in embed/, as it needs the reduction, which comes after embedding.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from visualsearch.core.progress import progress
from visualsearch.data.boxes import xyxy_to_xywh
from visualsearch.data.images import UnreadableImage, read_image
from visualsearch.data.manifest import Skipped
from visualsearch.data.tables import (
    BOX_COLUMNS,
    QUERIES,
    vector_column,
    vectors_of,
    with_full_length,
    with_vector,
)
from visualsearch.detect.base import Detector
from visualsearch.detect.failures import Failures
from visualsearch.detect.run import detect_category
from visualsearch.embed.embedding import embed_boxes
from visualsearch.embed.persons import in_search_set
from visualsearch.reduce.reduction import Reduction
from visualsearch.settings import EmbeddingSettings, SearchSetSettings


def embed_query_images(
    detector: Detector,
    pictures: Sequence[str],
    reduction: Reduction,
    category: str,
    search_set: SearchSetSettings,
    embedding: EmbeddingSettings,
    boxes: str,
) -> tuple[pa.Table, pa.Table, list[Skipped]]:
    """Find, embed and reduce the persons in pictures that are not part of the search set.

    boxes: "best" for the person of the best score in each picture, "all" for every person that
    meets the limits of the search set. Returns rows of tables.QUERIES with reduced vectors; a table
    of their full-length vectors, in the same order; and the pictures without a query, each with the
    reason.
    """
    schema = with_vector(QUERIES, reduction.n_components)
    full_schema = with_full_length(pa.schema([]), len(reduction.mean))
    tables = [schema.empty_table()]
    full_length = [full_schema.empty_table()]
    skipped = []
    failures = Failures()
    for name in progress(pictures, "own pictures", "images"):
        try:
            image = read_image(Path(name))
        except UnreadableImage as error:
            skipped.append(Skipped(None, name, str(error)))
            continue
        try:
            [(found, scores, _)] = detect_category(detector, [image], category)
        except Exception as error:
            skipped.append(Skipped(None, name, failures.left_out(error, name).reason))
            continue
        heights = (found[:, 3] - found[:, 1]).astype(np.float64)
        fit = np.asarray(in_search_set(pa.array(scores), pa.array(heights), search_set))
        persons = np.flatnonzero(fit)
        rows = persons[: 1 if boxes == "best" else None]
        if not len(rows):
            reason = (
                f"no {category} of score {search_set.min_score} and "
                f"height {search_set.min_height} px or more found in it"
            )
            skipped.append(Skipped(None, name, reason))
            continue
        try:
            vectors = embed_boxes(detector, image, found[rows], embedding)
        except Exception as error:
            skipped.append(Skipped(None, name, failures.left_out(error, name).reason))
            continue
        failures.succeeded()
        stored = pa.table([vector_column(vectors)], ["vector"]).cast(full_schema)
        full_length.append(stored)
        n = len(rows)
        columns = {
            "query": np.zeros(n),
            "role": ["own picture"] * n,
            "reason": [
                f"your own picture, {category} {i + 1} of {len(persons)} by score" for i in range(n)
            ],
            "person_id": pa.nulls(n, pa.int64()),
            "image_id": pa.nulls(n, pa.int64()),
            "picture": [name] * n,
            "score": scores[rows],
            **dict(zip(BOX_COLUMNS, xyxy_to_xywh(found[rows]).T, strict=True)),
            # From the stored float16 vectors, as for the search set.
            "vector": vector_column(reduction.transform(vectors_of(stored))),
        }
        tables.append(pa.table(columns).cast(schema))
    return pa.concat_tables(tables), pa.concat_tables(full_length), skipped
