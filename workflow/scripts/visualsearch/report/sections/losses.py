"""How many of the nearest are lost, in two stages: by the index, and by the reduced vectors."""

from typing import Any

from visualsearch.report.blocks import Block, Cell, Number, Paragraph, Table, Term
from visualsearch.report.model import Results
from visualsearch.report.numbers import DASH, decimals, interval


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
    alone = _without_whitening(results)
    if alone is not None:
        rows.append(_row("the same without whitening", "the components alone", alone))
    head = ["stage", Number("of the nearest"), Number("95 % interval")]
    head += [Number("of the ten nearest"), Number("95 % interval"), Number("persons")]
    return [Paragraph(_reading(results)), Table("Share of the nearest that is found", head, rows)]


def _without_whitening(results: Results) -> dict[str, Any] | None:
    """Recall of the components alone; None where it cannot differ or is not known."""
    rows, reduction = results.search["by_components"], results.reduction
    if not rows or not reduction.whiten_power:
        return None
    recall: dict[str, Any] = rows[-1]["recall_without_whitening"]
    return recall if recall["recall@10"] is not None else None


def _row(name: str, meaning: str, recall: dict[str, Any]) -> list[Cell]:
    head = Term(name, meaning)
    if not recall.get("persons_sampled"):
        return [head, DASH, DASH, DASH, DASH, "0"]
    found: list[Cell] = []
    for k in (1, 10):
        ends = recall.get(f"recall@{k}_interval")
        found += [decimals(recall.get(f"recall@{k}"), 3), interval(ends)]
    return [head, *found, f"{recall['persons_sampled']:,}"]


def _reading(results: Results) -> str:
    reduction = results.reduction
    if not reduction.is_fitted:
        return "With fewer than two persons there is no neighbour to lose."
    power = reduction.whiten_power
    whitens = f" and whitens (power {power:g})" if power else ""
    return (
        "Each stage is compared with exact search. The reduction changes the order on purpose: it "
        f"takes the mean away{whitens}. It was fitted on these persons, and may keep less of "
        "others."
    )
