"""The explorer in a real browser: what is behind a hit, and how a person is found by words."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browsing import WIDTHS, accessibility_problems, open_page, until
from explorer_page import (
    expected_hits,
    in_both,
    in_both_sometimes_from_a_host,
    now,
    rows_of_hits,
    serving,
    wait_for,
    wait_for_hits,
    wait_until_ready,
)
from explorer_run import (
    A_PICTURE,
    BOXES,
    HOSTILE,
    HOSTILE_LICENSE,
    Made,
    file_of,
    make,
)
from running import sampled

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def with_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An explorer that brings whole pictures."""
    sections = {"explorer": {"pictures": True}, "report": {"picture_side": 150}}
    return make(tmp_path_factory.mktemp("whole"), 40, **sections).build()


def heading(page: Page, text: str) -> None:
    expect(page.locator("#behind-heading")).to_have_text(text)


def boxes_drawn(page: Page, kind: str) -> list[list[float]]:
    return page.locator(f"#behind rect.{kind}.over").evaluate_all(
        "all => all.map((r) => ['x', 'y', 'width', 'height'].map((n) => +r.getAttribute(n)))"
    )


def shows_its_picture(page: Page) -> None:
    picture = "document.getElementById('behind-picture')"
    until(page, f"{picture}.complete && {picture}.naturalWidth > 0")
    assert page.locator("#behind-stage").bounding_box()["width"] > 200


def test_each_hit_has_its_file_and_licence(visit: Visit) -> None:
    page = visit()
    until(page, "[...document.querySelectorAll('#hits .line')].every((one) => one.textContent)")
    for place, row in enumerate(rows_of_hits(page)):
        image = row // A_PICTURE
        name, license = page.locator("#hits .hit").nth(place).locator(".line").all_inner_texts()
        assert name == file_of(image)
        assert license == (HOSTILE_LICENSE if image % 2 else "no licence stated")
        label = page.locator("#hits .crop").nth(place).get_attribute("aria-label")
        assert f"picture {name}, {license}" in label
    assert page.messages == []


@in_both_sometimes_from_a_host
def test_the_whole_picture_with_its_boxes(
    where: str, browser: Browser, with_pictures: Path
) -> None:
    with serving(with_pictures) as host:
        url = host if where == "host" else (with_pictures / "index.html").as_uri()
        page = open_page(browser, url)
        wait_until_ready(page)
        rows = rows_of_hits(page)
        opener = page.locator("#hits .act").filter(has_text="⤢").nth(1)
        opener.click()
        heading(page, "Neighbour 2")
        for place in range(1, len(rows)):
            heading(page, f"Neighbour {place + 1}")
            shows_its_picture(page)
            image, person = divmod(rows[place], A_PICTURE)
            source = page.locator("#behind-picture").get_attribute("src")
            assert source == f"pictures/{image:04d}.webp"
            assert boxes_drawn(page, "own") == [list(BOXES[person])]
            there = min(A_PICTURE, 40 - image * A_PICTURE)
            assert boxes_drawn(page, "other") == [
                list(BOXES[other]) for other in range(there) if other != person
            ]
            text = page.inner_text("#behind-facts")
            assert str(image + 1) in text and file_of(image) in text
            page.keyboard.press("ArrowRight")
        expect(page.locator("#behind-next")).to_have_attribute("aria-disabled", "true")
        page.keyboard.press("Escape")
        # The reader goes on from the one seen last.
        expect(page.locator("#hits .crop").last).to_be_focused()
        page.click("#query-behind")
        heading(page, "Query")
        expect(page.locator("#behind-search")).to_be_hidden()
        page.click("#behind-close")
        expect(page.locator("#query-behind")).to_be_focused()
        assert page.messages == []
        page.context.close()


def test_without_whole_pictures_the_users_own_file_is_shown(
    visit: Visit, host: str, made: Made, ids: list[int]
) -> None:
    """From disk: there it costs nothing."""
    for image in range(3):
        page = visit(hash=f"#person={ids[image * A_PICTURE]}")
        wait_for(page, ids[image * A_PICTURE])
        page.click("#query-behind")
        heading(page, "Query")
        shows_its_picture(page)
        assert page.locator("#behind-facts").get_by_text(HOSTILE[image]).is_visible()
        page.keyboard.press("Escape")
        assert page.messages == []
    page = visit(host)
    page.locator("#hits .act").filter(has_text="⤢").first.click()
    heading(page, "Neighbour 1")
    assert page.locator("#behind-stage").is_hidden()
    assert "explorer.pictures: true" in page.inner_text("#behind-missing")
    assert page.messages == []


def test_a_picture_that_has_moved_is_told(visit: Visit, tmp_path: Path) -> None:
    made = make(tmp_path, 12)
    page = visit((made.build() / "index.html").as_uri())
    shutil.rmtree(tmp_path / "pictures")
    page.click("#query-behind")
    page.get_by_text("could not be shown. It may have been moved").wait_for()
    assert page.locator("#behind-stage").is_hidden()


def test_a_long_name_takes_three_lines(visit: Visit, tmp_path: Path) -> None:
    name = "long " * 80 + ".png"
    folder = make(tmp_path, 12).build()
    path = folder / "data/pictures-0000.js"
    path.write_text(path.read_text(encoding="ascii").replace("3.png", name), encoding="ascii")
    page = visit((folder / "index.html").as_uri(), hash="#person=4000")
    wait_for(page, 4000)
    shown = page.locator("#query-facts dd").first
    assert shown.bounding_box()["height"] < 70
    assert shown.locator("span").get_attribute("title") == name
    page.click("#query-behind")
    heading(page, "Query")
    assert page.locator("#behind-facts").get_by_text(name.strip()).bounding_box()["height"] > 70


@in_both
def test_search_from_the_whole_picture(visit: Visit, made: Made, ids: list[int]) -> None:
    page = visit()
    row = rows_of_hits(page)[3]
    page.locator("#hits .act").filter(has_text="⤢").nth(3).click()
    heading(page, "Neighbour 4")
    page.click("#behind-search")
    wait_for(page, ids[row])
    expect(page.locator("#behind")).to_be_hidden()
    person = now(page)
    row = rows_of_hits(page)[0]
    page.locator("#hits .act").filter(has_text="⤢").first.click()
    heading(page, "Neighbour 1")
    page.get_by_text("Search in this picture only (3)").click()
    passes = made.table["image_id"].to_numpy() == row // A_PICTURE + 1
    wait_for_hits(page, expected_hits(made, [person], passes=passes, in_one_picture=True))
    until(page, f"location.hash.includes('image={row // A_PICTURE + 1}')")


@in_both
def test_found_by_name_image_and_person(visit: Visit, ids: list[int]) -> None:
    page = visit()

    def find(text: str, person: int) -> str:
        page.fill("#find-id", text)
        page.press("#find-id", "Enter")
        wait_for(page, person)
        return page.inner_text("#find-text")

    assert find(str(ids[7]), ids[7]) == ""
    # 40 is an image with three persons, and no person.
    assert find("40", ids[39 * A_PICTURE]) == "Image 40, 39.png: 3 persons."
    assert find(HOSTILE[0].upper(), ids[0]) == f"{HOSTILE[0]}: 3 persons."
    # A letter with its accent apart, as a Mac names files.
    assert find("& u\u0308.p", ids[2 * A_PICTURE]) == f"{HOSTILE[2]}: 3 persons."
    # The same words find the next.
    several = [image for image in range(110) if "7.png" in file_of(image)]
    for place, image in enumerate([*several, several[0]]):
        said = find("7.png", ids[image * A_PICTURE])
        assert f"{place % len(several) + 1} of {len(several)} with “7.png” in its name" in said
    assert page.messages == []


@pytest.mark.parametrize("width", sampled(WIDTHS, {360}))
def test_axe_finds_nothing_in_the_look_behind(width: int, visit: Visit, ids: list[int]) -> None:
    page = visit(
        hash=f"#person={ids[0]}&like={ids[9]}&unlike={ids[30]}&name=1",
        width=width,
        bypass_csp=True,
        reduced_motion="reduce",
    )
    wait_for(page, ids[0])
    until(page, "document.querySelectorAll('#parts li').length === 3")
    assert accessibility_problems(page, target_size=True) == []
    page.locator("#hits .act").filter(has_text="⤢").first.click()
    shows_its_picture(page)
    assert accessibility_problems(page, "#behind", target_size=True) == []
    overflow = "document.documentElement.scrollWidth > innerWidth"
    assert not page.evaluate(overflow)
