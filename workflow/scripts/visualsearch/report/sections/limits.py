"""What no number of the report shows."""

from visualsearch.report.blocks import Block, Findings
from visualsearch.report.model import Results
from visualsearch.report.numbers import count


def blocks(results: Results) -> list[Block]:
    """Return the limits of what this run can say."""
    chosen = results.settings.search_set
    told = [
        (
            "Who somebody is.",
            "The network was trained to find and place objects. Neighbours look alike; do not take "
            "them for the same person.",
        )
        if results.settings.dataset.category == "person"
        else (
            "Whether it is the same thing.",
            "The network was trained to find and place objects. Neighbours look alike; do not take "
            "them for the same thing.",
        ),
        (
            "What nobody wrote down.",
            "Relevance is measured by annotations and labels. Clothes, light or style may count "
            "for more or less, and another set has other numbers.",
        ),
        (
            "Who was left out.",
            f"Of {count(results.n_detections, 'detection')}, {results.n_persons:,} have a score "
            f"of at least {chosen.min_score:g} and a height of at least {chosen.min_height:g} px. "
            "Smaller, hidden and doubtful ones cannot be found; false detections above both can.",
        ),
        (
            "Whether a neighbour is near enough.",
            "Every query gets its nearest, however far. Compare cosines within this run only: they "
            "depend on its mean and components.",
        ),
    ]
    return [Findings(told)]
