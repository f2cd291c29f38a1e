"""Own pictures in the explorer's page, against the run: time, vectors and hits.

RESULTS is a finished run whose explorer was made with explorer.own_pictures. Pictures of the set
are chosen in the page as a reader's own, in the system's Chromium, from disk and without a GPU. Of
each, the page's vectors of up to three persons' boxes are compared with those of the run.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from measuring import machine, table

from visualsearch.data.pictures import Pictures

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

A_PICTURE, NEAREST = 3, 10
SAID = "document.getElementById('own-said').textContent"
DESCRIBE = "async (box) => [...await ownNetworks.describe(box)]"


def choose(page: Any, file: Path) -> float:
    """Seconds from choosing a picture to its hits."""
    from browsing import until

    page.evaluate(f"{SAID} = ''")
    start = time.perf_counter()
    page.set_input_files("#own-file", file)
    until(page, f"/described|draw a box|not a picture/i.test({SAID})")
    return time.perf_counter() - start


def nearest(vector: np.ndarray, vectors: np.ndarray, others: np.ndarray) -> set[int]:
    rows = np.flatnonzero(others)
    return set(rows[np.argsort(-(vectors[rows] @ vector))[:NEAREST]].tolist())


def compare(page: Any, pictures: list[Any], persons: Any) -> list[list[Any]]:
    vectors = np.stack(persons["vector"].to_numpy())
    images = persons["image_id"].to_numpy()
    boxes = np.column_stack([persons[name].to_numpy() for name in "xywh"])
    boxes[:, 2:] += boxes[:, :2]
    seconds, cosines, agreed = [], [], []
    for picture in pictures:
        seconds.append(choose(page, Path(picture.path)))
        for row in np.flatnonzero(images == picture.image_id)[:A_PICTURE]:
            vector = np.array(page.evaluate(DESCRIBE, boxes[row].tolist()))
            cosines.append(float(vector @ vectors[row]))
            others = images != picture.image_id
            same = nearest(vectors[row], vectors, others) & nearest(vector, vectors, others)
            agreed.append(len(same) / NEAREST)
    return [
        ["first picture, s", round(seconds[0], 2)],
        ["further pictures, median s", round(statistics.median(seconds[1:]), 2)],
        ["persons compared", len(cosines)],
        ["least cosine", round(min(cosines), 6)],
        [f"hits@{NEAREST} that agree", round(float(np.mean(agreed)), 3)],
    ]


def main() -> None:
    from playwright.sync_api import sync_playwright

    from browsing import ARGUMENTS, executable, open_page
    from explorer_page import wait_until_ready

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--folder", help="the user's own folder of pictures, if the run has one")
    parser.add_argument("--pictures", type=int, default=25)
    options = parser.parse_args()
    explorer = options.results / "report" / "explorer"
    own = sorted((explorer / "data").glob("own-*.js"))
    if not own:
        raise SystemExit(f"{explorer} was made without explorer.own_pictures")
    if (chromium := executable()) is None:
        raise SystemExit("there is no Chromium or Chrome on this machine")
    persons = pq.ParquetDataset(options.results / "reduced").read().to_pandas()
    shown = set(persons["image_id"])
    manifest = str(options.results / "dataset" / "manifest.parquet")
    pictures = [each for each in Pictures(manifest, options.folder) if each.image_id in shown]
    print(machine("numpy", "pillow", "playwright"))
    rows: list[list[Any]] = [
        [f"{file.name}, MB", round(file.stat().st_size / 1e6, 1)] for file in own
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = open_page(browser, explorer / "index.html")
        wait_until_ready(page)
        rows += compare(page, pictures[: options.pictures], persons)
    print(table(["own pictures", ""], rows))


if __name__ == "__main__":
    main()
