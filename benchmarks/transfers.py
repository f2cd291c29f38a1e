"""What each stage reads from a bucket and writes to it, when every job runs on another machine.

Some of the demo's pictures in 2 shards, results on a local S3 server, each job in an empty folder.
Bytes are those of the objects that jobs say they retrieve and store: they depend on pictures alone.
The project's code, which every job gets too, is not counted. Needs requirements-test.txt.
"""

import argparse
import os
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from measuring import table
from whole_runs import STAGES

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from running import demo_config
from s3_server import BUCKET, JobsElsewhere, S3Server, credentials

RULE = re.compile(r"\(Rule: (\w+)\)")
MOVED = re.compile(rf"^(Retrieving from|Storing in) storage: s3://{BUCKET}/(.*)$", re.MULTILINE)


class Moved:
    """Of one stage: how many jobs, and the bytes that they retrieved and stored."""

    def __init__(self) -> None:
        self.jobs, self.retrieved, self.stored = 0, 0, 0

    def add(self, said: str, sizes: Mapping[str, int]) -> None:
        self.jobs += 1
        for verb, name in MOVED.findall(said):
            # A folder is all that lies under its name.
            size = sum(n for key, n in sizes.items() if key == name or key.startswith(f"{name}/"))
            if verb == "Storing in":
                self.stored += size
            else:
                self.retrieved += size


def measured(folder: Path, pictures: int) -> dict[str, Moved]:
    """What moved, by stage."""
    os.environ.update(credentials(), NO_PROXY="127.0.0.1")
    server = S3Server()
    config = demo_config(dataset={"max_images": pictures}, report={"timings": False}, shards=2)
    run = JobsElsewhere(folder / "run", config, server, "run")
    here = run.run()
    sizes = {f"run/{name}": len(data) for name, data in server.objects("run").items()}
    stage_of = {rule: stage for stage, rules in STAGES.items() for rule in rules}
    found: dict[str, Moved] = defaultdict(Moved)
    for said in run.said():
        found[stage_of[RULE.findall(said)[0]]].add(said, sizes)
    found["here: fetch_weights"].add(here, sizes)
    server.stop()
    return {stage: found[stage] for stage in [*STAGES, "here: fetch_weights"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=14)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), options.pictures)
    rows = [
        [stage, moved.jobs, f"{moved.retrieved / 1e6:.2f}", f"{moved.stored / 1e6:.2f}"]
        for stage, moved in found.items()
    ]
    print(table(["stage", "jobs", "MB retrieved", "MB stored"], rows))


if __name__ == "__main__":
    main()
