"""What the vectors distinguish, by this run's numbers, and what no number here shows."""

from visualsearch.evaluate.relevance import FEWEST_PERSONS
from visualsearch.report.model import Results
from visualsearch.report.numbers import count, decimals, interval, percent, percent_interval
from visualsearch.report.wording.detector import is_training_set
from visualsearch.report.wording.measures import Summary, compared, measured, summary_of

# Shares of the way from chance to full agreement, from which a measure is seen so.
STRONGLY, CLEARLY = 0.5, 0.2
TOO_FEW = "too few persons to tell"


def verdicts(results: Results) -> list[tuple[str, str]]:
    """Return (verdict, its numbers) for each measure. Verdicts follow from the intervals."""
    # If vectors average the mirrored box in, a mirrored copy is no distortion.
    copy = "self_unmirrored" if results.settings.embedding.mirrored else "self"
    summaries = measured(results)
    rows = []
    for name, found in summaries.items():
        if name == copy:
            verdict, text = _distorted(found, name == "self", summaries.get("self_unmirrored"))
        elif name.startswith("self"):
            continue
        else:
            verdict, text = _in_common(name, found)
        by_shape = summary_of(results.search["box_shape"], name)
        if by_shape is not None:
            text += f" {_against_box_shape(name, by_shape)}"
            if ": seen" in verdict and not _above_box_shape(by_shape):
                verdict += ", but not shown to be beyond box shape"
        raw = summary_of(results.search["raw_cosine"], name)
        if raw is not None:
            text += f" {_against_raw(name, raw)}"
        rows.append((verdict, text))
    return rows


def _distorted(found: Summary, mirrored: bool, plain: Summary | None) -> tuple[str, str]:
    """Judge how many copies are found. plain: the same without mirroring."""
    how = " and the picture mirrored" if mirrored else ""
    text = (
        f"Of {count(found['persons'], 'copy', 'copies')} with the box moved a little{how}, "
        f"{percent(found['value'])} find their original before all others"
    )
    ends = found["interval"]
    if ends is None:
        return f"A distorted copy: {TOO_FEW}", f"{text}."
    low, high = ends
    if found["persons"] < FEWEST_PERSONS:
        verdict = TOO_FEW
    elif low >= 0.95:
        verdict = "nearly always found"
    elif low >= 0.8:
        verdict = "mostly found"
    elif low >= 0.5:
        verdict = "found more often than not"
    elif high <= 0.5:
        verdict = "missed more often than found"
    else:
        verdict = "found about every other time"
    text += f" (95 % interval {percent_interval(ends)})."
    if mirrored and plain is not None:
        text += f" Without mirroring, {percent(plain['value'])} do."
    return f"A distorted copy: {verdict}", text


def _in_common(name: str, found: Summary) -> tuple[str, str]:
    value, chance, ends = found["value"], found["chance"], found["lift_interval"]
    if name.startswith("label:"):
        what = f"The same {name.removeprefix('label:')}"
        text = (
            f"{percent(value)} of the ten neighbours share it, and {percent(chance)} of persons "
            "drawn at random"
        )
    else:
        what, unit = WHAT[name]
        text = (
            f"{unit} is {decimals(value, 3)} for the ten neighbours, and {decimals(chance, 3)} for "
            "persons drawn at random"
        )
    text += f" (of {count(found['persons'], 'person')})."
    if ends is None:
        return f"{what}: {TOO_FEW}", text
    if found["persons"] < FEWEST_PERSONS:
        return f"{what}: {TOO_FEW}", f"{text} The difference: 95 % interval {interval(ends)}."
    difference = f"The 95 % interval of the difference, {interval(ends)}"
    if ends[1] < 0:
        return f"{what}: less than chance", f"{text} {difference}, lies below 0."
    if ends[0] <= 0:
        return f"{what}: no more than chance", f"{text} {difference}, holds 0."
    if chance >= 1:
        return f"{what}: seen", text
    way = found["lift"] / (1 - chance)
    verdict = "strongly" if way >= STRONGLY else "clearly" if way >= CLEARLY else "weakly"
    times = f"{value / chance:.1f} times what chance gives, and " if chance > 0 else ""
    shares = [end / (1 - chance) for end in ends]
    text += (
        f" That is {times}{percent(way)} of the way from chance to full agreement (95 % interval "
        f"{percent_interval(shares)})."
    )
    return f"{what}: seen {verdict}", text


WHAT = {
    "pose": ("Pose", "Keypoint similarity, 1 for the same pose,"),
    "pose_oks": (
        "Pose in COCO's scale",
        "Keypoint similarity with both axes by one length, 1 for the same pose in the same shape "
        "of box,",
    ),
    "context": ("Surroundings", "The overlap of the other categories, 1 for the same ones,"),
}


def _above_box_shape(by_shape: Summary) -> bool:
    """Whether the search is surely better than neighbours by box shape, person by person."""
    ends = by_shape.get("difference_interval")
    return ends is not None and by_shape["persons"] >= FEWEST_PERSONS and bool(ends[0] > 0)


def _against_box_shape(name: str, by_shape: Summary) -> str:
    """Say by how much the search is better than neighbours by box shape, person by person."""
    value = decimals(by_shape["value"], 3) if name in WHAT else percent(by_shape["value"])
    text = f"Box shape alone, without any pixel, gives {value}"
    ends = by_shape.get("difference_interval")
    if ends is None:
        return f"{text}."
    by = decimals(abs(by_shape["difference"]), 3)
    if by_shape["persons"] < FEWEST_PERSONS:
        verdict = TOO_FEW
    elif _above_box_shape(by_shape):
        verdict = f"the search is better by {by}"
    elif ends[1] < 0:
        verdict = f"the search is worse by {by}"
    else:
        verdict = "the search is not shown to be better"
    return f"{text}: {verdict} (95 % interval of the difference {interval(ends)})."


def _against_raw(name: str, raw: Summary) -> str:
    # The difference is this run's measure minus the raw cosine's.
    verdict = compared(raw, "clearly less", "clearly more")
    value = decimals(raw["value"], 3) if name in WHAT else percent(raw["value"])
    return f"The raw cosine gives {value}: {verdict}."


def limits(results: Results) -> list[str]:
    """Say what the report does not show."""
    _, many = results.nouns
    paragraphs = [
        "The features were trained to tell categories of objects apart and to place boxes. Nothing "
        "in them was made to tell who somebody is: neighbours are persons shown alike, and must "
        "not be taken for the same person."
        if many == "persons"
        else "The features were trained to tell categories of objects apart and to place boxes. "
        "Nothing in them was made to tell one object from another of its category."
    ]
    paragraphs.append(
        "Relevance is measured by what annotations and labels happen to say, over this search set. "
        "What nobody wrote down, such as clothes, light or style, may count for more or for less; "
        "and another set has other numbers."
    )
    if results.detection_numbers is not None and is_training_set(results) is not False:
        paragraphs.append(
            "The AP above is, or may be, that of the training set, and says little about pictures "
            "that the detector has not seen."
        )
    chosen = results.settings.search_set
    paragraphs.append(
        f"Who can be found depends on two thresholds, score {chosen.min_score:g} and height "
        f"{chosen.min_height:g} px: of {count(results.n_detections, 'detection')}, "
        f"{results.n_persons:,} are in the search set. The small, the hidden and the doubtful are "
        "not, and a false find above the thresholds is."
    )
    paragraphs.append(
        "A neighbour is the nearest there is, not one near enough: a query without anything alike "
        "in the set still gets its neighbours, at a low cosine. Cosines compare within this run "
        "only, as they depend on its mean and components."
    )
    return paragraphs
