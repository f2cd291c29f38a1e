"""No more is promised than the intervals say: verdicts, tables, components, re-ranking."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from blocks_text import table_of, text_of
from made_measures import copies, paired, summary
from page_text import page_of
from report_run import Run, with_numbers
from visualsearch.report import numbers
from visualsearch.report.blocks import Term
from visualsearch.report.model import Results
from visualsearch.report.sections import components, in_common, losses, reranking
from visualsearch.report.sections import summary as top
from visualsearch.report.sections.measures import verdicts

CAPTION = "What neighbours have in common"


def shown(results: Results, title: str) -> list[str]:
    """The first row of the table with this title, without its head."""
    rows = table_of(in_common.blocks(results), CAPTION).rows
    return next([str(cell) for cell in row[1:]] for row in rows if row[0].name == title)  # type: ignore[union-attr]


def of(run: Run, measures: dict[str, Any], **numbers: Any) -> Results:
    found = {"measures": measures, "raw_cosine": {}, "box_shape": {}} | numbers
    return with_numbers(run.results(), **found)


@pytest.mark.parametrize(
    ("value", "ends", "verdict", "line"),
    [
        (0.25, [-0.01, 0.11], "no more than chance", "No more than chance"),
        (0.25, [0.0, 0.11], "no more than chance", "No more than chance"),
        (0.25, [0.01, 0.09], "seen weakly", "More than chance"),
        (0.5, [0.2, 0.4], "seen clearly", "More than chance"),
        (0.88, [0.6, 0.76], "seen strongly", "More than chance"),
        (0.1, [-0.15, -0.05], "less than chance", "No more than chance"),
        (0.1, None, "too few persons to tell", "Too few to tell"),
    ],
)
def test_no_more_is_promised_than_the_interval_says(
    run: Run, value: float, ends: list[float] | None, verdict: str, line: str
) -> None:
    results = of(run, {"pose": summary(value, ends, 0.2)})
    row = shown(results, "pose")
    assert row[:3] == [verdict, f"{value:.3f}", "0.200"]
    lift = numbers.signed(value - 0.2)
    assert row[3] == (f"{lift} ({numbers.interval(ends)})" if ends else lift)
    assert f"{line}: pose ({value:.3f}; by chance 0.200)." in text_of(top.blocks(results))


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ([0.96, 1.0], "nearly always found"),
        ([0.9, 1.0], "mostly found"),
        ([0.6, 0.9], "found more often than not"),
        ([0.4, 0.6], "found about every other time"),
        ([0.1, 0.5], "missed more often than found"),
        (None, "too few persons to tell"),
    ],
)
def test_copies_are_judged_by_the_interval(run: Run, ends: list[float], verdict: str) -> None:
    results = of(run, {"self": copies(0.7, ends)})
    assert shown(results, "mirrored copy")[0] == verdict
    said = verdict.replace("too few persons", "found, of too few")
    told = f"A copy with its box moved a little is {said} (70 %)."
    assert told in text_of(top.blocks(results))


def test_fewer_than_twenty_persons_tell_nothing(run: Run) -> None:
    measures = {"self": copies(1.0, [1.0, 1.0]), "pose": summary(0.9, [0.6, 0.7], 0.2, persons=19)}
    measures["self"]["rank1"]["persons"] = 19
    told = ["too few persons to tell"] * 2
    assert [one.text for one in verdicts(of(run, measures))] == told
    measures["self"]["rank1"]["persons"] = measures["pose"]["persons"] = 20
    told = ["nearly always found", "seen strongly"]
    assert [one.text for one in verdicts(of(run, measures))] == told


def test_mirroring_is_no_distortion_where_it_is_averaged_in(run: Run) -> None:
    measures = {"self": copies(0.99, [0.98, 1]), "self_unmirrored": copies(0.7, [0.6, 0.8])}
    mirrored = run.results(embedding={"mirrored": True})
    found = verdicts(with_numbers(mirrored, measures=measures, box_shape={}))
    assert [(one.name, one.text) for one in found] == [
        ("self_unmirrored", "found more often than not")
    ]


@pytest.mark.parametrize(
    ("ends", "persons", "beyond"),
    [
        ([0.02, 0.046], 50, True),
        ([-0.03, -0.01], 50, False),
        ([-0.01, 0.03], 50, False),
        ([0.02, 0.04], 19, False),
    ],
)
def test_the_search_is_set_against_box_shape_alone(
    run: Run, ends: list[float], persons: int, beyond: bool
) -> None:
    shape = {"pose_oks": summary(0.2, None, persons=persons) | paired(0.03, ends)}
    measures = {name: summary(0.23, [0.01, 0.06], 0.2) for name in ("pose", "pose_oks")}
    results = of(run, measures, box_shape=shape)
    pose, in_one_scale = verdicts(results)
    assert pose.text == "seen weakly" and pose.beyond_shape is None
    less = "" if beyond else ", not shown beyond box shape"
    assert in_one_scale.text == f"seen weakly{less}"
    assert shown(results, "pose")[4:6] == ["–", "–"]
    by_shape = ["0.200", f"+0.030 ({numbers.interval(ends)})"]
    assert shown(results, "pose in COCO's scale")[4:6] == by_shape
    line = text_of(top.blocks(results))
    assert "by chance 0.200, by box shape alone 0.200" in line
    assert ("; not shown beyond box shape)" in line) != beyond


def test_raw_cosines_are_compared_person_by_person(run: Run) -> None:
    raw = {"pose": summary(0.21, [0.005, 0.015], 0.2) | paired(0.02, [0.01, 0.03])}
    results = of(run, {"pose": summary(0.23, [0.0, 0.06], 0.2)}, raw_cosine=raw)
    assert shown(results, "pose")[6:8] == ["0.210", "+0.020 (0.010 to 0.030)"]


def test_the_table_has_what_was_measured(run: Run) -> None:
    results = run.results()
    blocks = in_common.blocks(results)
    rows = table_of(blocks, CAPTION).rows
    heads = [row[0] for row in rows if isinstance(row[0], Term)]
    assert [head.name for head in heads] == [
        "mirrored copy", "mirrored copy", "same view", "same view", "same picture",
    ]  # fmt: skip
    mirrored, ranks, view, ranking, picture = (row[2:] for row in rows)
    found = results.search["measures"]["self"]["rank1"]
    # A copy of one of 14 persons finds it first by chance once in 14.
    lift = numbers.signed(found["value"] - 1 / 14)
    assert mirrored[0] == f"{found['value']:.3f}" and mirrored[-1] == "14"
    assert mirrored[1] == f"{1 / 14:.3f}" and str(mirrored[2]).startswith(f"{lift} (")
    assert ranks[1] == "7.5"
    mean = results.search["mean_average_precision"]["view"]
    assert ranking[0] == f"{mean['value']:.3f}" and ranking[-3] == "–"
    beside = results.search["box_shape"]["label:view"]["value"]
    # A copy has a box of its own shape.
    assert view[3] == f"{beside:.3f}" and mirrored[3] == ranking[3] == "–"
    assert picture[0] == "0.000"  # no two are of one picture
    assert "Pose needs annotated keypoints." in text_of(blocks)
    without = of(run, {}, same_image=summary(None, None))
    assert verdicts(without) == [] and len(in_common.blocks(without)) == 1


def test_measures_are_shown_by_height(run: Run) -> None:
    parts = [
        summary(0.2, [0.1, 0.3], 0.15, persons=9) | {"height_from": low, "height_below": below}
        for low, below in ((0.0, 96.0), (96.0, 192.0), (192.0, None))
    ]
    measures = {"context": summary(0.2, [0.1, 0.3], 0.15) | {"by_height": parts}}
    shape = {"context": {"value": None, "by_height": [parts[1] | {"value": 0.17}]}}
    blocks = in_common.blocks(of(run, measures, box_shape=shape))
    rows = table_of(blocks, "The same by height of the box").rows
    assert [(row[1], row[-2]) for row in rows] == [
        ("under 96 px", "–"), ("96 px to under 192 px", "0.170"), ("192 px or more", "–"),
    ]  # fmt: skip
    assert {(row[0], row[4], row[-1]) for row in rows} == {
        ("context", "+0.050 (0.100 to 0.300)", "9")
    }


def test_losses_are_told_in_two_stages(run: Run) -> None:
    results = run.results()
    blocks = losses.blocks(results)
    index, reduction, alone = table_of(blocks, "Share of the nearest that is found").rows
    assert index[1:] == ["1.000", "1.000 to 1.000", "1.000", "1.000 to 1.000", "7"]
    measured = results.search["reduced_against_full_length"]
    ends = measured["recall@10_interval"]
    assert reduction[3] == f"{measured['recall@10']:.3f}" and reduction[5] == "14"
    assert reduction[4] == f"{ends[0]:.3f} to {ends[1]:.3f}"
    text = text_of(blocks)
    kept = results.search["by_components"][-1]["recall_without_whitening"]["recall@10"]
    assert alone[3] == f"{kept:.3f}"
    assert "takes the mean away and whitens (power 0.5). It was fitted on these persons" in text
    plain = dataclasses.replace(results.reduction, whiten_power=0.0)
    without = dataclasses.replace(results, reduction=plain)
    assert "whitens" not in text_of(losses.blocks(without))
    replaced = f"puts others in the place of {100 * (1 - measured['recall@10']):.1f} %"
    shortened = f"{replaced}: {100 * (1 - kept):.1f} % because it shortens, the rest because"
    line = text_of(top.blocks(results))
    assert f"loses none of the ten nearest. The reduction {shortened}" in line
    assert f"{replaced}." in text_of(top.blocks(without))


def reranked_with(results: Results, ends: list[float] | None, candidates: int = 13) -> Results:
    found = results.search["rerank"]["measures"]["label:view"]
    found = found | paired(0.0, ends) | {"persons": 50}
    rerank = {"candidates": candidates, "measures": {"label:view": found}}
    return with_numbers(results, rerank=results.search["rerank"] | rerank)


def test_reranking_is_told(reranked: Run, run: Run) -> None:
    results = reranked.results()
    text = text_of(reranking.blocks(results))
    share = results.search["rerank"]["changed"]["value"]
    assert "The 13 nearest" in text and f"This replaces {100 * share:.0f} %" in text
    for ends, told in (
        ([0.01, 0.02], "rises (0.010 to 0.020)"),
        ([-0.02, -0.01], "falls (−0.020 to −0.010)"),
        ([-0.02, 0.01], "is not shown to change (−0.020 to 0.010)"),
        (None, "cannot be told (–)"),
    ):
        assert told in text_of(reranking.blocks(reranked_with(results, ends)))
    assert "The 10 nearest" in text_of(reranking.blocks(reranked_with(results, None, 3)))
    assert reranking.blocks(run.results()) == []


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
    return text_of(components.blocks(results)[-1:])


def test_the_preferred_setting_is_told_with_how_surely(run: Run) -> None:
    assert preferring(run) == (
        "Of 6 settings of components and whitening, reduction.n_components: 4 (here 6) and "
        "reduction.whiten_power: 0.25 (here 0.5) does best here: pose +0.003 (−0.001 to 0.007) and "
        "mirrored copy −0.010 (−0.030 to 0.010). None of these differences is sure, but perhaps "
        "that of copies. The defaults were chosen on pictures of COCO."
    )
    sure = preferring(run, sure=True, surely_better=["pose", "label:view"])
    assert "Surely better: pose and same view." in sure
    worse = preferring(run, surely_better=["pose"], surely_worse=["self"])
    assert "But mirrored copy is surely worse." in worse
    assert ", reduction.whiten_power: 0.25 (here 0.5) does" in preferring(run, n_components=6)
    own = preferring(run, n_components=6, whiten_power=0.5)
    assert own.endswith(", the configured one does best here.")
    nothing = with_numbers(run.results(), preferred_setting=None)
    assert "does best" not in text_of(components.blocks(nothing))


def test_a_set_too_small_to_measure_is_still_shown(run: Run, tmp_path: Path) -> None:
    nothing = {"persons_sampled": 1, "recall@1": None, "recall@1_interval": None}
    nothing |= {"recall@10": None, "recall@10_interval": None}
    unknown = summary(None, None)
    measures = {"label:view": unknown | {"chance": None, "lift": None, "lift_interval": None}}
    row = {"n_components": 1, "explained_variance": 1.0, "measures": measures}
    numbers_of = run.results().search | {
        "reduced_against_full_length": nothing,
        "measures": measures,
        "raw_cosine": measures,
        "same_image": unknown,
        "by_components": [row | {"recall": nothing, "recall_without_whitening": nothing}],
        "rerank": {"candidates": 100, "changed": unknown, "measures": measures},
    }
    del numbers_of["mean_average_precision"]
    files = run.files_with_numbers(tmp_path, numbers_of, annotated=False, timings=False)
    run.report(tmp_path, files=files)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Pose and context need annotated pictures" in text
    assert "None" not in text and "nan" not in re.sub("provenance", "", text.lower())


def test_names_of_labels_stay_text(run: Run, tmp_path: Path) -> None:
    kind = "</td><script>alert(1)</script>|`x` $\\frac{"
    found = summary(0.5, [0.1, 0.3], 0.3)
    part = found | {"height_from": 0.0, "height_below": None}
    measures = {f"label:{kind}": found | {"by_height": [part]}}
    row = {"explained_variance": 1.0, "recall_without_whitening": {"recall@10": 1.0}}
    numbers_of = run.results().search | {
        "measures": measures,
        "raw_cosine": measures,
        "by_components": [row | {"n_components": n, "measures": measures} for n in (3, 6)],
        "rerank": {"candidates": 100, "changed": found, "measures": measures},
        "mean_average_precision": {kind: found},
    }
    page = page_of(run.report(tmp_path, files=run.files_with_numbers(tmp_path, numbers_of)))
    assert len(page.scripts) == 5
    assert "".join(page.words).replace("`", "").count(f"same {kind}".replace("`", "")) >= 4
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script" not in markdown.replace("\\<script", "")
    headed = next(line for line in markdown.splitlines() if line.startswith("| measure |"))
    row_text = next(line for line in markdown.splitlines() if line.startswith("| same \\<"))
    cells = [len(re.split(r"(?<!\\)\|", line)) for line in (headed, row_text)]
    assert cells[0] == cells[1]
