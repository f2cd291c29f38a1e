"""How many of the nearest are lost, in two stages: by the index, and by the reduced vectors."""

from typing import Any

from visualsearch.report.blocks import Block, Cell, Number, Paragraph, Table, Term
from visualsearch.report.model import Results
from visualsearch.report.numbers import DASH, decimals, interval, percent


def blocks(results: Results) -> list[Block]:
    """Return both stages in a table, and how to read it."""
    exact = results.sidecar["backend"] == "exact"
    by_index = "of the nearest reduced vectors, those that the index finds"
    rows = [
        _row(
            "index",
            "exact search, which misses nothing" if exact else by_index,
            results.sidecar["recall"],
        ),
        _row(
            "reduction",
            "of the nearest full-length vectors, those nearest after reduction too",
            results.search["reduced_against_full_length"],
        ),
    ]
    head = ["stage", Number("of the nearest"), Number("95 % interval")]
    head += [Number("of the ten nearest"), Number("95 % interval"), Number("persons")]
    return [Paragraph(_reading(results)), Table("Share of the nearest that is found", head, rows)]


def _row(name: str, meaning: str, recall: dict[str, Any]) -> list[Cell]:
    head = Term(name, meaning)
    if not recall["persons_sampled"]:
        return [head, DASH, DASH, DASH, DASH, "0"]
    found: list[Cell] = []
    for k in (1, 10):
        found += [decimals(recall[f"recall@{k}"], 3), interval(recall[f"recall@{k}_interval"])]
    return [head, *found, f"{recall['persons_sampled']:,}"]


def _reading(results: Results) -> str:
    reduction = results.reduction
    if not reduction.is_fitted:
        return "With fewer than two persons there is no neighbour to lose."
    power = reduction.whiten_power
    whitens = f" and whitens (power {power:g})" if power else ""
    text = (
        "Each stage is compared with exact search. The reduction changes the order on purpose: it "
        f"takes the mean away{whitens}."
    )
    alone = results.search["by_components"][-1]["recall_without_whitening"]["recall@10"]
    if alone is not None and not keeps_all(results, reduction.n_components):
        text += (
            f" Without whitening it keeps {percent(alone, 1)} of the ten nearest, of the persons "
            "it was fitted on."
        )
    return text


def keeps_all(results: Results, n_components: int) -> bool:
    """Whether this many components always hold the fitted vectors whole."""
    reduction = results.reduction
    return n_components >= min(reduction.n_persons - 1, len(reduction.mean))
