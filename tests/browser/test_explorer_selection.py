"""Choosing persons on the explorer's map, and taking the selection away, in real browsers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from browsing import WIDTHS, until
from explorer_page import (
    PERSONS,
    focus_is_lost,
    in_both,
    painted_pixels_of,
    places,
    row_of,
    tab_to,
    wait_for,
)
from explorer_run import Made, make

Visit = Callable[..., Page]
Corners = list[tuple[float, float]]
# So that a point on the outline may count as either.
NEAR = 2.0
SHOWN = 48


def box_of(page: Page) -> tuple[float, float, float, float]:
    box = page.locator("#map-marks").bounding_box()
    return box["x"], box["y"], box["width"], box["height"]


def corners_at(page: Page, *parts: tuple[float, float]) -> Corners:
    """Places on the page, of parts of the map's width and height."""
    x, y, width, height = box_of(page)
    return [(x + across * width, y + down * height) for across, down in parts]


def drag(page: Page, corners: Corners) -> None:
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()


def inside(place: np.ndarray, corners: Corners, margin: float) -> np.ndarray:
    """Who lies in a convex outline, given clockwise, and farther than `margin` from its sides."""
    found = np.ones(len(place), dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        side = np.array([bx - ax, by - ay])
        way = place - [ax, ay]
        found &= (side[0] * way[:, 1] - side[1] * way[:, 0]) / np.hypot(*side) > margin
    return found


def rectangle(start: tuple[float, float], end: tuple[float, float]) -> Corners:
    return [start, (end[0], start[1]), end, (start[0], end[1])]


def selected(page: Page) -> np.ndarray:
    """The mask that the page has: [N]."""
    rows = page.evaluate("selection.rows && [...selection.rows]")
    return np.zeros(PERSONS, dtype=bool) if rows is None else np.array(rows, dtype=bool)


def is_selection_of(page: Page, place: np.ndarray, corners: Corners) -> np.ndarray:
    """Check that those in the outline are selected, and nobody else; the mask."""
    mask = selected(page)
    assert inside(place, corners, NEAR).sum() > 5
    assert mask[inside(place, corners, NEAR)].all()
    assert not mask[~inside(place, corners, -NEAR)].any()
    return mask


@in_both
def test_a_rectangle_selects_who_is_in_it(visit: Visit, made: Made, ids: list[int]) -> None:
    page = visit()
    place = places(made, page)
    assert page.locator("#selected").is_hidden()
    page.click("#choose-rectangle")
    start, end = corners_at(page, (0.3, 0.3), (0.7, 0.62))
    drag(page, [start, end])
    mask = is_selection_of(page, place, rectangle(start, end))
    # A drag in this mode does not move the map.
    assert (places(made, page) == place).all()
    assert page.inner_text("#selected-text") == f"{mask.sum()} of {PERSONS} persons"
    assert (
        page.inner_text("#announce") == f"{mask.sum()} chosen. Now selected: {mask.sum()} persons"
    )
    rows = page.locator("#selected-persons canvas").evaluate_all(
        "all => all.map((one) => +one.dataset.row)"
    )
    assert rows == np.flatnonzero(mask)[:SHOWN].tolist()
    # Anyone of them can be searched for.
    page.locator("#selected-persons button").nth(3).click()
    wait_for(page, ids[rows[3]])
    assert (selected(page) == mask).all()
    page.click("#selected-clear")
    assert page.locator("#selected").is_hidden()
    assert not selected(page).any()
    assert page.evaluate("document.activeElement.id") == "map-title"
    # A click is no choice.
    page.mouse.click(*corners_at(page, (0.02, 0.02))[0])
    assert page.locator("#selected").is_hidden()
    assert page.messages == []


@in_both
def test_a_lasso_selects_who_is_in_it(visit: Visit, made: Made) -> None:
    page = visit()
    place = places(made, page)
    page.click("#choose-lasso")
    corners = corners_at(page, (0.2, 0.3), (0.8, 0.2), (0.6, 0.8))
    drag(page, corners)
    is_selection_of(page, place, corners)
    # The second one takes the place of the first.
    corners = corners_at(page, (0.4, 0.4), (0.9, 0.5), (0.5, 0.9))
    drag(page, corners)
    is_selection_of(page, place, corners)
    page.keyboard.press("Escape")
    assert page.locator("#choose-move").get_attribute("aria-pressed") == "true"


def test_choices_add_to_the_selection_and_take_from_it(visit: Visit, made: Made) -> None:
    page = visit()
    page.click("#choose-rectangle")
    left = corners_at(page, (0.2, 0.2), (0.5, 0.8))
    right = corners_at(page, (0.4, 0.3), (0.8, 0.7))

    def choose(corners: Corners, key: str = "") -> np.ndarray:
        if key:
            page.keyboard.down(key)
        drag(page, corners)
        if key:
            page.keyboard.up(key)
        return selected(page)

    first, second = choose(left), choose(right)
    assert (first & second).any() and (first & ~second).any() and (second & ~first).any()
    choose(left)
    assert (choose(right, "Shift") == first | second).all()
    assert (choose(left, "Alt") == second & ~first).all()
    # The same without keys.
    page.select_option("#choose-how", "add")
    assert (choose(left) == first | second).all()
    page.select_option("#choose-how", "take")
    assert (choose(right) == first & ~second).all()
    # Nobody is left, and the next choice starts anew.
    choose(left)
    assert page.locator("#selected").is_hidden()
    assert (choose(right) == second).all()


@in_both
def test_choosing_by_keys_alone(visit: Visit, made: Made) -> None:
    page = visit()
    place = places(made, page)
    tab_to(page, "#choose-rectangle")
    page.keyboard.press("Enter")
    tab_to(page, "#map-marks")
    # A third of the map in its middle; then moved two steps of 24 pixels and made larger by one.
    assert "in the rectangle" in page.inner_text("#announce")
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    # Where the page has scrolled to by now.
    x, y, width, height = box_of(page)
    start = (x + width / 3 + 24, y + height / 3 + 24)
    end = (start[0] + width / 3 + 24, start[1] + height / 3 + 24)
    mask = is_selection_of(page, places(made, page), rectangle(start, end))
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "Shift+Enter"):
        page.keyboard.press(key)
    assert (selected(page) & mask == mask).all() and selected(page).sum() > mask.sum()
    # It stays on the map.
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    start = (box_of(page)[0], start[1])
    end = (start[0] + width / 3 + 24, end[1])
    is_selection_of(page, places(made, page), rectangle(start, end))
    page.keyboard.press("Escape")
    assert page.locator("#choose-move").get_attribute("aria-pressed") == "true"
    # What is in view, of a map that keys have zoomed.
    for key in ("+", "+", "+"):
        page.keyboard.press(key)
    page.keyboard.down("Shift")
    tab_to(page, "#choose-view")
    page.keyboard.up("Shift")
    page.keyboard.press("Space")
    assert 0 < selected(page).sum() < PERSONS
    place = place - place.mean(axis=0)
    assert np.abs(place[selected(page)]).max() < np.abs(place).max()
    tab_to(page, "#selected-clear")
    page.keyboard.press("Enter")
    assert not focus_is_lost(page)
    assert not selected(page).any()


def test_a_finger_draws_a_rectangle(visit: Visit, made: Made) -> None:
    page = visit(has_touch=True, width=360)
    page.click("#choose-rectangle")
    page.locator("#map-panel").scroll_into_view_if_needed()
    place = places(made, page)
    start, end = corners_at(page, (0.3, 0.3), (0.7, 0.7))
    session = page.context.new_cdp_session(page)
    for kind, at in (
        ("touchStart", start),
        ("touchMove", corners_at(page, (0.5, 0.6))[0]),
        ("touchMove", end),
    ):
        points = [{"x": at[0], "y": at[1]}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    is_selection_of(page, place, rectangle(start, end))


def test_only_who_passes_the_filters_is_chosen(visit: Visit, made: Made) -> None:
    page = visit()
    page.fill("#filter-low", "90")
    page.click("#choose-view")
    assert (selected(page) == (np.round(made.table["h"].to_numpy()) >= 90)).all()


def test_the_map_shows_who_is_selected(visit: Visit, made: Made) -> None:
    page = visit()
    page.evaluate("document.getElementById('map-marks').style.opacity = 0")
    before = painted_pixels_of(page)
    half = "selection.set(Uint8Array.from({ length: persons.count }, (_, row) => row % 2))"
    page.evaluate(half)
    after = painted_pixels_of(page)
    x, y, _, _ = box_of(page)
    place = (places(made, page) - [x, y]).round().astype(int)
    near = np.linalg.norm(place[:, None] - place[None], axis=2) + 99 * np.eye(PERSONS)
    alone = near.min(axis=1) > 14
    odd = np.arange(PERSONS) % 2 == 1

    def from_paper(pixels: np.ndarray, who: np.ndarray) -> np.ndarray:
        return (255 - pixels[place[who, 1], place[who, 0]]).max(axis=1)

    assert (alone & odd).sum() > 5 and (alone & ~odd).sum() > 5
    assert np.abs(from_paper(after, alone & odd) - from_paper(before, alone & odd)).max() < 8
    assert (from_paper(after, alone & ~odd) < from_paper(before, alone & ~odd) / 2).all()
    page.evaluate("document.getElementById('map-marks').style.opacity = 1")
    row = int(np.flatnonzero(alone & odd)[0])
    page.mouse.move(*(place[row] + [x, y]))
    page.wait_for_selector("#map-card")
    assert row_of(page.locator("#map-card-picture")) == row
    assert "selected" in page.inner_text("#map-card")


def test_the_gallery_grows_and_reads_only_what_is_seen(visit: Visit, host: str) -> None:
    page = visit(host, height=700)
    page.click("#choose-view")
    assert page.locator("#selected-persons li").count() == SHOWN
    asked = [url for url in page.requests if "thumbnails" in url]
    page.locator("#selected-more").scroll_into_view_if_needed()
    last = page.locator("#selected-persons canvas").last
    until(page, "document.querySelector('#selected-persons li:last-child canvas').width > 1")
    assert row_of(page.locator("#selected-persons li").last) == SHOWN - 1
    assert last.get_attribute("aria-hidden") == "true"
    assert len([url for url in page.requests if "thumbnails" in url]) >= len(asked)
    page.focus("#selected-more")
    page.keyboard.press("Enter")
    assert page.locator("#selected-persons li").count() == 2 * SHOWN
    # The first of those that came has the focus.
    focused = "document.activeElement.querySelector('canvas')?.dataset.row"
    assert page.evaluate(focused) == str(SHOWN)
    while page.locator("#selected-more").is_visible():
        page.click("#selected-more")
    assert page.locator("#selected-persons li").count() == PERSONS
    assert not focus_is_lost(page)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("persons", [PERSONS, 20])
def test_the_first_view_cuts_nothing_off(
    persons: int, width: int, visit: Visit, explorer: Path, tmp_path: Path
) -> None:
    folder = explorer if persons == PERSONS else make(tmp_path, persons).build()
    page = visit((folder / "index.html").as_uri(), width=width)
    if persons == 20:
        until(page, "view.size.width > 0 && mapPictures.isThere(0)")
    page.locator("#map-panel").scroll_into_view_if_needed()
    pixels = painted_pixels_of(page)
    # Within the border, which is round at the corners.
    rim = np.ones(pixels.shape[:2], dtype=bool)
    rim[6:-6, 6:-6] = False
    rim[:2] = rim[-2:] = rim[:, :2] = rim[:, -2:] = False
    for part in (np.s_[:10, :10], np.s_[:10, -10:], np.s_[-10:, :10], np.s_[-10:, -10:]):
        rim[part] = False
    assert (pixels[rim] > 245).all()
    # And all of it is there: the map reaches near to two of its sides.
    there = np.argwhere((pixels[6:-6, 6:-6] < 245).any(axis=2))
    assert np.ptp(there, axis=0).max() > 0.6 * min(pixels.shape[:2])
