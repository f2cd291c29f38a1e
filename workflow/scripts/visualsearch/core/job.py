"""What every script of the workflow does first: logging, and one clear line when it fails."""

import atexit
import gc
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from visualsearch.core import checksums
from visualsearch.core.errors import InputError
from visualsearch.core.text import one_line

log = logging.getLogger("visualsearch")
STOPS = (signal.SIGINT, signal.SIGTERM)


# A message of outside text, such as all categories of a file, may be of any length.
MOST_CHARACTERS = 20_000


class Lines(logging.Formatter):
    """Messages in which outside text can neither move the cursor nor begin a line of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        lines = record.message.split("\n")
        text = "\n    ".join(one_line(line) for line in lines)
        if len(text) > MOST_CHARACTERS:
            half = MOST_CHARACTERS // 2
            text = f"{text[:half]} [...] {text[-half:]}"
        record.message = text
        return super().formatMessage(record)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the block as one job: its inputs checked before, checksums of its outputs written after.

    snakemake: the object that Snakemake gives its scripts. All is logged to its log file and,
    warnings upwards, to stderr. An InputError ends the process with its one line on stderr and exit
    status 1; SIGINT or SIGTERM ends it without one. Any other exception is logged with its
    traceback before it goes on.
    """
    before = {number: signal.signal(number, _stop) for number in STOPS}
    # At its end Python looks for cycles among all objects: with torch, most of a second.
    atexit.register(gc.freeze)
    log_file = Path(snakemake.log[0])
    log_file.parent.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(log_file, mode="w", encoding="utf-8")
    to_file.setFormatter(Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(Lines("%(levelname)s: %(message)s"))
    to_terminal.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(to_file)
    root.addHandler(to_terminal)
    logging.captureWarnings(True)
    # On a full disk the log's own failures would hide what failed.
    logging.raiseExceptions = False
    try:
        checksums.check(snakemake.input)
        checksums.forget(snakemake.output)
        yield
        checksums.write(snakemake.output)
    except InputError as error:
        log.error("%s", one_line(str(error)))
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        log.info("stopped")
        raise SystemExit(130) from None
    except BaseException:
        to_terminal.setLevel(logging.CRITICAL + 1)
        log.exception("failed")
        raise
    finally:
        root.removeHandler(to_file)
        root.removeHandler(to_terminal)
        to_file.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    # A terminal and Snakemake may both say it; the second must not disturb the cleaning up.
    for again in STOPS:
        signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt
