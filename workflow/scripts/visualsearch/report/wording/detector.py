"""The detector and how good its boxes are."""

from collections.abc import Iterable
from typing import Any

from visualsearch.report.model import Results
from visualsearch.report.numbers import Facts, count, decimals

# Of the 12 numbers of COCO's evaluation: https://cocodataset.org/#detection-eval
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

PRECISION_RECALL_TEXT = "Precision of the detections against recall, at three measures of overlap"

PRECISION_RECALL_CAPTION = (
    "How many of the boxes found are right (precision), as more and more of the annotated ones "
    "are found (recall). The further a line stays up and goes right, the better."
)


def is_training_set(results: Results) -> bool | None:
    """Whether AP was measured on what the detector was trained on; None where that is unknown."""
    if results.settings.dataset.source != "coco-minitrain":
        return False
    return True if results.detector["trained_on"] == "COCO train2017" else None


def ap_title(results: Results) -> str:
    """Heading of the detector's numbers."""
    kind = {True: "Training-set AP", None: "AP, perhaps on the training set", False: "AP"}
    return f"{kind[is_training_set(results)]} of the detections"


def ap_notes(results: Results) -> list[str]:
    """How the 12 numbers are to be read; or why there are none."""
    numbers = results.detection_numbers
    dataset = results.settings.dataset
    if numbers is None:
        return [
            "No average precision: these pictures come without annotated boxes to compare the "
            "detections with."
        ]
    notes = [
        f"Measured by pycocotools for the category {numbers['category']} over all "
        f"{count(numbers['images'], 'picture')} ({numbers['images_with_category']:,} show it): "
        f"{count(numbers['detections'], 'detection')} against "
        f"{count(numbers['annotated'], 'annotated box', 'annotated boxes')} and "
        f"{count(numbers['annotated_crowds'], 'crowd')}, "
        "before any detection was left out of the search set."
    ]
    if is_training_set(results):
        notes.append(
            "This is AP on the training set. COCO minitrain is part of train2017, on which the "
            "published weights were trained, so the numbers are higher than the detector deserves; "
            "the source coco-val2017 measures honestly."
        )
    elif is_training_set(results) is None:
        notes.append(
            "COCO minitrain is part of train2017. Whether these weights were trained on it is not "
            "known; if so, this is training-set AP and too high."
        )
    if dataset.source.startswith("coco-"):
        if dataset.only_with_category:
            notes.append(
                f"Only pictures annotated with {numbers['category']} are in the set. False finds "
                "in other pictures do not count, which is kinder than the published way."
            )
        if dataset.max_images is not None:
            notes.append("The set was cut to its first pictures, so the numbers scatter.")
    if results.detector["published_box_ap"] is not None:
        notes.append(
            f"The detector's published AP of {results.detector['published_box_ap']} "
            f"({results.detector['published_on']}) is another measure; one category's differs."
        )
    return notes


def ap_table(results: Results) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(heading, [(name, meaning, value)]) for precision and recall."""
    numbers = results.detection_numbers
    if numbers is None:
        return []
    return [
        (heading, [(name, meaning, decimals(numbers[name], 3)) for name, meaning in names])
        for heading, names in (("Average precision", PRECISION), ("Average recall", RECALL))
    ]


def detector_facts(results: Results) -> Facts:
    """Every detail of detector.json in readable words; a key not known here is shown as it is."""
    details = dict(results.detector)
    facts: Facts = []

    def add(term: str, value: str) -> None:
        facts.append((term, value))

    add("name", details.pop("name"))
    library = details.pop("library")
    add("built by", f"{details.pop('builder')} ({library})")
    published = details.pop("weights_are_published")
    kind = "published" if published else "given as a file"
    add("weights", f"{details.pop('weights')} ({library if library == 'bundled' else kind})")
    add("weights from", details.pop("weights_url") or "a file of the user's")
    add("sha256 of the weights", details.pop("weights_sha256"))
    add("size of the weights", f"{details.pop('weights_bytes') / 1e6:,.1f} MB")
    add("trained on", details.pop("trained_on"))
    ap, on = details.pop("published_box_ap"), details.pop("published_on")
    add("published box AP", "none published" if ap is None else f"{ap} ({on})")
    add("training recipe", details.pop("recipe") or "none published")
    operations = details.pop("gmacs_at_800")
    add(
        "multiply-adds",
        "not published" if operations is None else f"{operations:g} billion at 800 × 800 px",
    )
    add("parameters", f"{details.pop('parameters'):,}")
    add("categories it knows", f"{details.pop('categories'):,}")
    add("size of its input", _input_size(details.pop("image_min_size"), details))
    mean, deviation = details.pop("normalise_mean"), details.pop("normalise_std")
    add("normalisation", f"RGB in 0 to 1, minus {_values(mean)}, divided by {_values(deviation)}")
    add("score threshold", f"{details.pop('score_threshold'):g}")
    overlap = details.pop("nms_iou_threshold")
    add("non-maximum suppression", f"of two boxes with IoU over {overlap:g}, the better stays")
    add("detections an image", f"at most {details.pop('detections_per_image')}")
    add("anchor sizes", _levels(details.pop("anchor_sizes")))
    add("anchor aspect ratios", _levels(details.pop("anchor_aspect_ratios")))
    add("features from", details.pop("featurizer"))
    add("values of its last map", f"{details.pop('vector_length'):,}")
    details.pop("versions")
    return facts + [(key.replace("_", " "), str(value)) for key, value in details.items()]


def _input_size(shorter: list[int], details: dict[str, Any]) -> str:
    longer = details.pop("image_max_size")
    if shorter == [longer]:
        return f"{longer} × {longer} px"
    sides = " or ".join(map(str, shorter))
    return f"shorter side {sides} px, longer side at most {longer} px"


def _values(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _levels(levels: list[list[float]]) -> str:
    if all(level == levels[0] for level in levels):
        each = f" (each of {len(levels)} levels)" if len(levels) > 1 else ""
        return _values(levels[0]) + each
    return "; ".join(_values(level) for level in levels) + f" ({len(levels)} levels)"
