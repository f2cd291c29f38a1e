"""The report's page where it is not as usual: hostile, without scripts, in Snakemake's report."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from browsing import NOTE_SHIFTS, WIDTHS, crop, open_again, open_page
from explorer_page import in_both
from hostile_run import report_of
from report_run import Run
from running import Workspace


def test_nothing_from_outside_runs(tab: Page, run: Run, tmp_path: Path) -> None:
    """Not even without its content policy, which is the second lock."""
    page_file = report_of(run, tmp_path / "out") / "index.html"
    text = page_file.read_text(encoding="utf-8")
    head = text.index('<meta http-equiv="Content-Security-Policy"')
    page_file.write_text(text[:head] + text[text.index(">", head) + 1 :], encoding="utf-8")
    page = open_again(tab, page_file)
    for query in range(3):
        crop(page, query, 0).click()
        for item in range(11):
            suffix = f", neighbour {item}" if item else ""
            expect(page.locator("#large-heading")).to_have_text(f"Query {query + 1}{suffix}")
            page.locator("dialog a").evaluate_all(
                "all => all.forEach((a) => a.dispatchEvent(new MouseEvent('mouseover')))"
            )
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
    page.evaluate(
        "document.querySelectorAll('*').forEach("
        "(e) => ['mouseover', 'error', 'load'].forEach((n) => e.dispatchEvent(new Event(n))))"
    )
    assert page.evaluate("window.hacked") is None
    assert page.messages == []
    assert page.requests == [page_file.as_uri()]
    # The test would see it.
    page.evaluate("() => { const i = new Image(); i.onerror = () => { window.hacked = 1 };"
                  " i.dispatchEvent(new Event('error')) }")  # fmt: skip
    assert page.evaluate("window.hacked") == 1


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_while_the_page_loads(browser: Browser, report: Path, width: int) -> None:
    page = open_page(browser, "about:blank", width=width)
    page.add_init_script(NOTE_SHIFTS)
    page.goto((report / "index.html").as_uri())
    page.wait_for_timeout(400)  # for what moves late
    assert page.evaluate("allShifts()") == []
    sized = "all => all.every((i) => i.id === 'large-picture' || (i.width && i.height))"
    assert page.locator("img").evaluate_all(sized)
    page.context.close()


def test_the_explorer_is_one_step_away(tab: Page, run: Run, tmp_path: Path) -> None:
    out = run.report(tmp_path, report={"explorer": True, "thumbnail_height": 64})
    page = open_again(tab, out / "index.html")
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


def test_a_page_without_queries_works(tab: Page, run: Run, tmp_path: Path) -> None:
    out = run.report(tmp_path, files=run.files_without_queries(tmp_path))
    page = open_again(tab, out / "index.html")
    assert page.locator(".tools, .gallery").count() == 0
    page.get_by_role("button", name="Colours").click()
    assert page.messages == []


def test_without_scripts_it_can_be_read(browser: Browser, report: Path) -> None:
    """What scripts would do is not offered; ids and all else are there."""
    page = open_page(browser, report / "index.html", java_script_enabled=False)
    for selector in (".tools", ".copy .sign", ".scripted", "button.theme"):
        expect(page.locator(selector).first).to_be_hidden()
    expect(page.locator(".hit").first).to_contain_text("id ")
    expect(page.locator(".copy").first).to_be_visible()
    page.context.close()


@in_both
def test_the_demo_is_small_on_paper(browser: Browser, demo: Workspace) -> None:
    """At most 5 MB, and the page is as before when it is printed.

    In a page of its own: in Firefox a printed page gets no more keys.
    """
    page = open_page(browser, demo.results / "report/index.html")
    for view in ("Crops", "In context"):
        page.get_by_label(view).check(force=True)
        shown = page.locator(".crop img").evaluate_all("all => all.map((i) => i.src.length)")
        pages = page.pdf(format="A4")
        assert pages.startswith(b"%PDF") and len(pages) <= 5_000_000, (view, len(pages))
        after = page.locator(".crop img").evaluate_all("all => all.map((i) => i.src.length)")
        assert after == shown and page.locator("canvas").count() == 0
    page.context.close()


def test_the_demo_is_small_and_opens_whole(tab: Page, demo: Workspace) -> None:
    path = demo.results / "report/index.html"
    assert path.stat().st_size < 6_000_000
    page = open_again(tab, path)
    assert page.locator(".hit").count() == 50 and page.messages == []


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
    heading = frame.locator("#large-heading")
    crop(frame, 0, 1).click()
    expect(heading).to_have_text("Query 1, neighbour 1")
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("Query 1, neighbour 2")
    frame.locator("#large-copy").click()
    expect(frame.locator("#large-copy")).to_contain_text("copied")
    page.keyboard.press("Escape")
    expect(frame.locator("dialog")).to_be_hidden()
    assert "explorer/" not in frame.content()
    page.context.close()


def wait_for_frame(page: Page) -> Frame:
    """The frame that holds the report's page."""
    for _ in range(300):
        for frame in page.frames:
            if frame.locator("button.crop").count():
                return frame
        page.wait_for_timeout(30)
    raise AssertionError([frame.url[:80] for frame in page.frames])
