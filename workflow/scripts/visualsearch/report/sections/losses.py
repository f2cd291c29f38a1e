"""How many of the nearest are found, in two stages: by the index, and by the reduced vectors."""

from typing import Any, NamedTuple

from visualsearch.report.model import Results
from visualsearch.report.numbers import DASH, decimals, interval, percent


class RecallRow(NamedTuple):
    """A row of the table of recall."""

    name: str
    meaning: str
    recall_at_1: str
    interval_at_1: str
    recall_at_10: str
    interval_at_10: str
    persons: str


def stages(results: Results) -> list[RecallRow]:
    """Return the table of recall: of the index, and of the reduction."""
    exact = results.sidecar["backend"] == "exact"
    return [
        _recall_row(
            "index",
            "exact search is the index, and misses nothing"
            if exact
            else "nearest reduced vectors that the index finds",
            results.sidecar["recall"],
        ),
        _recall_row(
            "reduction",
            "nearest full-length vectors that exact search of the reduced ones finds",
            results.search["reduced_against_full_length"],
        ),
    ]


def _recall_row(name: str, meaning: str, recall: dict[str, Any]) -> RecallRow:
    if not recall["persons_sampled"]:
        return RecallRow(name, meaning, DASH, DASH, DASH, DASH, "0")
    return RecallRow(
        name,
        meaning,
        decimals(recall["recall@1"], 3),
        interval(recall["recall@1_interval"]),
        decimals(recall["recall@10"], 3),
        interval(recall["recall@10_interval"]),
        f"{recall['persons_sampled']:,}",
    )


def paragraphs(results: Results) -> list[str]:
    """Say how to read the two stages."""
    first = (
        "A neighbour can be lost in two places: the index may not come across it, and the "
        "shortened vectors may put others before it. Each is measured by itself, against exact "
        "search, and neither says whether neighbours are alike; that is the next table."
    )
    reduction = results.reduction
    if not reduction.is_fitted:
        return [first, "With fewer than two persons there is no neighbour to be lost."]
    kept = f"the {reduction.n_components:,} components"
    alone = results.search["by_components"][-1]["recall_without_whitening"]["recall@10"]
    power = reduction.whiten_power
    whitened = f" and whitening (power {power:g}) weighs the directions anew" if power else ""
    second = (
        f"The second stage is not meant to reach 1: the mean is taken away{whitened}, which "
        "changes the order on purpose."
    )
    but = "Shortening alone, without whitening," if power else "Shortening alone"
    if alone is not None and not keeps_all(results, reduction.n_components):
        second += (
            f" {but} keeps {percent(alone, 1)} of the ten nearest with {kept} (compared with "
            "full-length vectors less their mean). The PCA was fitted on the very persons searched "
            "for; of persons it has not seen, less may be kept."
        )
    return [first, second]


def keeps_all(results: Results, n_components: int) -> bool:
    """Whether this many components always hold the fitted vectors whole."""
    reduction = results.reduction
    return n_components >= min(reduction.n_persons - 1, len(reduction.mean))
