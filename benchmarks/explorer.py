"""Time, memory and size of the explorer, and how fast its page is, with as many persons as asked.

The pictures and the boxes in them are real: the bundled detector finds persons in a few pictures,
which are used again and again, each time with its boxes moved a little. So thumbnails cost what
they cost in a real set. The vectors are made, in groups of look-alikes, and say nothing about a
search. The page is measured in the system's Chromium, from disk and without a GPU.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pyarrow as pa
from measuring import measured

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.files import read_json
from visualsearch.data.boxes import clip_to_image, xywh_to_xyxy, xyxy_to_xywh
from visualsearch.data.images import read_image
from visualsearch.data.manifest import FetchedImage, ListedImage, write_manifest
from visualsearch.data.tables import PERSONS, read_table, vector_column, with_vector, write_table
from visualsearch.explorer.writing import ExplorerFiles, write_explorer
from visualsearch.fetch.walk import pictures_in
from visualsearch.index.building import build_index
from visualsearch.index.opening import open_index
from visualsearch.reduce.map import write_map
from visualsearch.search.everyone import NEIGHBOURS, search_everyone
from visualsearch.settings import IndexSettings, checking

LENGTH = 256
A_GROUP = 50
# Each side of a box moves by up to this part of its width or height.
MOVED = 0.1
LICENSES = 6
RUNS = 5
FRAMES = 120
WINDOW = {"width": 1440, "height": 900}


def openpeople() -> Path:
    """The folder of the demo's pictures, in the installed package."""
    import openpeople

    return Path(openpeople.__file__).parent / "data" / "curated"


def detected(folder: Path, config: dict[str, Any]) -> list[tuple[str, int, int, np.ndarray]]:
    """File, width, height, and boxes [n, 4] of the persons that a search set would have."""
    import torch

    from visualsearch.detect import load_detector
    from visualsearch.detect.run import detect_category
    from visualsearch.settings import DetectorSettings

    torch.set_num_threads(1)
    settings = {**config["detector"], "name": "ssdlite_mobilenet_v2_person"}
    detector = load_detector(DetectorSettings(**settings))
    found = []
    for file in pictures_in(folder):
        image = read_image(folder / file)
        [(corners, scores, _)] = detect_category(detector, [image], "person")
        boxes = xyxy_to_xywh(corners)[scores >= config["search_set"]["min_score"]]
        boxes = boxes[boxes[:, 3] >= config["search_set"]["min_height"]]
        if len(boxes):
            found.append((file, *image.size, boxes))
    return found


def make_run(folder: Path, pictures: Path, persons: int, config: dict[str, Any]) -> None:
    """Write manifest, reduced vectors, index and queries of a made run."""
    real = detected(pictures, config)
    rng = np.random.default_rng(0)
    images, parts, total = [], [], 0
    while total < persons:
        file, width, height, boxes = real[len(images) % len(real)]
        image_id = len(images) + 1
        corners = xywh_to_xyxy(boxes)
        sides = np.tile(boxes[:, 2:], 2)
        corners += (rng.uniform(-MOVED, MOVED, corners.shape) * sides).astype(np.float32)
        parts.append((image_id, xyxy_to_xywh(clip_to_image(corners, width, height))))
        listed = ListedImage(
            image_id,
            file,
            license="A licence of some length",
            license_url=f"https://creativecommons.org/licenses/by/{image_id % LICENSES}.0/",
            source_url=f"https://pictures.example/{image_id:04d}/{image_id * 7919:010d}_z.jpg",
            labels=json.dumps({"scene": f"scene {image_id % 12}"}),
        )
        images.append(FetchedImage(listed, width, height, "0" * 64))
        total += len(boxes)
    write_manifest(folder / "manifest.parquet", images, 1)
    image_ids = np.concatenate([np.full(len(boxes), n) for n, boxes in parts])[:persons]
    det_index = np.concatenate([np.arange(len(boxes)) for _, boxes in parts])[:persons]
    boxes = np.concatenate([boxes for _, boxes in parts])[:persons]
    columns = {
        "person_id": image_ids * 1000 + det_index,
        "image_id": image_ids,
        "det_index": det_index,
        "score": rng.uniform(0.5, 1, persons),
        **dict(zip("xywh", boxes.T, strict=True)),
        "vector": vector_column(made_vectors(persons)),
    }
    schema = with_vector(PERSONS, LENGTH)
    write_table(folder / "reduced.parquet", [pa.table(columns).cast(schema)], schema)
    asked = pa.table({"person_id": columns["person_id"][persons // 2 : persons // 2 + 1]})
    write_table(folder / "queries.parquet", [asked], asked.schema)
    paths = (str(folder / name) for name in ("index", "persons.parquet", "index.json"))
    build_index([str(folder / "reduced.parquet")], IndexSettings.of(config["index"]), *paths)


def made_vectors(persons: int) -> np.ndarray:
    """Unit vectors in groups of look-alikes, with falling variance: float32 [persons, LENGTH]."""
    rng = np.random.default_rng(1)
    groups = rng.normal(size=(max(1, persons // A_GROUP), LENGTH))
    vectors = groups[rng.integers(0, len(groups), persons)]
    vectors = (vectors + 0.9 * rng.normal(size=vectors.shape)) * np.linspace(2, 0.5, LENGTH)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def stages(
    folder: Path, pictures: Path, config: dict[str, Any], threads: int
) -> Iterator[tuple[str, float, float]]:
    """Run each stage in a process of its own: name, seconds, peak memory in MB."""
    reduced = str(folder / "reduced.parquet")

    def search() -> None:
        index = open_index(folder / "index", read_json(folder / "index.json"))
        persons = read_table(folder / "persons.parquet", ["person_id", "image_id"])
        count = config["explorer"]["neighbours"]
        found = search_everyone(index, persons, reduced, config["search"], count)
        write_table(folder / "everyone.parquet", found, NEIGHBOURS)

    def project() -> None:
        write_map(folder / "map.parquet", [reduced], config["explorer"]["projection"])

    def build() -> None:
        names = ("manifest", "persons", "queries", "map")
        files = ExplorerFiles(
            *(str(folder / f"{name}.parquet") for name in names), [str(folder / "everyone.parquet")]
        )
        write_explorer(files, config, str(pictures), str(folder / "explorer"), threads)

    for name, stage in (
        ("search_everyone", search),
        ("project_persons", project),
        ("build_explorer", build),
    ):
        yield name, *measured(stage)


def sizes(explorer: Path) -> dict[str, tuple[int, int]]:
    """Bytes and number of files of each kind."""
    kinds: dict[str, tuple[int, int]] = {}
    for path in sorted(explorer.rglob("*")):
        if path.is_file():
            kind = path.parent.name if path.suffix == ".webp" else path.name.split("-")[0]
            total, files = kinds.get(kind, (0, 0))
            kinds[kind] = total + path.stat().st_size, files + 1
    return kinds


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
FIRST_GALLERY = "performance.getEntriesByName('first-gallery')[0].startTime"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def in_browser(explorer: Path, report: Path | None) -> Iterator[tuple[str, str]]:
    """What the page costs a reader, as (what, how much)."""
    from playwright.sync_api import sync_playwright

    from browsing import ARGUMENTS, executable

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGUMENTS)
        page_file = (explorer / "index.html").resolve()
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
        yield "time to the first gallery", milliseconds(times)
        page = browser.new_page(viewport=WINDOW)
        page.goto(page_file.as_uri())
        until(page, "performance.getEntriesByName('map-frame').length")
        moved = page.evaluate(MOVE_MAP, FRAMES)
        page.close()
        assert len(moved["drawn"]) >= 0.9 * FRAMES, "the map was not drawn at each step"
        yield f"drawing the map, of {len(moved['drawn'])} frames", spread(moved["drawn"])
        yield "from frame to frame", spread(moved["intervals"])
        if report:
            times = []
            for _ in range(RUNS):
                page = browser.new_page(viewport=WINDOW)
                page.goto(report.resolve().as_uri())
                times.append(until(page, LOADED))
                page.close()
            size = report.stat().st_size / 1e6
            yield f"report of {size:.1f} MB, time until loaded", milliseconds(times)
        browser.close()


def until(page: Any, expression: str) -> float:
    """The value of an expression as soon as it is above 0.

    The page's policy forbids the text that Playwright's own way to wait would have it run.
    """
    for _ in range(600):
        if (value := page.evaluate(expression)) > 0:
            return value
        page.wait_for_timeout(50)
    raise SystemExit(f"{page.url} did not get so far within half a minute: {expression}")


def milliseconds(times: list[float]) -> str:
    """The median of several runs, with the extremes."""
    low, high = min(times), max(times)
    return f"{statistics.median(times):.0f} ms ({low:.0f} to {high:.0f}, {len(times)} runs)"


def spread(times: list[float]) -> str:
    """Median and 95th percentile."""
    median, high = np.percentile(times, [50, 95])
    return f"{median:.1f} ms, 95 % within {high:.1f} ms"


def table(heads: list[str], rows: list[list[str]]) -> None:
    """Print a table of Markdown."""
    for row in [heads, ["---"] * len(heads), *rows]:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def why_no_browser() -> str | None:
    """What is missing for the measures of the page."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "the Python package playwright is not installed"
    from browsing import executable

    return None if executable() else "there is no Chromium or Chrome on this machine"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=50_000)
    parser.add_argument("--pictures", type=Path, help="a folder; the demo's pictures if not given")
    parser.add_argument("--projection", choices=("tsne", "pca"), default="tsne")
    parser.add_argument("--threads", type=int, default=2, help="for the thumbnails")
    parser.add_argument("--report", type=Path, help="the index.html of a report, to be opened too")
    parser.add_argument("--keep", type=Path, help="make it in this folder, and keep it")
    parser.add_argument("--built", type=Path, help="an explorer to measure; none is made then")
    options = parser.parse_args()
    sections = {"dataset": {"source": "coco-val2017"}}
    sections["explorer"] = {"projection": options.projection}
    config = checking.checked(sections)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        explorer = options.built or folder / "explorer"
        if not options.built:
            folder.mkdir(parents=True, exist_ok=True)
            pictures = options.pictures or openpeople()

            def make() -> None:
                make_run(folder, pictures, options.persons, config)

            measured(make)
            print(f"{options.persons:,} persons\n")
            rows = [
                [name, f"{seconds:.0f}", f"{peak:.0f}"]
                for name, seconds, peak in stages(folder, pictures, config, options.threads)
            ]
            table(["stage", "seconds", "peak memory, MB"], rows)
        kinds = sizes(explorer)
        kinds["all"] = tuple(map(sum, zip(*kinds.values(), strict=True)))  # type: ignore[assignment]
        rows = [[kind, f"{total / 1e6:.1f}", f"{n:,}"] for kind, (total, n) in kinds.items()]
        table(["on disk", "MB", "files"], rows)
        if missing := why_no_browser():
            raise SystemExit(f"THE PAGE IS NOT MEASURED: {missing}")
        rows = [list(row) for row in in_browser(explorer, options.report)]
        table(["in Chromium", ""], rows)


if __name__ == "__main__":
    main()
