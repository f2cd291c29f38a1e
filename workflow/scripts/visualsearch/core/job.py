"""What every script of the workflow does first: logging, and one clear line when it fails."""

import atexit
import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from visualsearch.core import checksums
from visualsearch.core.environment import environment
from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json, writing
from visualsearch.core.light_pyarrow import spare_pandas
from visualsearch.core.text import one_line

log = logging.getLogger("visualsearch")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# The folder of the settings that made each result, and the key of the code's digest in them.
SETTINGS = "settings"
CODE = "code"
# A message may hold text from outside of any length, such as all categories of a file.
MAX_CHARACTERS = 20_000


class OneLineFormatter(logging.Formatter):
    """Log lines in which text from outside can neither move the cursor nor start a line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        lines = record.message.split("\n")
        text = "\n    ".join(one_line(line) for line in lines)
        if len(text) > MAX_CHARACTERS:
            half = MAX_CHARACTERS // 2
            text = f"{text[:half]} [...] {text[-half:]}"
        record.message = text
        return super().formatMessage(record)


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run the block as one job: check its inputs before, and write its outputs' checksums after.

    Its settings, snakemake.params.settings, go to the file snakemake.output.settings, by whose name
    Snakemake knows whether a result was made with the settings of today. What the job ran with goes
    to a JSON file beside its log, for the report's provenance.

    snakemake: the object that Snakemake gives its scripts. Everything is logged to its log file;
    warnings and errors also go to stderr. An InputError ends the process with its one line on
    stderr and exit status 1; SIGINT or SIGTERM ends it without a line. Any other exception is
    logged with its traceback and raised again.
    """
    record = getattr(snakemake.output, "settings", None)
    before = {number: signal.signal(number, _stop) for number in STOP_SIGNALS}
    # Python would search all objects for cycles at exit, which takes most of a second with torch.
    atexit.register(gc.freeze)
    log_file = Path(snakemake.log[0])
    log_file.parent.mkdir(parents=True, exist_ok=True)
    to_file = logging.FileHandler(log_file, mode="w", encoding="utf-8")
    to_file.setFormatter(OneLineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(OneLineFormatter("%(levelname)s: %(message)s"))
    to_terminal.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(to_file)
    root.addHandler(to_terminal)
    logging.captureWarnings(True)
    # If the disk is full, errors about the log would hide the first error.
    logging.raiseExceptions = False
    try:
        spare_pandas()
        results = [path for path in snakemake.output if path != record]
        checksums.check(snakemake.input)
        checksums.delete_checksums(results)
        # Those of other settings. With one left, going back to it would look done.
        for other in Path(record).parent.glob("*.json") if record else ():
            with writing(other):
                other.unlink()
        yield
        checksums.write(results)
        if record:
            write_json(record, snakemake.params.settings)
        # Its results are complete, and only the report reads this.
        with suppress(InputError, OSError):
            write_json(log_file.with_suffix(".json"), environment())
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


def without_code(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a job's settings without the digest of its code."""
    return {key: value for key, value in settings.items() if key != CODE}


def results_on_disk(snakemake: Any) -> Path | None:
    """Return the folder of the results; None if they are in object storage."""
    if os.environ.get(checksums.IN_STORAGE):
        return None
    above = Path(snakemake.output.settings).parents
    return next(folder.parent for folder in above if folder.name == SETTINGS)


def return_free_memory() -> None:
    """Return the free pages of malloc's heap to the system. Does nothing without GNU's C library.

    Blocks of varying sizes leave holes that malloc keeps, so a job that reads many pictures would
    use more and more memory. See docs/performance.md, section 7.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _stop(number: int, frame: FrameType | None) -> None:
    # Snakemake and the terminal may both send a signal. The second must not disturb the clean-up.
    for again in STOP_SIGNALS:
        signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt
