"""The detector: every detail of detections/detector.json, by the names it has there."""

from typing import Any

from visualsearch.report.blocks import Block, Facts
from visualsearch.report.model import Results

# Told by Provenance.
ELSEWHERE = ("versions",)


def blocks(results: Results) -> list[Block]:
    """Return the details as a list."""
    return [
        Facts(
            [
                (name.replace("_", " "), _text(value))
                for name, value in results.detector.items()
                if name not in ELSEWHERE
            ]
        )
    ]


def _text(value: Any) -> str:
    """32; 64; 128 for lists within a list, else 0.5, 1, 2."""
    match value:
        case None | []:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case [[*_], *_]:
            return "; ".join(map(_text, value))
        case [*_]:
            return ", ".join(map(_text, value))
        case dict():
            return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    return str(value)
