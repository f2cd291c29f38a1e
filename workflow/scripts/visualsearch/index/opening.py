"""Opening an index, with the test that it still does what was measured when it was built."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from visualsearch.core.errors import InputError
from visualsearch.core.statistics import evenly_spaced
from visualsearch.index.index import RERUN, Index, load_index
from visualsearch.index.recall import RECALL_AT, SampledQueries, count_hits

MAX_ROWS = 20
ROWS_ASKED = 5
# Share of the neighbours that may be missed because another processor rounds differently.
SLACK = 0.02


def open_index(path: str | Path, sidecar: dict[str, Any]) -> Index:
    """Open an index file as its sidecar describes it, and test it.

    Besides what `load_index` checks, the file must have the sidecar's vectors, return as many
    neighbours as are asked for, and find as many of a few rows' exact neighbours as when it was
    built. Takes some tens of queries. Raises InputError that says what failed and what to rerun.
    """
    index = load_index(path, sidecar)
    expected = sidecar["self_test"]
    rows = np.array(expected["rows"], dtype=np.int64)
    if not len(rows):  # Nobody is in the index.
        return index
    # Vectors first: Annoy may crash on a query where its nodes have another size than it expects.
    vectors = np.stack([index.vector(int(row)) for row in rows])
    if hashlib.sha256(vectors.tobytes()).hexdigest() != expected["vectors_sha256"]:
        raise InputError(
            f"{path} does not hold the vectors that its sidecar describes, or was built for "
            f"another metric or dimension; {RERUN}"
        )
    check_answers(index, path)
    k = expected["neighbours"] // len(rows)
    # Only the last column counts: the cosine of the k-th neighbour.
    truth = np.repeat(np.array(expected["cosines"], dtype=np.float32)[:, None], k, axis=1)
    sample = SampledQueries(rows, rows, vectors, truth.reshape(len(rows), k))
    found = _count_found(index, sample)
    if found < expected["found"] - SLACK * expected["neighbours"]:
        raise InputError(
            f"{path} finds {found} of {expected['neighbours']} nearest neighbours and found "
            f"{expected['found']} when it was built: it is broken, or not the index of its "
            f"sidecar; {RERUN}"
        )
    return index


def make_self_test(index: Index, sample: SampledQueries) -> dict[str, Any]:
    """What the sidecar keeps so that `open_index` can test the index.

    rows: some of the sample. cosines: for each row, that of its k-th nearest other. neighbours: k
    for each row, added up. found: how many of these the index finds. vectors_sha256: of the rows'
    vectors.
    """
    few = sample.some(evenly_spaced(len(sample), MAX_ROWS))
    return {
        "rows": few.rows.tolist(),
        "cosines": [round(float(truth[-1]), 6) for truth in few.truth if len(truth)],
        "neighbours": few.truth.size,
        "found": _count_found(index, few),
        "vectors_sha256": hashlib.sha256(few.vectors.tobytes()).hexdigest(),
    }


def check_answers(index: Index, path: str | Path) -> None:
    """Raise InputError where a query for k neighbours does not return k.

    Some builds of Annoy return one neighbour, whatever k is (annoy issues 679 and 682).
    """
    k = min(10, len(index))
    for row in evenly_spaced(len(index), ROWS_ASKED):
        rows, _ = index.query(index.vector(int(row)), k)
        if len(rows) != k:
            raise InputError(
                f"{path} gives {len(rows)} neighbours instead of {k}: this build of "
                f"{index.backend.name} is broken; reinstall it, or set index.backend: exact"
            )


def _count_found(index: Index, sample: SampledQueries) -> int:
    hits, _ = count_hits(index, sample)
    return int(hits[RECALL_AT[-1]].sum())
