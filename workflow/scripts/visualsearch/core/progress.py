"""Progress of long work: a bar on a terminal, plain lines in the log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
log = logging.getLogger(__name__)
SECONDS_BETWEEN_LOG_LINES = 10.0


def progress(
    items: Iterable[T], description: str, unit: str, total: int | None = None
) -> Iterator[T]:
    """Yield `items`, showing how many are done, the rate and the time left.

    unit: what is counted, in the plural. tqdm draws the bar, on a terminal only. The log gets a
    line at most every ten seconds and one at the end.
    """
    if total is None:
        total = len(items) if hasattr(items, "__len__") else None  # type: ignore[arg-type]
    start = last = time.monotonic()
    done = 0
    for item in tqdm(
        items,
        description,
        total,
        unit=f" {unit}",
        leave=False,
        # None: drawn only if stderr is a terminal. It is None itself if it was closed (2>&-).
        disable=sys.stderr is None or None,
        dynamic_ncols=True,
    ):
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LOG_LINES and done != total:
            last = now
            rate = done / (now - start)
            of, left = (f"/{total}", f", {(total - done) / rate:.0f} s left") if total else ("", "")
            log.info("%s: %d%s %s, %.2f/s%s", description, done, of, unit, rate, left)
    log.info("%s: %d %s in %.1f s", description, done, unit, time.monotonic() - start)
