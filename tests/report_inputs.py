"""The made inputs of the report's tests: names of pictures, a detector, its AP, and drawings."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from visualsearch.data.manifest import FetchedImage, ListedImage
from visualsearch.report.sections import detections

SIDE = 160
# A box of a colour of its own in a grey picture; stored without loss, whatever the file's name.
BOX = (32.0, 16.0, 64.0, 96.0)
# The second person, beside the first and smaller, and in how many pictures, if in some.
SECOND, WITH_SECOND = (104.0, 40.0, 40.0, 72.0), 4

HOSTILE = (
    '"><img src=x onerror=alert(1)>.jpg',
    "=HYPERLINK(1)|`a` [b](javascript:alert(1)).jpg",
    "</script><script>alert(1)</script>.jpg",
    "人 & *ü*.jpg",
)
HOSTILE_LABEL = "'\"</script><b onclick=alert(1)>"
OWN = "@own <i>picture.jpg"

DETECTOR = {
    "name": "fasterrcnn_resnet50_fpn",
    "library": "torchvision",
    "builder": "torchvision.models.detection.fasterrcnn_resnet50_fpn",
    "weights": "FasterRCNN_ResNet50_FPN_Weights.COCO_V1",
    "weights_url": "https://download.example.org/fasterrcnn-258fb6c6.pth",
    "weights_sha256": "258fb6c6" + "0" * 56,
    "weights_bytes": 167502836,
    "weights_are_published": True,
    "trained_on": "COCO train2017",
    "published_box_ap": 37.0,
    "published_on": "COCO val2017, mean over 80 categories",
    "recipe": "https://github.com/pytorch/vision/tree/main/references/detection",
    "gmacs_at_800": 134.38,
    "parameters": 41755286,
    "categories": 80,
    "image_min_size": [800],
    "image_max_size": 1333,
    "normalise_mean": [0.485, 0.456, 0.406],
    "normalise_std": [0.229, 0.224, 0.225],
    "score_threshold": 0.05,
    "nms_iou_threshold": 0.5,
    "detections_per_image": 100,
    "anchor_sizes": [[32], [64], [128], [256], [512]],
    "anchor_aspect_ratios": [[0.5, 1.0, 2.0]] * 5,
    "featurizer": "backbone.body, last map (C5: stride 32, after ReLU)",
    "vector_length": 2048,
    "runtime": "openvino",
    "precision": "int8",
    "vector_precision": "bf16",
    "versions": {"torch": "2.14.1", "torchvision": "0.29.1"},
    "a_new_detail": "shown <as> it is",
}
AP = {name: 0.5 for name, _ in (*detections.PRECISION, *detections.RECALL)} | {
    "AP_small": None,
    "category": "person",
    "images": 14,
    "images_with_category": 14,
    "annotated": 20,
    "annotated_crowds": 1,
    "detections": 14,
}


def color_of(image_id: int) -> tuple[int, int, int]:
    return (40 + 15 * (image_id % 14), 200 - 12 * (image_id % 14), 60 + 50 * (image_id % 3))


def draw_picture(color: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    x, y, w, h = map(int, BOX)
    image.paste(color, (x, y, x + w, y + h))
    return image


def write_pictures(folder: Path, count: int, two_persons_in_some: bool) -> list[FetchedImage]:
    """Pictures of persons in folder/pictures, the user's own beside it; rows of a manifest."""
    images = []
    for image_id in range(1, count + 1):
        file = HOSTILE[image_id - 1] if image_id <= len(HOSTILE) else f"{image_id}.jpg"
        path = folder / "pictures" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = draw_picture(color_of(image_id))
        if two_persons_in_some and image_id <= WITH_SECOND:
            x, y, w, h = map(int, SECOND)
            picture.paste((20, 20, 60 * image_id), (x, y, x + w, y + h))
        picture.save(path, "PNG")
        by = "http://creativecommons.org/licenses/by/2.0/"
        listed = ListedImage(
            image_id,
            file,
            license="Attribution License" if image_id % 2 else None,
            license_url=by if image_id != 3 else "javascript:alert(1)",
            source_url="https://example.org/a?b=<c>" if image_id != 4 else "javascript:alert(2)",
            labels=json.dumps({"view": HOSTILE_LABEL if image_id % 2 else "side|ways"}),
        )
        images.append(FetchedImage(listed, SIDE, SIDE, ""))
    draw_picture((250, 10, 250)).save(folder / OWN, "PNG")
    return images


def detections_of(
    image_id: int, persons: int, two_persons_in_some: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [N, 4] and scores [N] of a picture; the first `persons` pictures show somebody."""
    if image_id > persons:
        return np.empty((0, 4), np.float32), np.empty(0, np.float32)
    if not two_persons_in_some:
        return np.array([BOX], np.float32), np.array([0.9], np.float32)
    x, y, w, h = BOX
    boxes, scores = [(x, y, w, h - 2 * image_id)], [0.99 - 0.02 * image_id]
    if image_id <= WITH_SECOND:
        boxes.append(SECOND)
        scores.append(0.5 + 0.01 * image_id)
    return np.array(boxes, np.float32), np.array(scores, np.float32)


def write_benchmarks(folder: Path) -> None:
    """Snakemake's benchmarks: of two shards and one that is no longer, without numbers, empty."""
    head = "s\th:m:s\tmax_rss\tmax_vms"
    rows = {
        "embed_persons/0": "71\t0:01:10\t900.25\t5000",
        "embed_persons/1": "80\t0:01:10\t1000.5\t5000",
        "embed_persons/2": "900\t0:01:10\t9000\t5000",
        "fit_pca": "0.41\t0:00:00\t20.5\t90",
        "search_persons": "1.5\t0:00:01\tNA\tNA",
        "build_index": "",
        "render_report": "4000\t1:06:40\t10\t20",
    }
    (folder / "embed_persons").mkdir(parents=True)
    for name, row in rows.items():
        (folder / f"{name}.tsv").write_text(f"{head}\n{row}\n" if row else f"{head}\n")
