"""The report: what it shows is what was found, whatever pictures are called."""

import base64
import csv
import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from conftest import ROOT
from report_run import (
    BOX,
    DETECTOR,
    HOSTILE,
    HOSTILE_LABEL,
    OUTPUTS,
    OWN,
    SECOND,
    SIDE,
    Run,
    color_of,
    settings_of,
)
from running import CLOCK
from visualsearch.core.files import write_json
from visualsearch.data.attribution import license_name, web_address
from visualsearch.data.manifest import FetchedImage, ListedImage, write_manifest
from visualsearch.data.tables import (
    BOX_COLUMNS,
    HITS,
    QUERIES,
    read_table,
    with_vector,
    write_table,
)
from visualsearch.reduce.reduction import Reduction
from visualsearch.report import charts, costs, numbers
from visualsearch.report.charts import draw_components, draw_recall
from visualsearch.report.costs import STAGES, Job, read_costs
from visualsearch.report.crops import DENSITY, WIDEST
from visualsearch.report.figures import COLORS, inline_svg
from visualsearch.report.loading import ResultFiles, load_results
from visualsearch.report.markdown import escaped, fenced, link
from visualsearch.report.model import Results
from visualsearch.report.page import together
from visualsearch.report.wording import (
    components,
    detector,
    gallery,
    limits,
    search,
    settings,
    vectors,
)
from visualsearch.report.wording import index as index_words
from visualsearch.report.writing import cell, write_report


def changed(results: Results, **search: Any) -> Results:
    """The results with other parts of search.json."""
    return dataclasses.replace(results, search={**results.search, **search})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """With an Annoy index, and a second look at all."""
    return Run(tmp_path_factory.mktemp("looked"), backend="annoy", rerank=13)


class Page(HTMLParser):
    """Elements, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self._raw = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if self._raw == "script":
            self.scripts.append((self.elements[-1][1], data))
        elif not self._raw:
            self.words.append(data)

    def data(self, name: str) -> Any:
        return next(json.loads(text) for attrs, text in self.scripts if attrs.get("id") == name)

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attrs for name, attrs in self.elements if name == tag)


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page((report / "index.html").read_text(encoding="utf-8"))


def picture_of(url: str | None) -> Image.Image:
    assert url is not None
    head, data = url.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def test_hostile_names_stay_text_in_the_page(page: Page) -> None:
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        for name in ("href", "src"):
            value = attrs.get(name) or "#"
            assert value.startswith(("#", "data:image/jpeg", "http://", "https://")), value
    assert {tag for tag, _ in page.elements}.isdisjoint({"b onclick", "iframe", "object", "base"})
    assert not [a for a in page.all("img") if a.get("src") == "x"]
    text = "".join(page.words)
    for name in HOSTILE:
        assert name in text
    assert HOSTILE_LABEL in text
    assert "<b>Title</b> & more" in text
    assert OWN in text and "<u>.png" in text
    assert list(page.all("i")) and all(set(attrs) == {"style"} for attrs in page.all("i"))


def test_only_the_own_script_may_run(page: Page) -> None:
    kinds = [attrs.get("type") for attrs, _ in page.scripts]
    assert sorted(filter(None, kinds)) == ["application/json"] * 3
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    digests = []
    for attrs, text in page.scripts:
        if attrs.get("type"):
            assert not set("<>&") & set(text), attrs
        else:
            digests.append(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
    assert policy is not None and digests
    assert "script-src " + " ".join(f"'sha256-{digest}'" for digest in digests) in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_page_needs_no_other_file(report: Path, page: Page) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    assert not list(page.all("link"))
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)|\bfetch\(|XMLHttpRequest", text)
    for attrs in page.all("img"):
        assert attrs.get("src", "data:").startswith("data:")  # type: ignore[union-attr]


def test_ids_are_unique(page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    named = {f"#{name}" for name in ids}
    inside = {
        attrs["href"] for _, attrs in page.elements if (attrs.get("href") or "").startswith("#")
    }
    assert inside <= named


def test_galleries_show_the_hits_in_order(run: Run, page: Page) -> None:
    hits = read_table(run.folder / "hits.parquet").to_pylist()
    assert len(hits) == 30
    crops = [attrs for attrs in page.all("img") if "src" in attrs]
    buttons = [attrs for attrs in page.all("button") if attrs.get("class") == "crop"]
    assert [(b["data-query"], b["data-item"]) for b in buttons] == [
        (str(q), str(i)) for q in range(3) for i in range(11)
    ]
    for place, hit in enumerate(hits):
        crop = crops[hit["query"] * 11 + hit["rank"]]
        similarity = f"{hit['similarity']:.2f}".replace("-", "−").replace("−0.00", "0.00")
        assert f"Neighbour {hit['rank']} of query {hit['query'] + 1}" in (crop["alt"] or "")
        assert f"cosine similarity {similarity}" in (crop["alt"] or ""), place
        with picture_of(crop["src"]) as shown:
            center = shown.convert("RGB").getpixel((shown.width // 2, shown.height // 2))
        assert np.abs(np.subtract(center, color_of(hit["image_id"]))).max() < 12


def test_crop_is_exactly_the_box(page: Page) -> None:
    crops = [attrs for attrs in page.all("img") if "src" in attrs]
    for place, crop in enumerate(crops):
        height = 64 * 1.5 if place % 11 == 0 else 64
        assert int(crop["height"] or 0) == height
        assert int(crop["width"] or 0) == round(height * BOX[2] / BOX[3])
        with picture_of(crop["src"]) as shown:
            pixels = np.asarray(shown.convert("RGB"), dtype=int)
        # No more pixels than the box has, and nothing of the grey around it.
        assert shown.height == min(height * DENSITY, BOX[3])
        assert pixels.std(axis=(0, 1)).max() < 4


def test_very_wide_boxes_are_held_to_a_width(run: Run, tmp_path: Path) -> None:
    queries = read_table(run.folder / "queries.parquet")
    place = queries.schema.get_field_index("h")
    files = run.files()
    flat = queries.set_column(place, queries.schema.field("h"), pa.array([4.0] * 3, pa.float32()))
    write_table(tmp_path / "flat.parquet", [flat], flat.schema)
    fields = {**files.__dict__, "queries": str(tmp_path / "flat.parquet")}
    write_report(
        ResultFiles(**fields),
        run.settings(),
        str(run.folder / "pictures"),
        *(str(tmp_path / name) for name in OUTPUTS),
        str(tmp_path / "figures"),
    )
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    crop = next(attrs for attrs in page.all("img") if "src" in attrs)
    assert int(crop["width"] or 0) == round(WIDEST * 96)
    assert int(crop["height"] or 0) == round(WIDEST * 96 * 4 / 64)


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
    run = Run(tmp_path_factory.mktemp("company"), company=True)
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


def test_all_hits_lie_in_the_page(report: Path, page: Page) -> None:
    downloads = page.data("downloads")
    assert downloads["csv"].encode() == (report / "hits.csv").read_bytes()
    rows = downloads["rows"]
    with (report / "hits.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(rows) == len(table) == 30
    for values, line in zip(rows, table, strict=True):
        assert values["person_id"] == int(line["person_id"])
        assert values["near_duplicate"] is (line["near_duplicate"] == "yes")
        assert values["labels"] == {"view": line["label_view"].removeprefix("'")} or (
            values["labels"]["view"] == HOSTILE_LABEL
        )
    # A value is what it is; only a spreadsheet's cell is made safe.
    assert HOSTILE[1] in {row["file"] for row in rows}


def test_sections_come_in_the_same_order_in_both(report: Path) -> None:
    order = (
        "Galleries",
        "How good the detections are",
        "How good the search is",
        "How it was made",
        "What it does not show",
        "Licences of the pictures shown",
        "Versions and parameters",
        "Time and memory of each stage",
    )
    html = (report / "index.html").read_text(encoding="utf-8")
    markdown = (report / "report.md").read_text(encoding="utf-8")
    assert tuple(re.findall(r'<h2 id="[\w-]+-title">(.*?)</h2>', html)) == order
    assert tuple(re.findall(r"^## (.*)$", markdown, re.M)) == order


def test_the_explorer_is_linked_where_it_is_made(run: Run, report: Path, tmp_path: Path) -> None:
    out = run.report(tmp_path, report={"explorer": True, "thumbnail_height": 64})
    page = Page((out / "index.html").read_text(encoding="utf-8"))
    links = [a["href"] for a in page.all("a") if (a.get("href") or "").startswith("explorer/")]
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


def test_whole_pictures_are_shrunk(run: Run, tmp_path: Path) -> None:
    out = run.report(tmp_path, report={"picture_side": 128})
    pictures = Page((out / "index.html").read_text(encoding="utf-8")).data("pictures")
    assert {picture_of(p["url"]).size for p in pictures.values()} == {(128, 128)}
    # Boxes are given in the pixels of the picture that was searched.
    assert {p["width"] for p in pictures.values()} == {SIDE}


def test_agreeing_labels_are_marked(run: Run) -> None:
    results = run.results()
    for query in results.queries[1:]:
        assert [label.value for label in query.labels] == [HOSTILE_LABEL]
        for hit in query.hits:
            same = hit.person.picture.image_id % 2 == 1  # type: ignore[operator]
            assert [label.agrees for label in hit.labels] == [same]
    assert not any(label.agrees for hit in results.queries[0].hits for label in hit.labels)


def test_second_run_gives_the_same_bytes(run: Run, report: Path, tmp_path: Path) -> None:
    other = run.report(tmp_path)
    files = sorted(p.relative_to(report) for p in report.rglob("*") if p.is_file())
    assert [str(f) for f in files if f.parts[0] == "figures"] == [
        "figures/components.svg",
        "figures/explained_variance.svg",
        "figures/precision_recall.svg",
        "figures/query-001.jpg",
        "figures/query-002.jpg",
        "figures/query-003.jpg",
    ]
    for file in files:
        assert (report / file).read_bytes() == (other / file).read_bytes(), file


def test_report_does_not_depend_on_how_the_run_went(run: Run) -> None:
    plain = settings.configuration_yaml(run.results())
    given = run.settings()
    other = dataclasses.replace(
        given,
        shards=99,
        dataset=dataclasses.replace(given.dataset, connections=3),
        detector=dataclasses.replace(given.detector, device="cpu"),
    )
    changed = load_results(run.files(), other, str(run.folder / "pictures"))
    assert settings.configuration_yaml(changed) == plain
    assert "n_components: 6" in plain and "size: [256, 128]" in plain
    assert "annotations_sha256" not in plain


def test_every_detail_of_the_detector_is_shown(report: Path) -> None:
    page = Page((report / "index.html").read_text(encoding="utf-8"))
    text = " ".join(page.words)
    for part in (
        "FasterRCNN_ResNet50_FPN_Weights.COCO_V1 (published)",
        "https://download.example.org/fasterrcnn-258fb6c6.pth",
        DETECTOR["weights_sha256"],
        "167.5 MB",
        "COCO train2017",
        "37.0 (COCO val2017, mean over 80 categories)",
        "references/detection",
        "134.38 billion at 800 × 800 px",
        "41,755,286",
        "shorter side 800 px, longer side at most 1333 px",
        "minus 0.485, 0.456, 0.406, divided by 0.229, 0.224, 0.225",
        "IoU over 0.5",
        "32; 64; 128; 256; 512 (5 levels)",
        "0.5, 1, 2 (each of 5 levels)",
        "C5: stride 32, after ReLU",
        "2,048",
        "a new detail",
        "shown <as> it is",
    ):
        assert str(part) in text, part


def test_reduction_is_told_with_the_numbers_of_the_run(run: Run) -> None:
    text = " ".join(vectors.reduction_paragraphs(run.results()))
    reduction: Reduction = run.reduction
    kept = reduction.explained_variance_ratio[:6].sum()
    ratio = np.sqrt(reduction.explained_variance[0] / reduction.explained_variance[5])
    assert "fitted on 14 persons, turned 24 values into 6 (as asked)" in text
    assert f"They keep {100 * kept:.1f} % of the variance" in text
    assert f"{ratio:,.1f} times as much" in text
    assert f"a factor of {np.sqrt(ratio):,.1f}" in text
    assert "Jégou and Chum" in text
    many = run.results(reduction={"n_components": 500})
    assert "500 were asked for" in " ".join(vectors.reduction_paragraphs(many))
    share = run.results(reduction={"n_components": 0.9})
    assert "explain 90 % of the variance" in " ".join(vectors.reduction_paragraphs(share))


def test_ap_says_what_it_was_measured_on(run: Run) -> None:
    def told(annotated: bool = True, **dataset: Any) -> str:
        results = run.results(annotated, dataset=dataset)
        return " ".join([detector.ap_title(results), *detector.ap_notes(results)])

    trained = told(source="coco-minitrain")
    assert trained.startswith("Training-set AP") and "published weights were trained" in trained
    assert "kinder than the published way" in trained
    honest = told(source="coco-val2017", only_with_category=False)
    assert "raining" not in honest and "kinder" not in honest
    assert "No average precision" in told(annotated=False, source="openpeople")


def test_unknown_training_is_called_unknown(run: Run, tmp_path: Path) -> None:
    details = {**DETECTOR, "trained_on": "unknown: weights given as a file"}
    write_json(tmp_path / "detector.json", details)
    fields = {**run.files().__dict__, "detector": str(tmp_path / "detector.json")}
    given = run.settings(dataset={"source": "coco-minitrain"})
    results = load_results(ResultFiles(**fields), given, str(run.folder / "pictures"))
    assert "perhaps on the training set" in detector.ap_title(results)


def test_generated_people_are_called_so(run: Run) -> None:
    assert "nobody in them exists" in (
        gallery.people_note(run.results(dataset={"source": "openpeople"})) or ""
    )
    assert gallery.people_note(run.results()) is None


def test_label_agreement_is_set_against_chance(run: Run) -> None:
    results = run.results()
    measure = results.labels_of_hits["view"]
    # Own pictures have no labels; those named have odd ids, and so has the same label.
    same = [hit.person.picture.image_id % 2 for query in results.queries[1:] for hit in query.hits]  # type: ignore[operator]
    assert measure["precision"] == pytest.approx(np.mean(same))
    sentence = search.labels_sentence(results) or ""
    assert f"{100 * measure['precision']:.0f} % of the neighbours share" in sentence
    assert f"by chance: {100 * measure['chance']:.0f} %" in sentence
    assert "from 3 queries that is no more than a tendency" in sentence
    assert measure["chance"] == pytest.approx(6 / 13, abs=1e-6)
    assert search.labels_sentence(dataclasses.replace(results, labels_of_hits={})) is None


def test_markdown_keeps_its_tables_and_links(report: Path) -> None:
    text = (report / "report.md").read_text(encoding="utf-8")
    for figure in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (report / figure).is_file()
    assert text.count("](figures/") == 6
    columns = 0
    for line in text.splitlines():
        here = len(re.split(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (columns and here) or here == columns, line
        columns = here
    outside = re.sub(r"```.*?```|<!-- /?clock -->", "", text, flags=re.S)
    tags = set(re.findall(r"(?<!\\)<(?!https?:)/?(\w+)", outside))
    assert tags == {"details", "summary"}
    assert "](<javascript" not in text and "](javascript" not in outside.replace("\\]", "")
    assert "\\<b\\>Title\\</b\\> &amp; more" in text


def test_markdown_escapes() -> None:
    assert escaped("a|b *c*\n<d> [e]") == r"a\|b \*c\* \<d\> \[e\]"
    assert link("a]", "javascript:x") == r"a\]"
    assert link("a", "https://x.org/b c>") == "[a](<https://x.org/b%20c%3E>)"
    assert fenced("```\nx", "yaml").splitlines()[0] == "````yaml"


def test_hits_csv_is_safe_and_whole(run: Run, report: Path) -> None:
    with (report / "hits.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    hits = read_table(run.folder / "hits.parquet").to_pylist()
    assert len(rows) == len(hits)
    for row, hit in zip(rows, hits, strict=True):
        assert int(row["query"]) == hit["query"] + 1
        assert int(row["person_id"]) == hit["person_id"]
        assert float(row["similarity"]) == pytest.approx(hit["similarity"], abs=1e-6)
        assert [float(row[name]) for name in BOX_COLUMNS] == list(BOX)
    assert any(float(row["similarity"]) < 0 for row in rows)
    named = {row["file"] for row in rows}
    assert "'" + HOSTILE[1] in named and HOSTILE[3] in named
    text = [row[key] for row in rows for key in row if key != "similarity"]
    assert not [value for value in text if value.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(
    ("value", "shown"),
    [("=1+1", "'=1+1"), ("+1", "'+1"), ("-x", "'-x"), ("@a", "'@a"), ("\tx", "'\tx"),
     ("a=b", "a=b"), (-0.5, -0.5), (None, ""), (True, "yes"), (0, 0)],
)  # fmt: skip
def test_cells(value: Any, shown: Any) -> None:
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("name", "url", "short"),
    [
        ("Attribution License", "http://creativecommons.org/licenses/by/2.0/", "CC BY 2.0"),
        ("x", "https://creativecommons.org/licenses/by-nc-sa/2.0/", "CC BY-NC-SA 2.0"),
        ("x", "https://notcreativecommons.org.evil.org/licenses/by/2.0/", "x"),
        ("x", "https://evilcreativecommons.org/licenses/by/2.0/", "x"),
        ("No known copyright restrictions", "http://flickr.com/commons/usage/",
         "No known copyright restrictions"),
        ("MIT (generated picture of nobody)", None, "MIT"),
        (None, None, None),
        ("", "", None),
    ],
)  # fmt: skip
def test_license_names(name: str | None, url: str | None, short: str | None) -> None:
    assert license_name(name, url) == short


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "data:text/html,x", "//x.org", "http://", "", None, "http://[x"]
)
def test_only_web_addresses_are_linked(text: str | None) -> None:
    assert web_address(text) is None
    assert web_address("https://x.org/a") == "https://x.org/a"


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.50"), (-0.25, "−0.25"), (-0.001, "0.00"), (None, "–"), (1, "1.00")]
)
def test_decimals(value: float | None, text: str) -> None:
    assert numbers.decimals(value) == text


def test_drawings_follow_the_page(run: Run) -> None:
    drawn = (run.folder / "precision_recall.svg").read_text(encoding="utf-8")
    # What is replaced must be what the figures are drawn with.
    for color in (charts.INK, charts.PAPER, charts.BLUE, charts.ORANGE, charts.GREEN):
        assert color in drawn and color in COLORS
    svg = inline_svg(run.folder / "precision_recall.svg", "a-", 'what "is" seen')
    assert not re.search(r"#[0-9a-f]{6}\b(?!\")", re.sub(r'(id|href)="[^"]*"', "", svg))
    assert "<style" not in svg and "<metadata" not in svg and "DejaVu" not in svg
    assert "currentColor" in svg and "var(--series-1)" in svg
    assert 'aria-label="what &quot;is&quot; seen"' in svg
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    assert all(name.startswith("a-") for name in ids)
    assert set(re.findall(r'href="#([^"]+)"', svg)) <= ids
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) <= ids


@pytest.mark.parametrize("large", [False, True])
def test_five_queries_fit_into_six_megabytes(
    large: bool, coco_sample: Path, run: Run, tmp_path: Path
) -> None:
    """large: large and full of detail, so that no picture is small as a JPEG."""
    folder = coco_sample / "images"
    paths = sorted(folder.iterdir())[:55]
    if large:
        folder = tmp_path / "large"
        paths = [large_picture(folder, path) for path in paths]
    # 55 different pictures, and a person's usual share of each.
    images = [
        FetchedImage(ListedImage(number, path.name), *Image.open(path).size, "0" * 64)
        for number, path in enumerate(paths)
    ]
    write_manifest(tmp_path / "manifest.parquet", images, shards=1)
    rows = [
        {
            "person_id": image.listed.image_id * 1000,
            "image_id": image.listed.image_id,
            "score": 0.9,
            "x": image.width * 0.3,
            "y": image.height * 0.1,
            "w": image.width * 0.3,
            "h": image.height * 0.8,
        }
        for image in images
    ]
    queries = [
        row | {"query": n, "role": "typical", "reason": "", "vector": [0.0]}
        for n, row in enumerate(rows[:5])
    ]
    same = {"similarity": 0.5, "same_image": False, "near_duplicate": False}
    hits = [
        row | {"query": n // 10, "rank": n % 10 + 1, "index_rank": n % 10 + 1, **same}
        for n, row in enumerate(rows[5:])
    ]
    schema = with_vector(QUERIES, 1)
    write_table(tmp_path / "q.parquet", [pa.Table.from_pylist(queries, schema)], schema)
    write_table(tmp_path / "h.parquet", [pa.Table.from_pylist(hits, HITS)], HITS)
    changed = {"manifest": "manifest.parquet", "queries": "q.parquet", "hits": "h.parquet"}
    fields = run.files().__dict__ | {key: str(tmp_path / name) for key, name in changed.items()}
    write_report(
        ResultFiles(**fields),
        settings_of(index={"backend": "exact"}),
        str(folder),
        *(str(tmp_path / name) for name in OUTPUTS),
        str(tmp_path / "figures"),
    )
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert len(page.data("pictures")) == 55
    assert (tmp_path / "index.html").stat().st_size < 6_000_000
    # Not smaller than need be, either.
    sizes = [max(picture_of(p["url"]).size) for p in page.data("pictures").values()]
    assert min(sizes) > 300 and (large or max(sizes) == 640)
    # Snakemake's report makes the light page an address; Chromium opens none above 2 MiB.
    assert (tmp_path / "light.html").stat().st_size * 4 / 3 < 2**21


def large_picture(folder: Path, path: Path) -> Path:
    """A real picture as if taken with a large camera: a mosaic of it, with noise."""
    folder.mkdir(exist_ok=True)
    with Image.open(path) as opened:
        small = np.asarray(opened.convert("RGB").resize((400, 300)), np.int16)
    noise = np.random.default_rng(1).integers(-40, 40, (900, 1200, 3), np.int16)
    mosaic = np.clip(np.tile(small, (3, 3, 1)) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(mosaic).save(folder / path.name, quality=90)
    return folder / path.name


def summary(
    value: float | None, ends: list[float] | None, chance: float | None = None, persons: int = 50
) -> dict[str, Any]:
    """As relevance.summary gives it; `ends` of what lies above chance where chance is known."""
    found: dict[str, Any] = {"persons": persons, "value": value, "interval": ends}
    if chance is not None and value is not None:
        lift = [end + chance for end in ends] if ends else None
        found |= {"interval": lift, "chance": chance}
        found |= {"lift": value - chance, "lift_interval": ends}
    return found | {"by_height": []}


def copies(value: float, ends: list[float]) -> dict[str, Any]:
    rank1 = summary(value, ends)
    return {"rank1": rank1, "median_rank": 2.0, "worst_rank": 9, "by_height": []}


def paired(difference: float | None, ends: list[float] | None) -> dict[str, Any]:
    return {"difference": difference, "difference_interval": ends}


def verdicts(run: Run, measures: dict[str, Any], raw: dict[str, Any] | None = None) -> Any:
    return dict(limits.sees(changed(run.results(), measures=measures, raw_cosine=raw or {})))


@pytest.mark.parametrize(
    ("value", "ends", "verdict", "told"),
    [
        (0.25, [-0.01, 0.11], "no more than chance", "−0.010 to 0.110, holds 0"),
        (0.25, [0.0, 0.11], "no more than chance", "holds 0"),
        (0.25, [0.01, 0.09], "seen weakly", "1.2 times what chance gives, and 6 % of the way"),
        (0.5, [0.2, 0.4], "seen clearly", "95 % interval 25 % to 50 %"),
        (0.88, [0.6, 0.76], "seen strongly", "4.4 times what chance gives, and 85 % of the way"),
        (0.1, [-0.15, -0.05], "less than chance", "−0.150 to −0.050, lies below 0"),
        (0.1, None, "too few persons to tell", "0.100 for the ten neighbours"),
    ],
)
def test_no_more_is_promised_than_the_interval_says(
    run: Run, value: float, ends: list[float] | None, verdict: str, told: str
) -> None:
    (title, text), = verdicts(run, {"pose": summary(value, ends, 0.2)}).items()  # fmt: skip
    assert title == f"Pose: {verdict}"
    assert told in text and "0.200 for persons drawn at random (of 50 persons)" in text
    assert ("times" in text) == verdict.startswith("seen")


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ([0.96, 1.0], "nearly always found"),
        ([0.9, 1.0], "mostly found"),
        ([0.6, 0.9], "found more often than not"),
        ([0.4, 0.6], "found about every other time"),
        ([0.1, 0.5], "missed more often than found"),
    ],
)
def test_distorted_copies_are_judged_by_the_interval(
    run: Run, ends: list[float], verdict: str
) -> None:
    told = verdicts(run, {"self": copies(0.5, ends), "self_unmirrored": copies(0.97, [0.95, 1])})
    (text,) = told.values()
    assert list(told) == [f"A distorted copy: {verdict}"]
    assert "50 % find their original" in text and "Without mirroring, 97 % do" in text
    assert "left and right" not in text


def test_few_persons_give_numbers_and_no_verdict(run: Run) -> None:
    found = copies(1.0, [1.0, 1.0])
    found["rank1"]["persons"] = 19
    pose = summary(0.9, [0.6, 0.7], 0.2, persons=19)
    raw = {"pose": summary(0.1, None) | paired(0.8, [0.7, 0.9]) | {"persons": 19}}
    told = verdicts(run, {"self": found, "pose": pose}, raw)
    assert list(told) == [
        "A distorted copy: too few persons to tell", "Pose: too few persons to tell",
    ]  # fmt: skip
    copy, posed = told.values()
    assert "Of 19 copies" in copy and "100 % find" in copy
    assert "95 % interval 100 % to 100 %" in copy
    assert "0.900 for the ten neighbours" in posed and "95 % interval 0.600 to 0.700" in posed
    assert "0.100: too few persons to tell (95 % interval of the difference" in posed
    found["rank1"]["persons"] = pose["persons"] = 20
    told = verdicts(run, {"self": found, "pose": pose})
    assert list(told) == ["A distorted copy: nearly always found", "Pose: seen strongly"]


def test_mirroring_is_no_distortion_where_it_is_averaged_in(run: Run) -> None:
    results = changed(
        run.results(embedding={"mirrored": True}),
        measures={"self": copies(0.99, [0.98, 1]), "self_unmirrored": copies(0.7, [0.6, 0.8])},
    )
    ((verdict, text),) = limits.sees(results)
    assert verdict == "A distorted copy: found more often than not"
    assert "mirror" not in text and "70 % find" in text


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([0.01, 0.03], "clearly less (95 % interval of the difference 0.010 to 0.030)."),
        ([-0.2, -0.1], "clearly more (95 % interval of the difference −0.200 to −0.100)."),
        ([0, 0.02], "no difference shown (95 % interval of the difference 0.000 to 0.020)."),
        ([-0.01, 0.02], "no difference shown (95 % interval of the difference −0.010 to 0.020)."),
        (None, "no difference known."),
    ],
)
def test_the_raw_cosine_is_compared_person_by_person(
    run: Run, ends: list[float] | None, told: str
) -> None:
    """Whether the separate intervals overlap, as the first do, or not decides nothing."""
    for lift in ([0.0, 0.06], [0.5, 0.6]):
        raw = {"pose": summary(0.21, [0.005, 0.015], 0.2) | paired(0.02, ends)}
        (text,) = verdicts(run, {"pose": summary(0.23, lift, 0.2)}, raw).values()
        assert text.endswith(f"The raw cosine gives 0.210: {told}")
    # Of copies the difference lies with the share.
    copy = copies(0.9, [0.8, 1.0])
    copy["rank1"] |= paired(0.02, ends)
    (text,) = verdicts(run, {"self": copies(0.9, [0.8, 1.0])}, {"self": copy}).values()
    assert text.endswith(f"The raw cosine gives 90 %: {told}")


def test_the_table_of_relevance_has_what_was_measured(run: Run) -> None:
    results = run.results()
    rows = {(row.name, row.meaning): row for row in search.relevance(results)}
    assert [name for name, _ in rows] == [
        "mirrored copy", "mirrored copy", "moved copy", "same view", "same view", "same picture",
    ]  # fmt: skip
    mirrored = next(iter(rows.values()))
    found = results.search["measures"]["self"]["rank1"]
    assert mirrored.value == f"{found['value']:.3f}" and mirrored.persons == "14"
    # A copy of one of 14 persons finds it first by chance once in 14.
    assert mirrored.chance == f"{1 / 14:.3f}"
    assert mirrored.lift == f"{found['value'] - 1 / 14:+.3f}".replace("-", "−")
    assert rows["mirrored copy", "median rank of the original"].chance == "7.5"
    ranking = rows["same view", search.RANKING]
    mean = results.search["mean_average_precision"]["view"]
    assert ranking.value == f"{mean['value']:.3f}" and ranking.raw == "–"
    # No two are of one picture.
    assert rows["same picture", search.SAME_PICTURE].value == "0.000"
    without = changed(results, measures={}, same_image=summary(None, None))
    assert search.relevance(without) == [] == limits.sees(without) == search.strata(without)


def test_measures_are_shown_by_height(run: Run) -> None:
    parts = [
        summary(0.2, [0.1, 0.3], 0.15, persons=9) | {"height_from": low, "height_below": below}
        for low, below in ((0.0, 96.0), (96.0, 192.0), (192.0, None))
    ]
    measures = {"context": summary(0.2, [0.1, 0.3], 0.15) | {"by_height": parts}}
    rows = search.strata(changed(run.results(), measures=measures))
    assert [row.meaning for row in rows] == [
        "under 96 px", "96 px to under 192 px", "192 px or more",
    ]  # fmt: skip
    assert {(row.name, row.lift, row.lift_interval, row.persons) for row in rows} == {
        ("context", "+0.050", "0.100 to 0.300", "9")
    }


def test_recall_is_told_in_two_stages(run: Run) -> None:
    results = run.results()
    index, reduction = search.recall_stages(results)
    assert (index.recall_at_1, index.recall_at_10, index.interval_at_10, index.persons) == (
        "1.000", "1.000", "1.000 to 1.000", "7",
    )  # fmt: skip
    measured = results.search["reduced_against_full_length"]
    assert reduction.recall_at_10 == f"{measured['recall@10']:.3f}"
    ends = measured["recall@10_interval"]
    assert reduction.interval_at_10 == f"{ends[0]:.3f} to {ends[1]:.3f}"
    assert reduction.persons == "14"
    text = " ".join(search.recall_paragraphs(results))
    alone = results.search["by_components"][-1]["recall_without_whitening"]["recall@10"]
    assert "whitening (power 0.5) weighs the directions anew" in text
    assert f"without whitening, keeps {100 * alone:.1f} % of the ten nearest" in text
    assert "fitted on the very persons searched for" in text
    # Seven persons differ in six directions, so six components hold all.
    few = dataclasses.replace(results.reduction, n_persons=7)
    said = " ".join(search.recall_paragraphs(dataclasses.replace(results, reduction=few)))
    assert "keeps" not in said and "fitted" not in said
    plain = dataclasses.replace(
        results, reduction=dataclasses.replace(results.reduction, whiten_power=0.0)
    )
    assert "whitening" not in " ".join(search.recall_paragraphs(plain))


def row_of(n: int, pose: float, self_rank1: float, loss: float | None = 0.0) -> dict[str, Any]:
    """loss: upper end of the interval of both differences to all kept; None where not known."""
    ends = None if loss is None else [loss - 0.03 if loss else 0.0, loss]
    copy = copies(self_rank1, [self_rank1 - 0.05, self_rank1 + 0.05])
    copy["rank1"] |= paired(-0.01, ends)
    return {
        "n_components": n,
        "explained_variance": 0.5,
        "recall_without_whitening": {"recall@10": 0.75},
        "measures": {
            "pose": summary(0.2 + pose, [pose - 0.02, pose + 0.02], 0.2) | paired(-0.01, ends),
            "self": copy,
        },
    }


def test_the_number_of_components_follows_from_paired_differences(run: Run) -> None:
    # The intervals of 2 and 6 overlap, yet the same persons lose something with 2.
    rows = [row_of(2, 0.07, 0.7, -0.01), row_of(4, 0.07, 0.7, 0.01), row_of(6, 0.08, 0.72)]
    results = changed(run.results(), by_components=rows, measures=rows[-1]["measures"])
    assert components.enough(results) == {"self": 4, "pose": 4}
    text = " ".join(components.sentences(results))
    assert "not shown to lose anything beyond chance" in text and "no more is gained" not in text
    assert "reach 0): 4 for mirrored copy and pose." in text
    assert "of the 6 kept here, the first 4 may serve as well" in text
    assert "vectors 1.5 times shorter (reduction.n_components: 4)" in text
    assert "4 components hold 50 % of the variance and find 75 %" in text
    rows[1]["measures"]["self"]["rank1"] |= paired(-0.05, [-0.08, -0.02])
    rising = changed(results, by_components=rows)
    assert components.enough(rising) == {"self": 6, "pose": 4}
    assert "The next fewer, 4, are shown to lose" in " ".join(components.sentences(rising))
    # A smaller number that seems enough is not, where a larger one loses something.
    rows = [row_of(2, 0.07, 0.7, 0.01), row_of(4, 0.07, 0.7, -0.01), row_of(6, 0.08, 0.72)]
    assert components.enough(changed(results, by_components=rows)) == {"self": 6, "pose": 6}
    rows[0] = row_of(2, 0.07, 0.7, None)
    assert components.enough(changed(results, by_components=rows)) == {}
    # What does not show at all says nothing about how many are needed.
    rows = [row_of(n, 0.01, 0.04) for n in (2, 4, 6)]
    assert (
        "No measure shows well enough"
        in components.sentences(changed(results, by_components=rows))[0]
    )
    assert "no fewer to compare" in components.sentences(run.results())[0]


def looked_at(results: Results, ends: list[float] | None, candidates: int = 13) -> Results:
    """With another difference of the second look, of persons enough."""
    found = results.search["rerank"]["measures"]["label:view"]
    found = found | paired(0.0, ends) | {"persons": 50}
    look = {"candidates": candidates, "measures": {"label:view": found}}
    return changed(results, rerank=results.search["rerank"] | look)


def with_search(results: Results, **keys: int) -> Results:
    """With other settings of the search."""
    search = dataclasses.replace(results.settings.search, **keys)
    return dataclasses.replace(
        results, settings=dataclasses.replace(results.settings, search=search)
    )


def test_the_second_look_is_told(looked: Run, run: Run) -> None:
    results = looked.results()
    told = []
    for query in results.queries:
        new = [hit for hit in query.hits if hit.index_rank > 10]
        moved = [hit for hit in query.hits if hit.index_rank not in (hit.rank, 11, 12, 13)]
        told.append(len(new))
        assert gallery.rerank_effect(query) == (
            f"The second look brought in {len(new)} of these 10 and moved {len(moved)}."
        )
        assert [hit.shown_similarity for hit in query.hits] == sorted(
            (hit.full_similarity for hit in query.hits), reverse=True
        )
    assert any(told)
    (text,) = search.rerank_paragraphs(results)
    share = results.search["rerank"]["changed"]["value"]
    assert "The 13 nearest" in text and f"that replaces {100 * share:.0f} %" in text
    assert [before.name for before, _ in search.rerank_table(results)] == ["same view"]
    (text,) = search.rerank_paragraphs(looked_at(results, [0.01, 0.02]))
    assert "same view: it rises (95 % interval of the difference 0.010 to 0.020)" in text
    (text,) = search.rerank_paragraphs(looked_at(results, [-0.02, -0.01]))
    assert "same view: it falls (95 % interval of the difference −0.020 to −0.010)" in text
    (text,) = search.rerank_paragraphs(looked_at(results, [-0.02, 0.01]))
    assert "same view: no difference shown (95 %" in text
    shallow = looked_at(results, None, candidates=3)
    shallow = with_search(shallow, rerank=3)
    (text,) = search.rerank_paragraphs(shallow)
    assert "The 10 nearest" in text and "same view: no difference known" in text
    shallow = with_search(shallow, neighbours=5)
    assert "a second look at the 5 nearest" in gallery.hint(shallow)
    assert "full-length vectors" in gallery.hint(results)
    plain = run.results()
    assert search.rerank_paragraphs(plain) == [search.TRY_RERANK]
    assert not search.rerank_table(plain) and "full-length" not in gallery.hint(plain)
    assert all(gallery.rerank_effect(query) is None for query in plain.queries)


def test_the_page_shows_where_the_index_had_a_hit(looked: Run, tmp_path: Path) -> None:
    out = looked.report(tmp_path)
    page = Page((out / "index.html").read_text(encoding="utf-8"))
    words = page.words
    views = page.data("large-views")
    with (out / "hits.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    hits = read_table(looked.folder / "hits.parquet").to_pylist()
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


def test_roles_and_marks_are_shown(run: Run, tmp_path: Path) -> None:
    hits = read_table(run.folder / "hits.parquet")
    twins = pa.array([True] * 2 + [False] * (len(hits) - 2))
    for name in ("near_duplicate", "same_image"):
        hits = hits.set_column(hits.schema.get_field_index(name), hits.schema.field(name), twins)
    write_table(tmp_path / "hits.parquet", [hits], HITS)
    fields = {**run.files().__dict__, "hits": str(tmp_path / "hits.parquet")}
    results = load_results(ResultFiles(**fields), run.settings(), str(run.folder / "pictures"))
    least = results.settings.search.near_duplicate
    assert f"A near-duplicate has a cosine of {least:g} or more" in gallery.hint(results)
    assert [query.role for query in results.queries] == ["own picture", "named", "named"]
    assert [gallery.marks(hit) for hit in results.queries[0].hits[1:3]] == [
        ["same image", "near-duplicate"], [],
    ]  # fmt: skip
    write_report(
        ResultFiles(**fields),
        run.settings(),
        str(run.folder / "pictures"),
        *(str(tmp_path / name) for name in OUTPUTS),
        str(tmp_path / "figures"),
    )
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert page.words.count("near-duplicate") == page.words.count("same image") == 2
    assert page.data("large-views")[0][1]["marks"] == ["same image", "near-duplicate"]
    chips = [attrs for attrs in page.all("span") if attrs.get("class") == "role"]
    assert len(chips) == 3 and "own picture" in page.words
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert markdown.count("same image, near-duplicate") == 2
    assert "### Query 1: own picture" in markdown
    with (tmp_path / "hits.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["near_duplicate"] for row in rows[:3]] == ["yes", "yes", "no"]
    assert {row["query_role"] for row in rows} == {"own picture", "named"}
    assert {row["full_similarity"] for row in rows} == {""}
    excluded = run.results(search={"exclude_near_duplicates": True, "near_duplicate": 0.95})
    assert "of cosine 0.95 or more to it, are left out" in gallery.hint(excluded)


@pytest.mark.parametrize(
    ("role", "told", "shown"),
    [
        ("typical", "typical, in a dense region: x", "in a dense region: x"),
        ("small", "small: 50 px high", "50 px high"),
        ("surest", "surest of its neighbours: x", "surest of its neighbours: x"),
        ("crowd", "in a crowd: x", "in a crowd: x"),
    ],
)
def test_a_reason_does_not_repeat_the_role(run: Run, role: str, told: str, shown: str) -> None:
    query = dataclasses.replace(run.results().queries[0], role=role, reason=told)
    assert gallery.reason(query) == shown


@pytest.mark.parametrize("backend", ["annoy", "exact"])
def test_the_clock_is_told_in_marked_places(
    looked: Run, run: Run, backend: str, tmp_path: Path
) -> None:
    """Cut them out, and the report is the one without times, byte for byte."""
    made = looked if backend == "annoy" else run
    with_times = made.report(tmp_path / "with")
    without = made.report(tmp_path / "without", timings=False, report=NO_TIMES)
    for name in ("index.html", "light.html", "report.md"):
        text = (with_times / name).read_text(encoding="utf-8")
        parts = CLOCK.findall(text)
        assert len(parts) == (2 if name == "report.md" else 3)
        assert "ms a query" in parts[-2] and "not measured" in parts[-2]
        assert "Time and memory of each stage" in parts[-1] and "2 min 31 s" in parts[-1]
        rest = CLOCK.sub("", text)
        # Markdown ends with such a part.
        assert rest.rstrip() == (without / name).read_text(encoding="utf-8").rstrip(), name
        assert "ms a query" not in rest and "memory of" not in rest
    only = {p.name for p in (with_times / "figures").iterdir()}
    only -= {p.name for p in (without / "figures").iterdir()}
    assert only == ({"index_clock.svg"} if backend == "annoy" else set())
    assert ("index_work.svg" in str(list((without / "figures").iterdir()))) == (backend == "annoy")


NO_TIMES = {"title": "<b>Title</b> & more", "thumbnail_height": 64, "timings": False}


def test_costs_are_the_last_run_of_each_job(run: Run, tmp_path: Path) -> None:
    by_step = {cost.step: cost for cost in read_costs(run.folder / "benchmarks", shards=2)}
    # A shard that is no longer, a benchmark without a row, and the report's own have no part.
    assert list(by_step) == ["describe the detections", "fit the reduction", "search"]
    embedding, reduction, searching = by_step.values()
    assert [job.seconds for job in embedding.jobs] == [71, 80]
    assert (embedding.seconds, embedding.longest) == (151, 80)
    assert embedding.memory == 1000.5 * 2**20
    # Seen once or never.
    assert reduction.memory is None and searching.memory is None
    repeated = "s\tmax_rss\n9\t10\n4\t20\n"
    (tmp_path / "fit_pca.tsv").write_text(repeated)
    (cost,) = read_costs(tmp_path, shards=1)
    assert cost.jobs == [Job(4, 20 * 2**20)]
    for text in ("", "s\n", "s\tmax_rss\nx\t1\n", "s\nnan\n", "max_rss\n1\n"):
        (tmp_path / "fit_pca.tsv").write_text(text)
        assert read_costs(tmp_path, shards=1) == []
    assert read_costs(tmp_path / "none", shards=1) == []


def test_every_rule_of_a_stage_has_a_name_in_the_table_of_costs() -> None:
    rules = {
        rule
        for path in (ROOT / "workflow/rules").glob("*.smk")
        if path.stem not in ("report", "explorer")
        for rule in re.findall(r"<benchmarks>/(\w+)", path.read_text(encoding="utf-8"))
    }
    named = {rule for steps in STAGES.values() for rule in steps}
    assert named == rules - {"measure_parity"}  # not part of a report


def test_costs_are_told(run: Run) -> None:
    results = run.results()
    embedding, reduction, searching = costs.table(results.costs)
    (row,) = embedding[1]
    assert row[:3] == ("describe the detections", "2", "2 min 31 s")
    assert row.longest == "1 min 20 s" and row.memory == "1.0 GB"
    assert row.share == pytest.approx(151 / 152.91)
    assert reduction[1][0].memory == searching[1][0].memory == numbers.DASH
    assert costs.total(results.costs)[1:3] == ("4", "2 min 33 s")
    text = " ".join(costs.paragraphs(results.costs))
    assert "4 jobs took 2 min 33 s" in text
    assert "99 % of it went into one step: describe the detections" in text


def test_times_and_projection_are_those_measured(looked: Run, tmp_path: Path) -> None:
    timing = json.loads((looked.folder / "timing.json").read_text(encoding="utf-8"))
    results = looked.results()
    rows = index_words.projection(results)
    assert [row[0] for row in rows] == ["14", "140", "1,400"]
    assert rows[0][2] == numbers.milliseconds(timing["chosen_milliseconds"])
    assert rows[2][4] == numbers.milliseconds(timing["projection"][2]["exact_milliseconds"])
    text = (looked.report(tmp_path) / "report.md").read_text(encoding="utf-8")
    assert escaped(timing["advice_text"]) in text
    assert escaped(timing["projection_basis"]) in text


def sidecar_of(run: Run, **changes: Any) -> Results:
    results = run.results()
    return dataclasses.replace(results, sidecar={**results.sidecar, **changes})


def test_the_choice_of_the_index_is_explained(looked: Run, run: Run) -> None:
    results = looked.results()
    chosen, reached = index_words.choice(results)
    assert "The target is to find 0.99 of the ten nearest (index.target_recall)" in chosen
    assert "is the least of those tried that reached it" in chosen
    assert "vectors on average" in chosen and "of exact search's 14." in chosen
    assert "On 7 persons that had no part in this" in reached and "is reached" in reached
    missed = " ".join(index_words.choice(sidecar_of(looked, target_reached=False)))
    assert "the target is not reached. index.backend: exact misses nothing." in missed
    given = looked.results(index={"backend": "annoy", "n_trees": 12, "search_k": 50})
    assert " are set in the configuration." in index_words.choice(given)[0]
    assert "least of those tried" not in index_words.choice(given)[0]
    assert index_words.choice(run.results()) == [] and index_words.curve(run.results()) is None


@pytest.mark.parametrize(
    ("low", "told"),
    [
        (0.991, "search_k 20 is the least of those tried that reached it with a margin for chance"),
        (0.989, "search_k 20 is the least of those tried that reached it, on 7 persons."),
        (None, "search_k 20 is the least of those tried that reached it, on 7 persons."),
    ],
)
@pytest.mark.parametrize("compared", [12.7, 12.5])
def test_a_margin_is_told_where_there_is_one(
    looked: Run, low: float | None, told: str, compared: float
) -> None:
    curve: list[dict[str, Any]] = [
        {"n_trees": 10, "search_k": 10, "recall@10": 0.9, "compared": 5.0, "low": 0.85},
        {"n_trees": 10, "search_k": 20, "recall@10": 0.995, "compared": compared},
    ]
    if low is not None:
        curve[1]["low"] = low
    tuning = {"persons_sampled": 7, "curve": curve, "chosen": {}, "builds": []}
    text = index_words.choice(sidecar_of(looked, search_k=20, tuning=tuning))[0]
    assert told in text
    # 12.6 of 14 are nine tenths.
    assert ("index.backend: exact) would do the same work" in text) == (compared > 12.6)
    # What reaches the target later than another is not the least.
    curve[0] |= {"recall@10": 0.999, "low": 0.998}
    text = index_words.choice(sidecar_of(looked, search_k=20, tuning=tuning))[0]
    assert "search_k 20 was taken." in text and "margin" not in text


def test_a_run_without_queries_reads_well(run: Run, tmp_path: Path) -> None:
    files = run.files_without_queries(tmp_path)
    run.report(tmp_path, files=files)
    results = load_results(files, run.settings(), str(run.folder / "pictures"))
    assert gallery.lead(results) == (
        "No query: nothing was searched for among the 14 persons that a pretrained detector found "
        "in 14 pictures."
    )
    assert gallery.hint(results).startswith("No query: ") and results.labels_of_hits == {}
    for name in ("index.html", "report.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert gallery.hint(results) in text and "each of 0" not in text
        assert "Open any of them" not in text and "Beneath each neighbour" not in text


def test_a_graph_index_is_told(run: Run) -> None:
    curve = [
        {"connectivity": 16, "expansion_search": 16, "recall@10": 0.9, "compared": 100.5},
        {"connectivity": 16, "expansion_search": 32, "recall@10": 0.995, "compared": 200.5},
    ]
    results = sidecar_of(
        run,
        backend="hnsw",
        connectivity=16,
        expansion_search=32,
        tuning={"persons_sampled": 7, "curve": curve, "chosen": {}, "builds": [{}]},
    )
    assert "graph (HNSW)" in index_words.paragraph(results)
    drawn = index_words.curve(results)
    assert drawn is not None and [point.chosen for point in drawn.points] == [False, True]
    assert index_words.work_of(results) == "distances computed"
    assert "against distances computed" in index_words.curve_caption(results)
    (told, _) = index_words.choice(results)
    assert "A query then computes 200 distances on average, more than exact search's 14." in told
    assert index_words.curve_table(drawn, clock=False) == [
        ("16", "0.900", "100", ""),
        ("32", "0.995", "200", "chosen"),
        ("exact search", "1.000", "14", ""),
    ]
    assert "expansion_search 32 is the least of those tried that reached it, on 7" in told
    assert ("links a vector", "16") in index_words.facts(results)


def test_a_set_too_small_to_measure_is_still_shown(run: Run, tmp_path: Path) -> None:
    nothing = {"persons_sampled": 1, "recall@1": None, "recall@1_interval": None}
    nothing |= {"recall@10": None, "recall@10_interval": None}
    unknown = summary(None, None)
    measures = {"label:view": unknown | {"chance": None, "lift": None, "lift_interval": None}}
    row = {"n_components": 1, "explained_variance": 1.0, "measures": measures}
    numbers_of = run.results().search | {
        "reduced_against_full_length": nothing,
        "measures": measures,
        "raw_cosine": measures,
        "same_image": unknown,
        "by_components": [row | {"recall": nothing, "recall_without_whitening": nothing}],
        "labels_of_hits": {},
        "rerank": {"candidates": 100, "changed": unknown, "measures": measures},
    }
    del numbers_of["mean_average_precision"]
    write_json(tmp_path / "search.json", numbers_of)
    draw_components(tmp_path / "components.svg", numbers_of["by_components"])
    fields = run.files(annotated=False, timings=False).__dict__ | {
        "search_numbers": str(tmp_path / "search.json"),
        "components_figure": str(tmp_path / "components.svg"),
    }
    write_report(
        ResultFiles(**fields),
        run.settings(),
        str(run.folder / "pictures"),
        *(str(tmp_path / name) for name in OUTPUTS),
        str(tmp_path / "figures"),
    )
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Pose and context need annotated pictures" in text
    assert "None" not in text and "nan" not in text.lower().replace("nand", "")
    assert "What neighbours have in common" not in (tmp_path / "index.html").read_text("utf-8")


def test_names_of_labels_stay_text(run: Run, tmp_path: Path) -> None:
    kind = "</td><script>alert(1)</script>|`x` $\\frac{"
    found = summary(0.5, [0.1, 0.3], 0.3)
    part = found | {"height_from": 0.0, "height_below": None}
    measures = {f"label:{kind}": found | {"by_height": [part]}}
    row = {"explained_variance": 1.0, "recall_without_whitening": {"recall@10": 1.0}}
    rows = [row | {"n_components": n, "measures": measures} for n in (3, 6)]
    numbers_of = run.results().search | {
        "measures": measures,
        "raw_cosine": measures,
        "by_components": rows,
        "rerank": {"candidates": 100, "changed": found, "measures": measures},
        "mean_average_precision": {kind: found},
        "labels_of_hits": {kind: {"precision": 0.5, "chance": 0.2, "hits": 10}},
    }
    write_json(tmp_path / "search.json", numbers_of)
    draw_components(tmp_path / "components.svg", rows)
    fields = run.files().__dict__ | {
        "search_numbers": str(tmp_path / "search.json"),
        "components_figure": str(tmp_path / "components.svg"),
    }
    write_report(
        ResultFiles(**fields),
        run.settings(),
        str(run.folder / "pictures"),
        *(str(tmp_path / name) for name in OUTPUTS),
        str(tmp_path / "figures"),
    )
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert len(page.scripts) == 5
    assert "".join(page.words).count(f"same {kind}") >= 4
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script" not in markdown.replace("\\<script", "")
    headed = next(line for line in markdown.splitlines() if line.startswith("| measure |"))
    row_text = next(line for line in markdown.splitlines() if line.startswith("| same \\<"))
    cells = [len(re.split(r"(?<!\\)\|", line)) for line in (headed, row_text)]
    assert cells[0] == cells[1]


EMBEDDINGS = [
    ({}, ["cut out of its picture, resized to 256 × 128 pixels", "The last map was averaged"]),
    ({"fit": "pad"}, ["its shape kept and grey beside it"]),
    ({"fit": "surroundings"}, ["what is around it in the picture beside it"]),
    ({"margin": 0.1}, ["grown by 10 % of its width and height on each side, was cut out"]),
    ({"region": "roi_align_last"}, ["as a whole", "read from the finished map by RoIAlign"]),
    ({"region": "roi_align_before"}, ["went through the last stage by itself. The last map was"]),
    (
        {"region": "roi_align_before", "maps": "before"},
        ["pixels (height × width) would have. The map before the last was averaged"],
    ),
    ({"maps": "both"}, ["were each averaged", "both were brought to length 1 and joined"]),
    ({"pooling": "gem"}, ["generalised mean (GeM, power 3)"]),
    ({"pooling": "max"}, ["its largest value in each channel"]),
    ({"mirrored": True}, ["averaged with what the mirrored picture gives"]),
]


@pytest.mark.parametrize(("embedding", "told"), EMBEDDINGS)
def test_every_way_to_describe_a_person_has_words(
    run: Run, embedding: dict[str, Any], told: list[str]
) -> None:
    text, *_ = vectors.embedding_paragraphs(run.results(embedding=embedding))
    for part in told:
        assert part in text
    # The length is that of the vectors, whatever maps they come from.
    assert "That gives 24 values" in text


def test_better_ways_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(**embedding: Any) -> str:
        return " ".join(vectors.embedding_paragraphs(run.results(embedding=embedding))[1:])

    ways = (
        vectors.Way({}, "the last map", vectors.Measured(0.927, 2.5, 1.04)),
        vectors.Way({"maps": "before"}, "the map before", vectors.Measured(0.996, 2.33, 1.73)),
        vectors.Way({"maps": "both"}, "both maps", None),
    )
    monkeypatch.setattr(vectors, "WAYS", ways)
    text = told()
    assert "embedding.maps: before takes the map before (0.996, 2.3 and 1.7);" in text
    assert "embedding.maps: both takes both maps." in text
    assert "of the bundled detector" in text and "the default has 0.927, 2.5 and 1.0." in text
    assert "embedding.maps: before takes" not in told(maps="before")
    monkeypatch.setattr(vectors, "WAYS", ways[::2])
    assert "bundled" not in told() and told(maps="both") == ""


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (numbers.milliseconds(0.0413), "0.041 ms"),
        (numbers.milliseconds(0.615), "0.61 ms"),
        (numbers.milliseconds(6.149), "6.1 ms"),
        (numbers.milliseconds(6149.2), "6,149 ms"),
        (numbers.size(77184), "77 kB"),
        (numbers.size(21_318_000), "21 MB"),
        (numbers.size(2.13e9), "2.1 GB"),
        (numbers.duration(0.304), "0.30 s"),
        (numbers.duration(6.84), "6.8 s"),
        (numbers.duration(9.96), "10 s"),
        (numbers.duration(59.6), "1 min 0 s"),
        (numbers.duration(125), "2 min 5 s"),
        (numbers.duration(3599.6), "1 h 0 min"),
        (numbers.duration(1e6), "277 h 47 min"),
        (" ".join(map(numbers.ordinal, (1, 2, 3, 4, 11, 12, 21, 101, 112))),
         "1st 2nd 3rd 4th 11th 12th 21st 101st 112th"),
        (numbers.signed(0.0429), "+0.043"),
        (numbers.signed(-0.0489), "−0.049"),
        (numbers.signed(0.0001), "0.000"),
        (numbers.signed(None), "–"),
        (numbers.interval([-0.1, 0.25]), "−0.100 to 0.250"),
        (numbers.interval(None), "–"),
        (numbers.percent(-0.02), "−2 %"),
        (numbers.listed([]), ""),
        (numbers.listed(["a"]), "a"),
        (numbers.listed(["a", "b", "c"]), "a, b and c"),
        (together("95 % of 3 persons in 5 ms"), "95\u00a0% of 3 persons in 5\u00a0ms"),
    ],
)  # fmt: skip
def test_numbers(shown: str, text: str) -> None:
    assert shown == text


def test_curves_are_drawn_alike_and_follow_the_page(tmp_path: Path) -> None:
    points = [(60.0, 0.62), (420.0, 0.96), (900.0, 0.992)]
    for name in ("a", "b"):
        draw_recall(tmp_path / name, points, [2], 45000, 0.99, "vectors compared")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    rows = [row_of(n, 0.05, 0.5) for n in (8, 16, 17)]
    draw_components(tmp_path / "c", rows)
    for name in ("a", "c"):
        svg = inline_svg(tmp_path / name, "x-", "seen")
        assert not re.search(r"#[0-9a-f]{6}\b(?!\")", re.sub(r'(id|href)="[^"]*"', "", svg))
        assert "currentColor" in svg and "var(--series-2)" in svg
    drawn = (tmp_path / "c").read_text(encoding="utf-8")
    # 16 is too near to 17 to be read beside it.
    assert ">17</text>" in drawn and ">16</text>" not in drawn and ">8</text>" in drawn
