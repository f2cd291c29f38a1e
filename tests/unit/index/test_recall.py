"""The measure of recall, by hand and with an index that misses what it should find."""

from typing import Any

import numpy as np
import pytest

from helpers import unit_vectors
from visualsearch.index.exact_backend import ExactBackend, ExactFile
from visualsearch.index.index import Index
from visualsearch.index.recall import (
    SampledQueries,
    count_hits,
    exact_cosines,
    lower_bound,
    measured_recall,
    sampled_rows,
)


@pytest.mark.parametrize("persons", [1, 2, 12, 1999, 2000, 45_000])
def test_tuning_and_reporting_use_different_persons(persons: int) -> None:
    tuning, held_out = sampled_rows(persons)
    assert not set(tuning) & set(held_out)
    assert len(tuning) <= len(held_out) <= 1000
    assert {*tuning, *held_out} <= set(range(persons))
    assert len(tuning) + len(held_out) == min(persons, 2000)


class Forgetful(Index):
    """Misses the nearest other of every row."""

    def counted_query(self, vector: np.ndarray, k: int) -> Any:
        rows, cosines, compared = super().counted_query(vector, min(k + 1, len(self)))
        return np.delete(rows, 1), np.delete(cosines, 1), compared


def sample_of(vectors: np.ndarray) -> SampledQueries:
    rows = np.arange(len(vectors))
    return SampledQueries(rows, rows, vectors, exact_cosines([vectors], vectors, rows, 10))


def test_recall_of_an_index_that_misses_the_nearest() -> None:
    vectors = unit_vectors(100, 8)
    index = Forgetful({}, ExactBackend(), ExactFile(vectors))
    assert measured_recall(index, sample_of(vectors), seed=0) == {
        "recall@1": 0,
        "recall@1_interval": [0, 0],
        "recall@10": 0.9,
        "recall@10_interval": [0.9, 0.9],
        "persons_sampled": 100,
    }


def test_ties_do_not_count_against_an_index() -> None:
    """Each has eleven equal others, so any ten of these are right."""
    vectors = np.repeat(unit_vectors(2, 8), 12, axis=0)
    index = Forgetful({}, ExactBackend(), ExactFile(vectors))
    hits, compared = count_hits(index, sample_of(vectors))
    assert (hits[1] == 1).all() and (hits[10] == 10).all() and (compared == 24).all()


def test_lower_bound_draws_whole_images() -> None:
    values = np.repeat([0.0, 1.0], 50)
    assert lower_bound(values, np.repeat([1, 2], 50), 0, 0.95) == 0
    assert lower_bound(values, np.tile([1, 2], 50), 0, 0.95) == 0.5
    # The normal approximation: 0.5 - 1.96 * 0.5 / sqrt(100).
    assert lower_bound(values, np.arange(100), 0, 0.95) == pytest.approx(0.402, abs=0.02)
