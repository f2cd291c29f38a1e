"""Runs jobs as on other machines, each in an empty folder.

For Snakemake's executor cluster-generic. `other_machine.py submit FOLDER JOBSCRIPT` prints the
job's name; `other_machine.py status FOLDER JOB` prints its state. FOLDER/JOB.said has its output.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def submit(machines: Path, jobscript: str) -> str:
    machine = Path(tempfile.mkdtemp(dir=machines))
    shutil.copyfile(jobscript, machine.with_suffix(".sh"))
    subprocess.Popen(
        [sys.executable, __file__, "run", machines, machine.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return machine.name


def run(machines: Path, name: str) -> str:
    machine = machines / name
    # In place of a container, the commands of this Python's environment.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with open(machine.with_suffix(".said"), "wb") as said:
        script = ["sh", machine.with_suffix(".sh")]
        environment = os.environ | {"PATH": path}
        ended = subprocess.run(
            script, cwd=machine, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
    machine.with_suffix(".ended").write_text("failed" if ended.returncode else "success")
    return name


def status(machines: Path, name: str) -> str:
    ended = machines / f"{name}.ended"
    return ended.read_text() or "running" if ended.exists() else "running"


if __name__ == "__main__":
    verb, folder, what = sys.argv[1:]
    print({"submit": submit, "run": run, "status": status}[verb](Path(folder).resolve(), what))
