"""Open pages in a real browser, and note all that they say and ask for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# As root, Chromium has no sandbox.
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]


def executable() -> str | None:
    """The system's Chromium, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def open_page(
    browser: Browser,
    url: str | Path,
    scheme: str = "light",
    width: int = 1440,
    height: int = 900,
    **context_options: Any,
) -> Page:
    """A page in a context of its own; closing its context is the caller's.

    page.messages: what the console, failing scripts and dialogs said. page.requests: addresses
    asked for, without what stands in the address itself (data:, blob:).
    """
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": height}, **context_options
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.messages = []
    page.requests = []
    page.on("console", lambda message: page.messages.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: page.messages.append(f"error: {error}"))
    page.on("request", lambda request: _note(page, request.url))
    page.on("dialog", lambda dialog: _dismiss(page, dialog))
    page.goto(url.as_uri() if isinstance(url, Path) else url)
    return page


def _note(page: Page, url: str) -> None:
    if not url.startswith(("data:", "blob:")):
        page.requests.append(url)


def _dismiss(page: Page, dialog: Any) -> None:
    page.messages.append(f"dialog: {dialog.message}")
    dialog.dismiss()
