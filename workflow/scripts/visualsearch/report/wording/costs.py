"""What each stage took, in words and as a table."""

from itertools import groupby
from typing import NamedTuple

from visualsearch.report.costs import Cost
from visualsearch.report.model import Results
from visualsearch.report.wording.numbers import NONE, count, duration, percent, size


class Row(NamedTuple):
    """A line of the table. share: its part of the time of all jobs, 0 to 1."""

    step: str
    jobs: str
    seconds: str
    share: float
    longest: str
    memory: str


class Stage(NamedTuple):
    """The lines of one stage."""

    name: str
    rows: list[Row]


def table(results: Results) -> list[Stage]:
    """Time and memory by step, grouped by stage."""
    everything = _together(results).seconds
    return [
        Stage(name, [_row(cost, everything) for cost in costs])
        for name, costs in groupby(results.costs, key=lambda cost: cost.stage)
    ]


def total(results: Results) -> Row:
    """All steps together."""
    everything = _together(results)
    return _row(everything, everything.seconds)


def paragraphs(results: Results) -> list[str]:
    """What took longest, and how far the numbers can be trusted."""
    everything = _together(results)
    most = max(results.costs, key=lambda cost: cost.seconds)
    share = most.seconds / everything.seconds if everything.seconds else 0
    return [
        f"{count(len(everything.jobs), 'job')} took {duration(everything.seconds)} one after "
        f"another, less by the clock where several ran at once. {percent(share)} of it went into "
        f"one step: {most.step}.",
        "Time is from a job's start to its end, with the loading of its libraries; memory is the "
        "most that it and the processes it started were seen to hold at once. Snakemake looks "
        "every half second at first and every half minute later. So a job of under two seconds is "
        "hardly seen, one of under a second is shown without memory, and short peaks of any job "
        "may be missed. Each job's last run counts, whenever that was; drawing this report and "
        "making the explorer have no part in it.",
    ]


def _together(results: Results) -> Cost:
    return Cost("", "all together", [job for cost in results.costs for job in cost.jobs])


def _row(cost: Cost, everything: float) -> Row:
    return Row(
        cost.step,
        f"{len(cost.jobs):,}",
        duration(cost.seconds),
        cost.seconds / everything if everything else 0.0,
        duration(cost.longest),
        NONE if cost.memory is None else size(cost.memory),
    )
