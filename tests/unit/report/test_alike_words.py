"""What a gallery says below its title, and what a similarity means."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from page_text import page_of
from report_run import Run
from visualsearch.report.wording import alike


def known(hits: int, value: float, chance: float) -> dict[str, Any]:
    return {"hits": hits, "value": value, "chance": chance}


SCALE = {"height": known(10, 0.6, 0.31), "cut_off": known(10, 0.1, 0.72)}
VIEW, PERSON = known(10, 0.8, 0.2), known(10, 0.1, 0.09)


@pytest.mark.parametrize(
    ("measures", "said"),
    [
        (
            {"label:person": PERSON, "label:view": VIEW, **SCALE},
            "8 of 10 share the view, 1 the person; random persons: 2.0 and 0.9.",
        ),
        (
            {"label:person": known(7, 1 / 7, 0.1), "label:view": VIEW},
            "8 of 10 share the view, 1 of 7 shares the person; random persons: 2.0 and 0.7.",
        ),
        (
            {"pose": known(4, 0.42, 0.31), "context": known(10, 0.305, 0.12), **SCALE},
            "The mean similarity of pose is 0.42 (known of 4 of 10), the mean overlap of the other "
            "categories in the pictures is 0.30; random persons: 0.31 and 0.12.",
        ),
        (
            SCALE,
            "6 of 10 have a box of about the query’s height (by a factor of 1.5 at most), 1 is "
            "away from the edges as the query is; random persons: 3.1 and 7.2.",
        ),
        ({}, None),
    ],
)
def test_what_came_out(run: Run, measures: dict[str, Any], said: str | None) -> None:
    results = run.results()
    found = {"query": 1, "cut_off": False, "measures": measures}
    query = dataclasses.replace(results.queries[1], alike=found)
    assert alike.outcome(results, query) == said


def test_of_a_query_that_is_cut_off(run: Run) -> None:
    results = run.results()
    found = {"query": 1, "cut_off": True, "measures": SCALE}
    query = dataclasses.replace(results.queries[1], alike=found)
    assert "1 is cut off at an edge as the query is" in (alike.outcome(results, query) or "")


def test_the_report_shows_what_came_out(run: Run, tmp_path: Path) -> None:
    """Nothing is said of one's own picture; the number is that of the marks at the hits."""
    results = run.results()
    own, *others = results.queries
    assert alike.outcome(results, own) is None
    out = run.report(tmp_path)
    words, text = page_of(out).words, (out / "report.md").read_text(encoding="utf-8")
    for query in others:
        said = alike.outcome(results, query)
        same = sum(label.agrees for hit in query.hits for label in hit.labels)
        assert said is not None and said.startswith(f"{same} of 10 share")
        assert said in words
        assert "; random persons: " in text
    assert sum("; random persons: " in word for word in words) == len(others)


def pairs(run: Run, **changes: Any) -> Any:
    results = run.results()
    scale = {"pairs": 1000, "median": 0.014, "percentile_99": 0.356} | changes
    return dataclasses.replace(results, search=results.search | {"random_pairs": scale})


def test_what_a_similarity_means(run: Run) -> None:
    assert alike.scale(pairs(run)) == (
        "What a similarity means here: of random pairs of persons in different pictures, half have "
        "a cosine of 0.01 or less, and 99 % have 0.36 or less."
    )
    assert alike.scale_marks(pairs(run)) == [("median", 0.014), ("percentile_99", 0.356)]
    low = pairs(run, median=-0.2)
    assert alike.scale_marks(low)[0] == ("median", 0) and "−0.20 or less" in alike.scale(low)


def test_few_pairs_give_no_scale(run: Run) -> None:
    for few in ({"pairs": 199}, {"pairs": 0, "median": None, "percentile_99": None}):
        assert alike.scale(pairs(run, **few)) is None and alike.scale_marks(pairs(run, **few)) == []


def test_each_bar_is_marked(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = Run(tmp_path_factory.mktemp("marked"), two_persons_in_some=True)
    assert run.results().search["random_pairs"]["pairs"] >= alike.FEWEST_PAIRS
    out = run.report(run.folder / "out")
    hits = sum(len(query.hits) for query in run.results().queries)
    marks = [mark["class"] for mark in page_of(out).all("b") if "class" in mark]
    assert marks.count("median") == marks.count("percentile_99") == hits + 1  # and the legend's
    for name in ("index.html", "report.md"):
        assert "What a similarity means here" in (out / name).read_text(encoding="utf-8")
