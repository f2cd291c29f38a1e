"""Take the pictures of report and explorer that the documentation shows, into docs/images.

    python docs/screenshots.py results/demo

Needs requirements-test.txt and the system's Chromium. The explorer is taken where the run has one.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browsing import ARGUMENTS, executable, open_page  # noqa: E402

MOST_BYTES = 300_000
WIDE = {"width": 1280, "height": 960}
NARROW = {"width": 360, "height": 780}
TO_FIRST_GALLERY = """() => {
    const { top } = document.querySelector("#galleries h3").getBoundingClientRect();
    scrollTo({ top: top - 90, behavior: "instant" });
}"""


def take_all(browser: Browser, results: Path, folder: Path) -> list[Path]:
    """Write a picture of each view into `folder`; return their paths.

    results: the folder of a finished run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = results.resolve() / "report/index.html"
    taken = []

    def keep(page: Page, name: str) -> None:
        taken.append(folder / f"{name}.png")
        taken[-1].write_bytes(small_png(page.screenshot(animations="disabled")))

    for scheme, name in (("light", "report"), ("dark", "report-dark")):
        with opened(browser, report, scheme=scheme, **WIDE) as page:
            page.evaluate(TO_FIRST_GALLERY)
            keep(page, name)
    with opened(browser, report, **WIDE) as page:
        page.locator("button.crop").nth(1).click()
        page.locator("dialog[open] img").first.wait_for()
        keep(page, "report-dialog")
    with opened(browser, report, **NARROW) as page:
        page.evaluate(TO_FIRST_GALLERY)
        keep(page, "report-narrow")
    explorer = report.parent / "explorer/index.html"
    if explorer.exists():
        for scheme, name in (("light", "explorer"), ("dark", "explorer-dark")):
            with opened(browser, explorer, scheme=scheme, **WIDE) as page:
                page.locator("html[data-state=ready]").wait_for(state="attached")
                page.wait_for_load_state("networkidle")
                keep(page, name)
    return taken


@contextmanager
def opened(browser: Browser, path: Path, **options: object) -> Iterator[Page]:
    """A page with all its pictures decoded; a page that complains is not shown to anybody."""
    page = open_page(browser, path, **options)
    try:
        page.wait_for_function("[...document.images].every(image => image.complete)")
        yield page
        if page.messages:
            raise SystemExit(f"{path}: {page.messages[0]}")
    finally:
        page.context.close()


def small_png(png: bytes) -> bytes:
    """The picture with as many colours as MOST_BYTES allow, at most 256."""
    image = Image.open(BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32):
        small = BytesIO()
        image.quantize(colours).save(small, "PNG", optimize=True)
        if small.tell() <= MOST_BYTES:
            break
    return small.getvalue()


def main() -> None:
    """Take the pictures of the run that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="folder of a finished run")
    parser.add_argument("--to", type=Path, default=ROOT / "docs/images", help="%(default)s")
    asked = parser.parse_args()
    if not (asked.results / "report/index.html").is_file():
        raise SystemExit(f"{asked.results} has no report/index.html; name the folder of a run")
    with sync_playwright() as playwright:
        chromium = executable()
        if chromium is None:
            raise SystemExit("there is no Chromium or Chrome; install the system's")
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for path in take_all(browser, asked.results, asked.to):
            print(f"{path.stat().st_size:>8,} bytes  {path}")


if __name__ == "__main__":
    main()
