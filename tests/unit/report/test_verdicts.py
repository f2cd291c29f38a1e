"""No more is promised than the intervals say: verdicts of measures, and enough components."""

from typing import Any

import pytest

from made_measures import copies, paired, row_of, summary
from report_run import Run, with_numbers
from visualsearch.report.wording import components, limits


def verdicts(run: Run, measures: dict[str, Any], raw: dict[str, Any] | None = None) -> Any:
    return dict(
        limits.verdicts(with_numbers(run.results(), measures=measures, raw_cosine=raw or {}))
    )


@pytest.mark.parametrize(
    ("value", "ends", "verdict", "told"),
    [
        (0.25, [-0.01, 0.11], "no more than chance", "−0.010 to 0.110, holds 0"),
        (0.25, [0.0, 0.11], "no more than chance", "holds 0"),
        (0.25, [0.01, 0.09], "seen weakly", "1.2 times what chance gives, and 6 % of the way"),
        (0.5, [0.2, 0.4], "seen clearly", "95 % interval 25 % to 50 %"),
        (0.88, [0.6, 0.76], "seen strongly", "4.4 times what chance gives, and 85 % of the way"),
        (0.1, [-0.15, -0.05], "less than chance", "−0.150 to −0.050, lies below 0"),
        (0.1, None, "too few persons to tell", "0.100 for the ten neighbours"),
    ],
)
def test_no_more_is_promised_than_the_interval_says(
    run: Run, value: float, ends: list[float] | None, verdict: str, told: str
) -> None:
    (title, text), = verdicts(run, {"pose": summary(value, ends, 0.2)}).items()  # fmt: skip
    assert title == f"Pose: {verdict}"
    assert told in text and "0.200 for persons drawn at random (of 50 persons)" in text
    assert ("times" in text) == verdict.startswith("seen")


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ([0.96, 1.0], "nearly always found"),
        ([0.9, 1.0], "mostly found"),
        ([0.6, 0.9], "found more often than not"),
        ([0.4, 0.6], "found about every other time"),
        ([0.1, 0.5], "missed more often than found"),
    ],
)
def test_distorted_copies_are_judged_by_the_interval(
    run: Run, ends: list[float], verdict: str
) -> None:
    told = verdicts(run, {"self": copies(0.5, ends), "self_unmirrored": copies(0.97, [0.95, 1])})
    (text,) = told.values()
    assert list(told) == [f"A distorted copy: {verdict}"]
    assert "50 % find their original" in text and "Without mirroring, 97 % do" in text
    assert "left and right" not in text


def test_few_persons_give_numbers_and_no_verdict(run: Run) -> None:
    found = copies(1.0, [1.0, 1.0])
    found["rank1"]["persons"] = 19
    pose = summary(0.9, [0.6, 0.7], 0.2, persons=19)
    raw = {"pose": summary(0.1, None) | paired(0.8, [0.7, 0.9]) | {"persons": 19}}
    told = verdicts(run, {"self": found, "pose": pose}, raw)
    assert list(told) == [
        "A distorted copy: too few persons to tell", "Pose: too few persons to tell",
    ]  # fmt: skip
    copy, posed = told.values()
    assert "Of 19 copies" in copy and "100 % find" in copy
    assert "95 % interval 100 % to 100 %" in copy
    assert "0.900 for the ten neighbours" in posed and "95 % interval 0.600 to 0.700" in posed
    assert "0.100: too few persons to tell (95 % interval of the difference" in posed
    found["rank1"]["persons"] = pose["persons"] = 20
    told = verdicts(run, {"self": found, "pose": pose})
    assert list(told) == ["A distorted copy: nearly always found", "Pose: seen strongly"]


def test_mirroring_is_no_distortion_where_it_is_averaged_in(run: Run) -> None:
    results = with_numbers(
        run.results(embedding={"mirrored": True}),
        measures={"self": copies(0.99, [0.98, 1]), "self_unmirrored": copies(0.7, [0.6, 0.8])},
    )
    ((verdict, text),) = limits.verdicts(results)
    assert verdict == "A distorted copy: found more often than not"
    assert "mirror" not in text and "70 % find" in text


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([0.01, 0.03], "clearly less (95 % interval of the difference 0.010 to 0.030)."),
        ([-0.2, -0.1], "clearly more (95 % interval of the difference −0.200 to −0.100)."),
        ([0, 0.02], "no difference shown (95 % interval of the difference 0.000 to 0.020)."),
        ([-0.01, 0.02], "no difference shown (95 % interval of the difference −0.010 to 0.020)."),
        (None, "no difference known."),
    ],
)
def test_the_raw_cosine_is_compared_person_by_person(
    run: Run, ends: list[float] | None, told: str
) -> None:
    """Whether the separate intervals overlap, as the first do, or not decides nothing."""
    for lift in ([0.0, 0.06], [0.5, 0.6]):
        raw = {"pose": summary(0.21, [0.005, 0.015], 0.2) | paired(0.02, ends)}
        (text,) = verdicts(run, {"pose": summary(0.23, lift, 0.2)}, raw).values()
        assert text.endswith(f"The raw cosine gives 0.210: {told}")
    # Of copies the difference lies with the share.
    copy = copies(0.9, [0.8, 1.0])
    copy["rank1"] |= paired(0.02, ends)
    (text,) = verdicts(run, {"self": copies(0.9, [0.8, 1.0])}, {"self": copy}).values()
    assert text.endswith(f"The raw cosine gives 90 %: {told}")


@pytest.mark.parametrize(
    ("difference", "ends", "persons", "told"),
    [
        (0.033, [0.02, 0.046], 50, "the search is better by 0.033 (95 % interval of the difference "
         "0.020 to 0.046)."),
        (-0.02, [-0.03, -0.01], 50, "the search is worse by 0.020 (95 % interval of the difference "
         "−0.030 to −0.010)."),
        (0.01, [-0.01, 0.03], 50, "the search is not shown to be better (95 % interval of the "
         "difference −0.010 to 0.030)."),
        (0.03, [0.02, 0.04], 19, "too few persons to tell (95 % interval of the difference 0.020 "
         "to 0.040)."),
    ],
)  # fmt: skip
def test_the_search_is_set_against_box_shape_alone(
    run: Run, difference: float, ends: list[float], persons: int, told: str
) -> None:
    results = with_numbers(
        run.results(),
        measures={name: summary(0.23, [0.01, 0.06], 0.2) for name in ("pose", "pose_oks")},
        raw_cosine={},
        box_shape={"pose_oks": summary(0.2, None, persons=persons) | paired(difference, ends)},
    )
    (_, pose), (title, in_one_scale) = limits.verdicts(results)
    assert "Box shape" not in pose
    beyond = ends[0] > 0 and persons >= 20
    seen = "seen weakly" if beyond else "seen weakly, but not shown to be beyond box shape"
    assert title == f"Pose in COCO's scale: {seen}"
    assert in_one_scale.endswith(f"Box shape alone, without any pixel, gives 0.200: {told}")


def preferring(run: Run, **changed: Any) -> str:
    """What is said where 4 components with whitening 0.25 are preferred."""
    pose = summary(0.25, [0.03, 0.07], 0.2) | paired(0.003, [-0.001, 0.007])
    copy = copies(0.9, [0.8, 1.0])
    copy["rank1"] |= paired(-0.01, [-0.03, 0.01])
    found = {
        "n_components": 4,
        "whiten_power": 0.25,
        "settings_compared": 6,
        "measures_counted": ["pose", "self"],
        "surely_better": [],
        "surely_worse": [],
        "sure": False,
    }
    rows = [
        {"n_components": n, "whiten_power": 0.25, "measures": {"pose": pose, "self": copy}}
        for n in (6, 4)
    ]
    results = with_numbers(run.results(), by_setting=rows, preferred_setting=found | changed)
    return components.sentences(results)[-1]


def test_the_preferred_setting_is_told_with_how_surely(run: Run) -> None:
    text = preferring(run)
    assert text.startswith(
        "Of 6 settings of components and whitening, this run's own figures prefer "
        "reduction.n_components 4 instead of 6 and reduction.whiten_power 0.25 instead of 0.5: "
        "pose +0.003 (−0.001 to 0.007) and mirrored copy −0.010 (−0.030 to 0.010); not sure, as no"
    )
    assert "; sure by pose and same view. In" in preferring(
        run, sure=True, surely_better=["pose", "label:view"]
    )
    assert "; not sure, as it is worse in mirrored copy. In" in preferring(
        run, surely_better=["pose"], surely_worse=["self"]
    )
    assert "prefer reduction.whiten_power 0.25 instead of 0.5: pose" in preferring(
        run, n_components=6
    )
    own = preferring(run, n_components=6, whiten_power=0.5)
    assert own.endswith("prefer the configured one, 6 components with whitening 0.5.")
    nothing = with_numbers(run.results(), preferred_setting=None)
    assert "prefer" not in " ".join(components.sentences(nothing))


def test_the_number_of_components_follows_from_paired_differences(run: Run) -> None:
    # The intervals of 2 and 6 overlap, yet the same persons lose something with 2.
    rows = [row_of(2, 0.07, 0.7, -0.01), row_of(4, 0.07, 0.7, 0.01), row_of(6, 0.08, 0.72)]
    results = with_numbers(run.results(), by_components=rows, measures=rows[-1]["measures"])
    assert components.fewest_without_loss(results) == {"self": 4, "pose": 4}
    text = " ".join(components.sentences(results))
    assert "not shown to lose anything beyond chance" in text and "no more is gained" not in text
    assert "reach 0): 4 for mirrored copy and pose." in text
    assert "of the 6 kept here, the first 4 may serve as well" in text
    assert "vectors 1.5 times shorter (reduction.n_components: 4)" in text
    assert "4 components hold 50 % of the variance and find 75 %" in text
    rows[1]["measures"]["self"]["rank1"] |= paired(-0.05, [-0.08, -0.02])
    rising = with_numbers(results, by_components=rows)
    assert components.fewest_without_loss(rising) == {"self": 6, "pose": 4}
    assert "The next fewer, 4, are shown to lose" in " ".join(components.sentences(rising))
    # A smaller number that seems enough is not, where a larger one loses something.
    rows = [row_of(2, 0.07, 0.7, 0.01), row_of(4, 0.07, 0.7, -0.01), row_of(6, 0.08, 0.72)]
    assert components.fewest_without_loss(with_numbers(results, by_components=rows)) == {
        "self": 6,
        "pose": 6,
    }
    rows[0] = row_of(2, 0.07, 0.7, None)
    assert components.fewest_without_loss(with_numbers(results, by_components=rows)) == {}
    # What does not show at all says nothing about how many are needed.
    rows = [row_of(n, 0.01, 0.04) for n in (2, 4, 6)]
    assert (
        "No measure shows well enough"
        in components.sentences(with_numbers(results, by_components=rows))[0]
    )
    assert "no fewer to compare" in components.sentences(run.results())[0]
