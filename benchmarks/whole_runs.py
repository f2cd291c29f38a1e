"""Whole runs of the workflow, in a folder of their own, with what each job cost."""

import csv
import io
import os
import shutil
import subprocess
import sys
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import yaml
from measuring import Watch

ROOT = Path(__file__).parents[1]

# The rules of each stage, in the order in which they run.
STAGES = {
    "fetch": ("fetch_annotations", "fetch_images", "build_manifest"),
    "detect": ("fetch_weights", "detect_persons", "gather_detections"),
    "embed": ("embed_persons", "embed_distorted", "embed_query_images"),
    "reduce": ("fit_pca", "reduce_vectors"),
    "index": ("build_index", "time_index"),
    "search": ("select_queries", "search_persons"),
    "evaluate": ("evaluate_search", "evaluate_galleries", "evaluate_detections"),
    "report": ("render_report",),
    "explorer": ("search_everyone", "project_persons", "build_explorer"),
}
RULES = [rule for rules in STAGES.values() for rule in rules]


class Workspace:
    """A working directory with the shipped configuration and one more over it.

    watch: the memory of the jobs of the last run, by rule.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.results = folder / "results"
        shutil.copytree(ROOT / "config", folder / "config")
        shutil.copytree(ROOT / "profiles", folder / "profiles")
        config = config | {"pathvars": {"results": "results"}}
        (folder / "measured.yaml").write_text(yaml.safe_dump(config))

    def run(self, *arguments: str, cores: int = 1) -> tuple[float, str]:
        """Run Snakemake: its seconds from start to end, and what it printed.

        Raises SystemExit if it fails.
        """
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        # Not at the end, where the option would take targets as further files.
        command += ["--configfile", "measured.yaml", "--cores", str(cores), *arguments]
        with Watch(self.rule_of) as self.watch:
            return timed(command, self.folder)

    def rule_of(self, words: list[str]) -> str | None:
        """The rule that a process of this run works on, by its script: <random>.<rule>.py."""
        scripts = str(self.folder.resolve() / ".snakemake/scripts")
        names = (word.split(".")[-2] for word in words if word.startswith(scripts))
        return next((name for name in names if name in RULES), None)

    def seconds(self) -> dict[str, list[float]]:
        """Seconds of each job of each rule that ran, by Snakemake's benchmarks."""
        found: dict[str, list[float]] = {}
        for path in sorted((self.results / "benchmarks").rglob("*.tsv")):
            rule = path.stem if path.stem in RULES else path.parent.name
            row = next(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))
            found.setdefault(rule, []).append(float(row["s"]))
        return found


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    """Seconds of a command, and what it printed. Raises SystemExit if it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stdout[-4000:] + f"\nfailed: {' '.join(command)}")
    return seconds, done.stdout


def demo_config(**sections: Any) -> dict[str, Any]:
    """config/demo.yaml with sections, or keys of them, changed."""
    config = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section} if isinstance(section, dict) else section
    return config


def demo_pictures() -> Path:
    """The folder of the demo's pictures, in the installed package openpeople."""
    with as_file(files("openpeople") / "data" / "curated") as folder:
        return folder


def copies_of_pictures(folder: Path, pictures: int, copies: int) -> None:
    """Fill `folder` with `copies` of the first `pictures` of the demo, no two of the same bytes.

    From the second copy on a picture is saved anew without its outermost pixels, so that each costs
    what another picture of its size costs.
    """
    from PIL import Image

    originals = sorted(demo_pictures().glob("*/assets/*.jpg"))[:pictures]
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
