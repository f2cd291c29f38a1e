"""Build an index from reduced vectors, with its sidecar and its measured recall."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.atomic import replacing, write_json
from visualsearch.hashing import sha256_file
from visualsearch.index import backend, open_index
from visualsearch.progress import progress
from visualsearch.search import evenly_spaced, recall_of_index
from visualsearch.tables import (
    PERSONS,
    common_metadata,
    count_rows,
    in_person_order,
    vector_length,
    vectors_of,
    write_table,
)

log = logging.getLogger(__name__)

BATCH_ROWS = 4096
RECALL_SAMPLE = 500
RECALL_AT = (1, 10)


def build_index(
    reduced: Sequence[str], settings: dict[str, Any], index: str, persons: str, sidecar: str
) -> None:
    """Build an index over all persons in person order.

    reduced: shards of reduced vectors. settings: the `index` section of the configuration.
    index, persons, sidecar: paths to write. The sidecar holds what is needed to open the file,
    a hash of the vectors, and the recall measured against exact search on an even sample.
    """
    metadata = common_metadata(reduced)
    dimension = vector_length(reduced[0])
    n_items = count_rows(reduced)
    digest = hashlib.sha256()

    def vectors() -> Iterator[NDArray[np.float32]]:
        for table in in_person_order(reduced, BATCH_ROWS):
            yield vectors_of(table)

    def hashed() -> Iterator[NDArray[np.float32]]:
        for batch in progress(vectors(), "index", "batches", -(-n_items // BATCH_ROWS)):
            digest.update(batch.tobytes())
            yield batch

    module = backend(settings["backend"])
    with replacing(index) as temporary:
        facts = module.build(hashed(), str(temporary), dimension, settings)
    rows = (table.select(PERSONS.names) for table in in_person_order(reduced, BATCH_ROWS))
    write_table(persons, rows, PERSONS)
    described = {
        "backend": settings["backend"],
        "dimension": dimension,
        "n_items": n_items,
        **facts,
        "vectors_sha256": digest.hexdigest(),
        "index_sha256": sha256_file(index),
        "pca_model": metadata.get("model"),
        "versions": {name: version(name) for name in ("annoy", "numpy")},
    }
    opened = open_index(index, described)
    sample = evenly_spaced(n_items, RECALL_SAMPLE)
    recall = recall_of_index(opened, vectors(), sample, RECALL_AT)
    described["recall"] = {name: round(value, 6) for name, value in recall.items()}
    described["recall"]["persons_sampled"] = len(sample)
    log.info("recall against exact search: %s", described["recall"])
    write_json(sidecar, described)
