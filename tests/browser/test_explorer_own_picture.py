"""A picture of the reader's own: chosen, dropped, boxed and searched for in the page itself."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from browsing import WIDTHS, accessibility_problems, open_again, open_page, until
from explorer_page import in_both, painted_pixels_of, style_of, wait_until_ready
from own_picture_page import DONE, SAID, give, png, said
from running import sampled

HOSTILE = "<img src=x onerror=alert(1)>.png"


@pytest.fixture
def page(own_page: Page) -> Page:
    return own_page


@in_both
def test_a_box_drawn_by_hand(page: Page, pictures: dict[int, Path]) -> None:
    give(page, pictures[min(pictures)])
    panel = page.locator("#own-panel").bounding_box()
    page.evaluate("document.getElementById('own-said').textContent = ''")
    page.mouse.move(panel["x"] + 20, panel["y"] + 30)
    page.mouse.down()
    page.mouse.move(panel["x"] + 90, panel["y"] + 150)
    page.mouse.up()
    until(page, DONE)
    width, _ = Image.open(pictures[min(pictures)]).size
    scale = width / panel["width"]
    fields = [
        float(page.input_value(f"#own-{side}")) for side in ("left", "top", "width", "height")
    ]
    np.testing.assert_allclose(fields, np.array([20, 30, 70, 120]) * scale, atol=scale + 1)
    assert page.locator("#own-drawn").is_visible()
    assert page.locator("#own-found [aria-pressed=true]").count() == 0


@in_both
def test_by_keyboard_alone(page: Page, pictures: dict[int, Path]) -> None:
    page.focus("#copy-link")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "own-file"
    # A click is what opens the browser's own dialog.
    page.evaluate(
        "document.getElementById('own-file').addEventListener('click', (event) => {"
        "  event.preventDefault(); window.pressed = true; }, { once: true })"
    )
    page.keyboard.press("Enter")
    until(page, "window.pressed")
    page.set_input_files("#own-file", pictures[min(pictures)])
    until(page, DONE)
    assert page.evaluate("document.activeElement.id") == "own-file"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "own-box"
    page.evaluate("document.getElementById('own-said').textContent = ''")
    page.keyboard.press("Enter")
    until(page, DONE)
    assert page.evaluate("document.activeElement.className") == "own-box"
    for side, value in (("left", 5), ("top", 6), ("width", 40), ("height", 80)):
        page.focus(f"#own-{side}")
        page.keyboard.press("Control+A")
        page.keyboard.type(str(value))
    page.evaluate("document.getElementById('own-said').textContent = ''")
    page.keyboard.press("Enter")
    until(page, DONE)
    assert "Searched" in said(page)
    assert page.evaluate("document.activeElement.id") == "own-height"
    assert page.locator("#own-drawn").is_visible()


@in_both
def test_a_picture_is_dropped(page: Page, pictures: dict[int, Path]) -> None:
    data = base64.b64encode(pictures[min(pictures)].read_bytes()).decode()
    page.evaluate(
        "(text) => { const transfer = new DataTransfer();"
        "  transfer.items.add(new File([chunks.bytes(text)], 'dropped.png'));"
        "  for (const type of ['dragover', 'drop']) document.body.dispatchEvent("
        "    new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true })); }",
        data,
    )
    until(page, DONE)
    assert "Found" in said(page)


def test_what_is_no_picture_and_who_is_not_found(page: Page) -> None:
    text = {"name": HOSTILE, "mimeType": "image/png", "buffer": b"no picture"}
    assert give(page, text) == (
        f"“{HOSTILE}” is not a picture that this browser can read. It reads JPEG, PNG and WebP."
    )
    assert page.locator("#own-work").is_hidden()
    answer = give(page, png(Image.new("RGB", (200, 150), "grey"), HOSTILE))
    assert answer.startswith(f"No persons were found in “{HOSTILE}”. Draw a box")
    page.fill("#own-left", "250")
    page.click("#own-form button")
    until(page, "document.getElementById('own-said').textContent.includes('200 px wide')")
    for side, value in (("left", 20), ("top", 10), ("width", 60), ("height", 100)):
        page.fill(f"#own-{side}", str(value))
    page.click("#own-form button")
    until(page, "document.getElementById('own-said').textContent.includes('Searched')")


def test_a_box_drawn_while_persons_are_looked_for_stays(
    page: Page, pictures: dict[int, Path]
) -> None:
    give(page, pictures[min(pictures)])
    page.evaluate(
        "() => { const { find } = ownNetworks; window.let = Promise.withResolvers();"
        "  ownNetworks.find = async () => { await window.let.promise;"
        "    ownNetworks.find = find; return find(); }; }"
    )
    page.evaluate(f"{SAID} = ''")
    page.set_input_files("#own-file", pictures[max(pictures)])
    until(page, f"/Looking/.test({SAID})")
    for side in ("left", "top", "width", "height"):
        page.fill(f"#own-{side}", "50")
    page.click("#own-form button")
    until(page, DONE)
    assert said(page).startswith("Searched for the box")
    page.evaluate("window.let.resolve()")
    page.wait_for_selector("#own-found button", state="attached")
    assert page.input_value("#own-left") == "50"
    assert page.locator("#own-drawn").is_visible()
    assert page.locator("#own-found [aria-pressed=true]").count() == 0
    assert said(page).startswith("Searched for the box")


def test_the_focus_is_never_lost_and_one_picture_is_taken(
    page: Page, pictures: dict[int, Path]
) -> None:
    files = [pictures[min(pictures)], pictures[max(pictures)]]
    give(page, files[0])
    page.focus("#own-found button")
    page.evaluate("document.getElementById('own-file').multiple = true")
    page.set_input_files("#own-file", files)
    until(page, f"/one picture at a time; these are 2/.test({SAID})")
    assert page.evaluate("document.activeElement.className") == "own-box"
    give(page, files[1])
    assert page.evaluate("document.activeElement.id") == "own-file"
    page.fill("#filter-low", "65535")
    until(
        page, "document.getElementById('own-hits-text').textContent.startsWith('No person matches')"
    )
    assert page.locator("#own-hits li").count() == 0
    page.click("#filter-reset")
    until(page, "document.querySelectorAll('#own-hits > li').length === 10")
    page.fill("#filter-low", "65535")
    until(
        page, "document.getElementById('own-hits-text').textContent.startsWith('No person matches')"
    )
    until(page, "location.hash.includes('low=65535')")
    page.go_back()
    until(page, "document.querySelectorAll('#own-hits > li').length === 10")
    page.locator("#own-hits button").first.click()
    until(page, "document.querySelectorAll('#trail .step').length === 2")
    # The new query is in sight.
    until(page, "document.querySelector('main').getBoundingClientRect().top < innerHeight / 3")
    assert page.evaluate("document.activeElement.className") == "crop"


def test_networks_that_are_missing_are_told(explored_page: Path, tab: Page, tmp_path: Path) -> None:
    folder = tmp_path / "explorer"
    folder.mkdir()
    for name in ("thumbnails", "index.html", "onnxruntime-web"):
        (folder / name).symlink_to(explored_page.parent / name)
    (folder / "data").mkdir()
    for file in (explored_page.parent / "data").iterdir():
        if file.name != "own-describe.js":
            (folder / "data" / file.name).symlink_to(file)
    opened = open_again(tab, folder / "index.html")
    wait_until_ready(opened)
    opened.set_input_files("#own-file", png(Image.new("RGB", (60, 60))))
    until(
        opened,
        "/own-describe.js could not be read/.test(document.getElementById('own-said').textContent)",
    )


def test_where_colours_are_forced(
    browser: Browser, explored_page: Path, pictures: dict[int, Path]
) -> None:
    page = open_page(browser, explored_page, forced_colors="active")
    wait_until_ready(page)
    give(page, pictures[min(pictures)])

    def is_seen(selector: str) -> None:
        before = painted_pixels_of(page, "#own-panel")
        page.evaluate("one => document.querySelector(one).classList.add('unseen')", selector)
        after = painted_pixels_of(page, "#own-panel")
        page.evaluate("one => document.querySelector(one).classList.remove('unseen')", selector)
        assert (before != after).any(axis=2).sum() > 100, selector

    box = "#own-found button"
    is_seen(box)
    chosen = [style_of(page, box, f"borderTop{name}") for name in ("Color", "Width")]
    for side in ("left", "top", "width", "height"):
        page.fill(f"#own-{side}", "60")
    page.evaluate(f"{SAID} = ''")
    page.click("#own-form button")
    until(page, DONE)
    is_seen("#own-drawn")
    is_seen(box)
    other = [style_of(page, box, f"borderTop{name}") for name in ("Color", "Width")]
    assert chosen[0] != other[0] and chosen[1] != other[1]
    page.evaluate(
        "() => { const transfer = new DataTransfer();"
        "  transfer.items.add(new File([], 'a.png'));"
        "  document.body.dispatchEvent("
        "    new DragEvent('dragover', { dataTransfer: transfer, bubbles: true })); }"
    )
    assert style_of(page, "body", "outlineStyle") == "solid"
    page.context.close()


@pytest.mark.parametrize("width", sampled(WIDTHS, [360]))
def test_axe_finds_nothing_and_nothing_overflows(
    width: int, browser: Browser, explored_page: Path, pictures: dict[int, Path]
) -> None:
    options: dict[str, Any] = {"bypass_csp": True, "reduced_motion": "reduce"}
    page = open_page(browser, explored_page, width=width, **options)
    wait_until_ready(page)
    give(page, pictures[min(pictures)])
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert accessibility_problems(page, target_size=True) == []
    page.context.close()
