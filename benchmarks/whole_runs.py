"""Whole runs of the workflow, in a folder of their own, with what each job cost."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]

# The rules of each stage, in the order in which they run.
STAGES = {
    "fetch": ("fetch_annotations", "fetch_images", "build_manifest"),
    "detect": ("fetch_weights", "detect_persons", "gather_detections"),
    "embed": ("embed_persons", "embed_distorted", "embed_query_images"),
    "reduce": ("fit_pca", "reduce_vectors"),
    "index": ("build_index", "time_index"),
    "search": ("select_queries", "search_persons"),
    "evaluate": ("evaluate_search", "evaluate_detections"),
    "report": ("render_report",),
    "explorer": ("search_everyone", "project_persons", "build_explorer"),
}


@dataclass(frozen=True)
class Job:
    """What one job cost; see recording/sitecustomize.py."""

    rule: str
    seconds: float
    starting: float
    importing: float
    processor: float
    peak_mb: float
    packages: list[str]


class Workspace:
    """A working directory with the shipped configuration and one more over it."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.recorded = folder / "jobs.jsonl"
        shutil.copytree(ROOT / "config", folder / "config")
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        config = config | {"pathvars": {"results": "results"}}
        (folder / "measured.yaml").write_text(yaml.safe_dump(config))

    def run(self, *arguments: str, cores: int = 1) -> tuple[float, str]:
        """Run Snakemake: its seconds from start to end, and what it printed.

        Raises SystemExit if it fails.
        """
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
        command += ["--cores", str(cores), "--configfile", "measured.yaml", *arguments]
        return timed(command, self.folder, {"RECORDED_JOBS": str(self.recorded)})

    def jobs(self) -> list[Job]:
        """What the jobs of all runs so far cost."""
        return [Job(**json.loads(line)) for line in self.recorded.read_text().splitlines()]

    def benchmarks(self) -> Iterator[float]:
        """Seconds of each job as Snakemake measured them, with its start and end."""
        for path in (self.results / "benchmarks").rglob("*.tsv"):
            rows = csv.DictReader(path.read_text().splitlines(), delimiter="\t")
            yield float(next(rows)["s"])


def timed(
    command: list[str | Path], folder: Path, environment: dict[str, str]
) -> tuple[float, str]:
    """Seconds of a command whose Python processes load recording/sitecustomize.py."""
    paths = [str(Path(__file__).parent / "recording"), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), **environment}
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stdout[-4000:] + f"\nfailed: {' '.join(map(str, command))}")
    return seconds, done.stdout


def demo_config(**sections: Any) -> dict[str, Any]:
    """config/demo.yaml with sections, or keys of them, changed."""
    config = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section} if isinstance(section, dict) else section
    return config


def copies_of_pictures(folder: Path, pictures: int, copies: int) -> None:
    """Fill `folder` with `copies` of the first `pictures` of openpeople, no two of the same bytes.

    From the second copy on a picture is saved anew without its outermost pixels, so that each costs
    what another picture of its size costs.
    """
    from PIL import Image

    curated = files("openpeople") / "data" / "curated"
    with as_file(curated) as source:
        originals = sorted(source.glob("*/assets/*.jpg"))[:pictures]
        for number in range(copies):
            for original in originals:
                target = folder / str(number) / f"{original.parts[-3]}-{original.name}"
                target.parent.mkdir(parents=True, exist_ok=True)
                if number == 0:
                    shutil.copyfile(original, target)
                    continue
                with Image.open(io.BytesIO(original.read_bytes())) as image:
                    width, height = image.size
                    image.crop((number, number, width - number, height - number)).save(
                        target, quality=90
                    )
