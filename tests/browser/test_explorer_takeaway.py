"""The explorer's selection as files, in real browsers."""

import csv
import io
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page
from pycocotools.coco import COCO

from browsing import until
from explorer_page import PERSONS, in_both_and_from_a_host
from explorer_run import A_PICTURE, BOXES, HOSTILE_LICENSE, SIDE, Made, file_of, make
from visualsearch.explorer.chunks import script
from visualsearch.report.writing import cell

Visit = Callable[..., Page]


def saved(page: Page, kind: str, name: str) -> str:
    """The text of the file that a button gives."""
    browser = page.context.browser
    if browser.browser_type.name == "firefox":
        path = browser.saves_to / name
        path.unlink(missing_ok=True)
        page.click(f"#selected-{kind}")
        end = time.monotonic() + 10
        while not path.is_file() or path.with_name(f"{name}.part").exists():
            assert time.monotonic() < end, f"no {name} in {list(browser.saves_to.iterdir())}"
            time.sleep(0.02)
    else:
        with page.expect_download() as download:
            page.click(f"#selected-{kind}")
        assert download.value.suggested_filename == name
        path = Path(download.value.path())
    until(page, f"document.getElementById('selected-saving').textContent === '{name} saved.'")
    return path.read_bytes().decode("utf-8")


@in_both_and_from_a_host
def test_the_selection_as_files(
    where: str, visit: Visit, made: Made, host: str, tmp_path: Path
) -> None:
    page = visit(host if where == "host" else None)
    chosen = list(range(0, PERSONS, 7))
    page.evaluate(
        "rows => selection.set(Uint8Array.from("
        "{ length: persons.count }, (_, row) => (rows.includes(row) ? 1 : 0)))",
        chosen,
    )
    text = saved(page, "csv", "selection.csv")
    assert text.startswith("\ufeff") and text.count("\r\n") == len(chosen) + 1
    persons = [made.table.slice(row, 1).to_pylist()[0] for row in chosen]
    rows = list(csv.DictReader(io.StringIO(text[1:], newline=""), strict=True))
    for row, person, number in zip(rows, persons, chosen, strict=True):
        image = number // A_PICTURE
        assert int(row["person_id"]) == person["person_id"]
        assert int(row["image_id"]) == person["image_id"]
        assert row["file"] == cell(file_of(image))
        assert float(row["score"]) == round(person["score"], 3)
        assert [float(row[side]) for side in "xywh"] == list(BOXES[number % A_PICTURE])
        assert row["license"] == (HOSTILE_LICENSE if image % 2 else "")
        assert row["source_url"] == ("" if image % 2 else f"https://a.example/?{image}")

    text = saved(page, "coco", "selection.json")
    assert text.isascii()
    found = json.loads(text)
    assert found["categories"] == [{"id": 1, "name": "person", "supercategory": "person"}]
    images = {image["id"]: image for image in found["images"]}
    assert list(images) == sorted({person["image_id"] for person in persons})
    for image in images.values():
        assert image["file_name"] == file_of(image["id"] - 1)
        assert (image["width"], image["height"]) == (SIDE, SIDE)
    (tmp_path / "selection.json").write_text(text, encoding="ascii")
    opened = COCO(tmp_path / "selection.json")
    assert sorted(opened.imgs) == sorted(images)
    assert len(opened.getAnnIds(catIds=[1])) == len(found["annotations"]) == len(chosen)
    for number, (one, person) in enumerate(zip(found["annotations"], persons, strict=True), 1):
        assert one["id"] == number
        assert one["person_id"] == person["person_id"]
        assert one["image_id"] == person["image_id"] and one["image_id"] in images
        assert one["category_id"] == 1 and one["iscrowd"] == 0
        assert one["bbox"] == list(BOXES[chosen[number - 1] % A_PICTURE])
        assert one["area"] == one["bbox"][2] * one["bbox"][3]
        assert one["score"] == round(person["score"], 3)
    assert page.messages == []


def test_spreadsheets_find_no_formula(visit: Visit, tmp_path: Path) -> None:
    names = [
        "=1+1.png",
        "a;=b.png",
        "-x.png",
        "\ty.png",
        '"@z".png',
        '; "＋1.png',
        "a\n=b.png",
        "-;+.png",
    ]
    folder = make(tmp_path, len(names) * A_PICTURE).build()
    path = folder / "data/pictures-0000.js"
    text = path.read_text(encoding="ascii")
    pictures = json.loads(text[text.index(",") + 1 : -3])
    for row, name in zip(pictures, names, strict=True):
        row[1] = name
    path.write_text(script("pictures-0000", pictures), encoding="ascii")
    page = visit((folder / "index.html").as_uri())
    page.click("#choose-view")
    rows = csv.DictReader(
        io.StringIO(saved(page, "csv", "selection.csv")[1:], newline=""), strict=True
    )
    files = [row["file"] for row in rows]
    # As the report writes them.
    assert files[::A_PICTURE] == [cell(name) for name in names]
    assert not set(files) & set(names[:4])


def test_a_file_that_is_missing_is_named(visit: Visit, explorer: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(explorer, copy)
    (copy / "data/details-0001.js").unlink()
    page = visit((copy / "index.html").as_uri())
    page.click("#choose-view")
    page.click("#selected-csv")
    page.wait_for_selector("#notice:not([hidden])")
    assert "data/details-0001.js" in page.inner_text("#notice")
    assert page.inner_text("#selected-saving") == ""
