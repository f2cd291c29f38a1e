"""What the report says of the index: why it was chosen, what it costs, how it would grow."""

from pathlib import Path
from typing import Any

import pytest

from report_run import Run, with_sidecar
from visualsearch.core.files import read_json
from visualsearch.report import numbers
from visualsearch.report.markdown import escaped
from visualsearch.report.wording import index


def test_times_and_projection_are_those_measured(reranked: Run, tmp_path: Path) -> None:
    timing = read_json(reranked.folder / "timing.json")
    results = reranked.results()
    rows = index.projection(results)
    assert [row[0] for row in rows] == ["14", "140", "1,400"]
    assert rows[0][2] == numbers.milliseconds(timing["chosen_milliseconds"])
    assert rows[2][4] == numbers.milliseconds(timing["projection"][2]["exact_milliseconds"])
    text = (reranked.report(tmp_path) / "report.md").read_text(encoding="utf-8")
    assert escaped(timing["advice_text"]) in text
    assert escaped(timing["projection_basis"]) in text


def test_the_choice_of_the_index_is_explained(reranked: Run, run: Run) -> None:
    results = reranked.results()
    chosen, reached = index.choice(results)
    assert "The target is to find 0.99 of the ten nearest (index.target_recall)" in chosen
    assert "is the least of those tried that reached it" in chosen
    assert "vectors on average" in chosen and "of exact search's 14." in chosen
    assert "On 7 persons that had no part in this" in reached and "is reached" in reached
    missed = " ".join(index.choice(with_sidecar(reranked.results(), target_reached=False)))
    assert "the target is not reached. index.backend: exact misses nothing." in missed
    given = reranked.results(index={"backend": "annoy", "n_trees": 12, "search_k": 50})
    assert " are set in the configuration." in index.choice(given)[0]
    assert "least of those tried" not in index.choice(given)[0]
    assert index.choice(run.results()) == [] and index.curve(run.results()) is None


@pytest.mark.parametrize(
    ("low", "told"),
    [
        (0.991, "search_k 20 is the least of those tried that reached it with a margin for chance"),
        (0.989, "search_k 20 is the least of those tried that reached it, on 7 persons."),
        (None, "search_k 20 is the least of those tried that reached it, on 7 persons."),
    ],
)
@pytest.mark.parametrize("compared", [12.7, 12.5])
def test_a_margin_is_told_where_there_is_one(
    reranked: Run, low: float | None, told: str, compared: float
) -> None:
    curve: list[dict[str, Any]] = [
        {"n_trees": 10, "search_k": 10, "recall@10": 0.9, "compared": 5.0, "low": 0.85},
        {"n_trees": 10, "search_k": 20, "recall@10": 0.995, "compared": compared},
    ]
    if low is not None:
        curve[1]["low"] = low
    tuning = {"persons_sampled": 7, "curve": curve, "chosen": {}, "builds": []}
    text = index.choice(with_sidecar(reranked.results(), search_k=20, tuning=tuning))[0]
    assert told in text
    # 12.6 of 14 are nine tenths.
    assert ("index.backend: exact) would do the same work" in text) == (compared > 12.6)
    # What reaches the target later than another is not the least.
    curve[0] |= {"recall@10": 0.999, "low": 0.998}
    text = index.choice(with_sidecar(reranked.results(), search_k=20, tuning=tuning))[0]
    assert "search_k 20 was taken." in text and "margin" not in text


def test_an_index_of_codes_is_told(run: Run) -> None:
    curve = [
        {"candidates": 5, "recall@10": 0.9, "compared": 5.9},
        {"candidates": 10, "recall@10": 0.995, "compared": 10.9},
    ]
    results = with_sidecar(
        run.results(),
        backend="faiss",
        candidates=10,
        tuning={"persons_sampled": 7, "curve": curve, "chosen": {}, "builds": [{}]},
    )
    assert "a short code of every vector (faiss" in index.paragraph(results)
    drawn = index.curve(results)
    assert drawn is not None and [point.chosen for point in drawn.points] == [False, True]
    (told, _) = index.choice(results)
    assert "A query then compares 11 vectors on average, 78 % of exact search's 14." in told
    assert index.curve_table(drawn, clock=False) == [
        ("5", "0.900", "6", ""),
        ("10", "0.995", "11", "chosen"),
        ("exact search", "1.000", "14", ""),
    ]
    assert "candidates 10 is the least of those tried that reached it, on 7" in told
    assert ("candidates", "10") in index.facts(results)
