"""The reduced vectors as the page searches them: rounded, and written as text.

A value takes 1.4 characters and one of 543 levels. In base64 it would have one of 256 levels in
1.33 characters, and exact search over 50,000 persons would miss two of a hundred neighbours; with
these it misses one or less (docs/explorer.md).
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from visualsearch.explorer.chunks import packed

# Persons in a file: 1.5 MB, for vectors of 256.
VECTORS_ROWS = 4096
# Codes go from -HIGHEST to HIGHEST: as many as fit, five at a time, into seven characters.
HIGHEST = 271
LEVELS = 2 * HIGHEST + 1
CODES_TOGETHER, CHARACTERS_TOGETHER = 5, 7
# What stands for itself in a string of JSON, and is no markup.
ALPHABET = bytes(char for char in range(ord(" "), 127) if chr(char) not in '"\\<>&')


def scales_of(batches: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return a scale for each dimension, float32 [D], of all vectors [n, D], given in batches.

    The square root of the standard deviation about 0: strong dimensions get larger steps than weak
    ones, but not in full proportion, as they decide more about a cosine.
    """
    squares, count = np.zeros(0), 0
    for vectors in batches:
        part = np.square(vectors, dtype=np.float64).sum(axis=0)
        squares, count = (squares + part if count else part), count + len(vectors)
    scales = np.sqrt(np.sqrt(squares / max(count, 1)))
    return np.where(scales > 0, scales, 1).astype(np.float32)


def quantised(vectors: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return codes, int16 [n, D], of vectors [n, D].

    A vector's largest value, in units of the scales, gets the highest code. By how much a vector
    was stretched need not be known: its length was 1.
    """
    values = vectors.astype(np.float64) / scales
    largest = np.abs(values).max(axis=1, keepdims=True, initial=0)
    return np.rint(values * (HIGHEST / np.where(largest > 0, largest, 1))).astype(np.int16)


def restored(codes: NDArray[np.int16], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return unit vectors, float32 [n, D], as the page has them; a zero vector stays."""
    values = codes * scales.astype(np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return (values / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def as_text(codes: NDArray[np.int16]) -> str:
    """Return codes, of any shape, one row after another; zeros fill up the last characters."""
    flat = codes.astype(np.int64).ravel()
    flat = np.pad(flat, (0, -len(flat) % CODES_TOGETHER)) + HIGHEST
    places = LEVELS ** np.arange(CODES_TOGETHER - 1, -1, -1, dtype=np.int64)
    numbers = flat.reshape(-1, CODES_TOGETHER) @ places
    digits = np.empty((len(numbers), CHARACTERS_TOGETHER), dtype=np.uint8)
    for place in range(CHARACTERS_TOGETHER - 1, -1, -1):
        numbers, digits[:, place] = np.divmod(numbers, len(ALPHABET))
    return np.frombuffer(ALPHABET, dtype=np.uint8)[digits].tobytes().decode("ascii")


def vectors_chunk(
    vectors: NDArray[np.float32], scales: NDArray[np.float32], first_of_picture: NDArray[np.bool_]
) -> list[str]:
    """Return [which rows begin a picture, as bits in base64; the codes as text] of some persons."""
    return [packed(np.packbits(first_of_picture)), as_text(quantised(vectors, scales))]
