"""One browser for all tests of pages. It is a package, so that its name hides no other conftest."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browsing import executable, open_again, open_page, start_browser
from explorer_page import PERSONS, serving, wait_until_ready
from explorer_run import Made, make
from report_run import Run
from running import Workspace, sampled
from visualsearch.data.tables import read_table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Both themes and both widths; `make torture` takes the other two pairs.
LOOKS = sampled(
    [(scheme, width) for scheme in ("light", "dark") for width in (1440, 360)],
    {("light", 1440), ("dark", 360)},
)


@pytest.fixture(scope="session")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], "Browser"]]:
    """The system's Chromium and Firefox by name, without a window; each starts when asked for."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("NOT TESTED IN A BROWSER: the Python package playwright is not installed")
    started: dict[str, Browser] = {}
    with sync_playwright() as playwright:

        def browser_of(name: str) -> "Browser":
            if name not in started:
                path = executable(name)
                if path is None:
                    pytest.skip(f"NOT TESTED IN {name.upper()}: there is none on this machine")
                starter = tmp_path_factory.mktemp(name) / "start"
                started[name] = start_browser(playwright, name, path, starter)
            return started[name]

        yield browser_of
        for browser in started.values():
            browser.close()


@pytest.fixture(scope="session")
def tabs(browsers: Callable[[str], "Browser"]) -> Iterator[Callable[[str], "Page"]]:
    opened: dict[str, Page] = {}

    def tab_of(name: str) -> "Page":
        if name not in opened:
            opened[name] = open_page(browsers(name), "about:blank", reduced_motion="reduce")
        return opened[name]

    yield tab_of
    for page in opened.values():
        page.context.close()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The browser's name: Chromium, if a test does not say `in_both`."""
    return getattr(request, "param", "chromium")


@pytest.fixture
def browser(browsers: Callable[[str], "Browser"], engine: str) -> "Browser":
    return browsers(engine)


@pytest.fixture
def tab(tabs: Callable[[str], "Page"], engine: str) -> "Page":
    """A tab for all tests that need nothing special; places are measured, so nothing may glide."""
    return tabs(engine)


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
    # Firefox does not tell of files.
    assert set(tab.requests) <= {(report / "index.html").as_uri()}


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


@pytest.fixture(scope="session")
def explored_page(explored: Workspace) -> Path:
    """The explorer of the demo."""
    return explored.results / "report/explorer/index.html"


@pytest.fixture(scope="session")
def pictures(explored: Workspace) -> dict[int, Path]:
    """The demo's files by image_id."""
    rows = read_table(explored.results / "dataset/manifest.parquet").to_pylist()
    return {row["image_id"]: explored.results / "dataset/images" / row["file"] for row in rows}


@pytest.fixture
def own_page(tab: "Page", explored_page: Path) -> Iterator["Page"]:
    """The demo's explorer from disk. It asks for files beside it only, and nothing goes wrong."""
    page = open_again(tab, explored_page)
    wait_until_ready(page)
    yield page
    assert tab.messages == []
    assert {url.rsplit("/", 2)[0] for url in tab.requests} <= {
        explored_page.parent.as_uri(),
        explored_page.parents[1].as_uri(),
    }
