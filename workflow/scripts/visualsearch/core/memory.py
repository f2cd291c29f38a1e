"""Memory that a long job no longer uses goes back to the system."""

import ctypes


def return_free_memory() -> None:
    """Return the free pages of malloc's heap; does nothing where the C library is not GNU's.

    Blocks of ever other sizes leave holes that malloc keeps: a job that reads many pictures would
    take more and more memory without using more. See docs/performance.md, section 7.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
