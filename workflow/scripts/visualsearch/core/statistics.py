"""Evenly spaced samples, and bootstrap intervals of a mean."""

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
# The normal distribution's quantile for it.
Z = 1.959964

Values = NDArray[np.float64]


def evenly_spaced(n: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the rows 0..n-1, evenly spaced, always the same ones."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).astype(np.int64))


class Bootstrap:
    """Percentile bootstrap over images: persons of one image are not independent.

    image_ids: [Q], the image of each measured person. The same resamples serve every measure, so
    that differences between measures are of the same draws.
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.
    """

    def __init__(self, image_ids: NDArray[np.int64], resamples: int, seed: int) -> None:
        images, self.image_of = np.unique(image_ids, return_inverse=True)
        # How often each image is drawn in each resample.
        self.drawn = np.zeros((resamples, len(images)), dtype=np.float32)
        if len(images):
            rng = np.random.default_rng(seed)
            alike = np.full(len(images), 1 / len(images))
            self.drawn[:] = rng.multinomial(len(images), alike, size=resamples)

    def means(self, values: Values) -> Values:
        """The mean of values [Q], nan left out, in each resample; nan where none is known."""
        known = ~np.isnan(values)
        n = self.drawn.shape[1]
        totals = np.bincount(self.image_of, np.where(known, values, 0), minlength=n)
        numbers = np.bincount(self.image_of, known, minlength=n)
        weight = self.drawn @ numbers
        sums = self.drawn @ totals
        return np.divide(sums, weight, out=np.full(len(sums), np.nan), where=weight > 0)

    def interval(self, values: Values) -> list[float] | None:
        """The interval, [low, high], that holds 95 % of the resamples' means."""
        return interval_of(self.means(values))

    def share_interval(self, values: Values) -> list[float] | None:
        """The interval of values in 0..1, honest also where all are 0, or all 1.

        Resamples of these are all the same; Wilson's interval (1927) for as many trials as there
        are images says how little a small sample without a miss shows.
        """
        known = ~np.isnan(values)
        mean = values[known].mean() if known.any() else np.nan
        if mean not in (0, 1):
            return self.interval(values)
        images = len(np.unique(self.image_of[known]))
        doubt = round(Z**2 / (images + Z**2), 6)
        return [0.0, doubt] if mean == 0 else [round(1 - doubt, 6), 1.0]


def interval_of(means: Values) -> list[float] | None:
    """The middle 95 % of resampled values, [low, high]; None where there are none."""
    known = means[~np.isnan(means)]
    if not len(known):
        return None
    tail = (1 - CONFIDENCE) / 2
    return [round(float(value), 6) for value in np.quantile(known, (tail, 1 - tail))]
