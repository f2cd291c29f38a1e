"""Compares the run's precision with fp32 on the same pictures."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualsearch.core.progress import progress
from visualsearch.data.boxes import Boxes, iou, xyxy_to_xywh
from visualsearch.data.pictures import Picture
from visualsearch.data.tables import DETECTIONS, write_table
from visualsearch.detect.base import Detector
from visualsearch.detect.coco_files import write_coco_results
from visualsearch.detect.failures import Failures
from visualsearch.detect.run import detect_category, detections_table
from visualsearch.embed.embedding import embed_boxes
from visualsearch.evaluate.detections import evaluate_detections
from visualsearch.settings import EmbeddingSettings

# IoU from which two boxes are of one person, as in COCO's AP50.
SAME_PERSON_IOU = 0.5


def measure_parity(
    exact: Detector,
    fast: Detector,
    pictures: Sequence[Picture],
    category: str,
    annotations: str | Path | None,
    min_score: float,
    embedding: EmbeddingSettings,
) -> dict[str, Any]:
    """Detect and embed the same pictures with both detectors, and compare.

    A picture on which a network fails is left out.

    annotations: COCO instances JSON, or None to leave out the AP. min_score: persons of at least
    this score in fp32 are compared one by one. Returns, JSON-ready: images; AP of both detectors;
    persons, and persons_lost, which the fast detector does not find; for the others
    box_shift_pixels, by which the farthest corner moves, and score_change; and for all persons the
    cosine of the two vectors of the fp32 box.
    """
    tables: dict[str, list[Any]] = {"exact": [], "fast": []}
    shifts: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    scores: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    cosines: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    persons = 0
    compared = []
    failures = Failures()
    for picture in progress(pictures, "parity", "images"):
        decoded = picture.read()
        image = decoded.image
        try:
            [slow] = detect_category(exact, [image], category)
            [quick] = detect_category(fast, [image], category)
            certain = slow.boxes[slow.scores >= min_score]
            one, other = (
                embed_boxes(detector, image, certain, embedding) for detector in (exact, fast)
            )
        except Exception as error:
            failures.left_out(error, picture.path)
            continue
        failures.succeeded()
        compared.append(picture)
        for name, (boxes, confidence, category_id) in (("exact", slow), ("fast", quick)):
            found = xyxy_to_xywh(decoded.to_picture(boxes))
            rows = detections_table(picture.image_id, found, confidence, category_id)
            tables[name].append(rows)
        persons += len(certain)
        mine, theirs = _same_persons(certain, quick.boxes)
        shifts.append(np.abs(certain[mine] - quick.boxes[theirs]).max(axis=1, initial=0))
        scores.append(np.abs(slow.scores[mine] - quick.scores[theirs]))
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        cosines.append((one * other).sum(axis=1) / lengths)
    return {
        "images": len(compared),
        "AP": None
        if annotations is None
        else {
            name: _average_precision(rows, compared, category, annotations)
            for name, rows in tables.items()
        },
        "persons": persons,
        "persons_lost": persons - sum(map(len, shifts)),
        "box_shift_pixels": _summary(np.concatenate(shifts), worst=100),
        "score_change": _summary(np.concatenate(scores), worst=100),
        "cosine": _summary(np.concatenate(cosines), worst=0),
    }


def _same_persons(boxes: Boxes, others: Boxes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of the boxes that one of the others overlaps enough, and rows of those others."""
    if not len(boxes) or not len(others):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    overlaps = iou(boxes, others)
    nearest = overlaps.argmax(axis=1)
    (found,) = np.nonzero(overlaps.max(axis=1) >= SAME_PERSON_IOU)
    return found, nearest[found]


def _average_precision(
    rows: Sequence[Any], pictures: Sequence[Picture], category: str, annotations: str | Path
) -> float | None:
    with TemporaryDirectory() as folder:
        detections, results = Path(folder) / "detections.parquet", Path(folder) / "results.json"
        write_table(detections, rows, DETECTIONS)
        write_coco_results(results, [detections])
        ids = [picture.image_id for picture in pictures]
        numbers, _ = evaluate_detections(annotations, results, category, ids)
    return numbers["AP"]


def _summary(values: NDArray[np.float32], worst: int) -> dict[str, float | None]:
    """Median of the values and their worst, the percentile 0 or 100."""
    if not len(values):
        return {"median": None, "worst": None}
    median, extreme = np.percentile(values.astype(np.float64), [50, worst])
    return {"median": round(float(median), 6), "worst": round(float(extreme), 6)}


def parity_lines(parity: dict[str, Any], precision: str) -> list[str]:
    """Lines that sum up what `measure_parity` returned. precision: of the fast detector."""
    lines = [f"{precision} against fp32, {parity['images']} images, {parity['persons']} persons"]
    if parity["AP"]:
        exact, fast = (parity["AP"][name] for name in ("exact", "fast"))
        lines.append(
            "AP: nothing annotated"
            if exact is None
            else f"AP {fast:.4f} against {exact:.4f}: {fast - exact:+.4f}"
        )
    if parity["persons"]:
        lines.append(f"persons lost: {parity['persons_lost']}")
        for key, words in (
            ("box_shift_pixels", "farthest corner moves, pixels"),
            ("score_change", "score changes by"),
            ("cosine", "cosine of the two vectors"),
        ):
            values = parity[key]
            if values["median"] is not None:
                lines.append(f"{words}: median {values['median']:.4g}, worst {values['worst']:.4g}")
    return lines
