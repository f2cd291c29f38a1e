"""Networks that a run has converted, for the caches of later runs, as conversion takes seconds.

A cache knows by the digest in the name whether its network is of the same code, weights and
packages, and by checksums whether it is whole. Runs that are killed, and those of other tests than
whole runs, convert their own.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from visualsearch.detect.networks import FOLDER

# Larger ones, of a ResNet-50, are hardly used twice.
MOST_BYTES = 60_000_000
# Of this session of tests, for all its processes.
KEPT_IN = "VISUALSEARCH_TESTS_NETWORKS"


def begin() -> None:
    """Make the folder, unless the process that started this one has made it."""
    if KEPT_IN not in os.environ:
        os.environ[KEPT_IN] = tempfile.mkdtemp(prefix="networks-")
        atexit.register(shutil.rmtree, os.environ[KEPT_IN])


def lend(results: Path) -> None:
    """Put kept networks into the cache of results that have none."""
    if not (results / FOLDER).exists():
        for kept in Path(os.environ[KEPT_IN]).glob("[!.]*"):
            shutil.copytree(kept, results / FOLDER / kept.name)


def keep(results: Path) -> None:
    """Keep the networks that a run has left."""
    for made in (results / FOLDER).glob("*"):
        kept = Path(os.environ[KEPT_IN], made.name)
        sizes = [file.stat().st_size for file in made.rglob("*") if file.is_file()]
        if not kept.exists() and sum(sizes) < MOST_BYTES:
            # Hidden, and then renamed: another process may want it meanwhile, or keep the same.
            new = Path(tempfile.mkdtemp(prefix=".", dir=kept.parent))
            shutil.copytree(made, new, dirs_exist_ok=True)
            try:
                new.rename(kept)
            except OSError:
                shutil.rmtree(new)
