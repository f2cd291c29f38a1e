"""How vectors were shortened, and why."""

import numpy as np

from visualsearch.reduce.reduction import Reduction
from visualsearch.report.blocks import Block, Figure, Paragraph
from visualsearch.report.model import Results
from visualsearch.report.numbers import count, percent

VARIANCE = "explained_variance.svg"
CAPTION = "The variance that the first components hold together. Dashed: where they were cut."


def blocks(results: Results) -> list[Block]:
    """Return the steps with their reasons, and the explained variance."""
    reduction = results.reduction
    if not reduction.is_fitted:
        return [
            Paragraph(
                "A reduction keeps the directions in which persons differ, and needs two persons. "
                f"These vectors keep their {len(reduction.mean):,} values, at length 1."
            )
        ]
    return [
        Figure(VARIANCE, _variance_text(reduction), CAPTION),
        Paragraph(
            "Features after a rectifier are never negative, so all cosines crowd near 1. Without "
            "the mean of all, they spread between −1 and 1."
        ),
        Paragraph(_components(results)),
        Paragraph(_whitening(reduction)),
    ]


def _components(results: Results) -> str:
    reduction = results.reduction
    length, kept = len(reduction.mean), reduction.n_components
    asked = results.settings.reduction.n_components
    explained = float(np.sum(reduction.explained_variance_ratio[:kept]))
    why = "as asked"
    if asked < 1:
        why = f"as many as explain {percent(asked)} of the variance, as asked"
    elif asked > kept:
        cause = f"{reduction.n_persons:,} persons" if kept < length else f"{length:,} values"
        why = f"{asked} were asked for, and {cause} allow no more"
        if kept < min(reduction.n_persons - 1, length):
            why = f"{asked} were asked for; more than half as many as persons would add noise"
    return (
        f"An incremental PCA, fitted on {count(reduction.n_persons, 'person')}, turned {length:,} "
        f"values into {kept:,} ({why}). They hold {percent(explained, 1)} of the variance. "
        f"Vectors are {length / kept:,.1f} times shorter, so the index is smaller and searches "
        "are faster."
    )


def _whitening(reduction: Reduction) -> str:
    kept, power = reduction.n_components, reduction.whiten_power
    if kept == 1:
        return "A single component needs no whitening."
    if power == 0:
        return "Whitening was off (power 0), so the strongest directions weigh most."
    ratio = float(np.sqrt(reduction.explained_variance[0] / reduction.explained_variance[kept - 1]))
    return (
        f"The first component deviates {ratio:,.1f} times as much as the last, and would decide "
        f"alone. So each was divided by its standard deviation to the power {power:g}, which "
        f"leaves a factor of {ratio ** (1 - power):,.1f} (partial whitening, Jégou and Chum, ECCV "
        "2012)."
    )


def _variance_text(reduction: Reduction) -> str:
    shares = np.cumsum(reduction.explained_variance_ratio)
    kept = reduction.n_components
    return (
        f"Variance explained: {percent(float(shares[0]))} by the first component, "
        f"{percent(float(shares[kept - 1]), 1)} by the {kept} kept"
    )
