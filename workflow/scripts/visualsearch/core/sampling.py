"""Which persons are measured with, where all would be too many."""

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the rows 0..n-1, evenly spread, always the same ones."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).astype(np.int64))
