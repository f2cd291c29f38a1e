"""The page of `visualsearch query` in a real browser."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browsing import WIDTHS, accessibility_problems, open_page
from report_run import Run
from visualsearch.query.page import render_page
from visualsearch.query.run import FinishedRun
from visualsearch.report.model import Hit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = '"><script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">.jpg'


def without_picture(hit: Hit) -> Hit:
    """The hit in a picture of a hostile name, which is no longer there."""
    shown = hit.person.picture
    assert shown.stored is not None
    stored = shown.stored._replace(path=Path("gone.jpg"))
    gone = replace(shown, key=f"gone-{hit.rank}", file=HOSTILE, stored=stored)
    return replace(hit, person=replace(hit.person, picture=gone))


@pytest.fixture(scope="module")
def page_file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The queries of a made run, whose first one has a hostile name and hits without pictures."""
    results, settings = run.results(), run.settings()
    finished = FinishedRun(
        Path("results/<b>mine</b>"),
        {},
        [],
        settings.dataset,
        settings.detector,
        {},
        settings.search_set,
        settings.embedding,
        settings.search,
        {"n_items": results.n_persons},
        {},
    )
    first, *others = results.queries
    named = replace(first.person, picture=replace(first.person.picture, name=HOSTILE))
    queries = [replace(first, person=named, hits=list(map(without_picture, first.hits))), *others]
    path = tmp_path_factory.mktemp("query") / "query-me.html"
    path.write_text(render_page(finished, queries), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_and_nothing_overflows(
    browser: "Browser", page_file: Path, width: int
) -> None:
    """axe needs the content policy out of its way."""
    page = open_page(browser, page_file, width=width, bypass_csp=True)
    assert accessibility_problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()


def test_hostile_names_stay_text_and_nothing_is_asked_for(
    browser: "Browser", page_file: Path
) -> None:
    page = open_page(browser, page_file)
    assert page.messages == [] and page.requests == [page.url]
    assert page.evaluate("window.hacked") is None
    first = page.locator(".gallery").first
    assert first.get_by_role("heading").inner_text() == HOSTILE
    assert (
        first.get_by_text("no picture", exact=True).count() == first.locator(".hits > li").count()
    )
    assert "<b>mine</b>" in page.locator(".lead").inner_text()
    shown = "all => all.every((image) => image.complete && image.naturalWidth > 0)"
    assert page.locator("img").count() > 10 and page.locator("img").evaluate_all(shown)
    page.context.close()


def test_the_keyboard_reaches_every_link(browser: "Browser", page_file: Path) -> None:
    page = open_page(browser, page_file)
    for place in range(min(page.locator("a").count(), 5)):
        page.keyboard.press("Tab")
        assert page.evaluate("(n) => document.activeElement === document.links[n]", place)
    page.context.close()
