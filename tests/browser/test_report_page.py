"""The report's page in a real browser: all a reader can do, in light and dark, wide and narrow."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Locator, Page, expect

from browsing import open_page
from report_inputs import HOSTILE, HOSTILE_LABEL
from report_run import Run
from running import Workspace
from visualsearch.data.tables import BOX_COLUMNS, read_table

LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1440, 360)]
FITS = "() => document.scrollingElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"), two_persons_in_some=True)


@pytest.fixture(scope="module")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def hits(run: Run) -> list[dict[str, Any]]:
    return read_table(run.folder / "hits.parquet").to_pylist()


@pytest.fixture(params=LOOKS, ids=[f"{scheme}-{width}" for scheme, width in LOOKS])
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """The page in each look. It asks for nothing but itself, and nothing in it goes wrong."""
    scheme, width = request.param
    # Places are measured: nothing may glide.
    opened = open_page(browser, report / "index.html", scheme, width, reduced_motion="reduce")
    yield opened
    assert opened.messages == []
    assert opened.requests == [(report / "index.html").as_uri()]
    opened.context.close()


def crop(page: Page | Frame, query: int, item: int) -> Locator:
    return page.locator(f'button.crop[data-query="{query}"][data-item="{item}"]')


def heading(page: Page | Frame) -> Locator:
    return page.locator("#large-heading")


def set_slider(page: Page, name: str, value: float) -> None:
    """As a reader drags it."""
    page.locator(f"#least-{name}").evaluate(
        "(input, value) => { input.value = value; "
        "input.dispatchEvent(new Event('input', { bubbles: true })); }",
        str(value),
    )


def shown_hits(page: Page) -> int:
    return page.locator(".hit").evaluate_all("all => all.filter((hit) => !hit.hidden).length")


def test_hits_tell_rank_similarity_score_marks_and_labels(
    page: Page, hits: list[dict[str, Any]]
) -> None:
    assert page.locator(".gallery").count() == 3 and len(hits) == 30
    for place, hit in enumerate(hits):
        element = page.locator(".hit").nth(place)
        assert element.locator(".rank").inner_text() == str(hit["rank"])
        similarity = f"{hit['similarity']:.2f}".replace("-", "−").replace("−0.00", "0.00")
        assert element.locator(".similarity").inner_text() == similarity
        assert f"score {hit['score']:.2f} · {hit['h']:.0f} px high" in element.inner_text()
        marks = element.locator(".chip.warning").all_inner_texts()
        assert ("same image" in marks) == hit["same_image"]
        assert ("near-duplicate" in marks) == hit["near_duplicate"]
        assert element.locator(".chip .kind").inner_text() == "view"
    told = set(page.locator(".chip.warning").all_inner_texts())
    assert told == {"same image", "near-duplicate"}
    query = page.locator(".query").nth(1)
    assert query.locator(".reason").inner_text() != ""
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
        box = dialog.locator("rect.own.over")
        shown = [float(box.get_attribute(name) or "nan") for name in ("x", "y", "width", "height")]
        assert shown == pytest.approx([hit[name] for name in BOX_COLUMNS], abs=0.01)
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
    alone, company = 0, 0
    for hit in hits[10:20]:
        others = [
            [person[name] for name in BOX_COLUMNS]
            for person in persons
            if person["image_id"] == hit["image_id"] and person["person_id"] != hit["person_id"]
        ]
        crop(page, hit["query"], hit["rank"]).click()
        drawn = page.locator("dialog rect.other.over").evaluate_all(
            "all => all.map((r) => ['x', 'y', 'width', 'height'].map((n) => +r.getAttribute(n)))"
        )
        assert same_boxes(drawn, others)
        told = "drawn faintly" in page.locator("#large-facts").inner_text()
        assert told == bool(others)
        alone, company = alone + (not others), company + bool(others)
        page.keyboard.press("Escape")
    assert alone and company
    crop(page, hits[10]["query"], 0).click()
    strength = "e => [getComputedStyle(e).strokeWidth, getComputedStyle(e).strokeOpacity]"
    own = page.locator("dialog rect.own.over").evaluate(strength)
    other = page.locator("dialog rect.other.over").first.evaluate(strength)
    assert float(other[0][:-2]) < float(own[0][:-2]) and float(other[1]) < float(own[1])


def same_boxes(one: list[list[float]], other: list[list[float]]) -> bool:
    return sorted(one) == [pytest.approx(box, abs=0.01) for box in sorted(other)]


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


def test_filters_hide_hits_and_say_so(page: Page, hits: list[dict[str, Any]]) -> None:
    scores = sorted({float(f"{hit['score']:.2f}") for hit in hits})
    status = page.locator("#filtered")
    expect(status).to_have_text("All 30 shown")
    bounds = page.locator("#least-score").evaluate("e => [+e.min, +e.max]")
    assert bounds == [scores[0], scores[-1]]
    # What is exactly at the limit stays.
    least_score = scores[len(scores) // 2]
    set_slider(page, "score", least_score)
    left = [hit for hit in hits if round(hit["score"], 2) >= least_score]
    assert 0 < len(left) < 30
    expect(status).to_have_text(f"{30 - len(left)} of 30 hidden")
    assert shown_hits(page) == len(left)
    expect(page.locator('output[for="least-score"]')).to_have_text(f"{least_score:.2f}")
    least_height = sorted({round(hit["h"]) for hit in left})[1]
    set_slider(page, "height", least_height)
    both = [hit for hit in left if round(hit["h"]) >= least_height]
    assert 0 < len(both) < len(left)
    expect(status).to_have_text(f"{30 - len(both)} of 30 hidden")
    for place, hit in enumerate(hits):
        expect(page.locator(".hit").nth(place)).to_be_visible(visible=hit in both)
    for query in range(3):
        hidden = sum(hit["query"] == query and hit not in both for hit in hits)
        note = f"{hidden} of 10 hidden by the filters" if hidden else ""
        expect(page.locator(".hidden-note").nth(query)).to_have_text(note)
    # By the keyboard, to the end and back.
    page.locator("#least-score").focus()
    page.keyboard.press("End")
    assert shown_hits(page) < len(left)
    page.get_by_role("button", name="Show all").click()
    expect(status).to_have_text("All 30 shown")
    assert shown_hits(page) == 30
    expect(page.locator(".hidden-note").first).to_be_hidden()


def test_arrows_pass_over_what_the_filters_hide(page: Page, hits: list[dict[str, Any]]) -> None:
    mine = [hit for hit in hits if hit["query"] == 1]
    least = sorted(round(hit["h"]) for hit in mine)[5]
    set_slider(page, "height", least)
    left = [hit["rank"] for hit in mine if round(hit["h"]) >= least]
    assert left != list(range(1, len(left) + 1))
    crop(page, 1, 0).click()
    for rank in left:
        page.keyboard.press("ArrowRight")
        expect(heading(page)).to_have_text(f"Query 2, neighbour {rank}")
    expect(page.locator("#large-next")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Escape")
    expect(crop(page, 1, left[-1])).to_be_focused()


def test_a_person_id_can_be_copied(page: Page, hits: list[dict[str, Any]]) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    hit = hits[14]
    said = page.locator("body > .said")
    button = page.locator(".hit").nth(14).locator("button.copy")
    button.click()
    person = str(hit["person_id"])
    expect(said).to_have_text(f"Person id {person} copied")
    expect(button).to_contain_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == person
    expect(button).not_to_contain_text("copied")
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
    set_slider(page, "score", 0.95)
    assert shown_hits(page) < 30
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
    assert [row["person_id"] for row in rows] == [hit["person_id"] for hit in hits]
    assert [row["near_duplicate"] for row in rows] == [hit["near_duplicate"] for hit in hits]
    assert HOSTILE[1] in {row["file"] for row in rows}


def test_light_and_dark_can_be_switched(page: Page) -> None:
    background = "() => getComputedStyle(document.body).backgroundColor"
    figure = "() => getComputedStyle(document.querySelector('svg.plot')).color"
    light, dark = "rgb(251, 250, 247)", "rgb(20, 22, 27)"
    is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert page.evaluate(background) == (dark if is_dark else light)
    ink = page.evaluate(figure)
    button = page.get_by_role("button", name="Colours")
    seen = []
    for _ in range(3):
        button.focus()
        page.keyboard.press("Enter")
        seen.append((button.inner_text()[2:], page.evaluate(background), page.evaluate(figure)))
    others = {name: (paper, drawn) for name, paper, drawn in seen}
    assert others["Light"][0] == light and others["Dark"][0] == dark
    # Figures go with it.
    assert others["Light"][1] != others["Dark"][1]
    assert others["Auto"] == (dark if is_dark else light, ink)
    # What was chosen is kept.
    button.click()
    page.requests.clear()
    page.reload()
    assert page.get_by_role("button", name="Colours").inner_text()[2:] == "Light"
    assert page.evaluate(background) == light


def test_hostile_names_are_shown_and_do_nothing(page: Page) -> None:
    """Nothing of them runs (the fixture finds no message), no element is made of them."""
    text = page.locator("body").inner_text()
    for name in HOSTILE:
        assert name in text
    assert HOSTILE_LABEL in text and "<b>Title</b> & more" in text
    page.get_by_label("In context").check(force=True)
    for query in range(3):
        for item in range(11):
            crop(page, query, item).click()
            page.keyboard.press("Escape")
    seen = set()
    for item in range(11):
        crop(page, 1, item).click()
        seen |= {name for name in HOSTILE if name in page.locator("dialog").inner_text()}
        page.keyboard.press("Escape")
    assert len(seen) >= 3
    made = "all => all.filter((e) => [...e.attributes].some((a) => a.name.startsWith('on')))"
    assert page.evaluate(f"() => ({made})([...document.querySelectorAll('*')]).length") == 0
    assert page.locator("img[src=x], iframe, object, embed").count() == 0
    hrefs = page.locator("a").evaluate_all("all => all.map((a) => a.protocol)")
    assert set(hrefs) <= {"http:", "https:", "file:"}


def test_only_the_own_scripts_run(page: Page) -> None:
    """The content policy refuses what a hostile name would have put in, even if it got there."""
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          const image = document.createElement("img");
          image.setAttribute("onerror", "window.ran = true");
          image.src = "data:,x";
          document.body.append(image);
        }"""
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert page.messages and all("Content Security Policy" in said for said in page.messages)
    page.messages.clear()


def test_nothing_moves_while_the_page_loads(browser: Browser, report: Path) -> None:
    for scheme, width in LOOKS:
        page = open_page(browser, "about:blank", scheme, width)
        page.add_init_script(
            """window.shifts = [];
            new PerformanceObserver((list) => window.shifts.push(...list.getEntries()))
              .observe({ type: "layout-shift", buffered: true });"""
        )
        page.goto((report / "index.html").as_uri())
        page.wait_for_timeout(400)
        assert page.evaluate("window.shifts.map((shift) => shift.value)") == []
        sized = "all => all.every((i) => i.id === 'large-picture' || (i.width && i.height))"
        assert page.locator("img").evaluate_all(sized)
        page.context.close()


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
    for selector in ("nav", ".tools", ".theme", ".hint", ".copy .sign"):
        expect(page.locator(selector).first).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for selector in (".reason", ".query img", ".hit img", "#costs table", "#licences .sources"):
        expect(page.locator(selector).first).to_be_visible()
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


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_nothing(browser: Browser, report: Path, scheme: str, width: int) -> None:
    """axe needs the content policy out of its way; all other tests have it."""
    axe_playwright = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="NOT TESTED FOR ACCESSIBILITY: axe-playwright-python is not installed",
    )
    page = open_page(browser, report / "index.html", scheme, width, bypass_csp=True)
    page.locator("details").evaluate_all("all => all.forEach((e) => { e.open = true; })")
    found = {}
    for state in ("crops", "in context", "dialog"):
        if state == "in context":
            page.get_by_label("In context").check(force=True)
            set_slider(page, "score", 0.9)
        if state == "dialog":
            crop(page, 1, 0).click()
        violations = axe_playwright.Axe().run(page).response["violations"]
        found[state] = [
            (v["id"], v["impact"], [node["html"][:120] for node in v["nodes"]]) for v in violations
        ]
    page.context.close()
    assert found == {state: [] for state in found}


def test_the_explorer_is_one_step_away(browser: Browser, run: Run, tmp_path: Path) -> None:
    out = run.report(tmp_path, report={"explorer": True, "thumbnail_height": 64})
    page = open_page(browser, out / "index.html")
    there = (out / "explorer/index.html").as_uri()
    whole = page.get_by_role("navigation").get_by_role("link", name="Explore all persons")
    assert whole.evaluate("e => e.href") == there
    searches = page.locator(".query").get_by_role("link", name="Search for this person")
    assert searches.evaluate_all("all => all.map((e) => e.href)") == [
        f"{there}#person=3000",
        f"{there}#person=1000",
    ]
    crop(page, 1, 0).click()
    page.keyboard.press("ArrowRight")
    link = page.locator("#large-search")
    person = page.locator("#large-copy").get_attribute("data-copy")
    assert link.evaluate("e => e.href") == f"{there}#person={person}"
    page.keyboard.press("Escape")
    crop(page, 0, 0).click()
    expect(link).to_be_hidden()
    page.context.close()


def test_a_page_without_queries_works(browser: Browser, run: Run, tmp_path: Path) -> None:
    out = run.report(tmp_path, files=run.files_without_queries(tmp_path))
    page = open_page(browser, out / "index.html")
    assert page.locator(".tools, .gallery").count() == 0
    page.get_by_role("button", name="Colours").click()
    assert page.messages == []
    page.context.close()


def test_without_scripts_it_can_be_read(browser: Browser, report: Path) -> None:
    """What scripts would do is not offered; ids and all else are there."""
    page = open_page(browser, report / "index.html", java_script_enabled=False)
    for selector in (".tools", ".copy .sign", ".scripted", "button.theme"):
        expect(page.locator(selector).first).to_be_hidden()
    expect(page.locator(".hit").first).to_contain_text("id ")
    expect(page.locator(".copy").first).to_be_visible()
    page.context.close()


def test_the_demo_is_small_and_opens_whole(browser: Browser, demo: Workspace) -> None:
    path = demo.results / "report/index.html"
    assert path.stat().st_size < 6_000_000
    page = open_page(browser, path)
    assert page.locator(".hit").count() == 50 and page.messages == []
    page.context.close()


@pytest.mark.parametrize("kind", ["html", "zip"])
def test_it_works_inside_snakemakes_report(
    browser: Browser, demo: Workspace, kind: str, tmp_path: Path
) -> None:
    demo.run("--report", f"whole.{kind}")
    path = demo.folder / f"whole.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path)
        path = next(tmp_path.rglob("report.html"))
    page = open_page(browser, path, width=1500)
    page.get_by_role("link", name="Report", exact=True).click()
    row = page.locator("tr", has_text="The whole report")
    row.locator("a").first.click()
    frame = wait_for_frame(page)
    crop(frame, 0, 1).click()
    expect(heading(frame)).to_have_text("Query 1, neighbour 1")
    page.keyboard.press("ArrowRight")
    expect(heading(frame)).to_have_text("Query 1, neighbour 2")
    frame.locator("#large-copy").click()
    expect(frame.locator("#large-copy")).to_contain_text("copied")
    page.keyboard.press("Escape")
    expect(frame.locator("dialog")).to_be_hidden()
    assert "explorer/" not in frame.content()
    page.context.close()


def wait_for_frame(page: Page) -> Frame:
    """The frame that holds the report's page."""
    for _ in range(100):
        for frame in page.frames:
            if frame.locator("button.crop").count():
                return frame
        page.wait_for_timeout(100)
    raise AssertionError([frame.url[:80] for frame in page.frames])
