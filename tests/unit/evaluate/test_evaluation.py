"""COCO evaluation of hand-made cases whose AP is known, and agreement of labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json
from visualsearch.evaluate.detections import evaluate_detections, write_precision_recall
from visualsearch.evaluate.person_facts import labels_by_image

BOX = [10, 10, 100, 200]


def truth(folder: Path, crowd: bool = False, category_id: int = 1) -> Path:
    """Two images with one person each, and one without; a crowd in the second if asked."""
    boxes = [(1, BOX, 0), (2, BOX, 0)] + ([(2, [200, 10, 300, 200], 1)] if crowd else [])
    annotations = [
        {
            "id": n,
            "image_id": image,
            "category_id": category_id,
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": iscrowd,
        }
        for n, (image, box, iscrowd) in enumerate(boxes, start=1)
    ]
    path = folder / "annotations.json"
    document = {
        "images": [{"id": n, "width": 640, "height": 480} for n in (1, 2, 3)],
        "annotations": annotations,
        "categories": [{"id": category_id, "name": "person"}],
    }
    write_json(path, document)
    return path


def results(folder: Path, rows: list[tuple[int, list[float], float]]) -> Path:
    path = folder / "persons.json"
    keys = ("image_id", "bbox", "score")
    path.write_text(
        json.dumps([dict(zip(keys, r, strict=True)) | {"category_id": 1} for r in rows])
    )
    return path


def ap(folder: Path, rows: list[Any], images: tuple[int, ...] = (1, 2, 3), **kinds: Any) -> dict:
    numbers, _ = evaluate_detections(
        truth(folder, **kinds), results(folder, rows), "person", images
    )
    return numbers


FIRST, SECOND, WRONG = (1, BOX, 0.9), (2, BOX, 0.8), (3, BOX, 0.99)
IN_CROWD = (2, [220, 20, 40, 100], 0.95)


@pytest.mark.parametrize(
    ("rows", "kinds", "name", "expected"),
    [
        ([FIRST, SECOND], {}, "AP", 1),
        ([FIRST, SECOND], {"category_id": 77}, "AP", 1),
        ([FIRST], {}, "AP", 51 / 101),  # half of the recall points
        ([], {}, "AP", 0),
        # Image 3 shows nobody, so a detection in it is wrong.
        ([WRONG, FIRST, SECOND], {}, "AP50", 2 / 3),
        ([WRONG, FIRST, SECOND], {"images": (1, 2)}, "AP50", 1),
        # A detection in a crowd is neither right nor wrong.
        ([IN_CROWD, FIRST, SECOND], {"crowd": True}, "AP", 1),
    ],
)
def test_average_precision_of_cases_made_by_hand(
    tmp_path: Path, rows: list[Any], kinds: dict[str, Any], name: str, expected: float
) -> None:
    numbers = ap(tmp_path, rows, **kinds)
    assert numbers[name] == pytest.approx(expected, abs=1e-6)
    assert numbers["AP_small"] is None  # nothing of that size is annotated
    assert numbers["images"] == len(kinds.get("images", (1, 2, 3)))
    assert numbers["images_with_category"] == numbers["annotated"] == 2
    assert numbers["annotated_crowds"] == int("crowd" in kinds)
    assert (numbers["detections"] == 0) == (not rows)


def test_category_that_is_not_annotated_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no category 'dog'"):
        evaluate_detections(truth(tmp_path), results(tmp_path, []), "dog", [1])


def test_curve_falls_and_is_written(tmp_path: Path) -> None:
    rows = [(3, BOX, 0.99), (1, BOX, 0.9), (2, BOX, 0.8)]
    _, curve = evaluate_detections(truth(tmp_path), results(tmp_path, rows), "person", [1, 2, 3])
    assert curve.shape == (101, 4)
    assert curve[0, 1] == pytest.approx(2 / 3)
    assert (np.diff(curve[:, 1]) <= 0).all()
    write_precision_recall(tmp_path / "pr.tsv", curve)
    assert len((tmp_path / "pr.tsv").read_text().splitlines()) == 102


def test_labels_are_those_of_the_images_that_carry_any() -> None:
    rows = ['{"person": "A", "view": "face"}', None, '{"view": "back"}']
    manifest = pa.table({"image_id": [1, 2, 3], "labels": rows})
    labels = labels_by_image(manifest)
    assert labels.index.tolist() == [1, 3]
    assert labels["view"].tolist() == ["face", "back"]
    assert labels["person"].isna().tolist() == [False, True]
