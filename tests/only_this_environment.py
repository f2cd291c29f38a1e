"""Put into an environment as its sitecustomize.py: what is not in it, its jobs do not find.

Snakemake ends the search path of a job with the folders of its own Python, for the class of the
object `snakemake`; so a package that an environment lacks is taken from there
(github.com/snakemake/snakemake/issues/840). Here these folders go, and the modules that came from
them, when the job's script first imports the library. Each process says at its end, in a file of
the folder $ISOLATED_RECORDS, which Python it was and what it has loaded from elsewhere.
"""

import atexit
import json
import os
import sys
import time
from pathlib import Path

LIBRARY = "visualsearch"
# Of the class of `snakemake`, and the logger that Snakemake gives the script.
SNAKEMAKE = "snakemake"
own = list(sys.path)


class OnlyThisEnvironment:
    """First in sys.meta_path: acts once, at the first import of the library, and finds nothing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == LIBRARY:
            sys.meta_path.remove(self)  # type: ignore[arg-type]
            library = [folder for folder in sys.path if (Path(folder) / LIBRARY).is_dir()]
            sys.path[:] = [*own, *library]
            for module in elsewhere():
                del sys.modules[module]


def elsewhere() -> list[str]:
    """Modules loaded from neither this environment, nor Python itself, nor the library."""
    known = (SNAKEMAKE, LIBRARY, "__main__", "_sysconfigdata")
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    return sorted(
        name
        for name, file in files.items()
        if not name.startswith(known)
        and name.partition(".")[0] not in sys.stdlib_module_names
        # Torch makes modules with the bare name of a file.
        and file
        and os.path.isabs(file)
        and not file.startswith(sys.prefix)
    )


def record() -> None:
    snakemake = getattr(sys.modules["__main__"], "snakemake", None)
    said = {
        "rule": getattr(snakemake, "rule", None),
        "prefix": sys.prefix,
        "words": sys.orig_argv,
        "elsewhere": elsewhere(),
    }
    name = f"{time.time_ns()}-{os.getpid()}.json"
    (Path(os.environ["ISOLATED_RECORDS"]) / name).write_text(json.dumps(said))


if "ISOLATED_RECORDS" in os.environ:
    sys.meta_path.insert(0, OnlyThisEnvironment())  # type: ignore[arg-type]
    atexit.register(record)
