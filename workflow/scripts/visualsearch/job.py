"""What every script of the workflow does first: logging, and one clear line when it fails."""

import atexit
import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visualsearch.errors import InputError
from visualsearch.text import one_line

log = logging.getLogger("visualsearch")


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
def job(log_file: str | Path) -> Iterator[None]:
    """Log to `log_file` and, warnings upwards, to stderr while the block runs.

    An InputError ends the process with its one line on stderr and exit status 1. Any other
    exception is logged with its traceback before it goes on.
    """
    # At its end Python looks for cycles among all objects: with torch, most of a second.
    atexit.register(gc.freeze)
    Path(log_file).parent.mkdir(parents=True, exist_ok=True)
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
    try:
        yield
    except InputError as error:
        log.error("%s", one_line(str(error)))
        raise SystemExit(1) from None
    except BaseException:
        to_terminal.setLevel(logging.CRITICAL + 1)
        log.exception("failed")
        raise
    finally:
        root.removeHandler(to_file)
        root.removeHandler(to_terminal)
        to_file.close()
