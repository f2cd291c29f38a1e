"""What annotations and labels say about the persons of the set."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.data.boxes import Boxes, iou, xywh_to_xyxy
from visualsearch.data.tables import boxes_of
from visualsearch.evaluate.relevance import KEYPOINT_SIGMAS

MATCHING_IOU = 0.5


@dataclass(frozen=True)
class PersonFacts:
    """What annotations say about each person of the set, by row.

    keypoints: in units of the annotated box, float32 [N, 17, 2], nan where unknown. sides: width
    and height of that box in units of the root of its area, float32 [N, 2], nan where unknown.
    context: bool [N, C], which other categories the image shows. matched: bool [N], whether the
    person has an annotation.
    """

    keypoints: NDArray[np.float32]
    sides: NDArray[np.float32]
    context: NDArray[np.bool_]
    matched: NDArray[np.bool_]

    def in_one_scale(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Keypoints of some rows [...] from their box's centre, both axes by the root of its area.

        float32 [..., 17, 2], nan where unknown.
        """
        return (self.keypoints[rows] - 0.5) * self.sides[rows][..., None, :]


def person_facts(annotations: dict[str, Any], persons: pa.Table, category: str) -> PersonFacts:
    """Match the persons of the set with annotations, by IoU of at least 0.5.

    annotations: COCO instances, with or without keypoints. persons: rows of PERSONS. Crowds are not
    matched, but count as categories of their image.
    """
    ids = sorted(entry["id"] for entry in annotations["categories"])
    names = {entry["name"]: entry["id"] for entry in annotations["categories"]}
    searched = names[category]
    place = {number: i for i, number in enumerate(i for i in ids if i != searched)}
    of_image: dict[int, list[dict[str, Any]]] = {}
    shows: dict[int, NDArray[np.bool_]] = {}
    for entry in annotations["annotations"]:
        image = entry["image_id"]
        shown = shows.setdefault(image, np.zeros(len(place), dtype=bool))
        if entry["category_id"] != searched:
            shown[place[entry["category_id"]]] = True
        elif not entry["iscrowd"]:
            of_image.setdefault(image, []).append(entry)
    n = len(persons)
    keypoints = np.full((n, len(KEYPOINT_SIGMAS), 2), np.nan, dtype=np.float32)
    sides = np.full((n, 2), np.nan, dtype=np.float32)
    context = np.zeros((n, len(place)), dtype=bool)
    matched = np.zeros(n, dtype=bool)
    image_ids = persons["image_id"].to_numpy()
    boxes = xywh_to_xyxy(boxes_of(persons))
    for image in np.unique(image_ids).tolist():
        entries = of_image.get(image, [])
        if not entries:
            continue
        # Rows are by person id, so by falling score within an image.
        start, stop = np.searchsorted(image_ids, [image, image + 1])
        annotated = np.array([entry["bbox"] for entry in entries], dtype=np.float32)
        found = match(boxes[start:stop], xywh_to_xyxy(annotated))
        rows = np.arange(start, stop)[found >= 0]
        matched[rows] = True
        context[rows] = shows[image]
        of_boxes = np.maximum(annotated[found[found >= 0], 2:], 1)
        sides[rows] = of_boxes / np.sqrt(of_boxes.prod(axis=1, keepdims=True))
        for row, entry in zip(rows, found[found >= 0], strict=True):
            points = entries[entry].get("keypoints")
            if points:
                given = np.array(points, dtype=np.float64).reshape(1, -1, 3)
                keypoints[row] = normalised_keypoints(given, annotated[entry : entry + 1])[0]
    return PersonFacts(keypoints, sides, context, matched)


def match(detected: Boxes, annotated: Boxes, min_iou: float = MATCHING_IOU) -> NDArray[np.int64]:
    """Pair detections of one image with its annotations, one to one.

    detected: corners [N, 4] by falling score; each in turn takes the annotation that it overlaps
    most and that is not taken, as in COCO's evaluation. annotated: corners [M, 4]. Returns int64
    [N]: the annotation of each detection, -1 where none is left that overlaps by `min_iou`.
    """
    found = np.full(len(detected), -1, dtype=np.int64)
    if not len(annotated):
        return found
    overlaps = iou(detected, annotated)
    for row in range(len(detected)):
        best = int(np.argmax(overlaps[row]))
        if overlaps[row, best] >= min_iou:
            found[row] = best
            overlaps[:, best] = -1
    return found


def normalised_keypoints(keypoints: NDArray[Any], boxes: NDArray[Any]) -> NDArray[np.float64]:
    """Keypoints in units of their person's box, without its place and size.

    keypoints: [N, 17, 3], COCO's x, y and visibility. boxes: x, y, w, h [N, 4].
    Returns [N, 17, 2]; nan for keypoints without a label (visibility 0).
    """
    places = (keypoints[:, :, :2] - boxes[:, None, :2]) / np.maximum(boxes[:, None, 2:], 1)
    return np.where(keypoints[:, :, 2:] > 0, places, np.nan)


def labels_by_image(manifest: pa.Table) -> pd.DataFrame:
    """Labels of the images that have any: one column a kind, indexed by image_id."""
    labelled = manifest.filter(pc.is_valid(manifest["labels"]))
    # Many pictures have the same labels; each text is parsed once.
    texts = labelled["labels"].combine_chunks().dictionary_encode()
    kinds = pd.DataFrame([json.loads(text) for text in texts.dictionary.to_pylist()])
    labels = kinds.astype("string").iloc[texts.indices.to_numpy()]
    return labels.set_index(labelled["image_id"].to_numpy())
