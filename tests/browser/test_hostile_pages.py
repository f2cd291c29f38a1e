"""Texts from outside that would run in a page, in a real browser."""

from pathlib import Path
from typing import TYPE_CHECKING

from browsing import open_page
from hostile_run import report_of
from report_run import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_nothing_from_outside_runs(browser: "Browser", tmp_path: Path) -> None:
    """Not even without its content policy, which is the second lock."""
    page_file = report_of(Run(tmp_path / "run"), tmp_path / "out") / "index.html"
    text = page_file.read_text(encoding="utf-8")
    head = text.index('<meta http-equiv="Content-Security-Policy"')
    page_file.write_text(text[:head] + text[text.index(">", head) + 1 :], encoding="utf-8")
    page = open_page(browser, page_file)
    for button in page.locator("button.crop").all()[:12]:
        button.click()
        page.locator("dialog a").evaluate_all(
            "all => all.forEach((a) => a.dispatchEvent(new MouseEvent('mouseover')))"
        )
        page.keyboard.press("Escape")
    page.evaluate(
        "document.querySelectorAll('*').forEach("
        "(e) => ['mouseover', 'error', 'load'].forEach((n) => e.dispatchEvent(new Event(n))))"
    )
    assert page.evaluate("window.hacked") is None
    assert page.messages == []
    assert page.requests == [page_file.as_uri()]
    # The test would see it.
    page.evaluate("() => { const i = new Image(); i.onerror = () => { window.hacked = 1 };"
                  " i.dispatchEvent(new Event('error')) }")  # fmt: skip
    assert page.evaluate("window.hacked") == 1
    page.context.close()
