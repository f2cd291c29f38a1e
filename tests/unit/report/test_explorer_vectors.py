"""The vectors that the explorer's page searches: how near they are to the tables' own."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from helpers import unit_vectors
from visualsearch.explorer.chunks import script
from visualsearch.explorer.vectors import (
    ALPHABET,
    CHARACTERS_TOGETHER,
    CODES_TOGETHER,
    HIGHEST,
    LEVELS,
    as_text,
    quantised,
    restored,
    scales_of,
)
from visualsearch.index.nearest import share_found


def nearest(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The ten nearest of the first vectors, without themselves."""
    cosines = queries @ vectors.T
    np.fill_diagonal(cosines, -9)
    return np.argsort(-cosines, axis=1)[:, :10]


def codes_of(text: str, count: int) -> Iterator[int]:
    """Codes read back, one character after another."""
    for start in range(0, len(text), CHARACTERS_TOGETHER):
        number = 0
        for char in text[start : start + CHARACTERS_TOGETHER]:
            number = number * len(ALPHABET) + ALPHABET.index(char.encode())
        for place in range(CODES_TOGETHER - 1, -1, -1):
            if count > 0:
                yield number // LEVELS**place % LEVELS - HIGHEST
            count -= 1


@pytest.mark.parametrize("length", [1, 4, 5, 256])
def test_codes_come_back_from_their_text(length: int) -> None:
    codes = np.random.default_rng(0).integers(-HIGHEST, HIGHEST + 1, (7, length)).astype(np.int16)
    codes[0], codes[1] = HIGHEST, -HIGHEST
    text = as_text(codes)
    assert list(codes_of(text, codes.size)) == codes.ravel().tolist()
    assert len(text) == 7 * -(-codes.size // 5)
    # Each character stands for itself.
    assert script("vectors-0000", text) == f'chunks.receive("vectors-0000","{text}");\n'
    assert json.loads(json.dumps(text)) == text


def test_as_many_codes_as_fit_into_the_characters() -> None:
    assert len(set(ALPHABET)) == 90
    assert LEVELS**CODES_TOGETHER <= len(ALPHABET) ** CHARACTERS_TOGETHER < 2**53
    assert len(ALPHABET) ** CHARACTERS_TOGETHER < (LEVELS + 2) ** CODES_TOGETHER


def test_neighbours_without_any_structure_are_nearly_all_found() -> None:
    """The hardest case: the tenth and the eleventh neighbour differ by next to nothing."""
    vectors = unit_vectors(8000, 256)
    scales = scales_of([vectors])
    near = restored(quantised(vectors, scales), scales)
    truth = nearest(vectors[:500], vectors)
    # Of a vector of one's own, and of a person, whose vector is rounded too.
    assert share_found(truth, nearest(vectors[:500], near)).mean() >= 0.99
    assert share_found(truth, nearest(near[:500], near)).mean() >= 0.99
    assert np.abs(near[:500] @ near.T - vectors[:500] @ vectors.T).max() < 0.003


def test_dimensions_of_other_strength_lose_no_more() -> None:
    strength = np.geomspace(1, 0.05, 64, dtype=np.float32)
    vectors = unit_vectors(3000, 64) * strength
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scales = scales_of([vectors])
    near = restored(quantised(vectors, scales), scales)
    assert share_found(nearest(vectors, vectors), nearest(near, near)).mean() >= 0.99


def test_scales_do_not_depend_on_batches() -> None:
    vectors = unit_vectors(100, 8)
    whole = scales_of([vectors])
    assert whole.dtype == np.float32 and whole.shape == (8,)
    assert np.allclose(scales_of([vectors[:30], vectors[30:]]), whole, rtol=1e-6)
    assert np.allclose(whole, np.square(vectors).mean(axis=0) ** 0.25)


def test_nothing_becomes_nothing() -> None:
    vectors = np.zeros((2, 5), dtype=np.float32)
    vectors[0, 3] = 1
    scales = scales_of([vectors])
    assert scales[3] < 1 and scales[0] == 1
    codes = quantised(vectors, scales)
    assert codes[0].tolist() == [0, 0, 0, HIGHEST, 0] and not codes[1].any()
    assert np.array_equal(restored(codes, scales), vectors)
    assert scales_of([]).size == 0
