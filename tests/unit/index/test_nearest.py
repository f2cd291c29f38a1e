"""Streaming exact search, against comparing everything at once."""

import numpy as np
import pytest

from visualsearch.data.vectors import l2_normalised
from visualsearch.index.nearest import Nearest, Ranks, Rescored, share_found


def made(n: int = 300, dimension: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    vectors = l2_normalised(rng.normal(size=(n, dimension)).astype(np.float32))
    return vectors, np.sort(rng.integers(0, n // 3, n))


@pytest.mark.parametrize("rows_a_batch", [1, 7, 300])
@pytest.mark.parametrize("same_image", [True, False])
def test_nearest_is_a_full_sort(rows_a_batch: int, same_image: bool) -> None:
    vectors, images = made()
    rows = np.array([0, 5, 299])
    nearest = Nearest(vectors[rows], 10, rows, None if same_image else images[rows])
    for start in range(0, len(vectors), rows_a_batch):
        part = slice(start, start + rows_a_batch)
        nearest.add(vectors[part], images[part])
    for i, row in enumerate(rows):
        others = np.arange(300) != row
        if not same_image:
            others &= images != images[row]
        order = np.argsort(-(vectors @ vectors[row]), kind="stable")
        expected = [r for r in order if others[r]][:10]
        assert nearest.neighbours[i].tolist() == expected
        assert nearest.cosines[i] == pytest.approx(vectors[expected] @ vectors[row], abs=1e-6)


@pytest.mark.parametrize("rows_a_batch", [600, 1000, 2000])
def test_nearest_of_large_batches_is_a_full_sort(rows_a_batch: int) -> None:
    """In these, groups tell what cannot be among the nearest. Half of the rows are copies."""
    vectors, _ = made(2000)
    vectors[::2] = vectors[0]
    images = np.arange(2000) % 7
    images[:1500] = 0  # so that the first batches hold hardly any that are allowed
    rows = np.array([0, 5, 1999])
    nearest = Nearest(vectors[rows], 10, rows, images[rows])
    for start in range(0, len(vectors), rows_a_batch):
        part = slice(start, start + rows_a_batch)
        nearest.add(vectors[part], images[part])
    for i, row in enumerate(rows):
        cosines = (vectors @ vectors[row]).astype(np.float64).round(6)
        order = np.argsort(-cosines, kind="stable")
        wanted = [r for r in order if images[r] != images[row]][:10]
        assert nearest.cosines[i] == pytest.approx(vectors[wanted] @ vectors[row], abs=1e-6)
        assert (images[nearest.neighbours[i]] != images[row]).all()
    # Copies have equal cosines in one product, and come by rising row.
    assert nearest.neighbours[0].tolist() == [r for r in range(0, 2000, 2) if images[r]][:10]


def test_fewer_neighbours_than_asked_leave_gaps() -> None:
    vectors, _ = made(4)
    images = np.array([0, 0, 1, 2])
    nearest = Nearest(vectors[:1], 10, np.array([0]), images[:1])
    nearest.add(vectors, images)
    assert sorted(nearest.neighbours[0, :2].tolist()) == [2, 3]
    assert (nearest.neighbours[0, 2:] == -1).all()


def test_equal_cosines_come_by_rising_row() -> None:
    vectors = np.tile(l2_normalised(np.ones((1, 4), np.float32)), (50, 1))
    nearest = Nearest(vectors[:1], 3)
    nearest.add(vectors[:25], np.arange(25))
    nearest.add(vectors[25:], np.arange(25, 50))
    assert nearest.neighbours[0].tolist() == [0, 1, 2]


def test_rank_counts_the_rows_that_are_more_alike() -> None:
    vectors, _ = made()
    query = vectors[[7]]
    order = np.argsort(-(vectors @ vectors[7]))
    for place in (0, 3, 299):
        ranks = Ranks(query, vectors[order[place : place + 1]])
        for batch in np.array_split(vectors, 5):
            ranks.add(batch)
        assert ranks.ranks.tolist() == [place + 1]


def test_rescored_looks_at_the_candidates_only() -> None:
    vectors, _ = made()
    candidates = np.array([[4, 250, 17, -1]])
    rescored = Rescored(vectors[:1], candidates)
    for batch in np.array_split(vectors, 4):
        rescored.add(batch)
    assert rescored.cosines[0, :3] == pytest.approx(vectors[candidates[0, :3]] @ vectors[0])
    assert rescored.cosines[0, 3] == -np.inf
    expected = sorted([4, 250, 17], key=lambda row: -float(vectors[row] @ vectors[0]))
    assert rescored.best(3)[0].tolist() == expected


def test_share_found_by_hand() -> None:
    truth = np.array([[1, 2], [3, -1], [-1, -1]])
    found = np.array([[2, 9], [3, 4], [5, 6]])
    shares = share_found(truth, found)
    assert shares[:2].tolist() == [0.5, 1.0]
    assert np.isnan(shares[2])
