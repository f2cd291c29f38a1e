"""What it costs to add pictures to a folder that was run before.

A folder of some pictures is run, others are added, and it is run again, with the bundled detector.
The second run is compared with the first; what detection and embedding cost in it, as the sum of
their jobs' seconds, with a run of the added pictures alone.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median

from measuring import machine, table
from whole_runs import Workspace, copies_of_pictures

STAGES = ("detect_persons", "embed_persons")
CORES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pictures", type=Path, help="folder with enough; else the demo's, cropped"
    )
    parser.add_argument("--first", type=int, default=139)
    parser.add_argument("--added", type=int, default=1)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        pictures = options.pictures or Path(name, "made")
        if not options.pictures:
            copies_of_pictures(pictures, 60, -(-(options.first + options.added) // 60))
        files = sorted(path for path in pictures.rglob("*") if path.is_file())
        for number in range(options.rounds):
            folder = Path(name, str(number))
            rows.append(measure_round(folder, files, options.first, options.added, options.shards))
            print(*(f"{value:.2f}" for value in rows[-1]), flush=True)
    names = ["first run, s", "with the added, s", "share", "stages, s", "stages alone, s", "times"]
    print(machine("torch", "snakemake"))
    print(table(["", "median", "rounds"], [
        [title, median(values), "  ".join(f"{value:.2f}" for value in values)]
        for title, values in zip(names, zip(*rows, strict=True), strict=True)
    ]))  # fmt: skip


def measure_round(
    folder: Path, files: list[Path], first: int, added: int, shards: int
) -> tuple[float, ...]:
    new = files[first : first + added]
    grown = prepared(folder / "grown", files[:first], shards)
    before, _ = grown.run(cores=CORES)
    copy_to(grown.folder / "pictures", new)
    after, _ = grown.run(cores=CORES)
    alone = prepared(folder / "alone", new, shards)
    alone.run("detect", "embed", cores=CORES)
    stages, stages_alone = (
        sum(sum(workspace.seconds()[rule]) for rule in STAGES) for workspace in (grown, alone)
    )
    return before, after, after / before, stages, stages_alone, stages / stages_alone


def prepared(folder: Path, files: list[Path], shards: int) -> Workspace:
    config = {
        "shards": shards,
        "dataset": {"source": "folder", "folder": {"path": "pictures"}},
        "detector": {"name": "ssdlite_mobilenet_v2_person"},
    }
    workspace = Workspace(folder, config)
    copy_to(folder / "pictures", files)
    return workspace


def copy_to(folder: Path, files: list[Path]) -> None:
    folder.mkdir(exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / f"{file.parent.name}-{file.name}")


if __name__ == "__main__":
    main()
