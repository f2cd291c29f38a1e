"""Snakemake's command line in forks of a process that has already imported it.

Two thirds of a short run's time are the imports, and half of the rest is reading this project's
modules for the digests of the rules. Each run here is still Snakemake's own `main`, in a process of
its own, with its own arguments, environment, folder and output. A copy of the workflow reads its
own modules. Tests that kill a run start a Python of its own instead.
"""

import gc
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

# These are read when Python starts, so a fork would not heed a change of them.
NAMES = ("LD_PRELOAD", "PYTHONPATH", "PYTHONHOME")
READ_AT_START = {name: os.environ.get(name) for name in NAMES}
WORKFLOW = Path(__file__).parents[1]


def can_run(command: list[str], environment: Mapping[str, str]) -> bool:
    """Whether a fork does what `command` would do in a Python of its own."""
    same_start = all(environment.get(name) == value for name, value in READ_AT_START.items())
    return same_start and command[:3] == [sys.executable, "-m", "snakemake"]


def run(
    command: list[str], folder: Path, environment: Mapping[str, str], output: Path, seconds: float
) -> int:
    """Run the command in `folder`, its output into a file; return its exit status."""
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    job = (command[3:], str(folder), dict(environment), str(output))
    server.stdin.write(json.dumps(job) + "\n")
    server.stdin.flush()
    if not select.select([server.stdout], [], [], seconds)[0]:
        server.kill()
        _server.cache_clear()
        raise subprocess.TimeoutExpired(command, seconds)
    return int(server.stdout.readline())


@cache
def _server() -> subprocess.Popen[str]:
    """One for each process of tests; it ends when that closes its standard input."""
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def serve() -> None:
    """Fork for each line of standard input. The child returns from here and runs Snakemake."""
    import jsonschema  # noqa: F401  (The workflow needs it to check the configuration.)
    from snakemake.cli import get_argument_parser

    get_argument_parser()  # Imports the plugins.
    read_modules()
    # A collection in a fork would touch, and so copy, all that was imported.
    gc.freeze()
    # Not through sys.stdin, whose buffer the children would inherit.
    with open(os.dup(0)) as jobs:
        while line := jobs.readline():
            child = os.fork()
            if child == 0:
                break
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        else:
            sys.exit()
    arguments, folder, environment, output = json.loads(line)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if str(WORKFLOW / "Snakefile") not in arguments:
        forget_modules()
    # As `python -m snakemake` has them.
    sys.path[0] = folder
    sys.argv = ["snakemake", *arguments]


def read_modules() -> None:
    """Read what the digests are made of, which stays in the memory of each fork."""
    scripts = WORKFLOW / "workflow/scripts"
    sys.path.insert(0, str(scripts))
    from visualsearch.workflow.digests import digest

    sys.path.pop(0)
    for script in scripts.glob("*.py"):
        digest(script)


def forget_modules() -> None:
    """A copy of the workflow, or a link to it, imports its own library."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "visualsearch"]:
        del sys.modules[name]


if __name__ == "__main__":
    serve()
    from snakemake.cli import main

    main()
