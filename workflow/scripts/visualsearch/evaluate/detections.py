"""COCO's box evaluation of the detections."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json, write_text
from visualsearch.evaluate.annotated_boxes import check_boxes

# The summary of pycocotools in its order: https://cocodataset.org/#detection-eval
COCO_NUMBERS = (
    "AP",
    "AP50",
    "AP75",
    "AP_small",
    "AP_medium",
    "AP_large",
    "AR_1",
    "AR_10",
    "AR_100",
    "AR_small",
    "AR_medium",
    "AR_large",
)


def evaluate_detections(
    annotations: str | Path,
    results: str | Path,
    category: str,
    image_ids: Sequence[int],
    sizes: Mapping[int, tuple[int, int]] | None = None,
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """COCO's box evaluation for one category over all `image_ids`, crowds kept.

    annotations: COCO instances JSON. results: COCO results JSON; an empty list is fine.
    sizes: width and height of each image; with them, boxes that seem to be wrong are noticed.
    Images without the category count: every detection in them is wrong.
    Returns the 12 numbers (None where nothing of a size is annotated) with counts and AP_note,
    which says why there is no AP or what it may suffer from, or is None; and the curve
    float64 [101, 4]: recall, precision at IoU 0.50, at 0.75, and mean over 0.50 to 0.95. Raises
    InputError where the annotations lack the category.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth = _load_truth(annotations)
        named = [c["id"] for c in truth.dataset["categories"] if c["name"] == category]
        if not named:
            raise InputError(
                f"{annotations} has no category {category!r}; set dataset.category to one it has"
            )
        found = _as_coco(truth, results, named[0])
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.imgIds = sorted(image_ids)
        evaluation.params.catIds = named
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    annotated = truth.loadAnns(truth.getAnnIds(imgIds=list(image_ids), catIds=named))
    crowds = sum(1 for annotation in annotated if annotation["iscrowd"])
    numbers: dict[str, Any] = {
        name: None if value < 0 else round(float(value), 6)
        for name, value in zip(COCO_NUMBERS, evaluation.stats, strict=True)
    }
    numbers |= {
        "category": category,
        "images": len(image_ids),
        "images_with_category": len({annotation["image_id"] for annotation in annotated}),
        "annotated": len(annotated) - crowds,
        "annotated_crowds": crowds,
        "detections": len(found.getAnnIds(imgIds=list(image_ids))),
    }
    numbers["AP_note"] = None
    if sizes is not None:
        numbers["boxes_outside"], numbers["AP_note"] = check_boxes(annotated, sizes)
    if numbers["AP"] is None:
        numbers["AP_note"] = _why_unknown(numbers)
    # [IoU threshold, recall, category, area "all", 100 detections]
    precision = evaluation.eval["precision"][:, :, 0, 0, 2]
    precision = np.where(precision < 0, np.nan, precision)
    thresholds = evaluation.params.iouThrs.round(2).tolist()
    curve = np.column_stack(
        [
            evaluation.params.recThrs,
            precision[thresholds.index(0.5)],
            precision[thresholds.index(0.75)],
            precision.mean(axis=0),
        ]
    )
    return numbers, curve


def _why_unknown(numbers: Mapping[str, Any]) -> str:
    crowds = numbers["annotated_crowds"]
    some = f" ({crowds:,} {'is a crowd' if crowds == 1 else 'are crowds'})" if crowds else ""
    return f"no {numbers['category']} is annotated{some}"


def _load_truth(path: str | Path) -> COCO:
    truth = COCO()
    truth.dataset = read_json(path)
    # pycocotools expects these; other tools leave them out.
    truth.dataset.setdefault("info", {})
    for annotation in truth.dataset["annotations"]:
        annotation.setdefault("iscrowd", 0)
        annotation.setdefault("area", annotation["bbox"][2] * annotation["bbox"][3])
    truth.createIndex()
    return truth


def _as_coco(truth: COCO, results: str | Path, category_id: int) -> COCO:
    """Results as pycocotools holds them, with the annotations' id of the category."""
    rows = read_json(results)
    if rows:
        return truth.loadRes([{**row, "category_id": category_id} for row in rows])
    empty = COCO()
    empty.dataset = {**truth.dataset, "annotations": []}
    empty.createIndex()
    return empty


def write_precision_recall(path: str | Path, curve: NDArray[np.float64]) -> None:
    """Write the curve of `evaluate_detections` as a TSV."""
    lines = ["recall\tprecision_50\tprecision_75\tprecision_mean"]
    lines += ["\t".join(f"{value:.6g}" for value in row) for row in curve]
    write_text(path, "\n".join(lines))
