"""Hashes of all results of two real runs, to compare before and after a change of the code.

    python tests/golden.py before.tsv              # run and note
    python tests/golden.py after.tsv before.tsv    # run, note, and list what differs

The runs are the demo with its explorer and notebook, and the 140 pictures of ../shared/coco-sample
with their annotations. Hashes hold for one machine and one set of packages, so none are kept in the
repository. Exit status 1 where a result differs, is new or is gone.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT.parent / "shared/coco-sample"
RESULTS = "results/golden"
# Logs, times and what only a run in progress has.
# The names of `settings` change with the code.
NO_RESULTS = {"logs", "benchmarks", "cache", "settings"}


def configurations() -> dict[str, dict]:
    """What to run, by name: with no clock in the report, so that all its bytes are compared."""
    demo = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))
    sample = {
        "shards": 3,
        "dataset": {
            "source": "folder",
            "folder": {
                "path": str(SAMPLE / "images"),
                "annotations": str(SAMPLE / "instances.json"),
                "keypoints": str(SAMPLE / "person_keypoints.json"),
            },
        },
        "detector": {"name": "ssdlite_mobilenet_v2_person", "precision": "fp32"},
        "search_set": {"min_score": 0.3},
        "search": {"rerank": 30},
        "queries": {"images": [str(SAMPLE / "images/000000005001.jpg")]},
        "report": {"title": "Golden"},
    }
    return {
        name: {
            **config,
            "pathvars": {"results": f"{RESULTS}/{name}"},
            "report": {**config["report"], "timings": False, "explorer": True},
        }
        for name, config in (("demo", demo), ("coco-sample", sample))
    }


def run(name: str, config: dict) -> None:
    """Run the workflow from nothing."""
    folder = ROOT / RESULTS / name
    shutil.rmtree(folder, ignore_errors=True)
    file = ROOT / RESULTS / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "all", "notebook", "--cores", "2", "--quiet"]
    subprocess.run([*command, "--configfile", str(file)], cwd=ROOT, check=True)


def hashes(name: str) -> dict[str, str]:
    """sha256 of each result of a run but the one that a clock made."""
    folder = ROOT / RESULTS / name
    return {
        f"{name}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).parts[0] not in NO_RESULTS
        and not path.name.startswith(".")
        and path.name != "timing.json"
    }


def read(path: Path) -> dict[str, str]:
    """What an earlier call noted."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("\t") for line in lines)}


def main() -> int:
    note, *before = map(Path, sys.argv[1:])
    found: dict[str, str] = {}
    for name, config in configurations().items():
        if name == "coco-sample" and not SAMPLE.is_dir():
            print("NOT RUN ON REAL DATA: there is no ../shared/coco-sample")
            continue
        run(name, config)
        found |= hashes(name)
    note.write_text("".join(f"{digest}\t{name}\n" for name, digest in found.items()))
    print(f"{len(found)} results noted in {note}")
    if not before:
        return 0
    old = read(before[0])
    differing = [name for name in sorted(old | found) if old.get(name) != found.get(name)]
    for name in differing:
        what = "gone" if name not in found else "new" if name not in old else "differs"
        print(f"{what}: {name}")
    print(f"{len(old.keys() | found.keys()) - len(differing)} results are the same")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
