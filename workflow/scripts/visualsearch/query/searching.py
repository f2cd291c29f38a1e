"""Searches a finished run for the persons in pictures, as the run itself does for its queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from visualsearch.core.errors import InputError
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.manifest import read_manifest
from visualsearch.data.person_order import vectors_of_rows
from visualsearch.data.skipped import Skipped
from visualsearch.data.tables import PERSONS, count_rows, read_table
from visualsearch.data.vectors import stored_lengths, vectors_of
from visualsearch.detect import load_backbone, load_described
from visualsearch.detect.calibration import Sample
from visualsearch.index.index import Index
from visualsearch.index.opening import open_index
from visualsearch.query.run import FINISH, FinishedRun
from visualsearch.reduce.reduction import Reduction
from visualsearch.search.full_length import FullLength
from visualsearch.search.hits import search_all
from visualsearch.search.own_pictures import Persons, QueryPicture, embed_query_images
from visualsearch.settings.values import BOX, without_box

BY_HAND = "give its box in pixels, as in --box 10,20,30,40"
# Persons for which the index is compared with the embeddings.
COMPARED = 3
# Far above what another processor rounds, and far below what another setting changes.
TOLERANCE = 1e-3


class Found(NamedTuple):
    """queries, hits: rows of tables.QUERIES and tables.HITS. skipped: pictures without a query."""

    queries: pa.Table
    hits: pa.Table
    skipped: list[Skipped]


def search_pictures(run: FinishedRun, given: Sequence[str], most: int) -> Found:
    """Find the hits of the persons in pictures.

    given: paths, each with a box or without, as in queries.images. most: persons in a picture, the
    largest first. The answers are those of a run with these pictures in queries.images.

    Raises InputError if the run's files do not belong together.
    """
    reduction = Reduction.load(run.files["model"])
    with threadpool_limits(1):
        index = open_index(run.files["index"], run.sidecar)
        _check_that_files_belong_together(run, index, reduction)
        queries, full_length, skipped = _describe(run, reduction, given, most)
        own = vectors_of(full_length)
        hits = search_all(
            index,
            read_table(run.files["persons"], PERSONS.names),
            queries,
            run.search,
            FullLength(run.embeddings, reduction.mean, own),
        )
    return Found(queries, hits, skipped)


def _describe(
    run: FinishedRun, reduction: Reduction, given: Sequence[str], most: int
) -> tuple[pa.Table, pa.Table, list[Skipped]]:
    # A box by hand needs the backbone only, and that no torch.
    if all(BOX in each for each in given):
        backbone, persons = load_backbone(run.detector, run.described, run.results), None
    else:
        sample = Sample(run.files["manifest"], run.pictures_folder)
        backbone = detector = load_described(run.detector, run.described, run.results, sample)
        persons = Persons(detector, run.dataset.category, run.search_set, most, BY_HAND)
    queries, full_length, skipped = embed_query_images(
        backbone,
        [QueryPicture(each, without_box(each)) for each in given],
        reduction,
        run.embedding,
        persons,
        read_manifest(run.files["manifest"], ["image_id", "sha256"]),
        run.dataset.max_pixels,
    )
    numbers = pa.array(range(len(queries)), queries.schema.field("query").type)
    return queries.set_column(0, "query", numbers), full_length, skipped


def _check_that_files_belong_together(run: FinishedRun, index: Index, reduction: Reduction) -> None:
    """Raise InputError if embeddings, reduction and index are not of the same run.

    A run that was stopped after a change of settings leaves new files beside old ones.
    """
    belong = len(index) == count_rows(run.embeddings)
    if belong and len(index):
        belong = sum(stored_lengths(run.embeddings[0]).values()) == len(reduction.mean)
    if belong and len(index):
        rows = evenly_spaced(len(index), COMPARED)
        reduced = reduction.transform(vectors_of_rows(run.embeddings, rows))
        stored = index.vectors(rows)
        belong = reduced.shape == stored.shape and np.allclose(reduced, stored, atol=TOLERANCE)
    if not belong:
        raise InputError(
            f"the run in {run.results} is not finished: its index does not belong to its "
            f"embeddings; {FINISH}"
        )
