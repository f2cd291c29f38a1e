"""The galleries and the large view show what was found, in the order in which it was found."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pillow_heif
import pyarrow as pa
import pytest
from PIL import Image

from page_text import Page, page_of, picture_of
from report_inputs import BOX, HOSTILE_LABEL, OWN, SECOND, SIDE, color_of
from report_run import Run
from visualsearch.data.tables import HITS, read_table, write_table
from visualsearch.report import numbers
from visualsearch.report.crops import DENSITY, WIDEST
from visualsearch.report.wording import gallery


def test_galleries_show_the_hits_in_order(run: Run, page: Page) -> None:
    hits = read_table(run.folder / "hits.parquet").to_pylist()
    assert len(hits) == 30
    crops = page.crops()
    buttons = [attrs for attrs in page.all("button") if attrs.get("class") == "crop"]
    assert [(b["data-query"], b["data-item"]) for b in buttons] == [
        (str(q), str(i)) for q in range(3) for i in range(11)
    ]
    for place, hit in enumerate(hits):
        crop = crops[hit["query"] * 11 + hit["rank"]]
        similarity = f"{hit['similarity']:.3f}".replace("-", "−").replace("−0.000", "0.000")
        assert f"Neighbour {hit['rank']} of query {hit['query'] + 1}" in crop["alt"]
        assert f"cosine similarity {similarity}" in crop["alt"], place
        with picture_of(crop["src"]) as shown:
            center = shown.convert("RGB").getpixel((shown.width // 2, shown.height // 2))
        assert np.abs(np.subtract(center, color_of(hit["image_id"]))).max() < 12


def test_crop_is_exactly_the_box(page: Page) -> None:
    crops = page.crops()
    for place, crop in enumerate(crops):
        height = 64 * 1.5 if place % 11 == 0 else 64
        assert int(crop["height"]) == height
        assert int(crop["width"]) == round(height * BOX[2] / BOX[3])
        with picture_of(crop["src"]) as shown:
            pixels = np.asarray(shown.convert("RGB"), dtype=int)
        # No more pixels than the box has, and nothing of the grey around it.
        assert shown.height == min(height * DENSITY, BOX[3])
        assert pixels.std(axis=(0, 1)).max() < 4


def test_very_wide_boxes_are_held_to_a_width(run: Run, tmp_path: Path) -> None:
    queries = read_table(run.folder / "queries.parquet")
    place = queries.schema.get_field_index("h")
    flat = queries.set_column(place, queries.schema.field("h"), pa.array([4.0] * 3, pa.float32()))
    write_table(tmp_path / "flat.parquet", [flat], flat.schema)
    files = run.files(queries=tmp_path / "flat.parquet")
    crop = page_of(run.report(tmp_path, files=files)).crops()[0]
    assert int(crop["width"]) == round(WIDEST * 96)
    assert int(crop["height"]) == round(WIDEST * 96 * 4 / 64)


def test_each_picture_is_embedded_once_with_its_boxes(run: Run, page: Page) -> None:
    pictures = page.data("pictures")
    views = page.data("large-views")
    hits = read_table(run.folder / "hits.parquet").to_pylist()
    shown = {f"image-{hit['image_id']}" for hit in hits} | {"image-1", "image-3", "own-1"}
    assert set(pictures) == shown
    assert [len(gallery) for gallery in views] == [11, 11, 11]
    for picture in pictures.values():
        assert (picture["width"], picture["height"]) == (SIDE, SIDE)
        assert picture_of(picture["url"]).size == (SIDE, SIDE)
    for view in (view for query in views for view in query):
        assert view["box"] == list(BOX)
        assert view["picture"] in pictures
        assert all(url.startswith("http") or not url for _, _, url in view["links"])


def test_others_in_a_picture_come_with_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = Run(tmp_path_factory.mktemp("two_persons"), two_persons_in_some=True)
    results = run.results()
    # Only pictures that are shown have their persons here.
    shown = {p.image_id for p in results.pictures_shown() if p.image_id is not None}
    assert set(results.boxes) == shown and len(shown) < 14
    assert set(results.boxes[1]) == {1000, 1001}
    page = Page((run.report(run.folder / "out") / "index.html").read_text(encoding="utf-8"))
    pictures = page.data("pictures")
    assert pictures["image-1"]["persons"] == [
        ["1000", [32, 16, 64, 94]],
        ["1001", list(SECOND)],
    ]
    assert pictures["own-1"]["persons"] == []
    views = page.data("large-views")
    for query, items in zip(results.queries, views, strict=True):
        for hit, view in zip(query.hits, items[1:], strict=True):
            assert view["person"] == str(hit.person.person_id)
            assert (view["score"], view["height"]) == (
                pytest.approx(hit.person.score, abs=0.005),
                round(hit.person.box[3]),
            )


def test_whole_pictures_are_shrunk(run: Run, tmp_path: Path) -> None:
    pictures = page_of(run.report(tmp_path, report={"picture_side": 128})).data("pictures")
    assert {picture_of(p["url"]).size for p in pictures.values()} == {(128, 128)}
    # Boxes are given in the pixels of the picture that was searched.
    assert {p["width"] for p in pictures.values()} == {SIDE}


def test_the_explorer_is_linked_where_it_is_made(run: Run, report: Path, tmp_path: Path) -> None:
    out = run.report(tmp_path, report={"explorer": True, "thumbnail_height": 64})
    page = page_of(out)
    links = [a["href"] for a in page.all("a") if a.get("href", "").startswith("explorer/")]
    # The contents, the queries of the search set, and the large view.
    assert links == [
        "explorer/index.html",
        "explorer/index.html#person=3000",
        "explorer/index.html#person=1000",
        "explorer/index.html",
    ]
    assert "snakemake explorer" not in "".join(page.words)
    for path in (out / "light.html", report / "index.html"):
        assert "explorer/" not in path.read_text(encoding="utf-8")
    assert "snakemake explorer" in "".join(Page((report / "index.html").read_text("utf-8")).words)


def test_agreeing_labels_are_marked(run: Run) -> None:
    results = run.results()
    for query in results.queries[1:]:
        assert [label.value for label in query.labels] == [HOSTILE_LABEL]
        for hit in query.hits:
            same = hit.person.picture.image_id % 2 == 1  # type: ignore[operator]
            assert [label.agrees for label in hit.labels] == [same]
    assert not any(label.agrees for hit in results.queries[0].hits for label in hit.labels)


def test_the_page_shows_where_the_index_had_a_hit(reranked: Run, tmp_path: Path) -> None:
    out = reranked.report(tmp_path)
    page = page_of(out)
    words = page.words
    views = page.data("large-views")
    with (out / "hits.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    hits = read_table(reranked.folder / "hits.parquet").to_pylist()
    moved = [hit for hit in hits if hit["index_rank"] != hit["rank"]]
    assert sum(word.startswith("was ") for word in words) == len(moved) > 0
    assert f"was {numbers.ordinal(moved[0]['index_rank'])}" in words
    for hit, row in zip(hits, rows, strict=True):
        assert int(row["index_rank"]) == hit["index_rank"]
        full = float(row["full_similarity"])
        assert full == pytest.approx(hit["full_similarity"], abs=1e-6)
        facts = dict(views[hit["query"]][hit["rank"]]["facts"])
        assert facts["cosine, full-length"] == numbers.decimals(hit["full_similarity"], 3)
        assert facts["cosine, reduced"] == numbers.decimals(hit["similarity"], 3)
        assert facts["rank by the index"] == str(hit["index_rank"])


def test_a_box_by_hand_in_a_phones_picture(run: Run, tmp_path: Path) -> None:
    """It has no score, and no browser shows a HEIC: its crop is a JPEG, as all are."""
    with Image.open(run.folder / OWN) as image:
        pillow_heif.from_pillow(image.convert("RGB")).save(tmp_path / "me.heic", quality=-1)
    queries = read_table(run.folder / "queries.parquet").to_pylist()
    queries[0] |= {"picture": str(tmp_path / "me.heic"), "score": None}
    table = pa.Table.from_pylist(queries, read_table(run.folder / "queries.parquet").schema)
    write_table(tmp_path / "heic.parquet", [table], table.schema)
    page = page_of(run.report(tmp_path, files=run.files(queries=tmp_path / "heic.parquet")))
    crop = page.crops()[0]
    assert crop["src"].startswith("data:image/jpeg")
    with picture_of(crop["src"]) as shown:
        center = shown.convert("RGB").getpixel((shown.width // 2, shown.height // 2))
    assert np.abs(np.subtract(center, (250, 10, 250))).max() < 12
    view = page.data("large-views")[0][0]
    assert view["score"] is None and "detector score" not in dict(view["facts"])
    assert "score None" not in page.words and "score –" not in page.words
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "\nme.heic: your own picture" in markdown


def test_roles_and_marks_are_shown(run: Run, tmp_path: Path) -> None:
    hits = read_table(run.folder / "hits.parquet")
    twins = pa.array([True] * 2 + [False] * (len(hits) - 2))
    for name in ("near_duplicate", "same_image"):
        hits = hits.set_column(hits.schema.get_field_index(name), hits.schema.field(name), twins)
    write_table(tmp_path / "hits.parquet", [hits], HITS)
    files = run.files(hits=tmp_path / "hits.parquet")
    results = run.results(files)
    least = results.settings.search.near_duplicate
    assert f"of a near-duplicate has a cosine of {least:g} or more" in gallery.hint(results)
    assert [query.role for query in results.queries] == ["own picture", "named", "named"]
    marks = [gallery.marks(hit) for hit in results.queries[0].hits[1:3]]
    assert marks == [["same image", "near-duplicate"], []]
    page = page_of(run.report(tmp_path, files=files))
    assert page.words.count("near-duplicate") == page.words.count("same image") == 2
    assert page.data("large-views")[0][1]["marks"] == ["same image", "near-duplicate"]
    chips = [attrs for attrs in page.all("span") if attrs.get("class") == "role"]
    assert len(chips) == 3 and "own picture" in page.words
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert markdown.count("same image, near-duplicate") == 2
    assert "### Query 1: own picture" in markdown
    with (tmp_path / "hits.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["near_duplicate"] for row in rows[:3]] == ["yes", "yes", "no"]
    assert {row["query_role"] for row in rows} == {"own picture", "named"}
    assert {row["full_similarity"] for row in rows} == {""}
    excluded = run.results(search={"exclude_near_duplicates": True, "near_duplicate": 0.95})
    assert "have a cosine of 0.95 or more with its own, are left out" in gallery.hint(excluded)


@pytest.mark.parametrize(
    ("role", "told", "shown"),
    [
        ("typical", "typical: x", "x"),
        ("small", "small: 50 px high", "50 px high"),
        ("surest", "surest of its neighbours: x", "surest of its neighbours: x"),
        ("crowd", "in a crowd: x", "in a crowd: x"),
    ],
)
def test_a_reason_does_not_repeat_the_role(run: Run, role: str, told: str, shown: str) -> None:
    query = dataclasses.replace(run.results().queries[0], role=role, reason=told)
    assert gallery.reason(query) == shown


def test_the_limit_for_each_picture_is_told(run: Run) -> None:
    """14 persons in 14 pictures: ten neighbours are there, and twenty are not."""
    one = "Of each picture, only the most similar person is among the neighbours."
    shorter = "A gallery has fewer than 20 neighbours where too few other pictures are there"
    assert one in gallery.hint(run.results()) and shorter not in gallery.hint(run.results())
    assert shorter in gallery.hint(run.results(search={"neighbours": 20}))
    two = gallery.hint(run.results(search={"hits_per_image": 2}))
    assert "Of each picture, at most 2 persons are among the neighbours." in two
    assert "Of each picture" not in gallery.hint(run.results(search={"hits_per_image": None}))


def test_a_run_without_queries_reads_well(run: Run, tmp_path: Path) -> None:
    files = run.files_without_queries(tmp_path)
    run.report(tmp_path, files=files)
    results = run.results(files)
    assert gallery.lead(results) == (
        "No query: nothing was searched for among the 14 persons that a pretrained detector found "
        "in 14 pictures."
    )
    assert gallery.hint(results).startswith("No query: ") and results.labels_of_hits == {}
    for name in ("index.html", "report.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert gallery.hint(results) in text and "each of 0" not in text
        assert "Open any of them" not in text and "Beneath each neighbour" not in text
