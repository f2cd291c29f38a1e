"""Runs a job as on another machine: in an empty folder, with the environment it is handed.

As --cluster-generic-submit-cmd: `other_machine.py run FOLDER JOBSCRIPT` prints the job's name; as
--cluster-generic-status-cmd: `other_machine.py status FOLDER JOB`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def run(machines: Path, jobscript: str) -> str:
    machine = Path(tempfile.mkdtemp(dir=machines))
    # The commands of the environment that runs this are those of the container.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with open(machine / "said.txt", "wb") as said:
        ended = subprocess.run(
            ["sh", str(Path(jobscript).resolve())],
            cwd=machine,
            env=os.environ | {"PATH": path},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    (machine / "ended.txt").write_text("failed" if ended.returncode else "success")
    return machine.name


if __name__ == "__main__":
    verb, folder, what = sys.argv[1:]
    print(run(Path(folder), what) if verb == "run" else Path(folder, what, "ended.txt").read_text())
