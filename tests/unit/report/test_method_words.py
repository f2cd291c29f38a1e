"""What the report says of its method: detector, embedding and reduction."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from page_text import Page
from report_inputs import AP, DETECTOR
from report_run import Run
from visualsearch.core.files import write_json
from visualsearch.report.loading import ResultFiles
from visualsearch.report.wording import detector, gallery, vectors


def test_every_detail_of_the_detector_is_shown(page: Page) -> None:
    text = " ".join(page.words)
    for part in (
        "FasterRCNN_ResNet50_FPN_Weights.COCO_V1 (published)",
        "https://download.example.org/fasterrcnn-258fb6c6.pth",
        DETECTOR["weights_sha256"],
        "167.5 MB",
        "COCO train2017",
        "37.0 (COCO val2017, mean over 80 categories)",
        "references/detection",
        "134.38 billion at 800 × 800 px",
        "41,755,286",
        "shorter side 800 px, longer side at most 1333 px",
        "minus 0.485, 0.456, 0.406, divided by 0.229, 0.224, 0.225",
        "IoU over 0.5",
        "32; 64; 128; 256; 512 (5 levels)",
        "0.5, 1, 2 (each of 5 levels)",
        "C5: stride 32, after ReLU",
        "2,048",
        "a new detail",
        "shown <as> it is",
    ):
        assert str(part) in text, part


def test_a_detector_without_anchors_and_suppression_says_so() -> None:
    details = {name: value for name, value in DETECTOR.items() if name != "gmacs_at_800"}
    details |= {"gmacs_at_640": 68, "nms_iou_threshold": None, "anchor_sizes": []}
    details |= {"anchor_aspect_ratios": [], "image_min_size": [640], "image_max_size": 640}
    facts = dict(detector.detector_facts(SimpleNamespace(detector=details)))  # type: ignore[arg-type]
    assert facts["multiply-adds"] == "68 billion at 640 × 640 px"
    assert facts["non-maximum suppression"] == "none: the network gives each object once"
    assert facts["anchor sizes"] == "none: the network has no anchors"
    assert facts["size of its input"] == "640 × 640 px"


def test_reduction_is_told_with_the_numbers_of_the_run(run: Run) -> None:
    text = " ".join(vectors.reduction_paragraphs(run.results()))
    reduction = run.reduction
    kept = reduction.explained_variance_ratio[:6].sum()
    ratio = np.sqrt(reduction.explained_variance[0] / reduction.explained_variance[5])
    assert "fitted on 14 persons, turned 24 values into 6 (as asked)" in text
    assert f"They keep {100 * kept:.1f} % of the variance" in text
    assert f"{ratio:,.1f} times as much" in text
    assert f"a factor of {np.sqrt(ratio):,.1f}" in text
    assert "Jégou and Chum" in text
    many = run.results(reduction={"n_components": 500})
    assert "500 were asked for" in " ".join(vectors.reduction_paragraphs(many))
    share = run.results(reduction={"n_components": 0.9})
    assert "explain 90 % of the variance" in " ".join(vectors.reduction_paragraphs(share))


def test_ap_says_what_it_was_measured_on(run: Run, tmp_path: Path) -> None:
    def told(files: ResultFiles | None = None, **dataset: Any) -> str:
        results = run.results(files, dataset=dataset)
        return " ".join([detector.ap_title(results), *detector.ap_notes(results)])

    trained = told(source="coco-minitrain")
    assert trained.startswith("Training-set AP") and "published weights were trained" in trained
    assert "kinder than the published way" in trained
    honest = told(source="coco-val2017", only_with_category=False)
    assert "raining" not in honest and "kinder" not in honest
    assert "No average precision" in told(run.files(annotated=False), source="openpeople")
    unknown = DETECTOR | {"trained_on": "unknown: weights given as a file"}
    write_json(tmp_path / "detector.json", unknown)
    given = run.files(detector=tmp_path / "detector.json")
    assert "perhaps on the training set" in told(given, source="coco-minitrain")


def test_ap_that_is_not_known_or_wrong_is_told_so(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "detections.json"
    unknown = dict.fromkeys(AP, None) | {key: AP[key] for key in AP if not key.startswith("A")}
    note = "no person is annotated (21 are crowds)"
    write_json(path, unknown | {"annotated": 0, "annotated_crowds": 21, "AP_note": note})
    files = run.files(detection_numbers=path)
    results = run.results(files)
    assert detector.ap_notes(results)[0] == f"AP is not known: {note}."
    assert detector.ap_table(results) == []
    out = run.report(tmp_path / "report", files=files)
    for name in ("index.html", "report.md"):
        assert note in (out / name).read_text(encoding="utf-8")
    write_json(path, AP | {"AP_note": "61 of 82 annotated boxes leave their picture"})
    results = run.results(run.files(detection_numbers=path))
    first = "Beware: 61 of 82 annotated boxes leave their picture."
    assert detector.ap_notes(results)[0] == first and detector.ap_table(results)
    # The results of an earlier version say nothing of it.
    assert detector.ap_notes(run.results())[0].startswith("Measured by pycocotools")


def test_generated_people_are_called_so(run: Run) -> None:
    generated = gallery.people_note(run.results(dataset={"source": "openpeople"}))
    assert generated is not None and "nobody in them exists" in generated
    assert gallery.people_note(run.results()) is None


STRIPES = {"vector": 1280, "before": 6 * 576}
EMBEDDINGS: list[tuple[dict[str, Any], dict[str, int], list[str]]] = [
    ({}, {"vector": 24}, ["resized to 256 × 128 pixels", "last map was averaged over all its"]),
    ({}, {"vector": 2048}, ["2,048 values, the column vector of embeddings/*.parquet. No network"]),
    ({"fit": "pad"}, {"vector": 24}, ["its shape kept and grey beside it"]),
    ({"fit": "surroundings"}, {"vector": 24}, ["what is around it in the picture beside it"]),
    ({"margin": 0.1}, {"vector": 24}, ["grown by 10 % of its width and height on each side, was"]),
    (
        {"region": "roi_align_last"},
        {"vector": 24},
        ["as a whole", "read from the finished map by RoIAlign"],
    ),
    ({"region": "roi_align_before"}, {"vector": 24}, ["went through the last stage by itself."]),
    (
        {"maps": "both"},
        STRIPES,
        [
            "in 6 horizontal stripes: 3,456 values, the column before",
            "each of the two was brought to length 1, and they were joined: 4,736 values",
        ],
    ),
    ({"maps": "both", "stripes": 1}, STRIPES, ["in the same way, as a whole: 3,456 values"]),
    ({"pooling": "gem"}, {"vector": 24}, ["generalised mean (GeM, power 3)"]),
    ({"pooling": "max"}, {"vector": 24}, ["its largest value in each channel"]),
    ({"mirrored": True}, {"vector": 24}, ["averaged with what the mirrored picture gives"]),
]


@pytest.mark.parametrize(("embedding", "columns", "told"), EMBEDDINGS)
def test_every_way_to_describe_a_person_has_words(
    run: Run, embedding: dict[str, Any], columns: dict[str, int], told: list[str]
) -> None:
    results = run.results(embedding=embedding)
    results = replace(results, search=results.search | {"columns": columns})
    [text] = vectors.embedding_paragraphs(results)
    for part in told:
        assert part in text
