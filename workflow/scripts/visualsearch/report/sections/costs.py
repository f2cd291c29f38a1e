"""Time and memory of each step."""

from visualsearch.report.blocks import Block, MayDiffer, Number, Paragraph, Part, Table
from visualsearch.report.costs import Cost
from visualsearch.report.model import Results
from visualsearch.report.numbers import DASH, count, duration, percent, size


def blocks(results: Results) -> list[Block]:
    """Return a table of the costs; nothing if times are not shown."""
    costs = results.costs
    if not costs:
        return []
    together = Cost("", "all together", [job for cost in costs for job in cost.jobs])
    all_seconds = together.seconds or 1.0
    most = max(costs, key=lambda cost: cost.seconds)
    text = (
        f"{count(len(together.jobs), 'job')} took {duration(together.seconds)} one after another, "
        f"and {percent(most.seconds / all_seconds)} of it went into one step: {most.step}. "
        "Snakemake reads memory every half second at first and every half minute later, so short "
        "peaks may be missed. Each job's last run counts; report and explorer are not in it."
    )
    rows = [
        [
            f"{cost.stage}: {cost.step}" if cost.stage else cost.step,
            f"{len(cost.jobs):,}",
            duration(cost.seconds),
            percent(cost.seconds / all_seconds),
            duration(cost.longest),
            DASH if cost.memory is None else size(cost.memory),
        ]
        for cost in (*costs, together)
    ]
    head = ["step", *map(Number, ("jobs", "time, all jobs", "of all time", "longest job"))]
    table = Table("Time and memory of each step", [*head, Number("largest memory")], rows)
    return [MayDiffer([Part(table.caption, [Paragraph(text), table])])]
