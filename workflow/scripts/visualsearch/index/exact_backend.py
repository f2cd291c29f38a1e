"""Exact search: every vector is compared. The truth that other backends are measured against."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.errors import InputError
from visualsearch.index.opening import cosines_with

PARAMETER = None
COUNTS_EXACTLY = True


def build(
    vectors: Iterable[NDArray[np.float32]],
    path: str,
    shape: tuple[int, int],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Write the unit vectors as one float32 .npy array of `shape` [N, D], a batch at a time."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for batch in vectors:
            file.write(batch.astype("<f4").tobytes())
    return {"metric": "cosine"}


def load(path: str, sidecar: dict[str, Any]) -> NDArray[np.float32]:
    """Map the array into memory."""
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no array of vectors ({error})") from error
    if vectors.ndim != 2 or vectors.shape[1] != sidecar["dimension"]:
        raise InputError(f"{path} has shape {vectors.shape}, not [N, {sidecar['dimension']}]")
    return vectors


def query(
    handle: NDArray[np.float32], vector: NDArray[np.float32], k: int, effort: None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows [k] nearest to `vector` [D] and their vectors [k, D]; equal cosines by rising row."""
    cosines = handle @ vector
    rows = np.arange(len(cosines))
    if k < len(cosines):
        # A product's last bits depend on where a row lies. All that may be among the k nearest are
        # compared again, so that the same ones are chosen wherever they lie.
        threshold = np.partition(cosines, -k)[-k]
        rows = np.flatnonzero(cosines >= threshold - 2 * rounding(len(vector)))
        again = cosines_with(vector, (handle[row] for row in rows))
        rows = rows[np.lexsort((rows, -again))][:k]
    return rows.astype(np.int64), np.asarray(handle[rows])


def rounding(length: int) -> float:
    """The most by which the float32 product of two unit vectors of this length is wrong.

    Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.1, for any order of
    the sum; twice that, as the vectors' own lengths are rounded too.
    """
    return length * float(np.finfo(np.float32).eps)


def counted_query(
    handle: NDArray[np.float32], vector: NDArray[np.float32], k: int, effort: None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """What `query` returns, and how many vectors were compared: all."""
    return *query(handle, vector, k), len(handle)


def vector(handle: NDArray[np.float32], row: int) -> NDArray[np.float32]:
    """The stored vector of a row, [D]."""
    return np.array(handle[row])


def count(handle: NDArray[np.float32]) -> int:
    """Vectors in the array."""
    return len(handle)
