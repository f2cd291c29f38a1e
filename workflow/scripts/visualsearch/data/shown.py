"""Numbers of a person as people read them, so that report, explorer and hits.csv say the same.

The tables are exact. Each shown number is rounded once, from the table's: a number rounded twice
may differ in its last digit.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

BOX_DIGITS = 1
SCORE_DIGITS = 3


def shown_box(box: Iterable[float]) -> list[float]:
    """Round left, top, width and height to 0.1 pixel; zero has no sign."""
    return [round(side, BOX_DIGITS) + 0.0 for side in box]


def shown_score(score: float | None) -> float | None:
    """Round a score to 0.001; None stays."""
    return None if score is None else round(score, SCORE_DIGITS)


def in_parts(values: ArrayLike, parts: int) -> NDArray[np.int64]:
    """Round float32 values to whole parts of one, 100 or 1000, and return how many each has.

    Halves go to the even digit, as with Python's round: the product below is exact in float64.
    """
    return np.rint(np.asarray(values, np.float64) * parts).astype(np.int64)
