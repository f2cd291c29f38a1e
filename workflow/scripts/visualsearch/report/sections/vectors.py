"""How a box became a vector, and how the vector was shortened."""

import numpy as np

from visualsearch.reduce.reduction import Reduction
from visualsearch.report.model import COMPARED_HITS, Results
from visualsearch.report.numbers import count, decimals, interval, listed, percent, signed
from visualsearch.report.wording.measures import title_of

COMPARISON_CAPTION = (
    "The same queries, with the first five hits of this run at the left, and at the right those by "
    "the column vector alone, less its mean. So it shows what the second map and the reduction "
    "change together; at the right, near-duplicates are never left out. A line marks a person who "
    "is not among the other's hits."
)
VARIANCE_CAPTION = (
    "How much of the variance the first components hold together. A line that bends early means "
    "that the vectors differ in few ways; the dashed line is where they were cut."
)


def embedding_paragraphs(results: Results) -> list[str]:
    """Say how a box became a vector, and which other ways there are."""
    embedding = results.settings.embedding
    height, width = embedding.size
    grid = f"{height} × {width} pixels (height × width)"
    box = "Each box of the search set"
    if embedding.margin:
        box += f", grown by {percent(embedding.margin)} of its width and height on each side,"
    if embedding.region == "crop":
        fit = {
            "stretch": f"resized to {grid} whatever its shape",
            "pad": f"scaled to fit into {grid} with its shape kept and grey beside it",
            "surroundings": f"scaled to fit into {grid} with its shape kept and what is around it "
            "in the picture beside it",
        }[embedding.fit]
        text = (
            f"{box} was cut out of its picture, {fit}, normalised as the detector expects, and "
            "sent through the detector's own backbone."
        )
    elif embedding.region == "roi_align_last":
        text = (
            "Each picture went through the detector's own backbone as a whole, as it does for "
            f"detection. {box} was then read from the finished map by RoIAlign, in as many places "
            f"as a crop of {grid} would have."
        )
    else:
        text = (
            "Each picture went through the detector's own backbone as a whole, up to the map "
            f"before the last. {box} was read from it by RoIAlign, in as many places as a crop of "
            f"{grid} would have, and went through the last stage by itself."
        )
    pooling = {
        "average": "averaged",
        "max": "reduced to its largest value in each channel",
        "gem": "pooled by the generalised mean (GeM, power 3)",
    }[embedding.pooling]
    lengths = results.search["columns"]
    text += f" The backbone's last map was {pooling} over all its places"
    if embedding.mirrored:
        text += ", and averaged with what the mirrored picture gives"
    text += f": {lengths['vector']:,} values, the column vector of embeddings/*.parquet."
    if "before" in lengths:
        stripes = embedding.stripes
        where = f"in {stripes} horizontal stripes" if stripes > 1 else "as a whole"
        text += (
            f" The map before it was pooled in the same way, {where}: {lengths['before']:,} "
            "values, the column before. It sees smaller parts of a person"
            f"{', and the stripes say at which height' if stripes > 1 else ''}. For the search "
            "each of the two was brought to length 1, and they were joined: "
            f"{sum(lengths.values()):,} values."
        )
    text += " No network but the detector was used, and nothing was trained."
    return [text, *_parts(results)]


def _parts(results: Results) -> list[str]:
    """Say what each part of the description gives by itself, by this run's own measures."""
    told = []
    for name, measures in results.search["parts"].items():
        known = [
            f"{title_of(measure)} {decimals(found['value'], 3)} ({signed(found['difference'])}; "
            f"{interval(found['difference_interval'])})"
            for measure, found in measures.items()
            if found.get("difference_interval") is not None
        ]
        if known:
            told.append(f"{name} alone gives {listed(known)}")
    if not told:
        return []
    return [
        f"Measured in this run, by cosines without reduction: {'; '.join(told)}. In brackets is "
        "the difference from both joined, with its 95 % interval."
    ]


def comparison_text(results: Results) -> str:
    """Return the alternative text of the figure that compares with the last map alone.

    It is empty if there is no such figure.
    """
    lines = []
    for query in results.queries:
        others = query.by_last_map[:COMPARED_HITS]
        if others:
            theirs = {hit.person.person_id for hit in query.by_last_map}
            shared = sum(hit.person.person_id in theirs for hit in query.hits)
            lines.append(f"query {query.number}: {shared} of {len(query.hits)}")
    if not lines:
        return ""
    return f"Hits that the search shares with the last map alone: {', '.join(lines)}"


def reduction_paragraphs(results: Results) -> list[str]:
    """Say how the vectors were reduced and why, with this run's numbers."""
    reduction = results.reduction
    if not reduction.is_fitted:
        who = "a single person differs from nobody" if results.n_persons else "nobody is there"
        return [
            "Vectors are shortened to the directions in which persons differ, and "
            f"{who}. So they keep their {len(reduction.mean):,} values and were only brought to "
            "length 1."
        ]
    length, kept = len(reduction.mean), reduction.n_components
    explained = float(np.sum(reduction.explained_variance_ratio[:kept]))
    asked = results.settings.reduction.n_components
    if asked < 1:
        choice = f"as many as explain {percent(asked)} of the variance, as asked"
    elif asked > kept:
        cause = f"{reduction.n_persons:,} persons" if kept < length else f"{length:,} values"
        choice = f"{asked} were asked for, and {cause} allow no more"
        if kept < min(reduction.n_persons - 1, length):
            choice += ": more than half as many components as persons would add noise"
    else:
        choice = "as asked"
    if explained > 0.999:
        left_out = "The directions left out hold next to nothing of it."
    elif explained >= 0.8:
        left_out = "The directions left out vary little."
    else:
        left_out = "What the directions left out hold is lost to the search."
    return [
        "The features come after a rectifier, so none is negative: any two vectors point into the "
        "same corner of space, and their cosines crowd near 1. Each vector was therefore brought "
        "to length 1 and the mean of all was taken away. What is left is how a person differs "
        "from the average, and cosines spread between −1 and 1.",
        f"Then an incremental PCA, fitted on {count(reduction.n_persons, 'person')}, turned "
        f"{length:,} values into {kept:,} ({choice}). They keep {percent(explained, 1)} of the "
        f"variance. {left_out} Each vector is {length / kept:,.1f} times shorter, which makes the "
        "index smaller and searching faster.",
        f"{_whitening(reduction)} Last, vectors were brought to length 1 again, so that the angle "
        "between two of them is all that counts.",
    ]


def _whitening(reduction: Reduction) -> str:
    kept, power = reduction.n_components, reduction.whiten_power
    if kept == 1:
        return "With a single component there is nothing to whiten."
    if power == 0:
        return (
            "No whitening was done (power 0), so the strongest directions weigh most in every "
            "comparison."
        )
    variances = reduction.explained_variance
    ratio = float(np.sqrt(variances[0] / variances[kept - 1]))
    left = f"the power {power:g} leaves a factor of {ratio ** (1 - power):,.1f}"
    return (
        "A few strong directions, often of light and framing, would decide alone what counts as "
        f"alike: the first component deviates {ratio:,.1f} times as much as the last one kept. So "
        f"each was divided by its standard deviation to the power {power:g}, and "
        f"{'none of that is left' if power == 1 else left} (whitening after Jégou and Chum, ECCV "
        "2012)."
    )


def variance_text(results: Results) -> str:
    """Return the alternative text of the figure of explained variance."""
    reduction = results.reduction
    shares = np.cumsum(reduction.explained_variance_ratio)
    kept = reduction.n_components
    return (
        f"Variance explained by the first components: {percent(float(shares[0]))} by one, "
        f"{percent(float(shares[kept - 1]), 1)} by the {kept} kept"
    )
