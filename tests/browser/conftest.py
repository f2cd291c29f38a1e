"""One browser for all tests of pages. It is a package, so that its name hides no other conftest."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browsing import ARGUMENTS, executable, open_again, open_page
from explorer_page import PERSONS, serving, wait_until_ready
from explorer_run import Made, make
from report_run import Run
from running import sampled
from visualsearch.data.tables import read_table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Both themes and both widths; `make torture` takes the other two pairs.
LOOKS = sampled(
    [(scheme, width) for scheme in ("light", "dark") for width in (1440, 360)],
    {("light", 1440), ("dark", 360)},
)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The system's Chromium, without a window."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("NOT TESTED IN A BROWSER: the Python package playwright is not installed")
    path = executable()
    if path is None:
        pytest.skip("NOT TESTED IN A BROWSER: there is no Chromium or Chrome on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def tab(browser: "Browser") -> Iterator["Page"]:
    """A tab for all tests that need nothing special; places are measured, so nothing may glide."""
    opened = open_page(browser, "about:blank", reduced_motion="reduce")
    yield opened
    opened.context.close()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run for the report."""
    return Run(tmp_path_factory.mktemp("run"), two_persons_in_some=True)


@pytest.fixture(scope="session")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def hits(run: Run) -> list[dict[str, Any]]:
    return read_table(run.folder / "hits.parquet").to_pylist()


@pytest.fixture(params=LOOKS, ids=["light-1440", "light-360", "dark-1440", "dark-360"])
def page(request: pytest.FixtureRequest, tab: "Page", report: Path) -> Iterator["Page"]:
    """The report in each look. It asks for nothing but itself, and nothing in it goes wrong."""
    yield open_again(tab, report / "index.html", *request.param)
    assert tab.messages == []
    assert tab.requests == [(report / "index.html").as_uri()]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run for the explorer."""
    return make(tmp_path_factory.mktemp("made"), PERSONS)


@pytest.fixture(scope="session")
def explorer(made: Made) -> Path:
    return made.build()


@pytest.fixture(scope="session")
def host(explorer: Path) -> Iterator[str]:
    """The explorer's address on a host that does nothing but hand out files."""
    with serving(explorer) as address:
        yield address


@pytest.fixture
def visit(browser: "Browser", tab: "Page", explorer: Path) -> Iterator[Callable[..., "Page"]]:
    """Open the explorer, by default from disk, and wait until its first gallery is there.

    With options of a context, or from a host, it is opened in a context of its own.
    """
    pages = []

    def opened(
        url: str | None = None, hash: str = "", ready: bool = True, **options: Any
    ) -> "Page":
        address = (url or (explorer / "index.html").as_uri()) + hash
        if address.startswith("http") or options:
            page = open_page(browser, address, **options)
            pages.append(page)
        else:
            page = open_again(tab, address)
        if ready:
            wait_until_ready(page)
        return page

    yield opened
    for page in pages:
        page.context.close()


@pytest.fixture(scope="session")
def nearest(made: Made) -> dict[int, list[int]]:
    """Each person's neighbours, by person_id."""
    rows = [row for path in made.files.everyone for row in read_table(path).to_pylist()]
    return {row["person_id"]: row["neighbours"] for row in rows}


@pytest.fixture(scope="session")
def ids(made: Made) -> list[int]:
    return made.table["person_id"].to_pylist()


@pytest.fixture(scope="session")
def start(ids: list[int]) -> int:
    """The person whose neighbours the explorer shows first."""
    return ids[PERSONS // 2]
