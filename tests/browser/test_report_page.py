"""The report's page in a real browser: what a reader sees and does outside of the large view."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from browsing import WIDTHS, accessibility_problems, crop, open_page
from explorer_page import in_both
from report_inputs import HOSTILE

FITS = "() => document.scrollingElement.scrollWidth <= document.documentElement.clientWidth"


def shown_hits(page: Page) -> list[bool]:
    return page.locator(".hit").evaluate_all("all => all.map((hit) => hit.checkVisibility())")


@in_both
def test_hits_tell_rank_similarity_score_marks_and_labels(
    page: Page, hits: list[dict[str, Any]]
) -> None:
    assert page.locator(".gallery").count() == 3 and len(hits) == 30
    shown = page.locator(".hit").evaluate_all(
        """all => all.map((hit) => {
          const texts = (selector) => [...hit.querySelectorAll(selector)].map((e) => e.innerText);
          return { rank: texts(".rank"), similarity: texts(".similarity"), text: hit.innerText,
            marks: texts(".chip.warning"), kinds: texts(".chip .kind") };
        })"""
    )
    for hit, found in zip(hits, shown, strict=True):
        similarity = f"{hit['similarity']:.3f}".replace("-", "−").replace("−0.000", "0.000")
        assert (found["rank"], found["similarity"]) == ([str(hit["rank"])], [similarity])
        assert f"score {hit['score']:.2f} · {hit['h']:.0f} px high" in found["text"]
        assert ("same image" in found["marks"]) == hit["same_image"]
        assert ("near-duplicate" in found["marks"]) == hit["near_duplicate"]
        assert found["kinds"] == ["view"]
    told = {mark for found in shown for mark in found["marks"]}
    assert told == {"same image", "near-duplicate"}
    assert page.locator(".query .reason").nth(1).inner_text() != ""
    assert page.evaluate(FITS)


def test_the_query_stays_in_sight(page: Page) -> None:
    """Pinned at the left of its hits, while they scroll down (wide) or sideways (narrow)."""
    query = page.locator(".query").nth(1)
    row = page.locator(".row").nth(1)
    if page.viewport_size["width"] > 640:  # type: ignore[index]
        # Lower than the whole gallery, so that there is something to scroll.
        page.set_viewport_size({"width": 1440, "height": 300})
        end = row.evaluate("e => e.getBoundingClientRect().bottom + scrollY")
        page.evaluate("y => scrollTo(0, y)", end - 270)
        tools = page.locator(".tools").bounding_box()
        assert tools is not None and tools["y"] == 0
        assert (query.bounding_box() or {})["y"] <= tools["height"] + 20
        assert (row.bounding_box() or {})["y"] < -20
        expect(query).to_be_in_viewport()
    else:
        before = query.bounding_box()
        row.evaluate("e => { e.scrollLeft = 400; }")
        assert row.evaluate("e => e.scrollLeft") == 400
        assert query.bounding_box() == before


@in_both
def test_crops_can_be_seen_in_context(page: Page, hits: list[dict[str, Any]]) -> None:
    hit = hits[13]
    tile = crop(page, hit["query"], hit["rank"])
    small = tile.locator("img").first
    expect(small).to_be_visible()
    assert tile.locator(".whole").count() == 0
    page.get_by_label("In context").focus()
    page.keyboard.press("Space")
    whole = tile.locator(".whole")
    expect(whole).to_be_visible()
    expect(small).to_be_hidden()
    assert page.locator(".whole").count() == 33
    assert "In its picture: Neighbour" in (whole.locator("img").get_attribute("alt") or "")
    # The box lies where the person is, in the picture as it is shown.
    picture, box = whole.bounding_box(), whole.locator("rect.over").bounding_box()
    assert picture is not None and box is not None
    scale = picture["width"] / 160
    centre = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    assert (centre[0] - picture["x"]) / scale == pytest.approx(hit["x"] + hit["w"] / 2, abs=1)
    assert (centre[1] - picture["y"]) / scale == pytest.approx(hit["y"] + hit["h"] / 2, abs=1)
    # With its line.
    assert hit["h"] <= box["height"] / scale <= hit["h"] + 6
    assert whole.locator("img").evaluate("e => e.complete && e.naturalWidth") == 160
    assert page.evaluate(FITS)
    page.get_by_label("Crops").check(force=True)
    expect(small).to_be_visible()
    expect(whole).to_be_hidden()


@in_both
def test_filters_hide_hits_and_say_so(page: Page, hits: list[dict[str, Any]]) -> None:
    scores = sorted({float(f"{hit['score']:.2f}") for hit in hits})
    status = page.locator("#filtered")
    expect(status).to_have_text("All 30 shown")
    bounds = page.locator("#least-score").evaluate("e => [+e.min, +e.max]")
    assert bounds == [scores[0], scores[-1]]
    # What is exactly at the limit stays.
    lowest_score = scores[len(scores) // 2]
    page.locator("#least-score").fill(str(lowest_score))
    left = [hit for hit in hits if round(hit["score"], 2) >= lowest_score]
    assert 0 < len(left) < 30
    expect(status).to_have_text(f"{30 - len(left)} of 30 hidden")
    assert sum(shown_hits(page)) == len(left)
    expect(page.locator('output[for="least-score"]')).to_have_text(f"{lowest_score:.2f}")
    lowest_height = sorted({round(hit["h"]) for hit in left})[1]
    page.locator("#least-height").fill(str(lowest_height))
    both = [hit for hit in left if round(hit["h"]) >= lowest_height]
    assert 0 < len(both) < len(left)
    expect(status).to_have_text(f"{30 - len(both)} of 30 hidden")
    assert shown_hits(page) == [hit in both for hit in hits]
    for query in range(3):
        hidden = sum(hit["query"] == query and hit not in both for hit in hits)
        note = f"{hidden} of 10 hidden by the filters" if hidden else ""
        expect(page.locator(".hidden-note").nth(query)).to_have_text(note)
    # By the keyboard, to the end and back.
    page.locator("#least-score").focus()
    page.keyboard.press("End")
    assert sum(shown_hits(page)) < len(left)
    page.get_by_role("button", name="Show all").click()
    expect(status).to_have_text("All 30 shown")
    assert all(shown_hits(page))
    expect(page.locator(".hidden-note").first).to_be_hidden()


def test_a_person_id_can_be_copied(page: Page, hits: list[dict[str, Any]]) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator(".hit").nth(14).locator("button.copy")
    button.click()
    person = str(hits[14]["person_id"])
    expect(page.locator("body > .said")).to_have_text(f"Person id {person} copied")
    expect(button).to_contain_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == person
    # In the dialog, of the hit shown then; all outside is silent meanwhile.
    crop(page, 2, 1).click()
    page.keyboard.press("ArrowRight")
    page.locator("#large-copy").click()
    person = str(hits[21]["person_id"])
    expect(page.locator("dialog .said")).to_have_text(f"Person id {person} copied")
    assert page.evaluate("navigator.clipboard.readText()") == person
    expect(page.locator("dialog")).to_be_visible()
    # A picture of the reader's own has no id.
    page.keyboard.press("Escape")
    crop(page, 0, 0).click()
    expect(page.locator("#large-copy")).to_be_hidden()
    expect(button).not_to_contain_text("copied")


def test_a_refused_clipboard_is_gone_around(page: Page, hits: list[dict[str, Any]]) -> None:
    """As in a frame of another origin: what is selected can be copied without asking."""
    page.evaluate("delete Navigator.prototype.clipboard")
    page.evaluate("document.addEventListener('copy', (e) => { window.from = e.target.value; })")
    button = page.locator(".hit").nth(3).locator("button.copy")
    button.click()
    expect(button).to_contain_text("copied")
    assert page.evaluate("window.from") == str(hits[3]["person_id"])
    assert page.locator("textarea").count() == 0
    expect(button).to_be_focused()
    page.evaluate("document.execCommand = () => false")
    button.click()
    expect(button).to_contain_text("failed")
    expect(page.locator("body > .said")).to_contain_text("Not copied")


def test_hits_can_be_downloaded(
    page: Page, report: Path, hits: list[dict[str, Any]], tmp_path: Path
) -> None:
    page.locator("#least-score").fill("0.95")
    assert not all(shown_hits(page))
    saved = {}
    for kind in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download all hits as {kind}").click()
        name = download.value.suggested_filename
        assert name == f"hits.{kind.lower()}"
        download.value.save_as(tmp_path / name)
        saved[kind] = (tmp_path / name).read_bytes()
    # What the filters hide is in them.
    assert saved["CSV"] == (report / "hits.csv").read_bytes()
    rows = json.loads(saved["JSON"])
    for key in ("person_id", "near_duplicate"):
        assert [row[key] for row in rows] == [hit[key] for hit in hits]
    assert HOSTILE[1] in {row["file"] for row in rows}


def test_light_and_dark_can_be_switched(page: Page) -> None:
    background = "() => getComputedStyle(document.body).backgroundColor"
    figure = "() => getComputedStyle(document.querySelector('svg.plot')).color"
    light, dark = "rgb(251, 250, 247)", "rgb(20, 22, 27)"
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate(background) == (dark if is_dark else light)
    ink = page.evaluate(figure)
    button = page.get_by_role("button", name="Colours")
    seen = {}
    for _ in range(3):
        button.focus()
        page.keyboard.press("Enter")
        seen[button.inner_text()[2:]] = (page.evaluate(background), page.evaluate(figure))
    assert seen["Light"][0] == light and seen["Dark"][0] == dark
    # Figures go with it.
    assert seen["Light"][1] != seen["Dark"][1]
    assert seen["Auto"] == (dark if is_dark else light, ink)
    # What was chosen is kept.
    button.click()
    expect(button).to_contain_text("Light")
    page.requests.clear()
    # The browser hands what a page stores to its next process a moment later.
    page.wait_for_timeout(500)
    page.reload()
    expect(button).to_contain_text("Light")
    assert page.evaluate(background) == light


def test_only_the_own_scripts_run(page: Page) -> None:
    """The content policy refuses what a hostile name would have put in, even if it got there."""
    page.evaluate(
        """() => new Promise((done) => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          const image = document.createElement("img");
          image.setAttribute("onerror", "window.ran = true");
          image.addEventListener("error", () => setTimeout(done));
          image.src = "data:,x";
          document.body.append(image);
        })"""
    )
    assert page.evaluate("window.ran") is None
    assert page.messages and all("Content Security Policy" in said for said in page.messages)
    page.messages.clear()


def test_every_part_can_be_reached_and_seen_by_the_keyboard(page: Page) -> None:
    """Tab from part to part; each shows an outline, and the tools that stay do not hide it."""
    unseen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
              const it = document.activeElement;
              const box = it.getBoundingClientRect();
              const choice = it.matches(".views input");
              const ring = getComputedStyle(choice ? it.nextElementSibling : it);
              const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
              return {
                text: it.outerHTML.slice(0, 80),
                outlined: ring.outlineStyle !== "none" && parseFloat(ring.outlineWidth) >= 2,
                inside: choice || it.contains(top) || top?.contains(it),
              };
            }"""
        )
        if not (found["outlined"] and found["inside"]):
            unseen.append(found)
    assert unseen == []


def test_it_can_be_printed(page: Page) -> None:
    page.emulate_media(media="print")
    for selector in ("nav", ".tools", ".theme", ".scripted", ".copy .sign", ".skips"):
        expect(page.locator(selector).first).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for selector in (".reason", ".query img", ".hit img", "#provenance table", "pre"):
        expect(page.locator(selector).first).to_be_visible()
    expect(page.locator("#licences-of-the-pictures .sources").first).to_be_visible()
    # The hits of a query stand on paper side by side, none cut off at the edge.
    outside = "all => all.filter((e) => e.getBoundingClientRect().right > innerWidth).length"
    cut = "all => all.filter((e) => e.scrollWidth > e.clientWidth).length"
    # What browsers leave of A4, and what wide margins do.
    for width in (718, 602):
        page.set_viewport_size({"width": width, "height": 1040})
        assert page.evaluate(FITS)
        assert page.locator(".hit").evaluate_all(outside) == 0
        assert page.locator(".scroll").evaluate_all(cut) == 0
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_whole_pictures_are_printed_in_their_frames(page: Page) -> None:
    page.get_by_label("In context").check(force=True)
    page.emulate_media(media="print")
    over = "all => all.filter((e) => e.scrollHeight > e.clientHeight + 1).length"
    for width in (718, 602):
        page.set_viewport_size({"width": width, "height": 1040})
        assert page.locator(".crop .whole").count() == 33
        assert page.locator(".crop").evaluate_all(over) == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(browser: Browser, report: Path, width: int) -> None:
    """axe needs the content policy out of its way; all other tests have it."""
    page = open_page(
        browser, report / "index.html", width=width, bypass_csp=True, reduced_motion="reduce"
    )
    page.locator("details").evaluate_all("all => all.forEach((e) => { e.open = true; })")
    assert accessibility_problems(page, target_size=True) == []
    page.get_by_label("In context").check(force=True)
    page.locator("#least-score").fill("0.9")
    assert accessibility_problems(page, ".tools", ".gallery") == []
    crop(page, 1, 0).click()
    assert accessibility_problems(page, target_size=True) == []
    page.context.close()


@in_both
def test_the_keyboard_gets_past_the_contents(page: Page) -> None:
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the report")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    expect(skip).not_to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_keep_what_is_meant(browser: Browser, report: Path, scheme: str) -> None:
    """The chosen view, bars, frames and the legend differ from what is around them."""
    page = open_page(browser, report / "index.html", scheme=scheme, forced_colors="active")
    page.emulate_media(forced_colors="active", color_scheme=scheme)
    style = "(e, name) => getComputedStyle(e)[name]"
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")

    def of(selector: str, name: str) -> str:
        return str(page.locator(selector).first.evaluate(style, name))

    chosen, other = (of(f".views input{state} + span", "backgroundColor")
                     for state in (":checked", ":not(:checked)"))  # fmt: skip
    assert chosen != other
    assert of(".hit .bar i", "backgroundColor") not in (paper, of(".hit .bar", "backgroundColor"))
    assert of(".query .crop", "outlineStyle") == "solid" != of(".hit .crop", "outlineStyle")
    assert of(".chip", "borderStyle") != "none"
    drawn = page.locator("#components-and-whitening ~ figure path").evaluate_all(
        "all => all.map((e) => getComputedStyle(e).stroke)"
    )
    # Lines and legend: three series in colours of their own.
    assert len(set(drawn) - {paper, "none"}) >= 3
    page.context.close()
