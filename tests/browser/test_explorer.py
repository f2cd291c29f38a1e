"""The explorer in a real browser: all that it lets its reader do, from disk and from a host."""

import io
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from explorer_run import HOSTILE, HOSTILE_LABEL, HOSTILE_LICENSE, Made, make
from visualsearch.data.tables import read_table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

PERSONS = 330
# As in view.js: what is left free around the map, in CSS pixels.
EDGE = 26
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1440, 360)]
NOTE_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("run"), PERSONS)


@pytest.fixture(scope="module")
def explorer(run: Made) -> Path:
    return run.build()


@pytest.fixture(scope="module")
def host(explorer: Path) -> Iterator[str]:
    """The folder on a host that does nothing but hand out files."""
    with serving(Quiet, explorer) as address:
        yield address


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
def serving(handler: type[SimpleHTTPRequestHandler], folder: Path) -> Iterator[str]:
    """The page's address on a host that hands out the files of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def visit(browser: "Browser", explorer: Path) -> Iterator[Callable[..., "Page"]]:
    """Open the explorer, by default from disk, and wait until its first gallery is there."""
    from browsing import open_page

    pages = []

    def opened(
        url: str | None = None, hash: str = "", ready: bool = True, **options: Any
    ) -> "Page":
        page = open_page(browser, (url or (explorer / "index.html").as_uri()) + hash, **options)
        pages.append(page)
        if ready:
            page.wait_for_selector("html[data-state=ready]")
            page.wait_for_selector("#map-panel:not(.waiting)")
            until(page, "performance.getEntriesByName('map-frame').length > 0")
        return page

    yield opened
    for page in pages:
        page.context.close()


@pytest.fixture(scope="module")
def nearest(run: Made) -> dict[int, list[int]]:
    """Each person's neighbours, by person_id."""
    tables = [read_table(path) for path in run.files.everyone]
    return {
        person: found
        for table in tables
        for person, found in zip(
            table["person_id"].to_pylist(), table["neighbours"].to_pylist(), strict=True
        )
    }


@pytest.fixture(scope="module")
def ids(run: Made) -> list[int]:
    return run.table["person_id"].to_pylist()


@pytest.fixture(scope="module")
def start(ids: list[int]) -> int:
    return ids[PERSONS // 2]


def now(page: "Page") -> int:
    return int(page.inner_text("#query-id"))


def until(page: "Page", truth: str) -> None:
    """Wait for what a script says: Playwright's own way needs eval, which the page forbids."""
    for _ in range(300):
        if page.evaluate(truth):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {truth}")


def wait_for(page: "Page", person: int) -> None:
    until(page, f"document.getElementById('query-id').textContent === '{person}'")
    until(page, f"document.getElementById('announce').textContent.includes('{person}')")


def trail_of(page: "Page") -> list[int]:
    names = page.locator("#trail .step").evaluate_all("all => all.map((one) => one.ariaLabel)")
    return [int(re.search(r"\d+", name).group()) for name in names]


def open_hit(page: "Page", place: int) -> None:
    page.locator("#hits .crop").nth(place).click()


def row_of(locator: "Locator") -> int:
    return int(locator.locator("canvas").get_attribute("data-row"))


def middle_colour(locator: "Locator") -> np.ndarray:
    pixels = np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB"))
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].astype(int)


def overflows(page: "Page") -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def places(run: Made, page: "Page") -> np.ndarray:
    """Where the map shows everybody before it is moved: [N, 2], in CSS pixels of the page."""
    table = read_table(run.files.map)
    place = np.column_stack([table["x"].to_numpy(), table["y"].to_numpy()]).astype(float)
    box = page.locator("#map-marks").bounding_box()
    size = np.array([box["width"], box["height"]])
    low, high = place.min(axis=0), place.max(axis=0)
    scale = ((size - 2 * EDGE) / (high - low)).min()
    return (place - (low + high) / 2) * scale + size / 2 + [box["x"], box["y"]]


def most_alone(place: np.ndarray) -> int:
    distance = np.linalg.norm(place[:, None] - place[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return int(distance.min(axis=1).argmax())


# From the address to the gallery


@pytest.mark.parametrize("where", ["disk", "host"])
def test_first_gallery(where, visit, host, run, start, nearest, ids) -> None:
    page = visit(host if where == "host" else None)
    assert now(page) == start
    hits = page.locator("#hits .hit")
    assert hits.count() == 10
    found = [ids[row_of(hits.nth(i))] for i in range(10)]
    assert found == nearest[start][:10]
    for place in (0, 4, 9):
        expected = run.colours[ids.index(found[place])]
        seen = middle_colour(hits.nth(place).locator("canvas"))
        # WebP loses a little.
        assert np.abs(seen - expected).max() < 24
    expected = run.colours[ids.index(start)]
    assert np.abs(middle_colour(page.locator("#query-crop canvas")) - expected).max() < 24
    assert page.messages == []


def test_hits_say_what_they_are(visit, run, start, nearest) -> None:
    page = visit()
    first = page.locator("#hits .hit").first
    table = next(
        table
        for table in map(read_table, run.files.everyone)
        if start in table["person_id"].to_pylist()
    )
    at = table["person_id"].to_pylist().index(start)
    cosine = table["similarity"][at].as_py()[0]
    assert first.locator(".rank").inner_text() == "1"
    assert float(first.locator(".similarity").inner_text()) == pytest.approx(cosine, abs=0.006)
    width = first.locator(".bar i").evaluate("bar => parseFloat(bar.style.width)")
    assert width == pytest.approx(100 * cosine, abs=0.1)
    row = row_of(first)
    score = run.table["score"][row].as_py()
    assert first.get_by_text(f"score {score:.2f}").is_visible()
    duplicates = [i for i, value in enumerate(table["near_duplicate"][at].as_py()[:10]) if value]
    marked = page.locator("#hits .hit").evaluate_all(
        "all => all.flatMap((hit, i) => hit.innerText.includes('near-duplicate') ? [i] : [])"
    )
    assert marked == duplicates


def test_only_what_the_first_gallery_needs_is_read_before_it(visit, host) -> None:
    page = visit(host)
    read = page.evaluate(
        """() => {
          const { startTime } = performance.getEntriesByName("first-gallery")[0];
          return performance.getEntriesByType("resource")
            .filter((entry) => entry.startTime < startTime)
            .map((entry) => new URL(entry.name).pathname.slice(1));
        }"""
    )
    rows = [row_of(page.locator("#query-crop"))]
    rows += [row_of(hit) for hit in page.locator("#hits .hit").all()]
    sheets = {f"thumbnails/{row // 32:04d}.webp" for row in rows}
    assert set(read) == {"data/persons.js", "data/neighbours-0000.js", *sheets}
    assert len(read) == len(set(read))
    page.wait_for_load_state("networkidle")
    paths = [url.split("/", 3)[3] for url in page.requests]
    assert "data/map.js" in paths
    assert len(paths) == len(set(paths)), "a file was asked for twice"


def test_more_shows_the_rest_and_goes_back(visit, start, nearest, ids) -> None:
    page = visit()
    page.click("#more")
    hits = page.locator("#hits .hit")
    assert [ids[row_of(hit)] for hit in hits.all()] == nearest[start]
    assert page.locator("#more").get_attribute("aria-expanded") == "true"
    page.click("#more")
    assert hits.count() == 10


# From one person to the next


def test_click_searches_and_leaves_a_trail(visit, start, nearest) -> None:
    page = visit()
    second = nearest[start][2]
    open_hit(page, 2)
    wait_for(page, second)
    third = nearest[second][0]
    open_hit(page, 0)
    wait_for(page, third)
    assert trail_of(page) == [start, second, third]
    assert page.evaluate("location.hash") == f"#person={third}&trail={start},{second}"

    page.go_back()
    wait_for(page, second)
    assert trail_of(page) == [start, second]
    page.go_back()
    wait_for(page, start)
    assert trail_of(page) == [start]
    page.go_forward()
    page.go_forward()
    wait_for(page, third)
    assert trail_of(page) == [start, second, third]

    page.locator("#trail button").first.click()
    wait_for(page, start)
    assert trail_of(page) == [start]
    page.go_back()
    wait_for(page, third)
    page.click("#trail-clear")
    until(page, "document.querySelectorAll('#trail .step').length === 1")
    assert now(page) == third
    assert page.messages == []


@pytest.mark.parametrize("where", ["disk", "host"])
def test_an_address_can_be_shared(where, visit, host, ids, nearest) -> None:
    url = host if where == "host" else None
    page = visit(url)
    open_hit(page, 3)
    until(page, "location.hash.includes('trail')")
    until(page, "document.querySelectorAll('#trail .step').length === 2")
    other = visit(page.url)
    wait_for(other, now(page))
    until(other, "document.querySelectorAll('#trail .step').length === 2")
    assert trail_of(other) == trail_of(page)
    assert ids[row_of(other.locator("#hits .hit").first)] == nearest[now(page)][0]
    assert other.locator("#notice").is_hidden()


@pytest.mark.parametrize(
    "hash, said",
    [
        ("#person=999999999", "999999999"),
        ("#person=0", "has the id 0"),
        ("#person=12abc", "could not be understood"),
        ("#person=99999999999999999999", "could not be understood"),
        ("#person=9999999999999999", "could not be understood"),
        ("#<img src=x onerror=alert(1)>", "could not be understood"),
        ("#person=1000&trail=1,,2", "could not be understood"),
    ],
)
def test_a_bad_address_says_so_and_starts(hash, said, visit, start) -> None:
    page = visit(hash=hash)
    assert said in page.inner_text("#notice")
    assert "\n" not in page.inner_text("#notice")
    assert now(page) == start
    assert page.messages == []
    open_hit(page, 0)
    until(page, "location.hash.includes('person=')")
    page.wait_for_selector("#notice", state="hidden")


def test_unknown_steps_of_a_trail_are_left_out_in_words(visit, ids) -> None:
    page = visit(hash=f"#person={ids[5]}&trail={ids[1]},7,{ids[2]}")
    until(page, "document.querySelectorAll('#trail .step').length === 3")
    assert trail_of(page) == [ids[1], ids[2], ids[5]]
    assert "1 step" in page.inner_text("#notice")


def test_a_long_trail_shows_its_end(visit, ids) -> None:
    steps = ",".join(map(str, ids[:100]))
    page = visit(hash=f"#person={ids[100]}&trail={steps}")
    until(page, "document.querySelectorAll('#trail .step').length === 33")
    assert trail_of(page) == ids[68:101]
    ends = "[list, list.lastElementChild].map((one) => one.getBoundingClientRect().right)"
    until(
        page,
        f"(() => {{ const list = document.getElementById('trail'); const [all, last] = {ends};"
        " return last <= all; })()",
    )


def test_search_by_id(visit, ids) -> None:
    page = visit()
    page.fill("#find-id", str(ids[7]))
    page.press("#find-id", "Enter")
    wait_for(page, ids[7])
    assert page.inner_text("#find-text") == ""
    page.click("#find button")
    until(page, "document.getElementById('find-text').innerText.includes('is the query now')")
    for wrong in ("123", "<b>x</b>", "-5", ""):
        page.fill("#find-id", wrong)
        page.click("#find button")
        until(page, f"document.getElementById('find-text').innerText.includes('“{wrong}”')")
        assert now(page) == ids[7]


def test_random(visit) -> None:
    page = visit()
    seen = {now(page)}
    for _ in range(4):
        before = now(page)
        page.click("#random")
        until(page, f"document.getElementById('query-id').textContent !== '{before}'")
        seen.add(now(page))
    assert len(seen) > 2


def test_copy(visit, host) -> None:
    page = visit(host, permissions=["clipboard-read", "clipboard-write"])
    open_hit(page, 1)
    until(page, "document.querySelectorAll('#trail .step').length === 2")
    page.click("#copy-link")
    until(page, "document.getElementById('copy-link').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.click("#copy-id")
    until(page, "document.getElementById('copy-id').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == str(now(page))
    until(page, "document.getElementById('copy-link').textContent === 'Copy link'")


def test_copied_link_of_the_start_names_its_person(visit, host, start) -> None:
    page = visit(host, permissions=["clipboard-read", "clipboard-write"])
    page.click("#copy-link")
    until(page, "document.getElementById('copy-link').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == f"{host}#person={start}"


def test_by_keys_alone(visit, start, nearest) -> None:
    page = visit()

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches('{selector}')"):
                return
        raise AssertionError(f"no way by Tab to {selector}")

    person = start
    tab_to("#hits .crop")
    for _ in range(3):
        person = nearest[person][0]
        page.keyboard.press("Enter")
        wait_for(page, person)
        # The focus stays at its rank.
        assert page.evaluate("document.activeElement.matches('#hits li:first-child .crop')")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab_to("#more")
    page.keyboard.press("Enter")
    assert page.locator("#hits .hit").count() == len(nearest[person])
    tab_to("#map-marks")
    page.wait_for_selector("#map-card")
    for key in ("+", "+", "ArrowLeft", "ArrowUp", "0"):
        page.keyboard.press(key)
    aimed = row_of(page.locator("#map-card-picture"))
    assert page.inner_text("#announce").startswith("In the middle: ")
    page.keyboard.press("Enter")
    until(page, f"document.querySelector('#query-crop canvas').dataset.row === '{aimed}'")
    page.keyboard.press("Escape")
    assert page.locator("#map-card").is_hidden()


# Filters


def test_filters_hold_for_hits_map_and_random(visit, run, start, nearest, ids) -> None:
    page = visit()
    height = np.round(run.table["h"].to_numpy())
    everyone = f"{PERSONS} of {PERSONS} pass"
    assert page.inner_text("#passing") == everyone
    page.fill("#filter-low", "90")
    passing = [row for row in range(PERSONS) if height[row] >= 90]
    assert page.inner_text("#passing") == f"{len(passing)} of {PERSONS} pass"
    found = [row_of(hit) for hit in page.locator("#hits .hit").all()]
    expected = [ids.index(person) for person in nearest[start]]
    assert found == [row for row in expected if row in passing][:10]
    ranks = [int(text) for text in page.locator("#hits .rank").all_inner_texts()]
    assert ranks == [expected.index(row) + 1 for row in found]
    for _ in range(4):
        before = now(page)
        page.click("#random")
        until(page, f"document.getElementById('query-id').textContent !== '{before}'")
        assert ids.index(now(page)) in passing

    page.fill("#filter-low", "")
    page.fill("#filter-high", "40")
    low = [row for row in range(PERSONS) if height[row] <= 40]
    assert page.inner_text("#passing") == f"{len(low)} of {PERSONS} pass"
    page.click("#filter-reset")
    until(page, f"document.getElementById('passing').textContent === '{everyone}'")
    assert page.input_value("#filter-high") == ""


def test_filter_by_score(visit, run) -> None:
    page = visit()
    score = (run.table["score"].to_numpy() * 100).round()
    least = int(np.median(score)) / 100
    page.evaluate(
        """(least) => {
          const range = document.getElementById("filter-score");
          range.value = least;
          range.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        least,
    )
    passing = int((score >= round(least * 100)).sum())
    assert page.inner_text("#passing") == f"{passing} of {PERSONS} pass"
    assert page.inner_text("#filter-score-text") == f"{least:.2f}"


def test_filter_by_label(visit, run) -> None:
    page = visit()
    # Pictures whose number is no multiple of 4 have labels: three persons each.
    labelled = sum(1 for row in range(PERSONS) if (row // 3) % 4)
    page.get_by_role("combobox", name="who", exact=True).select_option(label=HOSTILE_LABEL)
    assert page.inner_text("#passing") == f"{labelled} of {PERSONS} pass"
    page.get_by_role("combobox", name="n", exact=True).select_option(label="3")
    both = sum(1 for row in range(PERSONS) if (row // 3) % 4 and (row // 3) % 5 == 3)
    assert page.inner_text("#passing") == f"{both} of {PERSONS} pass"


def test_where_no_neighbour_passes_it_says_so(visit) -> None:
    page = visit()
    page.fill("#filter-low", "60000")
    assert page.inner_text("#passing") == f"0 of {PERSONS} pass"
    assert "None of the nearest" in page.inner_text("#hits-text")
    assert page.locator("#hits .hit").count() == 0
    before = now(page)
    page.click("#random")
    page.wait_for_timeout(200)
    assert now(page) == before
    page.click("#hits-reset")
    until(page, "document.querySelectorAll('#hits .hit').length === 10")


# The map


def test_map_hover_shows_and_click_searches(visit, run, ids) -> None:
    page = visit()
    place = places(run, page)
    row = most_alone(place)
    page.mouse.move(*place[row])
    page.wait_for_selector("#map-card")
    assert row_of(page.locator("#map-card-picture")) == row
    assert f"score {run.table['score'][row].as_py():.2f}" in page.inner_text("#map-card")
    colour = middle_colour(page.locator("#map-card canvas"))
    assert np.abs(colour - run.colours[row]).max() < 24
    page.mouse.click(*place[row])
    wait_for(page, ids[row])
    page.mouse.move(2, 2)
    assert page.locator("#map-card").is_hidden()


def test_map_zooms_about_the_pointer_and_pans(visit, run, ids) -> None:
    page = visit()
    place = places(run, page)
    row = most_alone(place)
    page.mouse.move(*place[row])
    for _ in range(4):
        page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    page.mouse.move(*(place[row] + [1, 0]))
    assert row_of(page.locator("#map-card-picture")) == row
    page.mouse.down()
    page.mouse.move(*(place[row] + [41, 30]), steps=5)
    page.mouse.up()
    # A drag is no click, and the person has come along.
    assert page.evaluate("location.hash") == ""
    page.mouse.move(*(place[row] + [40, 30]))
    page.wait_for_selector("#map-card")
    assert row_of(page.locator("#map-card-picture")) == row
    page.click("#map-fit")
    page.mouse.move(*place[row])
    page.wait_for_selector("#map-card")
    page.mouse.click(*place[row])
    wait_for(page, ids[row])


def test_map_pinch(visit, run, ids) -> None:
    page = visit(has_touch=True, width=800)
    page.locator("#map-panel").scroll_into_view_if_needed()
    place = places(run, page)
    row = most_alone(place)
    x, y = place[row]
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *apart: float) -> None:
        points = [
            {"x": x + side * a, "y": y, "id": i} for a in apart for i, side in ((0, 1), (1, -1))
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def shot() -> np.ndarray:
        page.wait_for_timeout(150)
        data = page.locator("#map-panel").screenshot()
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)

    before = shot()
    touch("touchStart", 20)
    for apart in (30, 45, 60, 80):
        touch("touchMove", apart)
    touch("touchEnd")
    assert (np.abs(shot() - before).max(axis=2) > 40).mean() > 0.01
    assert page.evaluate("location.hash") == ""
    # What was between the fingers still is.
    page.touchscreen.tap(x, y)
    wait_for(page, ids[row])


def test_map_dims_who_does_not_pass(visit, run) -> None:
    page = visit()
    place = places(run, page)
    height = np.round(run.table["h"].to_numpy())
    alone = np.linalg.norm(place[:, None] - place[None], axis=2)
    np.fill_diagonal(alone, np.inf)
    small = max((row for row in range(PERSONS) if height[row] < 90), key=lambda r: alone[r].min())
    large = max((row for row in range(PERSONS) if height[row] >= 90), key=lambda r: alone[r].min())

    def from_paper(row: int) -> int:
        page.wait_for_timeout(150)
        image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        # The map's paper is white in the light.
        return max(255 - np.array(image.getpixel(tuple(int(v) for v in place[row].round()))))

    page.evaluate("document.getElementById('map-marks').style.opacity = 0")
    full = from_paper(small)
    page.fill("#filter-low", "90")
    # Few enough pass to be pictures: a picture is not paper either.
    assert from_paper(small) < full / 2
    assert from_paper(large) > 40
    page.mouse.move(*place[small])
    page.wait_for_timeout(100)
    card = page.locator("#map-card")
    assert card.is_hidden() or row_of(page.locator("#map-card-picture")) != small


def test_map_colours_have_a_legend(visit) -> None:
    page = visit()
    for choice in ("score", "n", "who"):
        page.select_option("#map-colour", label=choice)
        texts = page.locator("#map-legend li").all_inner_texts()
        colours = page.locator("#map-legend .swatch").evaluate_all(
            "all => all.map((one) => getComputedStyle(one).backgroundColor)"
        )
        assert len(set(colours)) == len(texts) > 0
    assert HOSTILE_LABEL in texts
    page.select_option("#map-colour", label="none")
    assert page.locator("#map-legend li").count() == 0


def test_the_switch_changes_page_and_map(visit) -> None:
    page = visit()

    def paper() -> int:
        page.wait_for_timeout(150)
        image = Image.open(io.BytesIO(page.locator("#map-panel").screenshot())).convert("L")
        return image.getpixel((6, 6))

    assert paper() > 240
    page.click("button.theme")
    page.click("button.theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert paper() < 60
    page.emulate_media(color_scheme="dark")
    page.click("button.theme")
    assert paper() < 60
    page.emulate_media(color_scheme="light")
    assert paper() > 240


# For every reader


@pytest.mark.parametrize("scheme, width", LOOKS)
def test_axe_finds_nothing(scheme, width, visit) -> None:
    axe_playwright = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="NOT TESTED FOR ACCESSIBILITY: axe-playwright-python is not installed",
    )
    # Only here: axe comes as a script that the page's own policy would not let in.
    page = visit(scheme=scheme, width=width, bypass_csp=True)
    open_hit(page, 1)
    until(page, "document.querySelectorAll('#trail .step').length === 2")
    if width == 360:
        page.click("#filter-open")
    page.fill("#filter-low", "35")
    found = axe_playwright.Axe().run(page)
    assert [violation["id"] for violation in found.response["violations"]] == []


@pytest.mark.parametrize("scheme, width", LOOKS)
def test_nothing_moves_and_nothing_overflows(scheme, width, visit, browser, explorer) -> None:
    from browsing import open_page

    page = open_page(browser, "about:blank", scheme=scheme, width=width)
    page.add_init_script(NOTE_SHIFTS)
    page.goto((explorer / "index.html").as_uri())
    until(page, "performance.getEntriesByName('map-frame').length > 0")
    page.wait_for_timeout(400)
    # What wraps in a person's own words may take a line more than was kept free.
    assert page.evaluate("window.shifts") < 0.01
    assert not overflows(page)
    page.click("#more")
    if width == 360:
        assert page.locator("#filters").is_hidden()
        page.click("#filter-open")
        assert page.locator("#filters").is_visible()
    assert not overflows(page)
    order = page.evaluate(
        "['.query', '.neighbours', '.map'].map((one) => document.querySelector(one)"
        ".getBoundingClientRect()).map(({ x, y }) => [x, y])"
    )
    axis = 1 if width == 360 else 0
    assert [place[axis] for place in order] == sorted(place[axis] for place in order)
    page.context.close()


@pytest.mark.parametrize("colours", ["auto", "light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_nothing_moves_where_the_page_comes_slowly(width, colours, browser, explorer) -> None:
    from browsing import open_page

    class Slow(Halting):
        seen = threading.Event()

    with serving(Slow, explorer) as address:
        page = open_page(browser, "about:blank", width=width)
        page.add_init_script(NOTE_SHIFTS)
        page.add_init_script(f"localStorage.setItem('visual-search-theme', '{colours}')")
        page.goto(address, wait_until="commit")
        until(page, "performance.getEntriesByName('first-contentful-paint').length > 0")
        assert page.locator("button.theme").is_hidden()
        Slow.seen.set()
        until(page, "performance.getEntriesByName('map-frame').length > 0")
        assert page.locator("button.theme").is_visible()
        page.wait_for_timeout(400)
        assert page.evaluate("window.shifts") < 0.01
        page.context.close()


def test_hostile_names_and_labels_are_text(visit, ids) -> None:
    for row in range(12):
        page = visit(hash=f"#person={ids[row]}")
        wait_for(page, ids[row])
        image = row // 3
        assert page.get_by_text(HOSTILE[image] if image < 3 else f"{image}.png").first.is_visible()
        assert page.locator("a[href^='javascript']").count() == 0
        assert page.locator("main img, main script, main b").count() == 0
        if image % 2:
            assert page.locator("#query-facts").get_by_text(HOSTILE_LICENSE).is_visible()
        if image % 4:
            assert HOSTILE_LABEL in page.inner_text("#query-labels")
        assert page.messages == []


def test_links_are_those_of_the_data(visit, ids) -> None:
    page = visit(hash=f"#person={ids[0]}")
    wait_for(page, ids[0])
    link = page.locator("#query-facts a")
    assert link.get_attribute("href") == "https://a.example/?0"
    assert link.inner_text() == "a.example"
    assert page.locator("a.up").get_attribute("href") == "../index.html"


# What is not as it should be


def test_the_page_alone_says_what_is_missing(visit, explorer, tmp_path) -> None:
    shutil.copy(explorer / "index.html", tmp_path)
    page = visit((tmp_path / "index.html").as_uri(), ready=False)
    page.wait_for_selector("#notice:not([hidden])")
    said = page.inner_text("#notice")
    assert "data/persons.js" in said
    assert "Copy the whole folder" in said


@pytest.mark.parametrize("missing", ["data/details-0000.js", "data/map.js", "thumbnails"])
def test_a_missing_file_is_named(missing, visit, explorer, tmp_path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(explorer, copy)
    if (copy / missing).is_dir():
        shutil.rmtree(copy / missing)
    else:
        (copy / missing).unlink()
    page = visit((copy / "index.html").as_uri(), ready=False)
    page.wait_for_selector("#notice:not([hidden])")
    assert missing in page.inner_text("#notice")
    # The numbers of the neighbours are there all the same.
    assert page.locator("#hits .similarity").first.inner_text() != ""
    # Nothing can be copied of a person whose id is not known.
    assert page.locator("#copy-link").is_disabled() == ("details" in missing)


def test_nobody(visit, tmp_path) -> None:
    page = visit((make(tmp_path, 0).build() / "index.html").as_uri(), ready=False)
    assert "The search set holds nobody" in page.inner_text("main")
    assert page.locator("main a").get_attribute("href") == "../index.html"
    assert page.messages == []


def test_one_person_alone(visit, tmp_path) -> None:
    run = make(tmp_path, 1)
    page = visit((run.build() / "index.html").as_uri())
    wait_for(page, run.table["person_id"][0].as_py())
    assert "nobody else" in page.inner_text("#hits-text")
    page.click("#random")
    assert page.messages == []


def test_a_few_persons(visit, tmp_path) -> None:
    run = make(tmp_path, 8)
    page = visit((run.build() / "index.html").as_uri())
    before = now(page)
    hits = page.locator("#hits .hit")
    # Two of its own image are left out.
    assert hits.count() == 5
    hits.first.locator(".crop").click()
    until(page, f"document.getElementById('query-id').textContent !== '{before}'")
    assert page.messages == []


def test_facts_are_json_that_closes_no_script(explorer) -> None:
    text = (explorer / "index.html").read_text(encoding="utf-8")
    facts = re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.S)
    assert json.loads(facts.group(1))["persons"] == PERSONS
