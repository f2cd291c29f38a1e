"""A picture of the reader's own: found, described and searched for in the page itself."""

import base64
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from browsing import WIDTHS, accessibility_problems, open_again, open_page, until
from explorer_page import in_both, painted_pixels_of, serving, style_of, wait_until_ready
from running import Workspace, sampled
from visualsearch.data.images import decode_image
from visualsearch.data.tables import read_table
from visualsearch.embed.crops import crop_boxes
from visualsearch.explorer import PACKAGES

for package in PACKAGES:
    pytest.importorskip(package, reason=f"NOT TESTED: own pictures, as {package} is not installed")

ASKED = 6
HOSTILE = "<img src=x onerror=alert(1)>.png"
SAID = "document.getElementById('own-said').textContent"
DONE = f"/Searched|draw a box|not a picture/i.test({SAID})"


@pytest.fixture(scope="module")
def page_file(explored: Workspace) -> Path:
    return explored.results / "report/explorer/index.html"


@pytest.fixture
def page(tab: Page, page_file: Path) -> Iterator[Page]:
    """The explorer from disk. It asks for nothing but files beside it, and nothing goes wrong."""
    opened = open_again(tab, page_file)
    wait_until_ready(opened)
    yield opened
    assert tab.messages == []
    assert {url.rsplit("/", 2)[0] for url in tab.requests} <= {
        page_file.parent.as_uri(),
        page_file.parents[1].as_uri(),
    }


@pytest.fixture(scope="module")
def persons(explored: Workspace) -> Any:
    """All persons of the run, with their reduced vectors."""
    shards = sorted((explored.results / "reduced").glob("*.parquet"))
    tables = [read_table(shard) for shard in shards]
    return [row for table in tables for row in table.to_pylist()]


@pytest.fixture(scope="module")
def pictures(explored: Workspace) -> dict[int, Path]:
    """Files by image_id."""
    rows = read_table(explored.results / "dataset/manifest.parquet").to_pylist()
    return {row["image_id"]: explored.results / "dataset/images" / row["file"] for row in rows}


def said(page: Page) -> str:
    return page.inner_text("#own-said")


def give(page: Page, file: Path | dict[str, Any]) -> str:
    """Choose a picture, and wait until all is done; what the page says then."""
    page.evaluate("document.getElementById('own-said').textContent = ''")
    page.set_input_files("#own-file", file)
    until(page, DONE)
    return said(page)


def png(image: Image.Image, name: str = "a.png", **options: Any) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return {"name": name, "mimeType": "image/png", "buffer": buffer.getvalue()}


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
    browser: Browser, page_file: Path, persons: Any, pictures: dict[int, Path]
) -> None:
    with serving(page_file.parent) as address:
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


@in_both
def test_a_box_drawn_by_hand(page: Page, pictures: dict[int, Path]) -> None:
    give(page, pictures[min(pictures)])
    panel = page.locator("#own-panel").bounding_box()
    page.evaluate("document.getElementById('own-said').textContent = ''")
    page.mouse.move(panel["x"] + 20, panel["y"] + 30)
    page.mouse.down()
    page.mouse.move(panel["x"] + 90, panel["y"] + 150)
    page.mouse.up()
    until(page, DONE)
    width, _ = Image.open(pictures[min(pictures)]).size
    scale = width / panel["width"]
    fields = [
        float(page.input_value(f"#own-{side}")) for side in ("left", "top", "width", "height")
    ]
    np.testing.assert_allclose(fields, np.array([20, 30, 70, 120]) * scale, atol=scale + 1)
    assert page.locator("#own-drawn").is_visible()
    assert page.locator("#own-found [aria-pressed=true]").count() == 0


@in_both
def test_by_keyboard_alone(page: Page, pictures: dict[int, Path]) -> None:
    page.focus("#copy-link")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "own-file"
    # A click is what opens the browser's own dialog.
    page.evaluate(
        "document.getElementById('own-file').addEventListener('click', (event) => {"
        "  event.preventDefault(); window.pressed = true; }, { once: true })"
    )
    page.keyboard.press("Enter")
    until(page, "window.pressed")
    page.set_input_files("#own-file", pictures[min(pictures)])
    until(page, DONE)
    assert page.evaluate("document.activeElement.id") == "own-file"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "own-box"
    page.evaluate("document.getElementById('own-said').textContent = ''")
    page.keyboard.press("Enter")
    until(page, DONE)
    assert page.evaluate("document.activeElement.className") == "own-box"
    for side, value in (("left", 5), ("top", 6), ("width", 40), ("height", 80)):
        page.focus(f"#own-{side}")
        page.keyboard.press("Control+A")
        page.keyboard.type(str(value))
    page.evaluate("document.getElementById('own-said').textContent = ''")
    page.keyboard.press("Enter")
    until(page, DONE)
    assert "Searched" in said(page)
    assert page.evaluate("document.activeElement.id") == "own-height"
    assert page.locator("#own-drawn").is_visible()


@in_both
def test_a_picture_is_dropped(page: Page, pictures: dict[int, Path]) -> None:
    data = base64.b64encode(pictures[min(pictures)].read_bytes()).decode()
    page.evaluate(
        "(text) => { const transfer = new DataTransfer();"
        "  transfer.items.add(new File([chunks.bytes(text)], 'dropped.png'));"
        "  for (const type of ['dragover', 'drop']) document.body.dispatchEvent("
        "    new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true })); }",
        data,
    )
    until(page, DONE)
    assert "Found" in said(page)


def test_what_is_no_picture_and_who_is_not_found(page: Page) -> None:
    text = {"name": HOSTILE, "mimeType": "image/png", "buffer": b"no picture"}
    assert give(page, text) == (
        f"“{HOSTILE}” is not a picture that this browser can read. It reads JPEG, PNG and WebP."
    )
    assert page.locator("#own-work").is_hidden()
    answer = give(page, png(Image.new("RGB", (200, 150), "grey"), HOSTILE))
    assert answer.startswith(f"No persons were found in “{HOSTILE}”. Draw a box")
    page.fill("#own-left", "250")
    page.click("#own-form button")
    until(page, "document.getElementById('own-said').textContent.includes('200 px wide')")
    for side, value in (("left", 20), ("top", 10), ("width", 60), ("height", 100)):
        page.fill(f"#own-{side}", str(value))
    page.click("#own-form button")
    until(page, "document.getElementById('own-said').textContent.includes('Searched')")


def test_a_box_drawn_while_persons_are_looked_for_stays(
    page: Page, pictures: dict[int, Path]
) -> None:
    give(page, pictures[min(pictures)])
    page.evaluate(
        "() => { const { find } = ownNetworks; window.let = Promise.withResolvers();"
        "  ownNetworks.find = async () => { await window.let.promise;"
        "    ownNetworks.find = find; return find(); }; }"
    )
    page.evaluate(f"{SAID} = ''")
    page.set_input_files("#own-file", pictures[max(pictures)])
    until(page, f"/Looking/.test({SAID})")
    for side in ("left", "top", "width", "height"):
        page.fill(f"#own-{side}", "50")
    page.click("#own-form button")
    until(page, DONE)
    assert said(page).startswith("Searched for the box")
    page.evaluate("window.let.resolve()")
    page.wait_for_selector("#own-found button", state="attached")
    assert page.input_value("#own-left") == "50"
    assert page.locator("#own-drawn").is_visible()
    assert page.locator("#own-found [aria-pressed=true]").count() == 0
    assert said(page).startswith("Searched for the box")


def test_the_focus_is_never_lost_and_one_picture_is_taken(
    page: Page, pictures: dict[int, Path]
) -> None:
    files = [pictures[min(pictures)], pictures[max(pictures)]]
    give(page, files[0])
    page.focus("#own-found button")
    page.evaluate("document.getElementById('own-file').multiple = true")
    page.set_input_files("#own-file", files)
    until(page, f"/one picture at a time; these are 2/.test({SAID})")
    assert page.evaluate("document.activeElement.className") == "own-box"
    give(page, files[1])
    assert page.evaluate("document.activeElement.id") == "own-file"
    page.fill("#filter-low", "65535")
    until(
        page, "document.getElementById('own-hits-text').textContent.startsWith('No person matches')"
    )
    assert page.locator("#own-hits li").count() == 0
    page.click("#filter-reset")
    until(page, "document.querySelectorAll('#own-hits > li').length === 10")
    page.fill("#filter-low", "65535")
    until(
        page, "document.getElementById('own-hits-text').textContent.startsWith('No person matches')"
    )
    until(page, "location.hash.includes('low=65535')")
    page.go_back()
    until(page, "document.querySelectorAll('#own-hits > li').length === 10")
    page.locator("#own-hits button").first.click()
    until(page, "document.querySelectorAll('#trail .step').length === 2")
    assert page.evaluate("document.activeElement.className") == "crop"


def test_networks_that_are_missing_are_told(page_file: Path, tab: Page, tmp_path: Path) -> None:
    folder = tmp_path / "explorer"
    folder.mkdir()
    for name in ("thumbnails", "index.html", "onnxruntime-web"):
        (folder / name).symlink_to(page_file.parent / name)
    (folder / "data").mkdir()
    for file in (page_file.parent / "data").iterdir():
        if file.name != "own-describe.js":
            (folder / "data" / file.name).symlink_to(file)
    opened = open_again(tab, folder / "index.html")
    wait_until_ready(opened)
    opened.set_input_files("#own-file", png(Image.new("RGB", (60, 60))))
    until(
        opened,
        "/own-describe.js could not be read/.test(document.getElementById('own-said').textContent)",
    )


def test_where_colours_are_forced(
    browser: Browser, page_file: Path, pictures: dict[int, Path]
) -> None:
    page = open_page(browser, page_file, forced_colors="active")
    wait_until_ready(page)
    give(page, pictures[min(pictures)])

    def is_seen(selector: str) -> None:
        before = painted_pixels_of(page, "#own-panel")
        page.evaluate("one => document.querySelector(one).classList.add('unseen')", selector)
        after = painted_pixels_of(page, "#own-panel")
        page.evaluate("one => document.querySelector(one).classList.remove('unseen')", selector)
        assert (before != after).any(axis=2).sum() > 100, selector

    box = "#own-found button"
    is_seen(box)
    chosen = [style_of(page, box, f"borderTop{name}") for name in ("Color", "Width")]
    for side in ("left", "top", "width", "height"):
        page.fill(f"#own-{side}", "60")
    page.evaluate(f"{SAID} = ''")
    page.click("#own-form button")
    until(page, DONE)
    is_seen("#own-drawn")
    is_seen(box)
    other = [style_of(page, box, f"borderTop{name}") for name in ("Color", "Width")]
    assert chosen[0] != other[0] and chosen[1] != other[1]
    page.evaluate(
        "() => { const transfer = new DataTransfer();"
        "  transfer.items.add(new File([], 'a.png'));"
        "  document.body.dispatchEvent("
        "    new DragEvent('dragover', { dataTransfer: transfer, bubbles: true })); }"
    )
    assert style_of(page, "body", "outlineStyle") == "solid"
    page.context.close()


@pytest.mark.parametrize("width", sampled(WIDTHS, [360]))
def test_axe_finds_nothing_and_nothing_overflows(
    width: int, browser: Browser, page_file: Path, pictures: dict[int, Path]
) -> None:
    options: dict[str, Any] = {"bypass_csp": True, "reduced_motion": "reduce"}
    page = open_page(browser, page_file, width=width, **options)
    wait_until_ready(page)
    give(page, pictures[min(pictures)])
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert accessibility_problems(page, target_size=True) == []
    page.context.close()
