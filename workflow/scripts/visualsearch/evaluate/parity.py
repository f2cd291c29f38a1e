"""Compares precisions with fp32 on the same pictures."""

from collections.abc import Mapping, Sequence
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
    others: Mapping[str, Detector],
    pictures: Sequence[Picture],
    category: str,
    annotations: str | Path | None,
    min_score: float,
    embedding: EmbeddingSettings,
) -> dict[str, Any]:
    """Detect and embed the same pictures in fp32 and in other precisions, and compare.

    A picture on which a network fails is left out.

    exact: the detector in fp32. others: in other precisions, by their names. annotations: COCO
    instances JSON, or None to leave out the AP. min_score: persons of at least this score in fp32
    are compared one by one. Returns, JSON-ready: images; persons; AP by precision, fp32 among them;
    and compared: for each other precision what `_Comparison.summary` returns.
    """
    detectors = {"fp32": exact, **others}
    tables: dict[str, list[Any]] = {name: [] for name in detectors}
    comparisons = {name: _Comparison() for name in others}
    persons = 0
    compared = []
    failures = Failures()
    for picture in progress(pictures, "parity", "images"):
        decoded = picture.read()
        image = decoded.image
        try:
            found = {
                name: detect_category(detector, [image], category)[0]
                for name, detector in detectors.items()
            }
            certain = found["fp32"].boxes[found["fp32"].scores >= min_score]
            vectors = {
                name: embed_boxes(detector, image, certain, embedding)
                for name, detector in detectors.items()
            }
            same = {name: _same_persons(certain, found[name].boxes) for name in others}
            own_vectors = {
                name: embed_boxes(detector, image, found[name].boxes[same[name][1]], embedding)
                for name, detector in others.items()
            }
        except Exception as error:
            failures.left_out(error, picture.path)
            continue
        failures.succeeded()
        compared.append(picture)
        for name, (boxes, scores, category_id) in found.items():
            in_picture = xyxy_to_xywh(decoded.to_picture(boxes))
            rows = detections_table(picture.image_id, in_picture, scores, category_id)
            tables[name].append(rows)
        persons += len(certain)
        for name, comparison in comparisons.items():
            mine, theirs = same[name]
            comparison.lost += len(certain) - len(mine)
            moved = np.abs(certain[mine] - found[name].boxes[theirs]).max(axis=1, initial=0)
            comparison.shifts.append(moved)
            change = np.abs(found["fp32"].scores[mine] - found[name].scores[theirs])
            comparison.scores.append(change)
            comparison.cosines.append(_cosines(vectors["fp32"], vectors[name]))
            comparison.own_cosines.append(_cosines(vectors["fp32"][mine], own_vectors[name]))
    return {
        "images": len(compared),
        "persons": persons,
        "AP": None
        if annotations is None
        else {
            name: _average_precision(rows, compared, category, annotations)
            for name, rows in tables.items()
        },
        "compared": {name: comparison.summary() for name, comparison in comparisons.items()},
    }


class _Comparison:
    """What differs between one precision and fp32, gathered picture by picture."""

    def __init__(self) -> None:
        self.lost = 0
        self.shifts: list[NDArray[np.float32]] = []
        self.scores: list[NDArray[np.float32]] = []
        self.cosines: list[NDArray[np.float32]] = []
        self.own_cosines: list[NDArray[np.float32]] = []

    def summary(self) -> dict[str, Any]:
        """Return the content of parity.json for this precision.

        persons_lost: persons that it does not find. Of the others: box_shift_pixels, by which the
        farthest corner moves; score_change; and own_cosine, of each precision's vector of its own
        box. cosine: of the two vectors of the fp32 box, for all persons.
        """
        return {
            "persons_lost": self.lost,
            "box_shift_pixels": _summary(self.shifts, worst=100),
            "score_change": _summary(self.scores, worst=100),
            "cosine": _summary(self.cosines, worst=0),
            "own_cosine": _summary(self.own_cosines, worst=0),
        }


def _cosines(vectors: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(others, axis=1)
    cosines: NDArray[np.float32] = (vectors * others).sum(axis=1) / lengths
    return cosines


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


def _summary(parts: Sequence[NDArray[np.float32]], worst: int) -> dict[str, float | None]:
    """Median of the values and their worst, the percentile 0 or 100."""
    values = np.concatenate([np.empty(0, np.float64), *parts])
    if not len(values):
        return {"median": None, "worst": None}
    median, extreme = np.percentile(values, [50, worst])
    return {"median": round(float(median), 6), "worst": round(float(extreme), 6)}


def parity_lines(parity: dict[str, Any]) -> list[str]:
    """Lines that sum up what `measure_parity` returned."""
    names = ["fp32", *parity["compared"]]
    counted = f"{parity['images']} images, {parity['persons']} persons"
    lines = [f"{' and '.join(names[1:])} against fp32, {counted}"]
    if parity["AP"]:
        if parity["AP"]["fp32"] is None:
            lines.append("AP: nothing annotated")
        else:
            lines.append("AP " + ", ".join(f"{name} {parity['AP'][name]:.4f}" for name in names))
    if not parity["persons"]:
        return lines
    for name, compared in parity["compared"].items():
        lines.append(f"{name}: persons lost: {compared['persons_lost']}")
        for key, words in (
            ("box_shift_pixels", "farthest corner moves, pixels"),
            ("score_change", "score changes by"),
            ("cosine", "cosine of the two vectors of the box in fp32"),
            ("own_cosine", "cosine of the two vectors, each of its own box"),
        ):
            values = compared[key]
            if values["median"] is not None:
                numbers = f"median {values['median']:.4g}, worst {values['worst']:.4g}"
                lines.append(f"{name}: {words}: {numbers}")
    return lines
