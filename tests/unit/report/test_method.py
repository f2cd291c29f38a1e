"""What the report says of its method: detector, AP, embedding, reduction, index, limits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blocks_text import table_of, text_of
from report_inputs import AP, DETECTOR
from report_run import Run, with_sidecar
from visualsearch.core.files import read_json, write_json
from visualsearch.report import numbers
from visualsearch.report.blocks import Facts, Table, walk
from visualsearch.report.loading import ResultFiles
from visualsearch.report.model import Results
from visualsearch.report.sections import (
    asked,
    detections,
    detector,
    embedding,
    index,
    limits,
    reduction,
)
from visualsearch.report.sections import summary as top


def test_every_detail_of_the_detector_is_shown(run: Run) -> None:
    (facts,) = detector.blocks(run.results())
    assert isinstance(facts, Facts)
    shown = dict(facts.pairs)
    assert set(shown) == {name.replace("_", " ") for name in DETECTOR} - {"versions"}
    for name, text in {
        "weights sha256": DETECTOR["weights_sha256"],
        "weights bytes": "167,502,836",
        "weights are published": "yes",
        "published box ap": "37",
        "image min size": "800",
        "normalise mean": "0.485, 0.456, 0.406",
        "nms iou threshold": "0.5",
        "anchor sizes": "32; 64; 128; 256; 512",
        "vector length": "2,048",
        "a new detail": "shown <as> it is",
    }.items():
        assert shown[name] == text, name


def test_reduction_is_told_with_the_numbers_of_the_run(run: Run) -> None:
    text = text_of(reduction.blocks(run.results()))
    found = run.reduction
    kept = found.explained_variance_ratio[:6].sum()
    ratio = np.sqrt(found.explained_variance[0] / found.explained_variance[5])
    assert "fitted on 14 persons, turned 24 values into 6 (as asked)" in text
    assert f"They hold {100 * kept:.1f} % of the variance" in text
    assert f"{ratio:,.1f} times as much" in text and "Jégou and Chum" in text
    assert f"a factor of {np.sqrt(ratio):,.1f}" in text
    many = run.results(reduction={"n_components": 500})
    assert "500 were asked for" in text_of(reduction.blocks(many))
    share = run.results(reduction={"n_components": 0.9})
    assert "explain 90 % of the variance" in text_of(reduction.blocks(share))


def test_ap_says_what_it_was_measured_on(run: Run, tmp_path: Path) -> None:
    def told(files: ResultFiles | None = None, **dataset: Any) -> tuple[str, str]:
        results = run.results(files, dataset=dataset)
        said = " ".join([detections.title(results), text_of(detections.blocks(results))])
        return said, text_of(top.blocks(results))

    trained, line = told(source="coco-minitrain")
    assert trained.startswith("Training-set AP") and "so the numbers are too high" in trained
    assert "as they are in published AP" in trained
    assert "on the detector's own training pictures, so too high" in line
    honest, line = told(source="coco-val2017", only_with_category=False)
    assert "raining" not in honest + line and "published AP." not in honest
    assert "AP is 0.500 and AP50 0.500, against 20 annotated boxes." in line
    without, line = told(run.files(annotated=False), source="openpeople")
    assert "no annotated boxes to compare" in without and "AP is unknown" in line
    unknown = DETECTOR | {"trained_on": "unknown: weights given as a file"}
    write_json(tmp_path / "detector.json", unknown)
    given = run.files(detector=tmp_path / "detector.json")
    perhaps, line = told(given, source="coco-minitrain")
    assert "perhaps on the training set" in perhaps and "so perhaps too high" in line


def test_ap_that_is_not_known_or_wrong_is_told_so(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "detections.json"
    unknown = dict.fromkeys(AP, None) | {key: AP[key] for key in AP if not key.startswith("A")}
    note = "no person is annotated (21 are crowds)"
    write_json(path, unknown | {"annotated": 0, "annotated_crowds": 21, "AP_note": note})
    results = run.results(run.files(detection_numbers=path))
    (said,) = detections.blocks(results)
    assert text_of([said]).startswith(f"AP is unknown: {note}.")
    assert f"AP is unknown: {note}." in text_of(top.blocks(results))
    write_json(path, AP | {"AP_note": "61 of 82 annotated boxes leave their picture"})
    text = text_of(detections.blocks(run.results(run.files(detection_numbers=path))))
    assert "Beware: 61 of 82 annotated boxes leave their picture. Measured by" in text
    # The results of an earlier version say nothing of it.
    assert "Beware" not in text_of(detections.blocks(run.results()))


STRIPES = {"vector": 1280, "before": 6 * 576}
EMBEDDINGS: list[tuple[dict[str, Any], dict[str, int], list[str]]] = [
    ({}, {"vector": 24}, ["resized to 256 × 128 px", "last map, averaged over all places"]),
    ({}, {"vector": 2048}, ["is the column vector: 2,048 values. Nothing was trained"]),
    ({"fit": "pad"}, {"vector": 24}, ["grey fills the rest"]),
    ({"fit": "surroundings"}, {"vector": 24}, ["the surrounding picture fills the rest"]),
    ({"margin": 0.1}, {"vector": 24}, ["grown by 10 % of its width and height on each side, was"]),
    ({"region": "roi_align_last"}, {"vector": 24}, ["backbone. Each box", "was read by RoIAlign"]),
    ({"region": "roi_align_before"}, {"vector": 24}, ["went through the last stage by itself."]),
    (
        {"maps": "both"},
        STRIPES,
        ["pooled in 6 horizontal stripes, it is the column before: 3,456 values", "joins both"],
    ),
    (
        {"maps": "both", "stripes": 1},
        STRIPES,
        ["pooled as a whole, it is the column before: 3,456 values"],
    ),
    ({"pooling": "gem"}, {"vector": 24}, ["generalised mean (GeM, power 3)"]),
    ({"pooling": "max"}, {"vector": 24}, ["the largest value of each channel"]),
    ({"mirrored": True}, {"vector": 24}, ["averaged with that of the mirrored picture"]),
]


@pytest.mark.parametrize(("settings", "columns", "told"), EMBEDDINGS)
def test_every_way_to_describe_a_person_has_words(
    run: Run, settings: dict[str, Any], columns: dict[str, int], told: list[str]
) -> None:
    results = run.results(embedding=settings)
    results = replace(results, search=results.search | {"columns": columns})
    text = text_of(embedding.blocks(results))
    for part in told:
        assert part in text


def test_what_was_asked_is_answered_for_the_run_at_hand(run: Run) -> None:
    def row(results: Results, start: str) -> tuple[str, ...]:
        rows = table_of(asked.blocks(results), "Answers").rows
        return next(tuple(map(str, row[1:4])) for row in rows if str(row[0]).startswith(start))

    results = run.results()
    boxes = row(results, "inference JSON")
    assert boxes[1:] == ("detections/persons.json", "14")
    length = row(results, "a vector of 2,048")
    assert "24 values for each box" in length[0] and "no ResNet-50 with its 2,048" in length[0]
    asked_for = replace(results, search=results.search | {"columns": {"vector": 2048}})
    real = row(asked_for, "a vector of 2,048")[0]
    assert "2,048 values for each box" in real and "no ResNet-50" not in real
    assert row(results, "similarity search")[2] == "30"
    # Its links lead to sections that are there.
    titles = {"Dataset", "Detector", "Embedding", "Reduction", "Galleries", "Provenance"}
    titles.add(detections.title(results))
    (table,) = (block for block in walk(asked.blocks(results)) if isinstance(block, Table))
    assert {cell.text for cell in (row[-1] for row in table.rows)} == titles  # type: ignore[union-attr]


def test_times_and_projection_are_those_measured(reranked: Run) -> None:
    timing = read_json(reranked.folder / "timing.json")
    blocks = index.blocks(reranked.results())
    caption = "This set, and projected: ten and a hundred times as many persons"
    rows = table_of(blocks, caption).rows
    assert [row[0] for row in rows] == ["14", "140", "1,400"]
    assert rows[0][2] == numbers.milliseconds(timing["chosen_milliseconds"])
    assert rows[2][4] == numbers.milliseconds(timing["projection"][2]["exact_milliseconds"])
    text = text_of(blocks)
    assert timing["advice_text"] in text and timing["projection_basis"] in text


def test_the_choice_of_the_index_is_explained(reranked: Run, run: Run) -> None:
    text = text_of(index.blocks(reranked.results()))
    assert "is the result of tuning on 7 other persons: the" in text and "% of the 14." in text
    assert ") on 7 persons; target 0.99, reached" in text
    missed = with_sidecar(reranked.results(), target_reached=False)
    assert ") on 7 persons; target 0.99, not reached" in text_of(index.blocks(missed))
    given = reranked.results(index={"backend": "annoy", "n_trees": 12, "search_k": 50})
    said = text_of(index.blocks(given))
    assert "The configuration sets n_trees: " in said and "of tuning" not in said
    exact = text_of(index.blocks(run.results()))
    assert "target" not in exact and index.tried(run.results()) == []


@pytest.mark.parametrize("compared", [12.7, 12.5])
def test_an_index_of_codes_is_told(run: Run, compared: float) -> None:
    curve = [
        {"candidates": 5, "recall@10": 0.9, "compared": 5.9},
        {"candidates": 10, "recall@10": 0.995, "compared": compared, "low": 0.991},
    ]
    results = with_sidecar(
        run.results(),
        backend="faiss",
        candidates=10,
        tuning={"persons_sampled": 7, "curve": curve, "chosen": {}, "builds": [{}]},
    )
    blocks = index.blocks(replace(results, timing=None))
    assert table_of(blocks, "The searches that were tried").rows == [
        ["5", "0.900", "–", "6", ""],
        ["10", "0.995", "0.991", f"{compared:.0f}", "chosen"],
        ["exact search", "1.000", "1.000", "14", ""],
    ]
    text = text_of(blocks)
    assert "a short code of every vector (faiss" in text and "candidates 10" in text
    assert f"A query compares {compared:.0f} vectors on average, " in text
    assert "candidates: 10 is the result of tuning on 7 other persons" in text
    # 12.6 of 14 are nine tenths.
    assert ("(index.backend: exact) compares no more" in text) == (compared > 12.6)


def test_limits_are_those_of_the_category(run: Run) -> None:
    assert "Do not take neighbours for the same person" in text_of(limits.blocks(run.results()))
    dogs = run.results(dataset={"category": "dog"})
    assert "Do not take neighbours for the same thing" in text_of(limits.blocks(dogs))
    assert "It does not identify people" not in text_of(top.blocks(dogs))
