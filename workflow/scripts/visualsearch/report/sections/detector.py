"""The detector, and how good its boxes are."""

from collections.abc import Iterable

from visualsearch.report.model import Results
from visualsearch.report.numbers import Facts, count, decimals

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

PRECISION_RECALL_TEXT = "Precision of the detections against recall, at three measures of overlap"

PRECISION_RECALL_CAPTION = (
    "How many of the boxes found are right (precision), as more and more of the annotated ones "
    "are found (recall). The further a line stays up and goes right, the better."
)


def is_training_set(results: Results) -> bool | None:
    """Whether AP was measured on the detector's training set; None if that is unknown."""
    if results.settings.dataset.source != "coco-minitrain":
        return False
    return True if results.detector["trained_on"] == "COCO train2017" else None


def ap_title(results: Results) -> str:
    """Return the heading of the 12 numbers."""
    kind = {True: "Training-set AP", None: "AP, perhaps on the training set", False: "AP"}
    return f"{kind[is_training_set(results)]} of the detections"


def ap_notes(results: Results) -> list[str]:
    """Say how to read the 12 numbers, or why there are none."""
    numbers = results.detection_numbers
    dataset = results.settings.dataset
    if numbers is None:
        return [
            "No average precision: these pictures come without annotated boxes to compare the "
            "detections with."
        ]
    notes = []
    if note := numbers.get("AP_note"):
        beginning = "AP is not known: " if numbers["AP"] is None else "Beware: "
        notes.append(f"{beginning}{note}{'' if note.endswith('?') else '.'}")
    notes += [
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
    """Return (heading, [(name, meaning, value)]) for precision and recall."""
    numbers = results.detection_numbers
    if numbers is None or numbers["AP"] is None:
        return []
    return [
        (heading, [(name, meaning, decimals(numbers[name], 3)) for name, meaning in names])
        for heading, names in (("Average precision", PRECISION), ("Average recall", RECALL))
    ]


def detector_facts(results: Results) -> Facts:
    """Return every value of detector.json in readable words; unknown keys are shown unchanged."""
    details = dict(results.detector)
    take = details.pop
    library = take("library")
    kind = "published" if take("weights_are_published") else "given as a file"
    ap, dataset = take("published_box_ap"), take("published_on")
    operations = _operations(take("gmacs_at_800", None), take("gmacs_at_640", None))
    mean, deviation = _values(take("normalise_mean")), _values(take("normalise_std"))
    overlap = take("nms_iou_threshold")
    take("versions")
    facts = [
        ("name", take("name")),
        ("built by", f"{take('builder')} ({library})"),
        ("weights", f"{take('weights')} ({library if library == 'bundled' else kind})"),
        ("weights from", take("weights_url") or "a file of the user's"),
        ("sha256 of the weights", take("weights_sha256")),
        ("size of the weights", f"{take('weights_bytes') / 1e6:,.1f} MB"),
        ("trained on", take("trained_on")),
        ("published box AP", "none published" if ap is None else f"{ap} ({dataset})"),
        ("training recipe", take("recipe") or "none published"),
        ("multiply-adds", operations),
        ("parameters", f"{take('parameters'):,}"),
        ("categories it knows", f"{take('categories'):,}"),
        ("size of its input", _input_size(take("image_min_size"), take("image_max_size"))),
        ("normalisation", f"RGB in 0 to 1, minus {mean}, divided by {deviation}"),
        ("score threshold", f"{take('score_threshold'):g}"),
        ("non-maximum suppression", _suppression(overlap)),
        ("detections an image", f"at most {take('detections_per_image')}"),
        ("anchor sizes", _levels(take("anchor_sizes"))),
        ("anchor aspect ratios", _levels(take("anchor_aspect_ratios"))),
        ("features from", take("featurizer")),
        ("values of its last map", f"{take('vector_length'):,}"),
        ("computed by", _computing(take("runtime"), take("precision"), take("vector_precision"))),
    ]
    if sample := take("calibrated_on", None):
        facts.append(("calibrated on", f"{count(sample['images'], 'picture')} of this run"))
    return facts + [(key.replace("_", " "), str(value)) for key, value in details.items()]


def _operations(at_800: float | None, at_640: float | None) -> str:
    for operations, side in ((at_800, 800), (at_640, 640)):
        if operations is not None:
            return f"{operations:g} billion at {side} × {side} px"
    return "not published"


def _computing(runtime: str, precision: str, vector_precision: str) -> str:
    library = {"openvino": "OpenVINO", "torch": "PyTorch"}[runtime]
    if precision == vector_precision:
        return f"{library}, in {precision}"
    return f"{library}, boxes in {precision} and vectors in {vector_precision}"


def _suppression(overlap: float | None) -> str:
    if overlap is None:
        return "none: the network gives each object once"
    return f"of two boxes with IoU over {overlap:g}, the better stays"


def _input_size(shorter: list[int], longer: int) -> str:
    if shorter == [longer]:
        return f"{longer} × {longer} px"
    sides = " or ".join(map(str, shorter))
    return f"shorter side {sides} px, longer side at most {longer} px"


def _values(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _levels(levels: list[list[float]]) -> str:
    if not levels:
        return "none: the network has no anchors"
    if all(level == levels[0] for level in levels):
        each = f" (each of {len(levels)} levels)" if len(levels) > 1 else ""
        return _values(levels[0]) + each
    return "; ".join(_values(level) for level in levels) + f" ({len(levels)} levels)"
