"""Time, memory and size of the explorer, and how fast its page is, with as many persons as asked.

The persons are made (see made.py); the thumbnails are cut from real pictures. The three rules of
the explorer run as in the workflow. The page is measured in the system's Chromium, from disk and
without a GPU.

Two tables compare, in turns and by the processor's seconds of one thread: everybody's neighbours
from blocks and from one query each to the index, both with near-duplicates; and the map by openTSNE
and by scikit-learn. --folder FOLDER, the results of another run, makes the second of real persons.
A third compares neighbours by the vectors that travel with the page with those of the tables.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
from explorer_search import recall, searching
from made import BY_TIME, made_workspace
from measuring import machine, table
from whole_runs import STAGES

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

CORES = 2
RUNS = 5
ROUNDS = 3
NEIGHBOURS = 30
# Persons that are searched for in the comparison.
ASKED = 2000
# scikit-learn takes minutes for more.
MOST_ON_MAP = 20_000
TRUSTED = 10
FRAMES = 120
COMPONENTS = 256
WINDOW = {"width": 1440, "height": 900}

# Zooms in with all points in sight, goes around, and zooms out again: one step a frame.
MOVE_MAP = """async (frames) => {
  const canvas = document.getElementById("map-marks");
  const box = canvas.getBoundingClientRect();
  const at = { clientX: box.left + box.width * 0.45, clientY: box.top + box.height * 0.55 };
  const wheel = (deltaY) => canvas.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY }));
  const press = (key) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
  const next = () => new Promise(requestAnimationFrame);
  performance.clearMeasures("map-frame");
  const times = [await next()];
  for (let n = 0; n < frames; n += 1) {
    if (n < frames / 3) wheel(-20);
    else if (n < (2 * frames) / 3) press(n % 40 < 20 ? "ArrowLeft" : "ArrowUp");
    else wheel(20);
    times.push(await next());
  }
  await next();
  return {
    drawn: performance.getEntriesByName("map-frame").map((entry) => entry.duration),
    intervals: times.slice(1).map((time, n) => time - times[n]),
  };
}"""
SELECT_HALF = "selection.set(Uint8Array.from({ length: persons.count }, (_, row) => row % 2))"
FIRST_GALLERY = "performance.getEntriesByName('first-gallery')[0].startTime"


def sizes(explorer: Path) -> list[list[Any]]:
    """Megabytes and number of files of each kind; a row of the table for each, and for all."""
    kinds: dict[str, list[int]] = {}
    for path in sorted(explorer.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            kind = path.parent.name if path.suffix == ".webp" else path.name.split("-")[0]
            kinds.setdefault(kind, []).append(path.stat().st_size)
    kinds["all"] = [size for found in kinds.values() for size in found]
    return [[kind, sum(found) / 1e6, len(found)] for kind, found in kinds.items()]


def in_browser(page_file: Path) -> Iterator[tuple[str, str]]:
    """What the page costs a reader, as (what, how much)."""
    from playwright.sync_api import sync_playwright

    from browsing import ARGUMENTS, executable

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        times = []
        for _ in range(RUNS):
            page = browser.new_page(viewport=WINDOW)
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(page_file.as_uri())
            page.wait_for_selector("html[data-state=ready]", state="attached")
            # What was asked for until the browser told, so at least what the gallery needed.
            loaded = [url2pathname(urlsplit(url).path) for url in asked if url.startswith("file:")]
            times.append(page.evaluate(FIRST_GALLERY))
            page.close()
        total = sum(Path(path).stat().st_size for path in loaded)
        yield "loaded before the first gallery", f"{total / 1e6:.2f} MB in {len(loaded)} files"
        low, high = min(times), max(times)
        median = f"{statistics.median(times):.0f} ms ({low:.0f} to {high:.0f}, {RUNS} runs)"
        yield "time to the first gallery", median
        page = browser.new_page(viewport=WINDOW)
        page.goto(page_file.as_uri())
        # The page's policy forbids the text that Playwright's own way to wait would have it run.
        while not page.evaluate("performance.getEntriesByName('map-frame').length"):
            page.wait_for_timeout(50)
        moved = {"": page.evaluate(MOVE_MAP, FRAMES)}
        yield from searching(page)
        page.evaluate(SELECT_HALF)
        moved[", half of them selected"] = page.evaluate(MOVE_MAP, FRAMES)
        browser.close()
    for which, times in moved.items():
        drawn = times["drawn"]
        assert len(drawn) >= 0.9 * FRAMES, "the map was not drawn at each step"
        for what, taken in (
            (f"drawing the map, of {len(drawn)} frames{which}", drawn),
            (f"from frame to frame{which}", times["intervals"]),
        ):
            middle, most = np.percentile(taken, [50, 95])
            yield what, f"{middle:.1f} ms, 95 % within {most:.1f} ms"


def in_turns(ways: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Processor's seconds of each way, ROUNDS times in turns, with one thread."""
    from threadpoolctl import threadpool_limits

    taken: dict[str, list[float]] = {name: [] for name in ways}
    with threadpool_limits(1):
        for _ in range(ROUNDS):
            for name, way in ways.items():
                start = time.process_time()
                way()
                taken[name].append(time.process_time() - start)
    return taken


def rounds_table(title: str, taken: dict[str, list[float]], *more: list[Any]) -> str:
    """Medians, their ratio to the first, and all rounds. more: of each way, further columns."""
    first = statistics.median(next(iter(taken.values())))
    rows = []
    for place, (name, seconds) in enumerate(taken.items()):
        median = statistics.median(seconds)
        rounds = " ".join(f"{one:.2f}" for one in seconds)
        rows.append([name, median, median / first, rounds, *(column[place] for column in more)])
    names = ("trustworthiness", f"of {TRUSTED} nearest kept")[: len(more)]
    return table([title, "core seconds", "times", "rounds", *names], rows)


def everybody(results: Path) -> str:
    """Blocks against one query each, for some persons of a run; a table."""
    from visualsearch.core.files import read_json
    from visualsearch.data.person_order import rows_of_shards
    from visualsearch.data.tables import read_table, write_table
    from visualsearch.index.opening import open_index
    from visualsearch.reduce.reduction import Reduction
    from visualsearch.search.everyone import exact_index, search_everyone
    from visualsearch.search.full_length import FullLength
    from visualsearch.search.near_duplicates import NearDuplicates
    from visualsearch.settings import SearchSettings

    reduced, embeddings = (
        sorted(map(str, (results / name).glob("*.parquet"))) for name in ("reduced", "embeddings")
    )
    model = str(results / "pca/model.npz")
    persons = rows_of_shards(reduced, ["person_id", "image_id"])
    sidecar = read_json(results / "index/index.json")
    file = next((results / "index").glob("persons.[!p]*"))
    settings, full_length = SearchSettings(), FullLength.load(embeddings, model)
    ids = persons["person_id"].to_numpy()
    asked = str(results / "asked.parquet")
    some = read_table(reduced[0]).slice(0, ASKED)
    write_table(asked, [some], some.schema)

    def search(index: Any, tells: Any) -> None:
        for _ in search_everyone(index, persons, asked, settings, NEIGHBOURS, tells):
            pass

    def blocks() -> None:
        index = exact_index(reduced)
        few = NearDuplicates(full_length, Reduction.load(model), index, settings.near_duplicate)
        search(index, few)

    index = open_index(file, sidecar)
    ways = {
        "in blocks, few full-length vectors": blocks,
        "in blocks, all full-length vectors": lambda: search(exact_index(reduced), full_length),
        f"one query each to {sidecar['backend']}, all full-length vectors": lambda: search(
            index, full_length
        ),
    }
    taken = in_turns(ways)
    return rounds_table(f"neighbours of {len(some):,} of {len(ids):,} persons", taken)


def maps(results: Path, most: int) -> str:
    """openTSNE against scikit-learn, on the vectors of `most` persons of a run; a table."""
    from sklearn.manifold import TSNE, trustworthiness
    from sklearn.neighbors import NearestNeighbors

    from visualsearch.core.statistics import evenly_spaced
    from visualsearch.data.person_order import vectors_of_rows
    from visualsearch.data.tables import count_rows
    from visualsearch.search.map import PERPLEXITY, SEED, project

    reduced = sorted(map(str, (results / "reduced").glob("*.parquet")))
    vectors = vectors_of_rows(reduced, evenly_spaced(count_rows(reduced), most))
    places: dict[str, np.ndarray] = {}

    def ours() -> None:
        places["openTSNE"] = project(vectors, "tsne")[0]

    def others() -> None:
        perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=SEED)
        places["scikit-learn"] = tsne.fit_transform(vectors)

    taken = in_turns({"openTSNE": ours, "scikit-learn": others})

    def nearest(points: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=TRUSTED).fit(points).kneighbors()[1]

    truth = nearest(vectors)
    kept = [
        np.mean([np.isin(a, b).mean() for a, b in zip(truth, nearest(points), strict=True)])
        for points in places.values()
    ]
    trust = [trustworthiness(vectors, points, n_neighbors=TRUSTED) for points in places.values()]
    columns = [[f"{value:.4f}" for value in column] for column in (trust, kept)]
    return rounds_table(f"map of {len(vectors):,} persons", taken, *columns)


def why_no_browser() -> str | None:
    """What is missing for the measures of the page."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "the Python package playwright is not installed"
    from browsing import executable

    return None if executable() else "there is no Chromium or Chrome on this machine"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--persons", type=int, default=50_000)
    parser.add_argument("--projection", choices=("tsne", "pca"), default="tsne")
    parser.add_argument("--quick", action="store_true", help="2,000 persons, map by PCA, --page")
    parser.add_argument("--page", action="store_true", help="without the comparisons in turns")
    parser.add_argument("--folder", type=Path, help="results of a run: the maps of its persons too")
    options = parser.parse_args()
    if options.quick:
        options.persons, options.projection, options.page = 2_000, "pca", True
    print(machine("numpy", "openTSNE", "scikit-learn", "pillow", "playwright"))
    if options.folder:
        print(f"\n{recall(options.folder)}\n\n{maps(options.folder, MOST_ON_MAP)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        # As in config.yaml; the demo has fewer.
        settings: dict[str, Any] = {"reduction": {"n_components": COMPONENTS}}
        settings["explorer"] = {"projection": options.projection}
        workspace = made_workspace(Path(name) / "run", options.persons, CORES, **settings)
        workspace.run("explorer", *BY_TIME, cores=CORES)
        seconds, peak = workspace.seconds(), workspace.watch.peak
        rows = [[rule, sum(seconds[rule]), peak[rule]] for rule in STAGES["explorer"]]
        print(f"\n{options.persons:,} made persons\n")
        print(table(["rule", "seconds of its jobs", "peak MB"], rows))
        explorer = workspace.results / "report" / "explorer"
        print(f"\n{table(['on disk', 'MB', 'files'], sizes(explorer))}\n", flush=True)
        print(f"{recall(workspace.results)}\n", flush=True)
        if not options.page:
            print(f"{everybody(workspace.results)}\n", flush=True)
            print(f"{maps(workspace.results, MOST_ON_MAP)}\n", flush=True)
        if missing := why_no_browser():
            raise SystemExit(f"THE PAGE IS NOT MEASURED: {missing}")
        print(table(["in Chromium", ""], in_browser(explorer / "index.html")))


if __name__ == "__main__":
    main()
