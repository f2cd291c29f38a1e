"""Pictures of the reader's own: the page finds and describes them as the run does."""

import base64
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from browsing import open_page
from explorer_page import in_both, serving, wait_until_ready
from own_picture_page import give, png
from running import Workspace, sampled
from visualsearch.data.images import decode_image
from visualsearch.data.tables import read_table
from visualsearch.embed.crops import crop_boxes

ASKED = 6


@pytest.fixture
def page(own_page: Page) -> Page:
    return own_page


@pytest.fixture(scope="module")
def persons(explored: Workspace) -> Any:
    """All persons of the run, with their reduced vectors."""
    shards = sorted((explored.results / "reduced").glob("*.parquet"))
    tables = [read_table(shard) for shard in shards]
    return [row for table in tables for row in table.to_pylist()]


def described(page: Page, box: list[float]) -> np.ndarray:
    """The page's vector of a box of the picture that it has."""
    return np.array(page.evaluate("async (box) => [...await ownNetworks.describe(box)]", box))


def corners(row: dict[str, Any]) -> list[float]:
    return [row["x"], row["y"], row["x"] + row["w"], row["y"] + row["h"]]


def hits_of(page: Page, persons: Any) -> set[int]:
    """person_ids of the hits that the page shows for its picture."""
    rows = page.locator("#own-hits canvas").evaluate_all("all => all.map((c) => +c.dataset.row)")
    ids = sorted(person["person_id"] for person in persons)
    return {ids[row] for row in rows}


def hits_in_python(vector: np.ndarray, persons: Any) -> set[int]:
    """person_ids of the ten most similar persons, one a picture, as the run searches."""
    best: dict[int, tuple[float, int]] = {}
    for person in persons:
        cosine = float(vector @ person["vector"])
        image = person["image_id"]
        best[image] = max(best.get(image, (-2.0, 0)), (cosine, person["person_id"]))
    return {person_id for _, person_id in sorted(best.values())[-10:]}


def score(person: Any) -> float:
    return float(person["score"])


def compare(page: Page, persons: Any, pictures: dict[int, Path], many: int) -> None:
    """Vectors and hits of the page are those of the run."""
    cosines, agreed, seconds = [], [], []
    for row in persons[:: max(1, len(persons) // many)][:many]:
        start = time.perf_counter()
        assert "Found" in give(page, pictures[row["image_id"]])
        seconds.append(time.perf_counter() - start)
        cosines.append(described(page, corners(row)) @ row["vector"])
        # The hits shown are those of the person that was found first.
        first = max((p for p in persons if p["image_id"] == row["image_id"]), key=score)
        wanted = hits_in_python(np.array(first["vector"]), persons)
        agreed.append(len(wanted & hits_of(page, persons)) / 10)
    print(f"first picture {seconds[0]:.1f} s, others {np.median(seconds[1:]):.2f} s")
    print(f"least cosine {min(cosines):.6f}, hits that agree {np.mean(agreed):.3f}")
    assert min(cosines) > 0.99
    assert np.mean(agreed) >= 0.9


@in_both
def test_vectors_and_hits_are_those_of_the_run(
    page: Page, persons: Any, pictures: dict[int, Path]
) -> None:
    compare(page, persons, pictures, ASKED)


def test_from_a_host(
    browser: Browser, explored_page: Path, persons: Any, pictures: dict[int, Path]
) -> None:
    with serving(explored_page.parent) as address:
        page = open_page(browser, address)
        wait_until_ready(page)
        compare(page, persons, pictures, 3)
        assert page.messages == []
        assert all(url.startswith(address.rsplit("/", 1)[0]) for url in page.requests)
        page.context.close()


def test_persons_found_are_those_of_the_run(
    page: Page, explored: Workspace, pictures: dict[int, Path]
) -> None:
    shards = sorted((explored.results / "detections/shards").glob("*.parquet"))
    rows = [row for shard in shards for row in pq.read_table(shard).to_pylist()]
    for image_id in sorted(pictures)[:6]:
        give(page, pictures[image_id])
        found = page.evaluate("ownNetworks.find()")
        wanted = [r for r in rows if r["image_id"] == image_id and r["score"] >= 0.3]
        assert len(found) == len(wanted) > 0
        np.testing.assert_allclose(
            [one["score"] for one in found], [row["score"] for row in wanted], atol=5e-3
        )
        width, height = Image.open(pictures[image_id]).size
        moved = np.array([one["box"] for one in found]) - [corners(row) for row in wanted]
        assert np.abs(moved).max() < 0.01 * max(width, height)
        names = page.locator("#own-found button").evaluate_all("all => all.map((b) => b.ariaLabel)")
        assert len(names) == len(found) and all("score" in name for name in names)


@pytest.mark.parametrize("fit", sampled(["stretch", "pad", "surroundings"], ["surroundings"]))
def test_pixels_are_those_of_pillow(page: Page, fit: str) -> None:
    generator = np.random.default_rng(5)
    for width, height in ((90, 140), (31, 7), (300, 40)):
        pixels = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
        image = Image.fromarray(pixels)
        for size in ((256, 128), (64, 96)):
            box = np.sort(generator.uniform(-3, 1.1, (2, 2)) * [width, height], axis=0).ravel()
            box = box.astype(np.float32)
            wanted = crop_boxes(image, box[None], size, fit, (128, 7, 9))[0]
            asked = {"size": list(size), "fit": fit, "margin": 0, "fill": [128, 7, 9]}
            rgba = np.dstack([pixels, np.full((height, width), 255, np.uint8)])
            got = page.evaluate(
                "([rgba, width, height, box, how]) => {"
                "  const pixels = new Uint8Array(chunks.bytes(rgba));"
                "  const crop = resampler().crop({ pixels, width, height }, box, how);"
                "  return btoa(String.fromCharCode(...crop.subarray(0, 60000)))"
                "    + ' ' + btoa(String.fromCharCode(...crop.subarray(60000))); }",
                [base64.b64encode(rgba).decode(), width, height, box.tolist(), asked],
            )
            shown = b"".join(map(base64.b64decode, got.split()))
            got = np.frombuffer(shown, np.uint8).reshape(wanted.shape).astype(int)
            assert np.abs(got - wanted).max() <= 1


def test_turned_and_transparent_pictures_are_read_as_the_run_reads_them(
    page: Page, pictures: dict[int, Path]
) -> None:
    upright = Image.open(pictures[min(pictures)]).convert("RGB").resize((120, 160))
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = upright.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(upright.size))
    for given in (png(upright.transpose(Image.Transpose.ROTATE_90), exif=exif), png(clear)):
        give(page, given)
        wanted = np.asarray(decode_image(given["buffer"]).image).astype(int)
        got = page.evaluate("document.getElementById('own-canvas').toDataURL()")
        drawn = Image.open(io.BytesIO(base64.b64decode(got.split(",")[1])))
        assert drawn.size == upright.size
        shown = np.asarray(drawn.convert("RGBA")).astype(int)
        assert np.abs(shown[..., :3] - wanted).max() <= 2
        assert (shown[..., 3] == 255).all()
