"""sha256, the one hash by which files are known."""

import hashlib
from pathlib import Path


def sha256_file(path: str | Path) -> str:
    """Return the sha256 of a whole file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
