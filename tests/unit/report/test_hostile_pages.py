"""Texts from outside stay texts in the pages, the Markdown and the table of a report."""

import csv
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt

from hostile_run import ADDRESSES, HARMLESS, TEXTS, report_of
from page_text import Page
from report_run import Run
from visualsearch.web.pages import ICON

ADDRESS_ATTRIBUTES = ("href", "src", "action", "formaction", "data", "xlink:href", "srcset", "ping")


@pytest.fixture(scope="module")
def alike(run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two reports of the same links, with harmless texts and with hostile ones."""
    folder = tmp_path_factory.mktemp("alike")
    return [
        report_of(run, folder / name, texts, ("https://a.example/",))
        for name, texts in (("harmless", HARMLESS), ("hostile", TEXTS))
    ]


@pytest.fixture(scope="module")
def hostile(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_of(run, tmp_path_factory.mktemp("reports") / "hostile")


def shown(path: Path) -> Page:
    """A page, or Markdown as a code host shows it that lets elements through."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        text = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    return Page(text)


def check(page: Page) -> None:
    assert not [found for found in page.elements if any(name.startswith("on") for name in found[1])]
    for tag, attrs in page.elements:
        for name in ADDRESS_ATTRIBUTES:
            scheme = urlsplit(attrs.get(name, "#").strip()).scheme.lower()
            allowed = ("", "http", "https", "data") if tag == "img" else ("", "http", "https")
            assert scheme in allowed or attrs[name] == ICON, (tag, attrs)
    assert not {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "base", "form"}


@pytest.mark.parametrize("name", ["index.html", "light.html", "report.md"])
def test_hostile_texts_make_no_elements(alike: list[Path], hostile: Path, name: str) -> None:
    page = shown(hostile / name)
    check(page)
    words = " ".join("".join(page.words).split())
    assert "window.hacked = 1</script>" in words and "{{ 7 * 7 }}{% raise %}${7 * 7}" in words
    # With harmless texts in the same places the page has the same elements, one for one.
    harmless, other = (shown(report / name).shape() for report in alike)
    assert harmless == other


def test_addresses_are_links_or_nothing(hostile: Path) -> None:
    page = shown(hostile / "index.html")
    links = {attrs["href"] for tag, attrs in page.elements if tag == "a"}
    outside = {link for link in links if not link.startswith(("#", "https://github.com/"))}
    assert outside
    assert {link for link in outside if "hacked" in link} <= set(ADDRESSES)
    assert not [link for link in outside if not link.startswith("https://")]


def test_the_table_of_hits_stays_a_table_without_formulas(hostile: Path) -> None:
    with (hostile / "hits.csv").open(encoding="utf-8-sig", newline="") as file:
        head, *rows = list(csv.reader(file))
    assert rows and {len(row) for row in rows} == {len(head)}
    for value in (value for row in [head, *rows] for value in row):
        number = value.replace(".", "").removeprefix("-").isdigit()
        assert number or not value.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    licences = {row[head.index("license")] for row in rows}
    assert licences and licences <= {*TEXTS, *("'" + text for text in TEXTS)}
