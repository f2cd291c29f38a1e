"""Made search numbers, as the library's measurement writes them to search.json."""

from typing import Any


def summary(
    value: float | None, ends: list[float] | None, chance: float | None = None, persons: int = 50
) -> dict[str, Any]:
    """As relevance.summary gives it; `ends` of what lies above chance where chance is known."""
    found: dict[str, Any] = {"persons": persons, "value": value, "interval": ends}
    if chance is not None and value is not None:
        lift = [end + chance for end in ends] if ends else None
        found |= {"interval": lift, "chance": chance}
        found |= {"lift": value - chance, "lift_interval": ends}
    return found | {"by_height": []}


def copies(value: float, ends: list[float]) -> dict[str, Any]:
    rank1 = summary(value, ends)
    return {"rank1": rank1, "median_rank": 2.0, "worst_rank": 9, "by_height": []}


def paired(difference: float | None, ends: list[float] | None) -> dict[str, Any]:
    return {"difference": difference, "difference_interval": ends}


def row_of(n: int, pose: float, self_rank1: float, loss: float | None = 0.0) -> dict[str, Any]:
    """loss: upper end of the interval of both differences to all kept; None where not known."""
    ends = None if loss is None else [loss - 0.03 if loss else 0.0, loss]
    copy = copies(self_rank1, [self_rank1 - 0.05, self_rank1 + 0.05])
    copy["rank1"] |= paired(-0.01, ends)
    return {
        "n_components": n,
        "explained_variance": 0.5,
        "recall_without_whitening": {"recall@10": 0.75},
        "measures": {
            "pose": summary(0.2 + pose, [pose - 0.02, pose + 0.02], 0.2) | paired(-0.01, ends),
            "self": copy,
        },
    }
