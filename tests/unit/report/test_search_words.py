"""What the report says of the search's quality: recall, relevance, rerank and small sets."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from made_measures import paired, summary
from page_text import page_of
from report_run import Run, with_numbers
from visualsearch.report.model import Results
from visualsearch.report.wording import gallery, limits, recall, search


def test_label_agreement_is_set_against_chance(run: Run) -> None:
    results = run.results()
    measure = results.labels_of_hits["view"]
    # Own pictures have no labels; those named have odd ids, and so has the same label.
    same = [hit.person.picture.image_id % 2 for query in results.queries[1:] for hit in query.hits]  # type: ignore[operator]
    assert measure["precision"] == pytest.approx(np.mean(same))
    sentence = search.labels_sentence(results) or ""
    assert f"{100 * measure['precision']:.0f} % of the neighbours share" in sentence
    assert f"by chance: {100 * measure['chance']:.0f} %" in sentence
    assert "from 3 queries that is no more than a tendency" in sentence
    assert measure["chance"] == pytest.approx(6 / 13, abs=1e-6)
    assert search.labels_sentence(dataclasses.replace(results, labels_of_hits={})) is None


def test_the_table_of_relevance_has_what_was_measured(run: Run) -> None:
    results = run.results()
    rows = {(row.name, row.meaning): row for row in search.relevance(results)}
    assert [name for name, _ in rows] == [
        "mirrored copy", "mirrored copy", "moved copy", "same view", "same view", "same picture",
    ]  # fmt: skip
    mirrored = next(iter(rows.values()))
    found = results.search["measures"]["self"]["rank1"]
    assert mirrored.value == f"{found['value']:.3f}" and mirrored.persons == "14"
    # A copy of one of 14 persons finds it first by chance once in 14.
    assert mirrored.chance == f"{1 / 14:.3f}"
    assert mirrored.lift == f"{found['value'] - 1 / 14:+.3f}".replace("-", "−")
    assert rows["mirrored copy", "median rank of the original"].chance == "7.5"
    ranking = rows["same view", search.RANKING]
    mean = results.search["mean_average_precision"]["view"]
    assert ranking.value == f"{mean['value']:.3f}" and ranking.raw == "–"
    # Beside it the neighbours by box shape; a copy has a box of its own shape.
    beside = results.search["box_shape"]["label:view"]["value"]
    assert rows["same view", search.LABEL].box_shape == f"{beside:.3f}"
    assert mirrored.box_shape == ranking.box_shape == "–"
    # No two are of one picture.
    assert rows["same picture", search.SAME_PICTURE].value == "0.000"
    without = with_numbers(results, measures={}, same_image=summary(None, None))
    assert search.relevance(without) == [] == limits.verdicts(without) == search.by_height(without)


def test_measures_are_shown_by_height(run: Run) -> None:
    parts = [
        summary(0.2, [0.1, 0.3], 0.15, persons=9) | {"height_from": low, "height_below": below}
        for low, below in ((0.0, 96.0), (96.0, 192.0), (192.0, None))
    ]
    measures = {"context": summary(0.2, [0.1, 0.3], 0.15) | {"by_height": parts}}
    shape = {"context": {"by_height": [parts[1] | {"value": 0.17}]}}
    rows = search.by_height(with_numbers(run.results(), measures=measures, box_shape=shape))
    assert [row.box_shape for row in rows] == ["–", "0.170", "–"]
    assert [row.meaning for row in rows] == [
        "under 96 px", "96 px to under 192 px", "192 px or more",
    ]  # fmt: skip
    assert {(row.name, row.lift, row.lift_interval, row.persons) for row in rows} == {
        ("context", "+0.050", "0.100 to 0.300", "9")
    }


def test_recall_is_told_in_two_stages(run: Run) -> None:
    results = run.results()
    index, reduction = recall.stages(results)
    assert (index.recall_at_1, index.recall_at_10, index.interval_at_10, index.persons) == (
        "1.000", "1.000", "1.000 to 1.000", "7",
    )  # fmt: skip
    measured = results.search["reduced_against_full_length"]
    assert reduction.recall_at_10 == f"{measured['recall@10']:.3f}"
    ends = measured["recall@10_interval"]
    assert reduction.interval_at_10 == f"{ends[0]:.3f} to {ends[1]:.3f}"
    assert reduction.persons == "14"
    text = " ".join(recall.paragraphs(results))
    alone = results.search["by_components"][-1]["recall_without_whitening"]["recall@10"]
    assert "whitening (power 0.5) weighs the directions anew" in text
    assert f"without whitening, keeps {100 * alone:.1f} % of the ten nearest" in text
    assert "fitted on the very persons searched for" in text
    # Seven persons differ in six directions, so six components hold all.
    few = dataclasses.replace(results.reduction, n_persons=7)
    said = " ".join(recall.paragraphs(dataclasses.replace(results, reduction=few)))
    assert "keeps" not in said and "fitted" not in said
    plain = dataclasses.replace(
        results, reduction=dataclasses.replace(results.reduction, whiten_power=0.0)
    )
    assert "whitening" not in " ".join(recall.paragraphs(plain))


def looked_at(results: Results, ends: list[float] | None, candidates: int = 13) -> Results:
    """With another difference of the second look, of persons enough."""
    found = results.search["rerank"]["measures"]["label:view"]
    found = found | paired(0.0, ends) | {"persons": 50}
    look = {"candidates": candidates, "measures": {"label:view": found}}
    return with_numbers(results, rerank=results.search["rerank"] | look)


def with_search(results: Results, **keys: int) -> Results:
    """With other settings of the search."""
    search = dataclasses.replace(results.settings.search, **keys)
    return dataclasses.replace(
        results, settings=dataclasses.replace(results.settings, search=search)
    )


def test_the_second_look_is_told(reranked: Run, run: Run) -> None:
    results = reranked.results()
    told = []
    for query in results.queries:
        new = [hit for hit in query.hits if hit.index_rank > 10]
        moved = [hit for hit in query.hits if hit.index_rank not in (hit.rank, 11, 12, 13)]
        told.append(len(new))
        assert gallery.rerank_effect(query) == (
            f"The second look brought in {len(new)} of these 10 and moved {len(moved)}."
        )
        assert [hit.shown_similarity for hit in query.hits] == sorted(
            (hit.full_similarity for hit in query.hits), reverse=True
        )
    assert any(told)
    (text,) = search.rerank_paragraphs(results)
    share = results.search["rerank"]["changed"]["value"]
    assert "The 13 nearest" in text and f"that replaces {100 * share:.0f} %" in text
    ((before, _),) = search.rerank_table(results)
    beside = results.search["box_shape"]["label:view"]["value"]
    assert (before.name, before.box_shape) == ("same view", f"{beside:.3f}")
    (text,) = search.rerank_paragraphs(looked_at(results, [0.01, 0.02]))
    assert "same view: it rises (95 % interval of the difference 0.010 to 0.020)" in text
    (text,) = search.rerank_paragraphs(looked_at(results, [-0.02, -0.01]))
    assert "same view: it falls (95 % interval of the difference −0.020 to −0.010)" in text
    (text,) = search.rerank_paragraphs(looked_at(results, [-0.02, 0.01]))
    assert "same view: no difference shown (95 %" in text
    shallow = looked_at(results, None, candidates=3)
    shallow = with_search(shallow, rerank=3)
    (text,) = search.rerank_paragraphs(shallow)
    assert "The 10 nearest" in text and "same view: no difference known" in text
    shallow = with_search(shallow, neighbours=5)
    assert "a second look at the 5 nearest" in gallery.hint(shallow)
    assert "full-length vectors" in gallery.hint(results)
    plain = run.results()
    assert search.rerank_paragraphs(plain) == [search.TRY_RERANK]
    assert not search.rerank_table(plain) and "second look" not in gallery.hint(plain)
    assert all(gallery.rerank_effect(query) is None for query in plain.queries)


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
        "labels_of_hits": {},
        "rerank": {"candidates": 100, "changed": unknown, "measures": measures},
    }
    del numbers_of["mean_average_precision"]
    files = run.files_with_numbers(tmp_path, numbers_of, annotated=False, timings=False)
    run.report(tmp_path, files=files)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Pose and context need annotated pictures" in text
    assert "None" not in text and "nan" not in text.lower().replace("nand", "")
    assert "What neighbours have in common" not in (tmp_path / "index.html").read_text("utf-8")


def test_names_of_labels_stay_text(run: Run, tmp_path: Path) -> None:
    kind = "</td><script>alert(1)</script>|`x` $\\frac{"
    found = summary(0.5, [0.1, 0.3], 0.3)
    part = found | {"height_from": 0.0, "height_below": None}
    measures = {f"label:{kind}": found | {"by_height": [part]}}
    row = {"explained_variance": 1.0, "recall_without_whitening": {"recall@10": 1.0}}
    rows = [row | {"n_components": n, "measures": measures} for n in (3, 6)]
    numbers_of = run.results().search | {
        "measures": measures,
        "raw_cosine": measures,
        "by_components": rows,
        "rerank": {"candidates": 100, "changed": found, "measures": measures},
        "mean_average_precision": {kind: found},
        "labels_of_hits": {kind: {"precision": 0.5, "chance": 0.2, "hits": 10}},
    }
    page = page_of(run.report(tmp_path, files=run.files_with_numbers(tmp_path, numbers_of)))
    assert len(page.scripts) == 5
    assert "".join(page.words).count(f"same {kind}") >= 4
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script" not in markdown.replace("\\<script", "")
    headed = next(line for line in markdown.splitlines() if line.startswith("| measure |"))
    row_text = next(line for line in markdown.splitlines() if line.startswith("| same \\<"))
    cells = [len(re.split(r"(?<!\\)\|", line)) for line in (headed, row_text)]
    assert cells[0] == cells[1]
