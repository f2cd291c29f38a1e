"""The test that every opening of an index runs, against what was measured when it was built."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from visualsearch.core.errors import InputError
from visualsearch.core.hashing import sha256_file
from visualsearch.core.sampling import evenly_spaced
from visualsearch.index import parts_of, rerun
from visualsearch.index.opening import Index, in_threads
from visualsearch.index.recall import RECALL_AT, Searched, found

MOST_ROWS = 20
ROWS_ASKED = 5
# Share of the neighbours by which another processor's rounding may change the result.
SLACK = 0.02


def make_self_test(index: Index, sample: Searched) -> dict[str, Any]:
    """What the sidecar keeps for `run_self_test`: some rows of a sample and what they find.

    rows; cosines: of each row's nearest others, the k-th; neighbours: k of all rows together;
    found: how many of these the index finds; vectors_sha256: of the rows' vectors.
    """
    few = sample.part(evenly_spaced(len(sample), MOST_ROWS))
    return {
        "rows": few.rows.tolist(),
        "cosines": [round(float(truth[-1]), 6) for truth in few.truth if len(truth)],
        "neighbours": few.truth.size,
        "found": _found(index, few),
        "vectors_sha256": hashlib.sha256(few.vectors.tobytes()).hexdigest(),
    }


def check_answers(index: Index, paths: Sequence[Path]) -> None:
    """Raise InputError where k asked do not give k.

    Some builds of Annoy answer with one neighbour whatever is asked (annoy issues 679 and 682).
    """
    there = [path for path in paths if path.stat().st_size]
    for path, part in zip(there, index.parts(), strict=True):
        asked = min(10, len(part))
        for row in evenly_spaced(len(part), ROWS_ASKED):
            rows, _ = part.query(part.vector(int(row)), asked)
            if len(rows) != asked:
                raise InputError(
                    f"{path} gives {len(rows)} neighbours where {asked} were asked: this build of "
                    f"{index.sidecar['backend']} is broken; reinstall it, or set index.backend: "
                    "exact"
                )


def run_self_test(index: Index, paths: Sequence[Path]) -> None:
    """Raise InputError where an index is not the one its sidecar tells of, or finds less."""
    hashes = in_threads(sha256_file, paths, index.threads)
    for path, part, digest in zip(paths, parts_of(index.sidecar), hashes, strict=True):
        if digest != part["index_sha256"]:
            raise InputError(
                f"{path} is not the file that its sidecar tells of, or is damaged; "
                f"{rerun(index.sidecar)}"
            )
    expected = index.sidecar["self_test"]
    # First of all: Annoy may crash on a query where the nodes are not of the size it takes.
    rows = np.array(expected["rows"], dtype=np.int64)
    if not len(rows):
        return  # An index of nobody.
    vectors = np.stack([index.vector(int(row)) for row in rows])
    if hashlib.sha256(vectors.tobytes()).hexdigest() != expected["vectors_sha256"]:
        raise InputError(
            f"{_named(paths)} holds other vectors than its sidecar tells of, or was built for "
            f"another metric or dimension; {rerun(index.sidecar)}"
        )
    check_answers(index, paths)
    k = expected["neighbours"] // len(rows)
    # Only the last column counts: the k-th neighbour's cosine.
    truth = np.repeat(np.array(expected["cosines"], dtype=np.float32)[:, None], k, axis=1)
    got = _found(index, Searched(rows, rows, vectors, truth.reshape(len(rows), k)))
    if got < expected["found"] - SLACK * expected["neighbours"]:
        raise InputError(
            f"{_named(paths)} finds {got} of {expected['neighbours']} nearest neighbours and "
            f"found {expected['found']} when it was built: it is broken, or not the index of its "
            f"sidecar; {rerun(index.sidecar)}"
        )


def _named(paths: Sequence[Path]) -> str:
    return (
        str(paths[0])
        if len(paths) == 1
        else f"the index of {len(paths)} parts in {paths[0].parent}"
    )


def _found(index: Index, sample: Searched) -> int:
    hits, _ = found(index, sample)
    return int(hits[RECALL_AT[-1]].sum())
