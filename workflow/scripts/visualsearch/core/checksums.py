"""Each result's sha256, beside it in a hidden file, by which the next stage knows it.

It finds what no look at one file can: a file of another run, whole and well formed, in the place of
this run's. `sha256sum --check` reads the hidden files too. On object storage there are none: copies
come and go, and one that comes anew would lie beside the checksum of an older one.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.core.files import write_text
from visualsearch.core.hashing import sha256_file

# Set where results lie in object storage.
NONE = "VISUALSEARCH_NO_CHECKSUMS"


def check(inputs: Iterable[str]) -> None:
    """InputError where an input is no longer the file that its stage has written.

    Files without a checksum, such as the user's own, pass.
    """
    for path in inputs:
        with suppress(FileNotFoundError):
            if _beside(path).read_bytes() != _line(path).encode():
                raise InputError(
                    f"{path} is not what this run wrote there: it is damaged, of another run, or"
                    " was changed by hand; delete it and run the same command again"
                )


def forget(outputs: Iterable[str]) -> None:
    """Remove the checksums of outputs that are about to be made anew."""
    for path in outputs:
        _beside(path).unlink(missing_ok=True)


def write(outputs: Iterable[str]) -> None:
    """Write the checksum of each output that is a file, unless they lie in object storage."""
    if os.environ.get(NONE):
        return
    for path in outputs:
        if Path(path).is_file():
            write_text(_beside(path), _line(path))


def _beside(path: str) -> Path:
    return Path(path).with_name(f".{Path(path).name}.sha256")


def _line(path: str) -> str:
    return f"{sha256_file(path)}  {Path(path).name}\n"
