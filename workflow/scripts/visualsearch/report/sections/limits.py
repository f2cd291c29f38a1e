"""What no number of the report shows."""

from visualsearch.report.blocks import Block, Findings
from visualsearch.report.model import Results
from visualsearch.report.numbers import count


def blocks(results: Results) -> list[Block]:
    """Return the limits of what this run can say."""
    chosen = results.settings.search_set
    same = "person" if results.settings.dataset.category == "person" else "thing"
    told = [
        (
            f"Whether it is the same {same}.",
            f"The network was trained to detect. Do not take neighbours for the same {same}.",
        ),
        (
            "What nobody wrote down.",
            "Annotations and labels say nothing of clothes, light or style.",
        ),
        (
            "Who was left out.",
            f"Of {count(results.n_detections, 'detection')}, {results.n_persons:,} have a score "
            f"of at least {chosen.min_score:g} and a height of at least {chosen.min_height:g} px. "
            "The others cannot be found.",
        ),
        (
            "Whether a neighbour is near enough.",
            "Every query gets its nearest, however far. Compare cosines within this run only: they "
            "depend on its mean and components.",
        ),
    ]
    return [Findings(told)]
