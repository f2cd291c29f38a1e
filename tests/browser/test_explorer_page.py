"""The explorer for every reader: accessible, unmoving, and clear about what is missing."""

import json
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from playwright.sync_api import Browser, Page

from browsing import NOTE_SHIFTS, WIDTHS, accessibility_problems, open_page, until
from explorer_page import (
    PERSONS,
    Halting,
    in_both,
    now,
    open_hit,
    rows_of_hits,
    serving,
    tab_to,
    wait_for,
    wait_for_other,
    wait_for_steps,
    wait_until_ready,
)
from explorer_run import HOSTILE, HOSTILE_LABEL, HOSTILE_LICENSE, Made, make

Visit = Callable[..., Page]
# What wraps in a person's own words may take a line more than was kept free.
SHIFTED = "allShifts().reduce((sum, shift) => sum + shift, 0)"


def overflows(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize(
    "engine, width",
    [
        ("chromium", 1440),
        ("chromium", 360),
        ("firefox", 360),
        pytest.param("firefox", 1440, marks=pytest.mark.torture),
    ],
    indirect=["engine"],
)
def test_axe_finds_nothing(engine: str, width: int, visit: Visit) -> None:
    # Only here: axe comes as a script that the page's own policy would not let into Chromium.
    policy = {"bypass_csp": True} if engine == "chromium" else {}
    page = visit(width=width, reduced_motion="reduce", **policy)
    open_hit(page, 1)
    wait_for_steps(page, 2)
    if width == 360:
        page.click("#filter-open")
    page.fill("#filter-low", "35")
    page.click("#choose-rectangle")
    page.click("#choose-view")
    assert accessibility_problems(page, target_size=True) == []


@in_both
def test_links_lead_past_the_controls(visit: Visit, start: int) -> None:
    for name, there, after in (
        ("neighbours", "hits-title", "#hits .crop"),
        ("map", "map-title", "#map-colour"),
    ):
        page = visit()
        wait_for(page, start)
        link = page.get_by_role("link", name=f"Skip to the {name}")
        assert link.bounding_box()["y"] < -40
        tab_to(page, f'.skips [href="#{there}"]')
        assert link.bounding_box()["y"] > 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == there
        # The address stays that of the query.
        assert page.evaluate("location.hash") == ""
        page.keyboard.press("Tab")
        assert page.evaluate("one => document.activeElement.matches(one)", after)
    # Clicked before the script was there.
    page = visit(hash="#hits-title")
    wait_for(page, start)
    assert page.locator("#notice").is_hidden()
    assert page.messages == []


@in_both
def test_the_icon_is_in_the_page(visit: Visit) -> None:
    page = visit()
    icon = page.locator("link[rel=icon]").get_attribute("href")
    assert icon.startswith("data:image/svg+xml")
    width = "async (icon) => { const image = new Image(); image.src = icon;"
    assert page.evaluate(f"{width} await image.decode(); return image.width; }}", icon) > 0
    assert page.messages == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_and_nothing_overflows(width: int, browser: Browser, explorer: Path) -> None:
    page = open_page(browser, "about:blank", width=width)
    page.add_init_script(NOTE_SHIFTS)
    page.goto((explorer / "index.html").as_uri())
    wait_until_ready(page)
    page.wait_for_timeout(400)  # for what moves late
    assert page.evaluate(SHIFTED) < 0.01
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
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_where_the_page_comes_slowly(
    width: int, colours: str, browser: Browser, explorer: Path
) -> None:
    class Slow(Halting):
        seen = threading.Event()

    with serving(explorer, Slow) as address:
        page = open_page(browser, "about:blank", width=width)
        page.add_init_script(NOTE_SHIFTS)
        page.add_init_script(f"localStorage.setItem('visual-search-theme', '{colours}')")
        page.goto(address, wait_until="commit")
        until(page, "performance.getEntriesByName('first-contentful-paint').length > 0")
        assert page.locator("button.theme").is_hidden()
        Slow.seen.set()
        wait_until_ready(page)
        assert page.locator("button.theme").is_visible()
        page.wait_for_timeout(400)
        assert page.evaluate(SHIFTED) < 0.01
        page.context.close()


@in_both
def test_hostile_names_and_labels_are_text(visit: Visit, ids: list[int]) -> None:
    page = visit()
    for image, person in enumerate(ids[:12:3]):
        page.evaluate("hash => { location.hash = hash; }", f"#person={person}")
        wait_for(page, person)
        name = HOSTILE[image] if image < 3 else f"{image}.png"
        page.get_by_text(name).first.wait_for()
        assert page.locator("a[href^='javascript']").count() == 0
        assert page.locator("main img, main script, main b").count() == 0
        if image % 2:
            assert page.locator("#query-facts").get_by_text(HOSTILE_LICENSE).is_visible()
        if image % 4:
            assert HOSTILE_LABEL in page.inner_text("#query-labels")
    assert page.messages == []


def test_links_are_those_of_the_data(visit: Visit, host: str, made: Made, ids: list[int]) -> None:
    page = visit(hash=f"#person={ids[0]}")
    wait_for(page, ids[0])
    own, link = page.locator("#query-facts a").all()
    # From disk, the file's name leads to the user's own file, whatever the name.
    file = url2pathname(urlsplit(own.evaluate("link => link.href")).path)
    assert Path(file).resolve() == made.picture(0).resolve() and Path(file).is_file()
    assert link.get_attribute("href") == "https://a.example/?0"
    assert link.inner_text() == "a.example"
    assert page.locator("a.up").get_attribute("href") == "../index.html"
    # A host hands out the explorer, and not the pictures.
    page = visit(host, hash=f"#person={ids[0]}")
    wait_for(page, ids[0])
    assert page.locator("#query-facts a").count() == 1


def test_the_page_alone_says_what_is_missing(visit: Visit, explorer: Path, tmp_path: Path) -> None:
    shutil.copy(explorer / "index.html", tmp_path)
    page = visit((tmp_path / "index.html").as_uri(), ready=False)
    page.wait_for_selector("#notice:not([hidden])")
    said = page.inner_text("#notice")
    assert "data/persons.js" in said
    assert "Copy the whole folder" in said


@pytest.mark.parametrize("missing", ["data/details-0000.js", "data/map.js", "thumbnails"])
def test_a_missing_file_is_named(
    missing: str, visit: Visit, explorer: Path, tmp_path: Path
) -> None:
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


def test_nobody(visit: Visit, tmp_path: Path) -> None:
    page = visit((make(tmp_path, 0).build() / "index.html").as_uri(), ready=False)
    assert "The search set is empty" in page.inner_text("main")
    assert page.locator("main a").get_attribute("href") == "../index.html"
    assert page.messages == []


def test_one_person_alone(visit: Visit, tmp_path: Path) -> None:
    made = make(tmp_path, 1)
    page = visit((made.build() / "index.html").as_uri())
    wait_for(page, made.table["person_id"][0].as_py())
    assert "no other person" in page.inner_text("#hits-text")
    page.click("#random")
    assert page.messages == []


def test_a_few_persons(visit: Visit, tmp_path: Path) -> None:
    page = visit((make(tmp_path, 8).build() / "index.html").as_uri())
    before = now(page)
    # Its own image is left out, and of each of the two others one person is found.
    assert len(rows_of_hits(page)) == 2
    open_hit(page, 0)
    wait_for_other(page, before)
    assert page.messages == []


def test_facts_are_json_that_closes_no_script(explorer: Path) -> None:
    text = (explorer / "index.html").read_text(encoding="utf-8")
    facts = re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.S)
    assert facts is not None and json.loads(facts[1])["persons"] == PERSONS
