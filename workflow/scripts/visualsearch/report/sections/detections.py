"""How good the detector's boxes are: COCO's 12 numbers, or why there are none."""

from collections.abc import Iterator

from visualsearch.report.blocks import Block, Cell, Figure, Number, Paragraph, Table, Term
from visualsearch.report.model import Results
from visualsearch.report.numbers import count, decimals

# The 12 numbers of COCO's evaluation: https://cocodataset.org/#detection-eval
PRECISION = (
    ("AP", "mean over IoU 0.50 to 0.95"),
    ("AP50", "at IoU 0.50"),
    ("AP75", "at IoU 0.75"),
    ("AP_small", "small: under 32² pixels"),
    ("AP_medium", "medium: 32² to 96² pixels"),
    ("AP_large", "large: over 96² pixels"),
)
RECALL = (
    ("AR_1", "1 detection an image"),
    ("AR_10", "10 detections an image"),
    ("AR_100", "100 detections an image"),
    ("AR_small", "small, 100 detections"),
    ("AR_medium", "medium, 100 detections"),
    ("AR_large", "large, 100 detections"),
)
PRECISION_RECALL = "precision_recall.svg"
FEW_PICTURES = 1000


def is_training_set(results: Results) -> bool | None:
    """Whether AP was measured on the detector's training set; None if that is unknown."""
    if results.settings.dataset.source != "coco-minitrain":
        return False
    return True if results.detector["trained_on"] == "COCO train2017" else None


def title(results: Results) -> str:
    """Return the heading."""
    kind = {True: "Training-set AP", None: "AP, perhaps on the training set", False: "AP"}
    return f"{kind[is_training_set(results)]} of the detections"


def blocks(results: Results) -> list[Block]:
    """Return the 12 numbers, and how to read them."""
    numbers = results.detection_numbers
    if numbers is None:
        return [Paragraph("These pictures have no annotated boxes to compare the detections with.")]
    made: list[Block] = [Paragraph(" ".join(_notes(results)))]
    if numbers["AP"] is None:
        return made
    made.insert(
        0,
        Figure(
            PRECISION_RECALL,
            "Precision of the detections against recall, at three measures of overlap",
            "Precision: the share of boxes found that are right. Recall: the share of annotated "
            "boxes found. Higher and further right is better.",
        ),
    )
    rows: list[list[Cell]] = [
        [Term(name.replace("_", " "), f"average {kind}, {meaning}"), decimals(numbers[name], 3)]
        for kind, names in (("precision", PRECISION), ("recall", RECALL))
        for name, meaning in names
    ]
    return [*made, Table("COCO's 12 numbers", ["number", Number("value")], rows)]


def _notes(results: Results) -> Iterator[str]:
    numbers, dataset = results.detection_numbers or {}, results.settings.dataset
    if note := numbers.get("AP_note"):
        beginning = "AP is unknown: " if numbers["AP"] is None else "Beware: "
        yield f"{beginning}{note}{'' if note.endswith('?') else '.'}"
    yield (
        f"Measured by pycocotools for {numbers['category']} over "
        f"{count(numbers['images'], 'picture')} ({numbers['images_with_category']:,} show it): "
        f"{count(numbers['detections'], 'detection')} against "
        f"{count(numbers['annotated'], 'annotated box', 'annotated boxes')} and "
        f"{count(numbers['annotated_crowds'], 'crowd')}, before the thresholds of the search set."
    )
    if is_training_set(results):
        yield (
            "The published weights were trained on these pictures, so the numbers are too high; "
            "the source `coco-val2017` gives honest ones."
        )
    elif is_training_set(results) is None:
        yield "The weights may have been trained on these pictures; then the numbers are too high."
    if dataset.source.startswith("coco-") and dataset.only_with_category:
        yield (
            f"Every picture shows {numbers['category']}, so false detections in other pictures are "
            "not counted, as they are in published AP."
        )
    if is_training_set(results) is False and results.detector["trained_on"].startswith("not "):
        yield "Whether the detector was trained on these pictures is not known."
    if numbers["images"] < FEW_PICTURES:
        yield "So few pictures leave AP uncertain, by an amount that was not measured."
    if results.detector["published_box_ap"] is not None:
        yield (
            f"The published AP of {results.detector['published_box_ap']} "
            f"({results.detector['published_on']}) is another measure."
        )
