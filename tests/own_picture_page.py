"""What tests do with a picture of the reader's own in the explorer's page."""

import io
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from browsing import until
from helpers import skip_without
from visualsearch.explorer import PACKAGES

for package in PACKAGES:
    skip_without(package, "own pictures")

SAID = "document.getElementById('own-said').textContent"
DONE = f"/Searched|draw a box|not a picture/i.test({SAID})"


def said(page: Page) -> str:
    return page.inner_text("#own-said")


def give(page: Page, file: Path | dict[str, Any]) -> str:
    """Choose a picture, and wait until all is done; what the page says then."""
    page.evaluate("document.getElementById('own-said').textContent = ''")
    page.set_input_files("#own-file", file)
    until(page, DONE)
    return said(page)


def png(image: Image.Image, name: str = "a.png", **options: Any) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return {"name": name, "mimeType": "image/png", "buffer": buffer.getvalue()}
