"""Time and memory of the whole workflow as pictures grow: 1, 2, 4 and 8 times as many.

The bundled detector on openpeople's pictures, which from the second copy on are cropped by some
pixels and saved anew, in 4 shards on 2 cores. The time of the largest run is compared with the
straight line through the smaller ones, and its memory with the smallest run's. One detector, made
pictures, and a few hundred of them: what thousands of times as many cost, million.py says for the
stages that hold persons together.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measuring import machine, table
from whole_runs import ROOT, STAGES, Workspace, copies_of_pictures, demo_config

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

SHARDS = 4
CORES = 2
TIMES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Measured:
    """One run: pictures, wall seconds, processor seconds of all jobs, and by stage."""

    pictures: int
    seconds: float
    processor: float
    stages: dict[str, float]  # seconds of its jobs
    peaks: dict[str, float]  # MB of the largest process


def measured_run(folder: Path, pictures: int, copies: int) -> Measured:
    copies_of_pictures(folder / "pictures", pictures, copies)
    source = {"source": "folder", "folder": {"path": str(folder / "pictures")}}
    workspace = Workspace(folder / "run", demo_config(dataset=source, shards=SHARDS))
    seconds, _ = workspace.run(cores=CORES)
    jobs = workspace.jobs()
    of_stage = {
        stage: [job for job in jobs if job.rule in rules] for stage, rules in STAGES.items()
    }
    assert sum(map(len, of_stage.values())) == len(jobs)
    return Measured(
        pictures * copies,
        seconds,
        sum(job.processor for job in jobs),
        {stage: sum(job.seconds for job in of_stage[stage]) for stage in STAGES},
        {stage: max(job.peak_mb for job in of_stage[stage]) for stage in STAGES},
    )


def line(pictures: list[int], seconds: list[float]) -> tuple[float, float]:
    """The straight line a + b * pictures of least squared relative error."""
    weights = 1 / np.array(seconds)
    slope, start = np.polyfit(pictures, seconds, 1, w=weights)
    return start, slope


def of_line(pictures: list[int], seconds: list[float]) -> str:
    """The last time as a ratio to what the line through those before it foretells."""
    if len(seconds) < 3:
        return "needs 3 sizes"
    start, slope = line(pictures[:-1], seconds[:-1])
    return f"{seconds[-1] / (start + slope * pictures[-1]):.2f}"


def times(runs: list[Measured]) -> str:
    pictures = [run.pictures for run in runs]
    header = ["seconds, by pictures", *map(str, pictures), "a picture more", "of linear"]
    wholes = [
        ("whole run", [run.seconds for run in runs]),
        ("processor, all jobs", [run.processor for run in runs]),
    ]
    stages = [(stage, [run.stages[stage] for run in runs]) for stage in STAGES]
    rows = []
    for name, seconds in wholes + stages:
        more = (seconds[-1] - seconds[0]) / (pictures[-1] - pictures[0])
        rows.append([name, *seconds, more, of_line(pictures, seconds)])
    return table(header, rows)


def peaks(runs: list[Measured]) -> str:
    header = ["peak MB, by pictures", *(str(run.pictures) for run in runs), "last / first"]
    rows = []
    for stage in STAGES:
        values = [run.peaks[stage] for run in runs]
        rows.append([stage, *values, f"{values[-1] / values[0]:.2f}"])
    return table(header, rows)


def draw(path: Path, runs: list[Measured]) -> None:
    """Times with their straight lines, and below them the memory of each stage."""
    from visualsearch.report.charts import LOOKS, drawing_panels
    from visualsearch.web.colours import INK

    pictures = [run.pictures for run in runs]
    looks = [*LOOKS, *({**look, "marker": "^", "linestyle": "-."} for look in LOOKS)]
    with drawing_panels(path, 2, height=4) as (above, below):
        ends = np.array([0, pictures[-1]])
        curves = (
            (f"the run, on {CORES} cores", [run.seconds for run in runs]),
            ("processor, all its jobs", [run.processor for run in runs]),
        )
        for (label, seconds), look in zip(curves, looks, strict=False):
            start, slope = line(pictures[:-1], seconds[:-1])
            above.plot(ends, start + slope * ends, color=INK, linewidth=1)
            above.plot(pictures, seconds, label=label, **look | {"linestyle": "none"})
        above.set_ylabel("seconds")
        above.set_xlim(0, None)
        above.set_ylim(0, None)
        above.legend(loc="upper left", title="with the line through all but the last")
        for stage, look in zip(STAGES, looks, strict=False):
            below.plot(pictures, [run.peaks[stage] for run in runs], label=stage, **look)
        below.set_ylabel("peak memory, MB")
        below.set_ylim(0, None)
        below.set_xscale("log", base=2)
        below.set_xticks(pictures, list(map(str, pictures)))
        below.set_xlabel("pictures")
        # Below the axes, as lines are everywhere within.
        below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=5, fontsize=9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="12 and 24 pictures only")
    parser.add_argument("--pictures", type=int, default=60, help="of the smallest run; at most 60")
    parser.add_argument("--figure", type=Path, help="where to draw it, as SVG")
    options = parser.parse_args()
    base, several = (12, TIMES[:2]) if options.quick else (options.pictures, TIMES)
    if options.quick and options.figure:
        parser.error("--figure needs all sizes: leave --quick out")
    print(machine("torch", "torchvision", "pyarrow", "scikit-learn"))
    runs = []
    for copies in several:
        with tempfile.TemporaryDirectory() as name:
            runs.append(measured_run(Path(name), base, copies))
    print(f"\nThe whole run by its wall time on {CORES} cores; a stage by the sum of its jobs'")
    print(times(runs))
    print("\nThe largest process of each stage")
    print(peaks(runs))
    if options.figure:
        draw(options.figure, runs)


if __name__ == "__main__":
    main()
