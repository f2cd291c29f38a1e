"""Free memory between blocks in use goes back to the system."""

import ctypes
from pathlib import Path

import pytest

from visualsearch.core.memory import return_free_memory

BLOCK_BYTES = 64 * 1024  # below what malloc takes from the system, and gives back, one by one
BLOCKS = 2000


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not GNU's"
)
def test_holes_between_blocks_in_use_are_returned():
    blocks = [b"x" * BLOCK_BYTES for _ in range(BLOCKS)]
    kept = blocks[::2]
    del blocks
    holes_mb = len(kept) * BLOCK_BYTES / 2**20
    before = resident_mb()
    return_free_memory()
    # At the ends of a hole are pages that the blocks in use lie on too.
    assert before - resident_mb() > 0.8 * holes_mb
    assert all(block == b"x" * BLOCK_BYTES for block in kept)
