"""What a run did and found, in words: plain sentences and (term, value) pairs, nothing escaped."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import yaml

from visualsearch.report.model import Hit, Label, Person, Query, Results

Facts = list[tuple[str, str]]

# Of a checked configuration, what decides only how a run goes and not what comes out.
HOW_IT_RUNS = {
    "dataset": ("connections", "retries", "backoff_seconds"),
    "detector": ("device",),
}

# The order of the stages.
SECTIONS = (
    "dataset",
    "detector",
    "search_set",
    "embedding",
    "reduction",
    "index",
    "queries",
    "search",
    "report",
)

SOURCES = {
    "coco-minitrain": "COCO minitrain, 25,000 images of COCO train2017",
    "coco-val2017": "COCO val2017",
    "folder": "a folder of pictures",
    "openpeople": "openpeople, 60 generated pictures of ten people who do not exist",
}

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
VARIANCE_CAPTION = (
    "How much of the variance the first components hold together. A line that bends early means "
    "that the vectors differ in few ways; the dashed line is where they were cut."
)


def count(n: int, one: str, many: str | None = None) -> str:
    """1,234 pictures; 1 picture."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def decimals(value: float | None, digits: int = 2) -> str:
    """A number with a true minus sign; a dash for None."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def percent(share: float, digits: int = 0) -> str:
    """0.123 as 12 %."""
    return f"{100 * share:.{digits}f} %"


def things(results: Results) -> tuple[str, str]:
    """What is searched for: its singular and plural."""
    category = results.config["dataset"]["category"]
    if category == "person":
        return "person", "persons"
    return f"“{category}”", f"objects of the category “{category}”"


def lead(results: Results) -> str:
    """What was asked, in one sentence."""
    one, many = things(results)
    neighbours, n = results.config["search"]["neighbours"], len(results.queries)
    wanted = one if neighbours == 1 else f"{neighbours:,} {many}"
    if any(len(query.hits) < neighbours for query in results.queries):
        wanted = f"{many} (up to {neighbours:,})"
    elsewhere = "" if results.config["search"]["same_image"] else " in other pictures"
    return (
        f"For {'one query' if n == 1 else f'each of {n:,} queries'}, the {wanted} most like it"
        f"{elsewhere}, among {results.n_persons:,} that a pretrained detector found in "
        f"{count(results.n_pictures, 'picture')} and describes by its own features."
    )


def totals(results: Results) -> Facts:
    """The four numbers at the top: (what, how many)."""
    threshold = decimals(results.detector["score_threshold"])
    return [
        ("pictures", f"{results.n_pictures:,}"),
        (f"detections of score {threshold} or more", f"{results.n_detections:,}"),
        (f"{things(results)[1]} in the search set", f"{results.n_persons:,}"),
        ("queries", f"{len(results.queries):,}"),
    ]


def people_note(results: Results) -> str | None:
    """What must be known about the people shown."""
    if results.config["dataset"]["source"] != "openpeople":
        return None
    return (
        "The people in these pictures are computer-generated: they look like photographs, and "
        "nobody in them exists."
    )


def person_facts(person: Person, similarity: float | None = None) -> Facts:
    """All that is known of a detection, for the large view."""
    x, y, w, h = person.box
    picture = person.picture
    facts = [] if similarity is None else [("cosine similarity", decimals(similarity, 3))]
    facts.append(("detector score", decimals(person.score, 3)))
    if person.person_id is not None:
        facts.append(("person id", str(person.person_id)))
    if picture.image_id is not None:
        facts.append(("image id", str(picture.image_id)))
    facts.append(("file", picture.file if picture.stored else picture.name))
    facts.append(("box", f"{w:.0f} × {h:.0f} px at {x:.0f}, {y:.0f}"))
    return facts


def describe_labels(labels: Iterable[Label]) -> str:
    """Labels as a phrase for alternative texts: `, view studio portrait, person P001`."""
    return "".join(f", {label.kind} {label.value}" for label in labels)


def describe_query(query: Query) -> str:
    """Alternative text of a query's picture."""
    return f"Query {query.number}: {query.person.picture.name}" + describe_labels(query.labels)


def describe_hit(query: Query, hit: Hit) -> str:
    """Alternative text of a hit's picture."""
    return (
        f"Neighbour {hit.rank} of query {query.number}: cosine similarity "
        f"{decimals(hit.similarity)}, {hit.person.picture.name}" + describe_labels(hit.labels)
    )


def is_training_set(results: Results) -> bool | None:
    """Whether AP was measured on what the detector was trained on; None where that is unknown."""
    if results.config["dataset"]["source"] != "coco-minitrain":
        return False
    return True if results.detector["trained_on"] == "COCO train2017" else None


def ap_title(results: Results) -> str:
    """Heading of the detector's numbers."""
    kind = {True: "Training-set AP", None: "AP, perhaps on the training set", False: "AP"}
    return f"{kind[is_training_set(results)]} of the detections"


def ap_notes(results: Results) -> list[str]:
    """How the 12 numbers are to be read; or why there are none."""
    numbers = results.detection_numbers
    dataset = results.config["dataset"]
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
    if dataset["source"].startswith("coco-"):
        if dataset["only_with_category"]:
            notes.append(
                f"Only pictures annotated with {numbers['category']} are in the set. False finds "
                "in other pictures do not count, which is kinder than the published way."
            )
        if dataset["max_images"] is not None:
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


def recall_facts(results: Results) -> list[tuple[str, float]]:
    """(k, recall) of the index, by rising k."""
    found = [(key, value) for key, value in results.recall.items() if key.startswith("recall@")]
    return [(key.removeprefix("recall@"), value) for key, value in found]


def recall_sentence(results: Results) -> str:
    """How much of exact search the index finds."""
    parts = [
        f"{100 * value:.3g} % of the {'nearest' if k == '1' else f'{k} nearest'}"
        for k, value in recall_facts(results)
    ]
    return (
        f"Compared with exact search from {results.recall['persons_sampled']:,} persons, evenly "
        f"sampled, the index finds {' and '.join(parts)}. This says how faithful the index is, "
        "not whether the neighbours are what a person would call alike."
    )


def labels_sentence(results: Results) -> str | None:
    """What the agreement of labels shows; None where pictures carry no labels."""
    if not results.labels_of_hits:
        return None
    parts = [
        f"{percent(measure['precision'])} of the neighbours share the query's {kind} "
        f"(by chance: {percent(measure['chance'])})"
        for kind, measure in _by_lift(results)
    ]
    return (
        f"{'; '.join(parts)}. Chance is what neighbours drawn from other pictures at random "
        "would give."
    )


def _by_lift(results: Results) -> list[tuple[str, dict[str, Any]]]:
    """Kinds of label by how far agreement exceeds chance, the furthest first."""
    return sorted(
        results.labels_of_hits.items(),
        key=lambda item: (item[1]["chance"] - item[1]["precision"], item[0]),
    )


def dataset_facts(results: Results) -> Facts:
    """Which pictures."""
    dataset = results.config["dataset"]
    facts = [("source", SOURCES.get(dataset["source"], dataset["source"]))]
    facts.append(("category", dataset["category"]))
    if dataset["source"].startswith("coco-"):
        kept = "with the category only" if dataset["only_with_category"] else "all of the set"
        facts.append(("pictures kept", kept))
    if dataset["max_images"] is not None:
        facts.append(("limit", f"the first {count(dataset['max_images'], 'picture')} by id"))
    facts.append(("pictures", f"{results.n_pictures:,}"))
    left_out = sum(results.skipped.values())
    facts.append(("left out", f"{left_out:,}" if left_out else "none"))
    facts.append(("detections", f"{results.n_detections:,}"))
    chosen = results.config["search_set"]
    facts.append(
        (
            "in the search set",
            f"{results.n_persons:,}: score at least {chosen['min_score']:g} and height at least "
            f"{chosen['min_height']:g} px",
        )
    )
    return facts


def skipped_reasons(results: Results) -> list[tuple[str, int]]:
    """(reason, pictures left out for it), the most frequent first."""
    return sorted(results.skipped.items(), key=lambda item: (-item[1], item[0]))


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
    add("values in a vector", f"{details.pop('vector_length'):,}")
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


def embedding_paragraph(results: Results) -> str:
    """How a box became a vector."""
    embedding, detector = results.config["embedding"], results.detector
    height, width = embedding["size"]
    pooled = {"average": "averaged over its places"}
    how = pooled.get(embedding["pooling"], f"pooled ({embedding['pooling']})")
    return (
        f"Each box of the search set was cut out of its picture, resized to {height} × {width} "
        "pixels (height × width) whatever its shape, normalised as the detector expects, and sent "
        f"through the detector's own backbone. The map taken is: {detector['featurizer']}. "
        f"It was {how}, which gives {detector['vector_length']:,} values, one a channel: the "
        "person's vector. No network but the detector was used, and nothing was trained."
    )


def reduction_paragraphs(results: Results) -> list[str]:
    """What was done to the vectors, and why, with this run's numbers."""
    reduction = results.reduction
    length, kept = len(reduction.mean), reduction.n_components
    shares = reduction.explained_variance_ratio
    explained = float(np.sum(shares[:kept]))
    asked = results.config["reduction"]["n_components"]
    power = reduction.whiten_power
    if asked < 1:
        choice = f"as many as explain {percent(asked)} of the variance, as asked"
    elif asked > kept:
        cause = f"{reduction.n_persons:,} persons" if kept < length else f"{length:,} values"
        choice = f"{asked} were asked for, and {cause} allow no more"
    else:
        choice = "as asked"
    if explained > 0.999:
        left_out = "The directions left out hold next to nothing of it."
    elif explained >= 0.8:
        left_out = "The directions left out vary little."
    else:
        left_out = "What the directions left out hold is lost to the search."
    if kept == 1:
        whitening = "With a single component there is nothing to whiten."
    elif power == 0:
        whitening = (
            "No whitening was done (power 0), so the strongest directions weigh most in every "
            "comparison."
        )
    else:
        ratio = float(
            np.sqrt(reduction.explained_variance[0] / reduction.explained_variance[kept - 1])
        )
        left = (
            "none of that is left"
            if power == 1
            else f"the power {power:g} leaves a factor of {ratio ** (1 - power):,.1f}"
        )
        whitening = (
            "A few strong directions, often of light and framing, would decide alone what counts "
            f"as alike: the first component deviates {ratio:,.1f} times as much as the last one "
            "kept. So each was divided by its standard deviation to the power "
            f"{power:g}, and {left} (whitening after Jégou and Chum, ECCV 2012)."
        )
    return [
        "The features come after a rectifier, so none is negative: any two vectors point into the "
        "same corner of space, and their cosines crowd near 1. Each vector was therefore brought "
        "to length 1 and the mean of all was taken away. What is left is how a person differs "
        "from the average, and cosines spread between −1 and 1.",
        f"Then an incremental PCA, fitted on {count(reduction.n_persons, 'person')}, turned "
        f"{length:,} values into {kept:,} ({choice}). They keep {percent(explained, 1)} of the "
        f"variance. {left_out} Each vector is {length / kept:,.1f} times shorter, which makes the "
        "index smaller and searching faster.",
        f"{whitening} Last, vectors were brought to length 1 again, so that the angle between two "
        "of them is all that counts.",
    ]


def variance_text(results: Results) -> str:
    """What the figure of explained variance shows, for those who do not see it."""
    reduction = results.reduction
    shares = np.cumsum(reduction.explained_variance_ratio)
    kept = reduction.n_components
    return (
        f"Variance explained by the first components: {percent(float(shares[0]))} by one, "
        f"{percent(float(shares[kept - 1]), 1)} by the {kept} kept"
    )


def index_facts(results: Results) -> Facts:
    """The index and its settings."""
    sidecar = results.sidecar
    facts = [
        ("backend", sidecar["backend"]),
        ("vectors", f"{sidecar['n_items']:,}, of {sidecar['dimension']:,} values each"),
        ("metric", sidecar["metric"]),
    ]
    for key, term in (("n_trees", "trees"), ("search_k", "search_k"), ("seed", "seed")):
        if key in sidecar:
            facts.append((term, f"{sidecar[key]:,}"))
    facts.append(("file", f"{results.index_bytes / 1e6:,.1f} MB"))
    facts += [(f"recall at {k}", decimals(value, 3)) for k, value in recall_facts(results)]
    return facts


def index_paragraph(results: Results) -> str:
    """What the index does, and what its settings mean."""
    sidecar = results.sidecar
    if sidecar["backend"] != "annoy":
        return (
            "Every query was compared with every vector, so nothing is missed; up to some tens of "
            "thousands of vectors this is as fast as an approximate index."
        )
    text = (
        "Annoy grows a forest of trees, each of which halves the set again and again by random "
        "planes; a query falls to a leaf of every tree, and what lies there is compared. Angular "
        "distance orders unit vectors as the cosine does. search_k says how many candidates are "
        "gathered before the comparison and is never left to itself: by default Annoy stops at "
        "trees × neighbours, a leaf or two, and misses many of the true neighbours without a word."
    )
    if sidecar["search_k"] >= sidecar["n_items"]:
        text += (
            f" With {sidecar['n_items']:,} vectors and search_k {sidecar['search_k']:,}, nearly "
            "all are compared here, and the search is as good as exact."
        )
    return text


def limits(results: Results) -> list[str]:
    """What the report does not show."""
    _, many = things(results)
    paragraphs = [
        "The features were trained to tell categories of objects apart and to place boxes. They "
        "see framing, pose, view, size and surroundings, and hardly who somebody is: neighbours "
        "are persons shown alike, and must not be taken for the same person."
        if many == "persons"
        else "The features were trained to tell categories of objects apart and to place boxes. "
        "They see framing, view, size and surroundings, and hardly the single object."
    ]
    if results.labels_of_hits:
        parts = []
        for kind, measure in _by_lift(results):
            share = percent(measure["precision"])
            verdict = _against_chance(measure["precision"], measure["chance"])
            parts.append(f"the query's {kind} in {share} of cases, {verdict}")
        n = len(results.queries)
        few = f" From {count(n, 'query', 'queries')} this is no more than a tendency."
        text = f"In this run neighbours share {'; '.join(parts)}."
        paragraphs.append(text + (few if n < 30 else ""))
    if results.detection_numbers is not None and is_training_set(results) is not False:
        paragraphs.append(
            "The AP above is, or may be, that of the training set, and says little about pictures "
            "that the detector has not seen."
        )
    chosen = results.config["search_set"]
    paragraphs.append(
        f"Who can be found depends on two thresholds, score {chosen['min_score']:g} and height "
        f"{chosen['min_height']:g} px: of {count(results.n_detections, 'detection')}, "
        f"{results.n_persons:,} are in the search set. The small, the hidden and the doubtful are "
        "not, and a false find above the thresholds is."
    )
    paragraphs.append(
        "A neighbour is the nearest there is, not one near enough: a query without anything alike "
        "in the set still gets its neighbours, at a low cosine. Cosines compare within this run "
        "only, as they depend on its mean and components."
    )
    paragraphs.append(
        "Recall is that of the index against exact search over the same vectors. It does not say "
        "that what is found is relevant."
    )
    return paragraphs


def _against_chance(precision: float, chance: float) -> str:
    if chance <= 0:
        return "which chance would never give"
    ratio = precision / chance
    if ratio < 0.7:
        return f"less often than by chance ({percent(chance)})"
    if ratio < 1.4:
        return f"no more often than by chance ({percent(chance)})"
    return f"{ratio:.1f} times as often as by chance ({percent(chance)})"


def configuration_yaml(results: Results) -> str:
    """The configuration that decided the results, as YAML, without what only guides the run."""
    sections = [*(s for s in SECTIONS if s in results.config), *results.config]
    config = {s: results.config[s] for s in sections if s not in ("pathvars", "shards")}
    for section, keys in HOW_IT_RUNS.items():
        config[section] = {k: v for k, v in config[section].items() if k not in keys}
    # Settings of sources that are not used.
    source = config["dataset"]["source"]
    for part in {"coco", "folder"} - {source.split("-")[0]}:
        config["dataset"].pop(part, None)
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=88)


class _Dumper(yaml.SafeDumper):
    """Lists on one line."""


_Dumper.add_representer(
    list,
    lambda dumper, values: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", values, flow_style=True
    ),
)


def versions(results: Results) -> Facts:
    """Versions of what computed the results."""
    found = {**results.detector["versions"], **results.sidecar["versions"]}
    return sorted(found.items())
