"""Progress: a bar for terminals, lines for logs, and the items unchanged."""

import io
import logging
import re
import sys
import time

import pytest

from visualsearch.core import progress as module
from visualsearch.core.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_on_a_terminal_shows_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")

    def slowly() -> object:
        for number in range(4):
            time.sleep(0.15)
            yield number

    assert list(progress(slowly(), "detect 0", "images", 4)) == [0, 1, 2, 3]
    assert re.search(
        r"detect 0: +\d+%.*[234]/4 \[00:0\d<00:0\d, +[\d.]+ images/s", terminal.getvalue()
    )


def test_no_bar_elsewhere_but_lines_in_the_log(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOG_LINES", 0)
    with caplog.at_level(logging.INFO):
        assert list(progress(["a", "b", "c"], "embed 1", "images")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    lines = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(r"embed 1: 1/3 images, [\d.]+/s, \d+ s left", lines[0])
    assert re.fullmatch(r"embed 1: 3 images in [\d.]+ s", lines[-1])


def test_unknown_length_has_no_time_left(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOG_LINES", 0)
    with caplog.at_level(logging.INFO):
        assert list(progress(iter([1, 2]), "fetch", "MiB")) == [1, 2]
    assert "left" not in caplog.text and "fetch: 2 MiB in" in caplog.text


def test_stderr_that_was_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 2>&-, Python sets sys.stderr to None."""
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress([1, 2], "own pictures", "images")) == [1, 2]
