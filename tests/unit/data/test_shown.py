"""One rounding for every place that shows a number of a person."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visualsearch.data.shown import in_parts, shown_box, shown_score

shares = st.floats(-1, 1, width=32)
# Halves, whose last digit depends on how one rounds, among them.
halves = st.integers(-1000, 1000).map(lambda n: float(np.float32(n / 1000)))
sides = st.floats(-(2.0**15), 2.0**15, width=32)


@given(shares | halves)
def test_a_score_is_rounded_as_text_is(value: float) -> None:
    assert f"{shown_score(value):.3f}" == f"{value:.3f}"
    for digits in (2, 3):
        (found,) = in_parts(np.array([value], np.float32), 10**digits)
        assert found / 10**digits == float(f"{value:.{digits}f}")


@given(st.lists(sides | st.integers(-9999, 9999).map(lambda n: n / 4), min_size=4, max_size=4))
def test_a_box_is_rounded_as_text_is(box: list[float]) -> None:
    assert shown_box(box) == [float(f"{side:.1f}") for side in box]
    assert "-0.0" not in map(str, shown_box(box))


def test_no_score_stays_none() -> None:
    assert shown_score(None) is None
