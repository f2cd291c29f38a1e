"""The explorer in a real browser: from an address to a gallery, and from person to person."""

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page

from browsing import until
from explorer_page import (
    go,
    in_both,
    in_both_and_from_a_host,
    middle_colour,
    now,
    open_hit,
    row_of,
    rows_of_hits,
    tab_to,
    trail_of,
    wait_for,
    wait_for_other,
    wait_for_steps,
)
from explorer_run import Made
from visualsearch.data.tables import read_table

Visit = Callable[..., Page]
Nearest = dict[int, list[int]]


@in_both_and_from_a_host
def test_first_gallery(
    where: str,
    visit: Visit,
    host: str,
    made: Made,
    start: int,
    nearest: Nearest,
    ids: list[int],
) -> None:
    page = visit(host if where == "host" else None)
    assert now(page) == start
    rows = rows_of_hits(page)
    assert [ids[row] for row in rows] == nearest[start][:10]
    # Playwright's own style for pictures of a page is refused by its policy, and Firefox says so.
    assert page.messages == []
    canvases = page.locator("#hits .hit canvas")
    shown = {rows[place]: canvases.nth(place) for place in (0, 4, 9)}
    shown[ids.index(start)] = page.locator("#query-crop canvas")
    for row, canvas in shown.items():
        # WebP loses a little.
        assert np.abs(middle_colour(canvas) - made.colours[row]).max() < 24


def test_hits_say_what_they_are(visit: Visit, made: Made, start: int) -> None:
    page = visit()
    first = page.locator("#hits .hit").first
    rows = [row for path in made.files.everyone for row in read_table(path).to_pylist()]
    found = next(row for row in rows if row["person_id"] == start)
    cosine = found["similarity"][0]
    assert first.locator(".rank").inner_text() == "1"
    assert first.locator(".similarity").inner_text() == f"{cosine:.3f}".replace("-", "−")
    width = first.locator(".bar i").evaluate("bar => parseFloat(bar.style.width)")
    assert width == pytest.approx(100 * cosine, abs=0.1)
    score = made.table["score"][row_of(first)].as_py()
    assert first.get_by_text(f"score {score:.2f}").is_visible()
    marked = page.locator("#hits .hit").evaluate_all(
        "all => all.map((hit) => hit.innerText.includes('near-duplicate'))"
    )
    assert marked == found["near_duplicate"][:10]


def test_only_what_the_first_gallery_needs_is_read_before_it(visit: Visit, host: str) -> None:
    page = visit(host)
    read = page.evaluate(
        """() => {
          const { startTime } = performance.getEntriesByName("first-gallery")[0];
          return performance.getEntriesByType("resource")
            .filter((entry) => entry.startTime < startTime)
            .map((entry) => new URL(entry.name).pathname.slice(1));
        }"""
    )
    rows = [row_of(page.locator("#query-crop")), *rows_of_hits(page)]
    sheets = {f"thumbnails/{row // 32:04d}.webp" for row in rows}
    assert set(read) == {"data/persons.js", "data/neighbours-0000.js", *sheets}
    assert len(read) == len(set(read))
    page.wait_for_load_state("networkidle")
    paths = [url.split("/", 3)[3] for url in page.requests]
    assert "data/map.js" in paths
    assert len(paths) == len(set(paths)), "a file was asked for twice"


def test_more_shows_the_rest_and_goes_back(
    visit: Visit, start: int, nearest: Nearest, ids: list[int]
) -> None:
    page = visit()
    page.click("#more")
    assert [ids[row] for row in rows_of_hits(page)] == nearest[start]
    assert page.locator("#more").get_attribute("aria-expanded") == "true"
    page.click("#more")
    assert len(rows_of_hits(page)) == 10


@in_both
def test_click_searches_and_leaves_a_trail(visit: Visit, start: int, nearest: Nearest) -> None:
    page = visit()
    second = nearest[start][2]
    open_hit(page, 2)
    wait_for(page, second)
    third = nearest[second][0]
    open_hit(page, 0)
    wait_for(page, third)
    assert trail_of(page) == [start, second, third]
    assert page.evaluate("location.hash") == f"#person={third}&trail={start},{second}"

    go(page, -1)
    wait_for(page, second)
    assert trail_of(page) == [start, second]
    go(page, -1)
    wait_for(page, start)
    assert trail_of(page) == [start]
    go(page, 2)
    wait_for(page, third)
    assert trail_of(page) == [start, second, third]

    page.locator("#trail button").first.click()
    wait_for(page, start)
    assert trail_of(page) == [start]
    go(page, -1)
    wait_for(page, third)
    page.click("#trail-clear")
    wait_for_steps(page, 1)
    assert now(page) == third
    assert page.messages == []


@pytest.mark.parametrize("where", ["disk", "host"])
def test_an_address_can_be_shared(
    where: str, visit: Visit, host: str, ids: list[int], nearest: Nearest
) -> None:
    page = visit(host if where == "host" else None)
    open_hit(page, 3)
    until(page, "location.hash.includes('trail')")
    wait_for_steps(page, 2)
    other = visit(page.url, width=1000)
    wait_for(other, now(page))
    wait_for_steps(other, 2)
    assert trail_of(other) == trail_of(page)
    assert ids[rows_of_hits(other)[0]] == nearest[now(page)][0]
    assert other.locator("#notice").is_hidden()


@pytest.mark.parametrize(
    "hash, said",
    [
        ("#person=999999999", "999999999"),
        ("#person=0", "has the id 0"),
        ("#person=12abc", "could not be understood"),
        ("#person=99999999999999999999", "could not be understood"),
        ("#person=1000000000000000", "could not be understood"),
        ("#<img src=x onerror=alert(1)>", "could not be understood"),
        ("#person=1000&trail=1,,2", "could not be understood"),
        ("#like=1000", "has no person to start with"),
        ("#trail=1000", "has no person to start with"),
    ],
)
def test_a_bad_address_says_so_and_starts(hash: str, said: str, visit: Visit, start: int) -> None:
    page = visit(hash=hash)
    assert said in page.inner_text("#notice")
    assert "\n" not in page.inner_text("#notice")
    assert now(page) == start
    assert page.messages == []
    open_hit(page, 0)
    until(page, "location.hash.includes('person=')")
    page.wait_for_selector("#notice", state="hidden")


def test_unknown_steps_of_a_trail_are_left_out_in_words(visit: Visit, ids: list[int]) -> None:
    page = visit(hash=f"#person={ids[5]}&trail={ids[1]},7,{ids[2]}")
    wait_for_steps(page, 3)
    assert trail_of(page) == [ids[1], ids[2], ids[5]]
    assert "1 trail step" in page.inner_text("#notice")


def test_a_long_trail_shows_its_end(visit: Visit, ids: list[int]) -> None:
    steps = ",".join(map(str, ids[:100]))
    page = visit(hash=f"#person={ids[100]}&trail={steps}")
    wait_for_steps(page, 33)
    assert trail_of(page) == ids[68:101]
    right = "getBoundingClientRect().right"
    trail = "document.getElementById('trail')"
    until(page, f"{trail}.lastElementChild.{right} <= {trail}.{right}")


def test_search_by_id(visit: Visit, ids: list[int]) -> None:
    page = visit()
    page.fill("#find-id", str(ids[7]))
    page.press("#find-id", "Enter")
    wait_for(page, ids[7])
    assert page.inner_text("#find-text") == ""
    page.click("#find button")
    until(page, "document.getElementById('find-text').innerText.includes('is the query now')")
    said = "document.getElementById('find-text').innerText"
    for wrong in ("123", "<b>x</b>", "-5"):
        page.fill("#find-id", wrong)
        page.click("#find button")
        until(page, f"{said}.includes('“{wrong}”')")
        assert now(page) == ids[7]
    page.fill("#find-id", " ")
    page.click("#find button")
    until(page, f"{said} === 'Type an id, or part of a file name.'")
    assert now(page) == ids[7]


def test_random(visit: Visit) -> None:
    page = visit()
    seen = {now(page)}
    for _ in range(4):
        before = now(page)
        page.click("#random")
        wait_for_other(page, before)
        seen.add(now(page))
    assert len(seen) > 2


def test_copy(visit: Visit, host: str, start: int) -> None:
    page = visit(host, permissions=["clipboard-read", "clipboard-write"])
    copied = "document.getElementById('copy-{}').textContent === '{}'"
    # The link of the start names its person, which the address does not.
    page.click("#copy-link")
    until(page, copied.format("link", "Copied"))
    assert page.evaluate("navigator.clipboard.readText()") == f"{host}#person={start}"
    until(page, copied.format("link", "Copy link"))
    open_hit(page, 1)
    wait_for_steps(page, 2)
    page.click("#copy-link")
    until(page, copied.format("link", "Copied"))
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.click("#copy-id")
    until(page, copied.format("id", "Copied"))
    assert page.evaluate("navigator.clipboard.readText()") == str(now(page))


@in_both
def test_by_keys_alone(visit: Visit, start: int, nearest: Nearest) -> None:
    page = visit()
    person = start
    tab_to(page, "#hits .crop")
    for _ in range(3):
        person = nearest[person][0]
        page.keyboard.press("Enter")
        wait_for(page, person)
        # The focus stays at its rank.
        assert page.evaluate("document.activeElement.matches('#hits li:first-child .crop')")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab_to(page, "#more")
    page.keyboard.press("Enter")
    assert len(rows_of_hits(page)) == len(nearest[person])
    tab_to(page, "#map-marks")
    page.wait_for_selector("#map-card")
    for key in ("+", "+", "ArrowLeft", "ArrowUp", "0"):
        page.keyboard.press(key)
    aimed = row_of(page.locator("#map-card-picture"))
    assert page.inner_text("#announce").startswith("In the middle: ")
    page.keyboard.press("Enter")
    until(page, f"document.querySelector('#query-crop canvas').dataset.row === '{aimed}'")
    page.keyboard.press("Escape")
    assert page.locator("#map-card").is_hidden()
