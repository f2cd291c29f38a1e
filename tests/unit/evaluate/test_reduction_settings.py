"""Settings of the reduction: made from the vectors that are there, and preferred by the rule."""

from typing import Any

import numpy as np
import pytest

from visualsearch.evaluate.reduction_settings import (
    ReductionSetting,
    compared_settings,
    component_numbers,
    preference,
    prefix,
    whitened_by,
)
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import Reduction, identity_reduction

LENGTH = 16
OWN = ReductionSetting(64, 0.5)
SHORT = ReductionSetting(32, 0.5)
WEAK = ReductionSetting(64, 0.25)


def made_vectors(n: int = 60) -> np.ndarray:
    """Random vectors, of which the later values vary less and less."""
    rng = np.random.default_rng(3)
    return (1 + rng.normal(size=(n, LENGTH)) * np.geomspace(2, 0.02, LENGTH)).astype(np.float32)


@pytest.mark.parametrize("fitted", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("power", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("n", [4, 10])
def test_another_setting_is_as_fitted_anew(fitted: float, power: float, n: int) -> None:
    vectors = made_vectors()
    there = fit_reduction([vectors], len(vectors), LENGTH, 10, fitted)
    anew = fit_reduction([vectors], len(vectors), LENGTH, n, power)
    found = prefix(whitened_by(there.transform(vectors), there, power), n)
    # The sign of a component is free, and cosines do not depend on it.
    wanted = anew.transform(vectors)
    assert found @ found.T == pytest.approx(wanted @ wanted.T, abs=2e-3)
    assert (fitted == power) or n == 4 or np.abs(found - there.transform(vectors)).max() > 0.01


def test_a_shorter_reduction_is_a_prefix() -> None:
    vectors = made_vectors()
    long = fit_reduction([vectors], len(vectors), LENGTH, 10, 0.5)
    cut = Reduction(
        long.mean,
        long.components[:4],
        long.explained_variance,
        long.explained_variance_ratio,
        0.5,
        long.n_persons,
    )
    assert prefix(long.transform(vectors), 4) == pytest.approx(cut.transform(vectors), abs=1e-5)


@pytest.mark.parametrize(("kept", "numbers"), [(256, [8, 16, 32, 64, 128, 256]), (5, [5])])
def test_component_numbers(kept: int, numbers: list[int]) -> None:
    assert component_numbers(kept) == numbers


def test_the_configured_whitening_is_compared_with_the_others() -> None:
    vectors = made_vectors()
    reduction = fit_reduction([vectors], len(vectors), LENGTH, 12, 0.3)
    assert compared_settings(reduction) == [
        (n, power) for power in (0.0, 0.25, 0.3, 0.5) for n in (8, 12)
    ]
    assert compared_settings(identity_reduction(5, 0.5, 1)) == [(5, 0.5)]


def measure(
    value: float, difference: list[float] | None = None, persons: int = 50, low: float = 0.01
) -> dict[str, Any]:
    """difference: interval of the paired difference. low: end of the lift's interval."""
    return {
        "persons": persons,
        "value": value,
        "lift": low + 0.05,
        "lift_interval": [low, low + 0.1],
        "difference_interval": difference or [0.0, 0.0],
    }


def copied(value: float, difference: list[float] | None = None) -> dict[str, Any]:
    share = {"persons": 50, "value": value, "interval": [value - 0.1, value]}
    return {"rank1": share | {"difference_interval": difference or [0.0, 0.0]}}


def preferred(other: dict[str, Any], own: dict[str, Any], setting: ReductionSetting = SHORT) -> Any:
    return preference({OWN: own, setting: other}, OWN)


def test_the_best_mean_rank_is_preferred_and_sure_by_an_interval() -> None:
    own = {"pose": measure(0.2), "context": measure(0.1), "self": copied(0.9)}
    better = {
        "pose": measure(0.22, [0.01, 0.03]),
        "context": measure(0.11, [-0.01, 0.03]),
        "self": copied(0.89, [-0.03, 0.01]),
    }
    found = preferred(better, own)
    assert (found["n_components"], found["whiten_power"], found["sure"]) == (32, 0.5, True)
    # Ranks 1, 1 and 2 of the three against 2, 2 and 1.
    assert found["mean_rank"] == pytest.approx(4 / 3, abs=1e-6)
    assert found["configured_mean_rank"] == pytest.approx(5 / 3, abs=1e-6)
    assert found["surely_better"] == ["pose"] and found["surely_worse"] == []
    # The same with copies that are surely lost, or without an interval above 0, is not sure.
    lost = preferred(better | {"self": copied(0.8, [-0.2, -0.05])}, own)
    assert lost["n_components"] == 32 and not lost["sure"] and lost["surely_worse"] == ["self"]
    doubtful = preferred(better | {"pose": measure(0.22, [-0.01, 0.03])}, own)
    assert doubtful["n_components"] == 32 and not doubtful["sure"]
    # Copies alone make nothing sure.
    more = better | {"pose": measure(0.22, [0, 0.1]), "self": copied(0.95, [0.01, 0.1])}
    assert preferred(more, own)["surely_better"] == []


def test_pose_context_labels_and_copies_count_alike() -> None:
    """Two measures of pose and three kinds of label do not outvote context and copies."""
    many = ("pose", "pose_oks", "label:a", "label:b", "label:c")
    own = {name: measure(0.2) for name in (*many, "context")} | {"self": copied(0.9)}
    other = {name: measure(0.3) for name in many} | {
        "context": measure(0.1),
        "self": copied(0.8),
    }
    found = preferred(other, own)
    assert found["mean_rank"] == found["configured_mean_rank"] == 1.5
    # Of equal ones the configured setting stays, then the shorter vectors.
    assert found["n_components"] == 64
    alike = {"pose": measure(0.3)}
    three = preference({OWN: {"pose": measure(0.2)}, WEAK: alike, SHORT: alike}, OWN)
    assert three is not None and three["n_components"] == 32 and three["mean_rank"] == 1.5


def test_measures_at_chance_or_of_few_persons_do_not_count() -> None:
    own = {
        "pose": measure(0.2),
        "context": measure(0.1, low=-0.01),
        "label:few": measure(0.5, persons=19),
    }
    other = {
        "pose": measure(0.19),
        "context": measure(0.3),
        "label:few": measure(0.9, persons=19),
    }
    found = preferred(other, own)
    assert found["n_components"] == 64 and found["measures_counted"] == ["pose"]
    only = {name: own[name] for name in ("context", "label:few")}
    assert preferred(only, only) is None


def test_what_is_not_known_of_another_setting_ranks_last() -> None:
    unknown = {
        "persons": 0,
        "value": None,
        "lift": None,
        "lift_interval": None,
        "difference_interval": None,
    }
    found = preferred({"pose": unknown}, {"pose": measure(0.2)})
    assert found["n_components"] == 64 and found["mean_rank"] == 1
