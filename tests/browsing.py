"""Open pages in a real browser, and note all that they say and ask for."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Locator, Page, Playwright

BROWSERS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "firefox": ("firefox-esr", "firefox"),
}
# As root, Chromium has no sandbox.
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
WIDTHS = (1440, 360)

NOTE_SHIFTS = """
window.shifts = [];
window.observer = new PerformanceObserver((list) => note(list.getEntries()));
const note = (found) => window.shifts.push(
  ...found.filter((entry) => !entry.hadRecentInput).map((entry) => entry.value));
window.allShifts = () => { note(window.observer.takeRecords()); return window.shifts; };
window.observer.observe({ type: "layout-shift", buffered: true });
"""


def executable(name: str = "chromium") -> str | None:
    """The system's Chromium or Firefox, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS[name])), None)


def start_browser(playwright: Playwright, name: str, path: str, starter: Path) -> Browser:
    """Start the browser of this name, without a window. starter: a file to write for Firefox.

    Firefox does not follow the colours that a test emulates, and always has less motion. It does
    not tell of what a page saves, which lies in the folder `saves_to`.
    """
    if name == "chromium":
        return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    passing_on = Path(__file__).with_name("firefox.py")
    command = shlex.join([sys.executable, str(passing_on), path])
    starter.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    starter.chmod(0o755)
    firefox = playwright.firefox.launch(
        # A Firefox that is not Playwright's own.
        channel="moz-firefox",
        executable_path=starter,
        downloads_path=starter.parent / "saved",
        # The list of saved files would open, and keep the keys from every page.
        firefox_user_prefs={
            "ui.prefersReducedMotion": 1,
            "browser.download.alwaysOpenPanel": False,
        },
    )
    firefox.saves_to = starter.parent / "saved"
    return firefox


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
    page.goto(address_of(url))
    return page


def open_again(page: Page, url: str | Path, scheme: str = "light", width: int = 1440) -> Page:
    """Open a page in a used tab, which is faster, and leave nothing of the test before."""
    # It is behind a tab that was opened since.
    page.bring_to_front()
    page.evaluate("() => { try { localStorage.clear(); } catch {} }")
    # Otherwise an address that differs in its # only would not be loaded.
    page.goto("about:blank")
    page.context.clear_permissions()
    page.mouse.move(0, 0)
    page.emulate_media(media="null", color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.messages.clear()
    page.requests.clear()
    page.goto(address_of(url))
    return page


def address_of(url: str | Path) -> str:
    return url.as_uri() if isinstance(url, Path) else url


def crop(page: Page | Frame, query: int, item: int) -> Locator:
    """The button of the report's query (item 0) or of its hit of that rank; queries from 0."""
    return page.locator(f'button.crop[data-query="{query}"][data-item="{item}"]')


def until(page: Page, truth: str) -> None:
    """Wait for what a script says: Playwright's own way needs eval, which the pages forbid."""
    page.evaluate(
        f"""() => new Promise((done, fail) => {{
          const end = performance.now() + 15000;
          const look = () => {{
            let found = false;
            try {{ found = {truth}; }} catch {{}}
            if (found) done();
            else if (performance.now() > end) fail(new Error("never true"));
            else setTimeout(look, 10);
          }};
          look();
        }})"""
    )


def painted(page: Page) -> None:
    """Wait until the page has shown what scripts changed so far."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame("
        "() => requestAnimationFrame(() => requestIdleCallback(done)))))"
    )


def accessibility_problems(
    page: Page, *changed: str, target_size: bool = False
) -> list[tuple[str, str, str]]:
    """What axe finds: rule, theme, and the elements. The page must be open in light.

    target_size: with the size of what is clicked, which WCAG 2.2 asks for, and axe leaves out
    unless told. Only its rule of contrast depends on colours, so in dark no other is run. It takes
    long: with `changed`, the selectors of what changed since the last call, dark is looked at only
    there.
    """
    import pytest

    axe_playwright = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="NOT TESTED FOR ACCESSIBILITY: axe-playwright-python is not installed",
    )
    found = []
    # Of what passes, axe gives one element a rule, which takes half as long as all.
    whole = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": target_size}}}
    contrast = whole | {"runOnly": ["color-contrast"]}
    there = {"include": [[selector] for selector in changed]} if changed else None
    for scheme, options, context in (("light", whole, None), ("dark", contrast, there)):
        page.emulate_media(color_scheme=scheme)
        response = axe_playwright.Axe().run(page, context=context, options=options).response
        ran = {rule["id"] for key in ("passes", "incomplete") for rule in response[key]}
        assert "color-contrast" in ran | {rule["id"] for rule in response["violations"]}
        for violation in response["violations"]:
            nodes = " ".join(node["html"][:120] for node in violation["nodes"])
            found.append((violation["id"], scheme, nodes))
    page.emulate_media(color_scheme="light")
    return found


def _note(page: Page, url: str) -> None:
    if not url.startswith(("data:", "blob:")):
        page.requests.append(url)


def _dismiss(page: Page, dialog: Any) -> None:
    page.messages.append(f"dialog: {dialog.message}")
    dialog.dismiss()
