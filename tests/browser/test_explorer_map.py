"""The explorer's filters and map in a real browser."""

from collections.abc import Callable

import numpy as np
from playwright.sync_api import Page

from browsing import painted, until
from explorer_page import (
    PERSONS,
    expected_hits,
    in_both,
    middle_colour,
    most_alone,
    now,
    painted_pixels_of,
    places,
    row_of,
    rows_of_hits,
    wait_for,
    wait_for_hits,
    wait_for_other,
)
from explorer_run import HOSTILE_LABEL, Made

Visit = Callable[..., Page]


def passing(page: Page) -> str:
    return page.inner_text("#passing")


@in_both
def test_filters_hold_for_hits_map_and_random(
    visit: Visit, made: Made, start: int, ids: list[int]
) -> None:
    page = visit()
    height = np.round(made.table["h"].to_numpy())
    everyone = f"{PERSONS} of {PERSONS} match"
    assert passing(page) == everyone
    page.fill("#filter-low", "90")
    high = np.flatnonzero(height >= 90).tolist()
    assert passing(page) == f"{len(high)} of {PERSONS} match"
    wait_for_hits(page, expected_hits(made, [start], passes=height >= 90)[:10])
    ranks = [int(text) for text in page.locator("#hits .rank").all_inner_texts()]
    assert ranks == list(range(1, 11))
    for _ in range(4):
        before = now(page)
        page.click("#random")
        wait_for_other(page, before)
        assert ids.index(now(page)) in high

    page.fill("#filter-low", "")
    page.fill("#filter-high", "40")
    assert passing(page) == f"{(height <= 40).sum()} of {PERSONS} match"
    page.click("#filter-reset")
    until(page, f"document.getElementById('passing').textContent === '{everyone}'")
    assert page.input_value("#filter-high") == ""


def test_filter_by_score(visit: Visit, made: Made) -> None:
    page = visit()
    score = (made.table["score"].to_numpy() * 100).round()
    lowest = int(np.median(score))
    page.locator("#filter-score").fill(f"{lowest / 100:g}")
    assert passing(page) == f"{(score >= lowest).sum()} of {PERSONS} match"
    assert page.inner_text("#filter-score-text") == f"{lowest / 100:.2f}"


def test_filter_by_label(visit: Visit) -> None:
    page = visit()
    # Pictures whose number is no multiple of 4 have labels: three persons each.
    image = np.arange(PERSONS) // 3
    page.get_by_role("combobox", name="who", exact=True).select_option(label=HOSTILE_LABEL)
    assert passing(page) == f"{(image % 4 > 0).sum()} of {PERSONS} match"
    page.get_by_role("combobox", name="n", exact=True).select_option(label="3")
    assert passing(page) == f"{((image % 4 > 0) & (image % 5 == 3)).sum()} of {PERSONS} match"


def test_where_no_neighbour_passes_it_says_so(visit: Visit) -> None:
    page = visit()
    page.fill("#filter-low", "60000")
    assert passing(page) == f"0 of {PERSONS} match"
    until(
        page,
        "document.getElementById('hits-text').textContent === 'No person matches the filters.'",
    )
    assert rows_of_hits(page) == []
    before = now(page)
    page.click("#random")
    assert page.inner_text("#find-text") == "No other person matches the filters."
    painted(page)
    assert now(page) == before
    page.click("#hits-reset")
    until(page, "document.querySelectorAll('#hits .hit').length === 10")
    page.click("#random")
    wait_for_other(page, before)
    assert page.inner_text("#find-text") == ""


@in_both
def test_map_hover_shows_and_click_searches(visit: Visit, made: Made, ids: list[int]) -> None:
    page = visit()
    place = places(made, page)
    row = most_alone(place)
    page.mouse.move(*place[row])
    page.wait_for_selector("#map-card")
    assert row_of(page.locator("#map-card-picture")) == row
    assert f"score {made.table['score'][row].as_py():.2f}" in page.inner_text("#map-card")
    colour = middle_colour(page.locator("#map-card canvas"))
    assert np.abs(colour - made.colours[row]).max() < 24
    # To take a picture of the card, a browser may have moved the page.
    page.mouse.click(*places(made, page)[row])
    wait_for(page, ids[row])
    page.mouse.move(2, 2)
    assert page.locator("#map-card").is_hidden()


@in_both
def test_map_zooms_about_the_pointer_and_pans(visit: Visit, made: Made, ids: list[int]) -> None:
    page = visit()
    place = places(made, page)
    row = most_alone(place)
    page.mouse.move(*place[row])
    for _ in range(4):
        page.mouse.wheel(0, -200)
    painted(page)
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


def test_map_pinch(visit: Visit, made: Made, ids: list[int]) -> None:
    page = visit(has_touch=True, width=800)
    page.locator("#map-panel").scroll_into_view_if_needed()
    place = places(made, page)
    row = most_alone(place)
    x, y = place[row]
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *apart: float) -> None:
        points = [
            {"x": x + side * a, "y": y, "id": i} for a in apart for i, side in ((0, 1), (1, -1))
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = painted_pixels_of(page)
    touch("touchStart", 20)
    for apart in (30, 45, 60, 80):
        touch("touchMove", apart)
    touch("touchEnd")
    assert (np.abs(painted_pixels_of(page) - before).max(axis=2) > 40).mean() > 0.01
    assert page.evaluate("location.hash") == ""
    # What was between the fingers still is.
    page.touchscreen.tap(x, y)
    wait_for(page, ids[row])


def test_map_dims_who_does_not_pass(visit: Visit, made: Made) -> None:
    page = visit()
    place = places(made, page)
    low = np.round(made.table["h"].to_numpy()) < 90
    small, large = most_alone(place, low), most_alone(place, ~low)

    def from_paper(row: int) -> int:
        x, y = place[row].round().astype(int)
        # The map's paper is white in the light.
        return int((255 - painted_pixels_of(page, "body")[y, x]).max())

    page.evaluate("document.getElementById('map-marks').style.opacity = 0")
    full = from_paper(small)
    page.fill("#filter-low", "90")
    # Few enough pass to be pictures: a picture is not paper either.
    assert from_paper(small) < full / 2
    assert from_paper(large) > 40
    page.mouse.move(*place[small])
    painted(page)
    card = page.locator("#map-card")
    assert card.is_hidden() or row_of(page.locator("#map-card-picture")) != small


@in_both
def test_the_map_is_never_black_when_its_size_changes(visit: Visit) -> None:
    page = visit()
    for width in (300, 200):
        colour = page.evaluate(
            "(width) => new Promise((done) => {"
            "  stage.panel.style.width = `${width}px`;"
            "  new ResizeObserver(() => { const { base } = stage;"
            "    done([base.width, ...base.getContext('2d').getImageData(2, 2, 1, 1).data]);"
            "  }).observe(stage.panel); })",
            width,
        )
        assert abs(colour[0] - width) < 5 and min(colour[1:]) > 245


@in_both
def test_map_colours_have_a_legend(visit: Visit) -> None:
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


def test_the_switch_changes_page_and_map(visit: Visit) -> None:
    page = visit()

    def paper() -> float:
        return painted_pixels_of(page)[6, 6].mean()

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


@in_both
def test_a_narrow_page_in_the_dark(visit: Visit) -> None:
    page = visit(width=360)
    page.click("button.theme")
    page.click("button.theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.click("#choose-view")
    assert page.inner_text("#selected-text") == f"{PERSONS} of {PERSONS} persons"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.messages == []
    assert painted_pixels_of(page)[6, 6].mean() < 60
