"""The galleries and the large view show what was found, in the order in which it was found."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pyarrow as pa
import pytest
from PIL import Image

from blocks_text import text_of
from page_text import Page, page_of, picture_of
from report_inputs import BOX, HOSTILE_LABEL, OWN, SECOND, SIDE, color_of
from report_run import Run, with_numbers
from visualsearch.data.tables import HITS, read_table, write_table
from visualsearch.report import numbers
from visualsearch.report.crops import DENSITY, WIDEST
from visualsearch.report.describing import marks, reason, rerank_effect
from visualsearch.report.model import Results
from visualsearch.report.sections import galleries
from visualsearch.report.sections import summary as top


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
        assert 'href="explorer/' not in path.read_text(encoding="utf-8")
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
    assert "\nYour own picture" in markdown and "| me.heic |" in markdown


def test_roles_and_marks_are_shown(run: Run, tmp_path: Path) -> None:
    hits = read_table(run.folder / "hits.parquet")
    twins = pa.array([True] * 2 + [False] * (len(hits) - 2))
    for name in ("near_duplicate", "same_image"):
        hits = hits.set_column(hits.schema.get_field_index(name), hits.schema.field(name), twins)
    write_table(tmp_path / "hits.parquet", [hits], HITS)
    files = run.files(hits=tmp_path / "hits.parquet")
    results = run.results(files)
    least = results.settings.search.near_duplicate
    assert f"Near-duplicate: {least:g} or more by the full-length vectors" in read(results)
    assert [query.role for query in results.queries] == ["own picture", "named", "named"]
    shown = [marks(hit) for hit in results.queries[0].hits[1:3]]
    assert shown == [["same image", "near-duplicate"], []]
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
    assert "Near-duplicates (full-length cosine 0.95 or more) are left out." in read(excluded)


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
    assert reason(query) == shown


def read(results: Results) -> str:
    return " ".join(galleries.reading(results))


def test_the_limit_for_each_picture_is_told(run: Run) -> None:
    """14 persons in 14 pictures: ten neighbours are there, and twenty are not."""
    one = "Of each picture, only the most similar person is among the neighbours."
    shorter = "Where other pictures are too few, a gallery has fewer than 20;"
    assert one in read(run.results()) and shorter not in read(run.results())
    assert shorter in read(run.results(search={"neighbours": 20}))
    two = read(run.results(search={"hits_per_image": 2}))
    assert "Of each picture, at most 2 persons are among the neighbours." in two
    assert "Of each picture" not in read(run.results(search={"hits_per_image": None}))


def test_a_run_without_queries_reads_well(run: Run, tmp_path: Path) -> None:
    files = run.files_without_queries(tmp_path)
    run.report(tmp_path, files=files)
    results = run.results(files)
    assert "14 persons, of 14 detections in 14 pictures. The settings under queries gave no" in (
        text_of(top.blocks(results))
    )
    for name in ("index.html", "report.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "There is no query, so there is no gallery." in text and "each of 0" not in text
        assert "Open a picture" not in text and "Each query, left" not in text


def known(hits: int, value: float, chance: float) -> dict[str, Any]:
    return {"hits": hits, "value": value, "chance": chance}


SCALE = {"height": known(10, 0.6, 0.31), "cut_off": known(10, 0.1, 0.72)}
VIEW, PERSON = known(10, 0.8, 0.2), known(7, 1 / 7, 0.1)


@pytest.mark.parametrize("cut_off", [True, False])
@pytest.mark.parametrize(
    ("measures", "said"),
    [
        (
            {"label:person": PERSON, "label:view": VIEW, **SCALE},
            "Same view in 8 of 10 (by chance 2.0) and same person in 1 of 7 (by chance 0.7).",
        ),
        (
            {"pose": known(4, 0.42, 0.31), "context": known(10, 0.305, 0.12), **SCALE},
            "Mean similarity of pose 0.42 over the 4 where it is known (by chance 0.31) and mean "
            "overlap of context 0.30 (by chance 0.12).",
        ),
        (
            SCALE,
            "About as high as the query (within a factor of 1.5): 6 of 10 (by chance 3.1); EDGE, "
            "as the query is: 1 of 10 (by chance 7.2).",
        ),
        ({}, None),
    ],
)
def test_each_gallery_has_its_finding(
    run: Run, measures: dict[str, Any], said: str | None, cut_off: bool
) -> None:
    found = {"query": 1, "cut_off": cut_off, "measures": measures}
    query = dataclasses.replace(run.results().queries[1], alike=found)
    edge = "cut off at an edge" if cut_off else "away from the edges"
    assert galleries.finding(query) == (said and said.replace("EDGE", edge))


def test_the_report_shows_the_findings(run: Run, page: Page) -> None:
    """Nothing is said of one's own picture; the number is that of the marks at the hits."""
    own, *others = run.results().queries
    assert galleries.finding(own) is None
    for query in others:
        said = galleries.finding(query)
        same = sum(label.agrees for hit in query.hits for label in hit.labels)
        assert said is not None and f"{same} of 10" in said and said in page.words


def with_pairs(run: Run, **changes: Any) -> Results:
    scale = {"pairs": 1000, "median": 0.014, "percentile_99": 0.356} | changes
    return with_numbers(run.results(), random_pairs=scale)


def test_what_a_similarity_means(run: Run) -> None:
    half = "Of random pairs of persons, half have a cosine of 0.01 or less, and 99 % have 0.36 or"
    assert half in read(with_pairs(run))
    assert galleries.scale_marks(with_pairs(run)) == {"median": 0.014, "percentile_99": 0.356}
    assert "−0.20 or less" in read(with_pairs(run, median=-0.2))
    for few in ({"pairs": 199}, {"pairs": 0, "median": None, "percentile_99": None}):
        assert "random pairs" not in read(with_pairs(run, **few))
        assert galleries.scale_marks(with_pairs(run, **few)) == {}


def test_each_bar_is_marked(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = Run(tmp_path_factory.mktemp("marked"), two_persons_in_some=True)
    out = run.report(run.folder / "out")
    hits = sum(len(query.hits) for query in run.results().queries)
    marked = [mark["class"] for mark in page_of(out).all("b") if "class" in mark]
    assert marked.count("median") == marked.count("percentile_99") == hits


def test_reranking_is_told_at_each_gallery(reranked: Run, run: Run) -> None:
    results = reranked.results()
    told = []
    for query in results.queries:
        new = [hit for hit in query.hits if hit.index_rank > 10]
        moved = [hit for hit in query.hits if hit.index_rank not in (hit.rank, 11, 12, 13)]
        told.append(len(new))
        effect = f"Re-ranking brought in {len(new)} of these 10 and moved {len(moved)}."
        assert rerank_effect(query) == effect
        assert [hit.shown_similarity for hit in query.hits] == sorted(
            (hit.full_similarity for hit in query.hits), reverse=True
        )
    assert any(told) and "the 13 nearest by the index, re-ranked" in read(results)
    assert "re-ranked" not in read(run.results())
    assert all(rerank_effect(query) is None for query in run.results().queries)
