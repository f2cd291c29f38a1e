"""Each result's sha256 in a hidden file beside it, by which the next stage knows the result.

Detects an intact file that belongs to another run. `sha256sum --check` reads the hidden files too.
On object storage there are none: Snakemake may fetch a result anew, beside an older checksum.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.core.files import sha256_file, write_text

# This environment variable is set if results are in object storage.
IN_STORAGE = "VISUALSEARCH_IN_STORAGE"


def check(inputs: Iterable[str]) -> None:
    """Raise InputError if an input is no longer the file that its stage has written.

    Files without a checksum pass, such as the user's own.
    """
    for path in inputs:
        with suppress(FileNotFoundError):
            if _beside(path).read_bytes() != _line(path).encode():
                raise InputError(
                    f"{path} is not the file that this run wrote: it is damaged, belongs to "
                    "another run, or was changed by hand; delete it and run snakemake again"
                )


def delete_checksums(outputs: Iterable[str]) -> None:
    """Delete the checksums of outputs that are about to be made anew."""
    for path in outputs:
        _beside(path).unlink(missing_ok=True)


def write(outputs: Iterable[str]) -> None:
    """Write the checksum of each output that is a file, unless results are in object storage."""
    if os.environ.get(IN_STORAGE):
        return
    for path in outputs:
        if Path(path).is_file():
            write_text(_beside(path), _line(path))


def _beside(path: str) -> Path:
    return Path(path).with_name(f".{Path(path).name}.sha256")


def _line(path: str) -> str:
    return f"{sha256_file(path)}  {Path(path).name}\n"
