"""Other settings of the reduction, made from the vectors that are there, and the preferred one.

Which number of components and which whitening serve best depends on the network and its weights.
So each run compares them by its own measures.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from visualsearch.data.vectors import l2_normalised
from visualsearch.evaluate.relevance import FEWEST_PERSONS, above_chance
from visualsearch.reduce.reduction import Reduction

WHITEN_POWERS = (0.0, 0.25, 0.5)

Vectors = NDArray[np.float32]
Measures = dict[str, dict[str, Any]]


class ReductionSetting(NamedTuple):
    """One setting of the reduction, as in the configuration's section of that name."""

    n_components: int
    whiten_power: float


def compared_settings(reduction: Reduction) -> list[ReductionSetting]:
    """All that are compared: each number of components with each whitening.

    The configured one is always among them; it is alone where no PCA was fitted.
    """
    kept, power = reduction.n_components, float(reduction.whiten_power)
    if not reduction.is_fitted:
        return [ReductionSetting(kept, power)]
    return [
        ReductionSetting(n, power)
        for power in sorted({*WHITEN_POWERS, power})
        for n in component_numbers(kept)
    ]


def component_numbers(kept: int) -> list[int]:
    """Numbers of components to compare: powers of two from 8, and all that are kept."""
    return [*(n for n in (2**i for i in range(3, 12)) if n < kept), kept]


def prefix(reduced: Vectors, n_components: int) -> Vectors:
    """Reduced vectors [N, k] with only the first components, of length 1.

    Equal to a reduction with fewer components, as each is whitened by itself and lengths cancel.
    """
    return l2_normalised(np.ascontiguousarray(reduced[:, :n_components]))


def whitened_by(reduced: Vectors, reduction: Reduction, power: float) -> Vectors:
    """Reduced vectors [N, k] as a reduction with another whiten_power gives them, but for length.

    The PCA is the same whatever the power, so each component only has another factor.
    """
    if power == reduction.whiten_power:
        return reduced
    factors = reduction.deviations() ** (reduction.whiten_power - power)
    return reduced * factors.astype(np.float32)


def preference(
    compared: dict[ReductionSetting, Measures], configured: ReductionSetting
) -> dict[str, Any] | None:
    """Which setting the measures prefer, and whether that is sure; None if no measure counts.

    compared: by setting, the measures, each with its paired difference from the configured setting.
    A measure counts if the configured setting has it above chance (its 95 % interval), of
    FEWEST_PERSONS persons or more. Each measure ranks the settings. Measures of one kind (both of
    pose; all labels) share one mean rank, so that pose, context, labels and self count alike.
    Preferred is the best mean rank; of equal ones the configured setting, then the shorter vectors,
    then the weaker whitening. It is sure if the 95 % interval of a difference in pose, context or a
    label lies above 0, and that of no measure lies below 0.
    """
    kinds: dict[str, list[str]] = {}
    for name, found in _summaries(compared[configured]).items():
        if above_chance(found):
            kinds.setdefault(_kind(name), []).append(name)
    if not kinds:
        return None
    settings = sorted(compared, key=lambda setting: (setting != configured, setting))
    by_setting = [_summaries(compared[setting]) for setting in settings]
    ranks = np.zeros(len(settings))
    for names in kinds.values():
        values = np.array([[_value(found, name) for found in by_setting] for name in names])
        better = (values[:, None, :] > values[:, :, None]).sum(axis=2)
        equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
        ranks += (better + (equal + 1) / 2).mean(axis=0) / len(kinds)
    # Sums of the same ranks in another order may differ in the last bits.
    best = int(np.argmin(np.round(ranks, 6)))
    differences = {
        name: found["difference_interval"]
        for name, found in by_setting[best].items()
        if found["persons"] >= FEWEST_PERSONS and found.get("difference_interval") is not None
    }
    counted = [name for names in kinds.values() for name in names]
    gains = [
        name
        for name, ends in differences.items()
        if name in counted and _kind(name) != "self" and ends[0] > 0
    ]
    losses = [name for name, ends in differences.items() if ends[1] < 0]
    return {
        **settings[best]._asdict(),
        "mean_rank": round(float(ranks[best]), 6),
        "configured_mean_rank": round(float(ranks[0]), 6),
        "settings_compared": len(settings),
        "measures_counted": counted,
        "surely_better": gains,
        "surely_worse": losses,
        "sure": bool(gains) and not losses,
    }


def _kind(name: str) -> str:
    """Of what a measure is: pose, context, label or self."""
    return name.split(":")[0].split("_")[0]


def _summaries(measures: Measures) -> Measures:
    """The known measures; of copies the share of mirrored ones that find their original first."""
    summaries = {
        name: found.get("rank1", found)
        for name, found in measures.items()
        if name != "self_unmirrored"
    }
    return {name: found for name, found in summaries.items() if found["value"] is not None}


def _value(measures: Measures, name: str) -> float:
    return float(measures[name]["value"]) if name in measures else -np.inf
