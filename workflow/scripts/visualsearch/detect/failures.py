"""When the network fails on a picture, that picture is left out and the job goes on."""

import logging
import sys
from pathlib import Path

from visualsearch.core.errors import InputError
from visualsearch.data.row_cache import LeftOut

log = logging.getLogger(__name__)

# So many pictures in a row do not fail by chance: the code, the weights or the machine is wrong.
TOO_MANY_IN_A_ROW = 20
# What messages of torch and OpenVINO hold when memory or a GPU is at fault.
OF_THE_MACHINE = (
    "CUDA",
    "cuDNN",
    "CUDNN",
    "CUBLAS",
    "HIP error",
    "DefaultCPUAllocator",
    "bad_alloc",
)


class TooThin(Exception):
    """A picture of this shape cannot be scaled to what the network takes."""

    def __init__(self) -> None:
        super().__init__("too thin to be scaled for the detector, so nobody is found in it")


class Overflow(InputError):
    """Numbers in the network are too large for its number format."""

    def __init__(self) -> None:
        super().__init__(
            "numbers in the network are too large for fp16, so its results would be wrong; set "
            "detector.precision to fp32"
        )


class Failures:
    """Decides for one job what an exception in the network means."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def succeeded(self) -> None:
        """Note that the network worked on a picture."""
        self._in_a_row = 0

    def raise_unless_of_a_picture(self, error: Exception) -> None:
        """Raise the error again if other pictures would fail too: it is the user's or machine's."""
        if isinstance(error, Overflow):
            return
        if isinstance(error, (InputError, MemoryError, OSError)) or _is_of_the_machine(error):
            raise error

    def left_out(self, error: Exception, path: str | Path) -> LeftOut:
        """Return why the picture in `path` is left out, and log it, with the traceback in the log.

        Raises the error again if it is not the picture's, or too many failed before it. Raises
        InputError for an overflow: vectors of another precision do not compare with those that are
        already there, so the user must choose it for the whole run.
        """
        self.raise_unless_of_a_picture(error)
        if isinstance(error, Overflow):
            raise InputError(f"{path}: {error}") from error
        if isinstance(error, TooThin):
            log.warning("%s: %s", path, error)
            return LeftOut(str(error))
        self._in_a_row += 1
        if self._in_a_row == TOO_MANY_IN_A_ROW:
            raise error
        reason = f"the network fails on it: {type(error).__name__}: {' '.join(str(error).split())}"
        log.warning("%s is left out: %s", path, reason)
        log.info("how it failed:", exc_info=error)
        return LeftOut(reason)


def _is_of_the_machine(error: Exception) -> bool:
    if any(word in str(error) for word in OF_THE_MACHINE):
        return True
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    # torch has named its errors of a GPU by a class of their own since 2.8.
    kinds = (torch.OutOfMemoryError, getattr(torch, "AcceleratorError", torch.OutOfMemoryError))
    return isinstance(error, kinds)
