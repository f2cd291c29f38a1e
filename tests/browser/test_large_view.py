"""The report's large view in a real browser: a hit's whole picture, and the way to the next."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from browsing import crop
from report_inputs import HOSTILE, HOSTILE_LABEL
from report_run import Run
from visualsearch.data.tables import BOX_COLUMNS, read_table


def heading(page: Page) -> Locator:
    return page.locator("#large-heading")


def boxes_drawn(page: Page, kind: str) -> list[list[float]]:
    return page.locator(f"dialog rect.{kind}.over").evaluate_all(
        "all => all.map((r) => ['x', 'y', 'width', 'height'].map((n) => +r.getAttribute(n)))"
    )


def test_a_crop_opens_its_whole_picture(page: Page, hits: list[dict[str, Any]]) -> None:
    dialog = page.locator("dialog")
    for place, how in ((12, "click"), (25, "Enter")):
        hit = hits[place]
        button = crop(page, hit["query"], hit["rank"])
        if how == "click":
            button.click()
        else:
            button.focus()
            page.keyboard.press(how)
        expect(dialog).to_be_visible()
        expect(heading(page)).to_have_text(f"Query {hit['query'] + 1}, neighbour {hit['rank']}")
        (own,) = boxes_drawn(page, "own")
        assert own == pytest.approx([hit[name] for name in BOX_COLUMNS], abs=0.01)
        stage = dialog.locator(".stage").bounding_box()
        picture = dialog.locator("#large-picture").bounding_box()
        assert stage == picture and picture is not None and picture["width"] > 200
        assert str(hit["person_id"]) in dialog.inner_text()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(button).to_be_focused()


def test_a_low_window_shows_the_picture_first(page: Page) -> None:
    """As when it is zoomed: the focus scrolls nothing away, and the buttons stay in sight."""
    page.set_viewport_size({"width": 640, "height": 360})
    crop(page, 1, 2).click()
    dialog = page.locator("dialog")
    assert dialog.evaluate("e => [e.scrollTop, e.scrollHeight > e.clientHeight]") == [0, True]
    expect(page.locator("#large-picture")).to_be_in_viewport()
    expect(page.locator("#large-close")).to_be_in_viewport(ratio=1)


def test_a_click_outside_closes_the_large_view(page: Page) -> None:
    crop(page, 1, 2).click()
    dialog = page.locator("dialog")
    box = dialog.bounding_box()
    assert box is not None
    # Its rim is inside, and so is text that is selected to beyond the edge.
    page.mouse.click(box["x"] + 6, box["y"] + 6)
    expect(dialog).to_be_visible()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(4, 4, steps=3)
    page.mouse.up()
    expect(dialog).to_be_visible()
    page.mouse.click(4, 4)
    expect(dialog).to_be_hidden()


def test_others_in_the_picture_are_drawn_faintly(
    page: Page, run: Run, hits: list[dict[str, Any]]
) -> None:
    persons = read_table(run.folder / "persons.parquet").to_pylist()
    crop(page, hits[10]["query"], 0).click()
    strength = "e => [getComputedStyle(e).strokeWidth, getComputedStyle(e).strokeOpacity]"
    own = page.locator("dialog rect.own.over").evaluate(strength)
    other = page.locator("dialog rect.other.over").first.evaluate(strength)
    assert float(other[0][:-2]) < float(own[0][:-2]) and float(other[1]) < float(own[1])
    seen = set()
    for hit in hits[10:20]:
        page.keyboard.press("ArrowRight")
        expect(heading(page)).to_have_text(f"Query {hit['query'] + 1}, neighbour {hit['rank']}")
        others = sorted(
            [person[name] for name in BOX_COLUMNS]
            for person in persons
            if person["image_id"] == hit["image_id"] and person["person_id"] != hit["person_id"]
        )
        drawn = sorted(boxes_drawn(page, "other"))
        assert drawn == [pytest.approx(box, abs=0.01) for box in others]
        told = "drawn faintly" in page.locator("#large-facts").inner_text()
        assert told == bool(others)
        seen.add(told)
    assert seen == {True, False}


def test_arrows_go_from_hit_to_hit(page: Page) -> None:
    crop(page, 1, 0).click()
    expect(heading(page)).to_have_text("Query 2")
    expect(page.locator("#large-back")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("ArrowLeft")
    expect(heading(page)).to_have_text("Query 2")
    for rank in range(1, 11):
        page.keyboard.press("ArrowRight")
        expect(heading(page)).to_have_text(f"Query 2, neighbour {rank}")
    expect(page.locator("#large-next")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("ArrowRight")
    expect(heading(page)).to_have_text("Query 2, neighbour 10")
    page.locator("#large-back").click()
    expect(heading(page)).to_have_text("Query 2, neighbour 9")
    # A click on the picture takes the focus away from the buttons, and the arrows still go on.
    page.locator("#large-picture").click(force=True)
    page.keyboard.press("ArrowLeft")
    expect(heading(page)).to_have_text("Query 2, neighbour 8")
    page.locator("#large-close").click()
    # The reader goes on from the hit seen last.
    expect(crop(page, 1, 8)).to_be_focused()


def test_arrows_pass_over_what_the_filters_hide(page: Page, hits: list[dict[str, Any]]) -> None:
    mine = [hit for hit in hits if hit["query"] == 1]
    lowest = sorted(round(hit["h"]) for hit in mine)[5]
    page.locator("#least-height").fill(str(lowest))
    left = [hit["rank"] for hit in mine if round(hit["h"]) >= lowest]
    assert left != list(range(1, len(left) + 1))
    crop(page, 1, 0).click()
    for rank in left:
        page.keyboard.press("ArrowRight")
        expect(heading(page)).to_have_text(f"Query 2, neighbour {rank}")
    expect(page.locator("#large-next")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Escape")
    expect(crop(page, 1, left[-1])).to_be_focused()


def test_hostile_names_are_shown_and_do_nothing(page: Page) -> None:
    """Nothing of them runs (the fixture finds no message), no element is made of them."""
    text = page.locator("body").inner_text()
    for name in HOSTILE:
        assert name in text
    assert HOSTILE_LABEL in text and "<b>Title</b> & more" in text
    page.get_by_label("In context").check(force=True)
    seen = set()
    for query in range(3):
        crop(page, query, 0).click()
        for item in range(11):
            told = f"Query {query + 1}, neighbour {item}" if item else f"Query {query + 1}"
            expect(heading(page)).to_have_text(told)
            seen |= {name for name in HOSTILE if name in page.locator("dialog").inner_text()}
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
    assert seen == set(HOSTILE)
    made = "all => all.filter((e) => [...e.attributes].some((a) => a.name.startsWith('on')))"
    assert page.evaluate(f"() => ({made})([...document.querySelectorAll('*')]).length") == 0
    assert page.locator("img[src=x], iframe, object, embed").count() == 0
    hrefs = page.locator("a").evaluate_all("all => all.map((a) => a.protocol)")
    assert set(hrefs) <= {"http:", "https:", "file:"}
