"""What tests do with the explorer's page in a browser, and a host that hands out its files."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from browsing import painted, until
from explorer_run import Made
from visualsearch.data.tables import read_table
from visualsearch.explorer.vectors import quantised, restored, scales_of
from visualsearch.search.neighbours import within_limit

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

# Each interaction is tried in both browsers once, the rest in Chromium.
in_both = pytest.mark.parametrize("engine", ["chromium", "firefox"], indirect=True)
in_both_and_from_a_host = pytest.mark.parametrize(
    "engine, where",
    [("chromium", "disk"), ("chromium", "host"), ("firefox", "disk")],
    indirect=["engine"],
)
in_both_sometimes_from_a_host = pytest.mark.parametrize(
    "engine, where",
    [
        ("chromium", "disk"),
        pytest.param("chromium", "host", marks=pytest.mark.torture),
        ("firefox", "disk"),
    ],
    indirect=["engine"],
)
PERSONS = 330
# As in view.js: what is left free around the map, in CSS pixels.
EDGE = 26


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Halting(Quiet):
    """Sends the page up to its data and its script, and the rest when the test has seen it."""

    seen: threading.Event

    def do_GET(self) -> None:
        if not self.path.endswith("/index.html"):
            return super().do_GET()
        page = Path(self.translate_path(self.path)).read_bytes()
        half = page.index(b'<script type="application/json"')
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page[:half])
        self.wfile.flush()
        self.seen.wait(30)
        self.wfile.write(page[half:])


@contextmanager
def serving(folder: Path, handler: type[SimpleHTTPRequestHandler] = Quiet) -> Iterator[str]:
    """The page's address on a host that hands out the files of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    finally:
        server.shutdown()
        server.server_close()


def wait_until_ready(page: Page) -> None:
    page.wait_for_selector("html[data-state=ready]")
    page.wait_for_selector("#map-panel:not(.waiting)")
    until(page, "performance.getEntriesByName('map-frame').length > 0")


def now(page: Page) -> int:
    """The person_id of the query."""
    return int(page.inner_text("#query-id"))


def wait_for(page: Page, person: int) -> None:
    until(page, f"document.getElementById('query-id').textContent === '{person}'")
    until(page, f"document.getElementById('announce').textContent.includes('{person}')")


def wait_for_other(page: Page, person: int) -> None:
    until(page, f"document.getElementById('query-id').textContent !== '{person}'")


def wait_for_steps(page: Page, count: int) -> None:
    until(page, f"document.querySelectorAll('#trail .step').length === {count}")


def trail_of(page: Page) -> list[int]:
    names = page.locator("#trail .step").evaluate_all("all => all.map((one) => one.ariaLabel)")
    return [int(re.search(r"\d+", name).group()) for name in names]


def open_hit(page: Page, place: int) -> None:
    page.locator("#hits .crop").nth(place).click()


def row_of(locator: Locator) -> int:
    return int(locator.locator("canvas").get_attribute("data-row"))


def rows_of_hits(page: Page) -> list[int]:
    return page.locator("#hits .hit canvas").evaluate_all("all => all.map((c) => +c.dataset.row)")


def wait_for_hits(page: Page, rows: list[int]) -> None:
    """Wait until the gallery shows these persons, and no others."""
    shown = "[...document.querySelectorAll('#hits .hit canvas')].map((c) => +c.dataset.row)"
    until(page, f"JSON.stringify({shown}) === JSON.stringify({rows})")


def expected_hits(
    made: Made,
    like: list[int],
    unlike: list[int] | tuple[int, ...] = (),
    passes: np.ndarray | None = None,
    in_one_picture: bool = False,
) -> list[int]:
    """The rows that a search in the page finds, by the vectors that travel with it.

    like, unlike: person_id of examples and counter-examples. passes: bool [N], who may be found.
    """
    exact = np.array(made.table["vector"].to_pylist(), dtype=np.float32)
    scales = scales_of([exact])
    vectors = restored(quantised(exact, scales), scales).astype(np.float64)
    ids, images = (made.table[name].to_numpy() for name in ("person_id", "image_id"))
    asked, against = np.searchsorted(ids, like), np.searchsorted(ids, list(unlike))
    query = vectors[asked].mean(axis=0)
    if len(against):
        query -= vectors[against].mean(axis=0) / 3
    settings = made.settings.search
    allowed = np.ones(len(ids), dtype=bool) if passes is None else passes.copy()
    allowed[[*asked, *against]] = False
    if not settings.same_image and not in_one_picture:
        allowed &= ~np.isin(images, images[asked])
    rows = np.argsort(-(vectors @ query), kind="stable")
    rows = rows[allowed[rows]]
    limit = None if in_one_picture else settings.hits_per_image
    found = rows[within_limit(images[rows], limit)][: made.settings.explorer.neighbours]
    return [int(row) for row in found]


def has_focus(page: Page) -> bool:
    """Whether anything but the page's body has the focus, after the browser looked for it."""
    painted(page)
    return bool(page.evaluate("document.activeElement !== document.body"))


def pixels_of(part: Page | Locator, **options: Any) -> np.ndarray:
    """What is painted there: [height, width, 3]. options: of a screenshot."""
    picture = Image.open(io.BytesIO(part.screenshot(**options)))
    return np.asarray(picture.convert("RGB")).astype(int)


def style_of(page: Page, selector: str, name: str) -> str:
    return page.evaluate(
        "([one, name]) => getComputedStyle(document.querySelector(one))[name]", [selector, name]
    )


def painted_pixels_of(page: Page, selector: str = "#map-panel") -> np.ndarray:
    painted(page)
    return pixels_of(page.locator(selector))


def go(page: Page, by: int) -> None:
    """Back or forward by so many addresses. For Playwright's own ways Firefox must load a page."""
    page.evaluate("by => history.go(by)", by)


def tab_to(page: Page, selector: str) -> None:
    """Go there by the Tab key alone; back, while Shift is down."""
    for _ in range(90):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches('{selector}')"):
            return
    raise AssertionError(f"no way by Tab to {selector}")


def focus_is_lost(page: Page) -> bool:
    """Whether keys go to nothing on the page."""
    return page.evaluate("document.activeElement === document.body")


def middle_colour(locator: Locator) -> np.ndarray:
    pixels = pixels_of(locator)
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]


def places(made: Made, page: Page) -> np.ndarray:
    """Where the map shows everybody before it is moved: [N, 2], in CSS pixels of the page."""
    table = read_table(made.files.map)
    place = np.column_stack([table["x"].to_numpy(), table["y"].to_numpy()]).astype(float)
    box = page.locator("#map-marks").bounding_box()
    size = np.array([box["width"], box["height"]])
    low, high = place.min(axis=0), place.max(axis=0)
    scale = ((size - 2 * EDGE) / (high - low)).min()
    return (place - (low + high) / 2) * scale + size / 2 + [box["x"], box["y"]]


def most_alone(place: np.ndarray, among: np.ndarray | None = None) -> int:
    """The row whose nearest other is farthest, of all or of those where `among` is true."""
    distance = np.linalg.norm(place[:, None] - place[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    alone = distance.min(axis=1)
    return int((alone if among is None else np.where(among, alone, -1)).argmax())
