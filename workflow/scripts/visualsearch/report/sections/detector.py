"""The detector: every detail of detections/detector.json."""

from collections.abc import Iterable

from visualsearch.report.blocks import Block, Facts
from visualsearch.report.model import Results
from visualsearch.report.numbers import Facts as Pairs
from visualsearch.report.numbers import count


def blocks(results: Results) -> list[Block]:
    """Return the details as a list."""
    return [Facts(facts(results))]


def facts(results: Results) -> Pairs:
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
    told = [
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
        told.append(("calibrated on", f"{count(sample['images'], 'picture')} of this run"))
    return told + [(key.replace("_", " "), str(value)) for key, value in details.items()]


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
