"""The report: what it shows is what was found, whatever pictures are called."""

import base64
import csv
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

from visualsearch import configuration, figures
from visualsearch.atomic import write_json
from visualsearch.detection import detections_table, write_coco_results
from visualsearch.evaluation import label_precision, labels_by_image
from visualsearch.figures import draw_explained_variance, draw_precision_recall
from visualsearch.index import open_index
from visualsearch.index.building import build_index
from visualsearch.manifest import (
    FetchedImage,
    ListedImage,
    Skipped,
    read_manifest,
    write_manifest,
    write_skipped,
)
from visualsearch.queries import select_queries
from visualsearch.reduction import Reduction, fit_reduction
from visualsearch.report import template_files, wording
from visualsearch.report.crops import DENSITY, WIDEST
from visualsearch.report.drawings import COLORS, inline_svg
from visualsearch.report.hits_table import cell
from visualsearch.report.markdown import escaped, fenced, link
from visualsearch.report.model import (
    ResultFiles,
    Results,
    license_name,
    load_results,
    web_address,
)
from visualsearch.report.writing import write_report
from visualsearch.search import HITS, search_all
from visualsearch.tables import (
    BOX_COLUMNS,
    DETECTIONS,
    PERSONS,
    QUERIES,
    read_table,
    vector_column,
    with_vector,
    write_table,
)

SCHEMA = Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml"
OUTPUTS = ("index.html", "light.html", "report.md", "hits.csv")
SIDE = 160
# A box of a colour of its own in a grey picture; stored without loss, whatever the file's name.
BOX = (32.0, 16.0, 64.0, 96.0)

HOSTILE = (
    '"><img src=x onerror=alert(1)>.jpg',
    "=HYPERLINK(1)|`a` [b](javascript:alert(1)).jpg",
    "</script><script>alert(1)</script>.jpg",
    "人 & *ü*.jpg",
)
HOSTILE_LABEL = "'\"</script><b onclick=alert(1)>"
OWN = "@own <i>picture.jpg"

DETECTOR = {
    "name": "fasterrcnn_resnet50_fpn",
    "library": "torchvision",
    "builder": "torchvision.models.detection.fasterrcnn_resnet50_fpn",
    "weights": "FasterRCNN_ResNet50_FPN_Weights.COCO_V1",
    "weights_url": "https://download.example.org/fasterrcnn-258fb6c6.pth",
    "weights_sha256": "258fb6c6" + "0" * 56,
    "weights_bytes": 167502836,
    "weights_are_published": True,
    "trained_on": "COCO train2017",
    "published_box_ap": 37.0,
    "published_on": "COCO val2017, mean over 80 categories",
    "recipe": "https://github.com/pytorch/vision/tree/main/references/detection",
    "gmacs_at_800": 134.38,
    "parameters": 41755286,
    "categories": 80,
    "image_min_size": [800],
    "image_max_size": 1333,
    "normalise_mean": [0.485, 0.456, 0.406],
    "normalise_std": [0.229, 0.224, 0.225],
    "score_threshold": 0.05,
    "nms_iou_threshold": 0.5,
    "detections_per_image": 100,
    "anchor_sizes": [[32], [64], [128], [256], [512]],
    "anchor_aspect_ratios": [[0.5, 1.0, 2.0]] * 5,
    "featurizer": "backbone.body, last map (C5: stride 32, after ReLU)",
    "vector_length": 2048,
    "versions": {"torch": "2.14.1", "torchvision": "0.29.1"},
    "a_new_detail": "shown <as> it is",
}
AP = {name: 0.5 for name, _ in (*wording.PRECISION, *wording.RECALL)} | {
    "AP_small": None,
    "category": "person",
    "images": 14,
    "images_with_category": 14,
    "annotated": 20,
    "annotated_crowds": 1,
    "detections": 14,
}


def config_of(**sections: dict[str, Any]) -> dict[str, Any]:
    return configuration.checked(sections, configuration.load_schema(SCHEMA))


def color_of(image_id: int) -> tuple[int, int, int]:
    return (40 + 15 * (image_id % 14), 200 - 12 * (image_id % 14), 60 + 50 * (image_id % 3))


class Run:
    """A run's results, computed and written by the library from made vectors and pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        images = self._pictures(folder / "pictures")
        write_manifest(folder / "manifest.parquet", images, shards=1)
        write_skipped(folder / "skipped.tsv", [Skipped(None, "a.jpg", "empty | <file>")] * 3)
        write_json(folder / "detector.json", DETECTOR)
        self.image_ids = [image.listed.image_id for image in images]
        boxes = np.array([BOX], np.float32)
        tables = [
            detections_table(image_id, boxes, np.array([0.9], np.float32), 1)
            for image_id in self.image_ids
        ]
        write_table(folder / "detections.parquet", tables, DETECTIONS)
        write_coco_results(folder / "persons.json", [folder / "detections.parquet"])
        self._search(boxes)
        labels = labels_by_image(read_manifest(folder / "manifest.parquet"))
        hits, queries = (read_table(folder / name) for name in ("hits.parquet", "queries.parquet"))
        sidecar = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        numbers = {
            "index_against_exact_search": sidecar["recall"],
            "labels_of_hits": label_precision(hits, queries, labels),
        }
        write_json(folder / "search.json", numbers)
        write_json(folder / "detections.json", AP)
        recall = np.linspace(0, 1, 101)
        draw_precision_recall(
            folder / "precision_recall.svg",
            np.column_stack([recall, 1 - recall, (1 - recall) ** 2, (1 - recall) ** 3]),
        )

    def _pictures(self, folder: Path) -> list[FetchedImage]:
        images = []
        for image_id in range(1, 15):
            file = HOSTILE[image_id - 1] if image_id <= len(HOSTILE) else f"{image_id}.jpg"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            draw_picture(color_of(image_id)).save(folder / file, "PNG")
            listed = ListedImage(
                image_id,
                file,
                license="Attribution License" if image_id % 2 else None,
                license_url="http://creativecommons.org/licenses/by/2.0/"
                if image_id != 3
                else "javascript:alert(1)",
                source_url="javascript:alert(2)"
                if image_id == 4
                else "https://example.org/a?b=<c>",
                labels=json.dumps({"view": HOSTILE_LABEL if image_id % 2 else "side|ways"}),
            )
            images.append(FetchedImage(listed, SIDE, SIDE, "0" * 64))
        draw_picture((250, 10, 250)).save(self.folder / OWN, "PNG")
        return images

    def _search(self, boxes: np.ndarray) -> None:
        folder, n = self.folder, len(self.image_ids)
        vectors = np.abs(np.random.default_rng(3).normal(size=(n, 24))).astype(np.float32)
        self.reduction = fit_reduction([vectors], n, 24, 6, 0.5)
        self.reduction.save(folder / "model.npz")
        draw_explained_variance(folder / "explained_variance.svg", self.reduction)
        columns = {
            "person_id": np.array(self.image_ids) * 1000,
            "image_id": np.array(self.image_ids),
            "det_index": np.zeros(n),
            "score": np.full(n, 0.9),
            **dict(zip(BOX_COLUMNS, np.repeat(boxes, n, axis=0).T, strict=True)),
            "vector": vector_column(self.reduction.transform(vectors)),
        }
        schema = with_vector(PERSONS, self.reduction.n_components)
        reduced = str(folder / "reduced.parquet")
        write_table(reduced, [pa.table(columns).cast(schema)], schema)
        paths = {name: str(folder / name) for name in ("persons.npy", "persons.parquet")}
        build_index(
            [reduced],
            config_of(index={"backend": "exact"})["index"],
            paths["persons.npy"],
            paths["persons.parquet"],
            str(folder / "index.json"),
        )
        own = {
            "query": [0],
            "reason": ["your own picture, person 1 of 1 in it"],
            "person_id": pa.nulls(1, pa.int64()),
            "image_id": pa.nulls(1, pa.int64()),
            "picture": [str(folder / OWN)],
            "score": [0.8],
            **{name: [value] for name, value in zip(BOX_COLUMNS, BOX, strict=True)},
            "vector": vector_column(self.reduction.transform(vectors[:1] * 0.5)),
        }
        own_schema = with_vector(QUERIES, self.reduction.n_components)
        write_table(folder / "own.parquet", [pa.table(own).cast(own_schema)], own_schema)
        persons = read_table(paths["persons.parquet"])
        settings = config_of(queries={"persons": [3000, 1000]})["queries"]
        queries = select_queries(persons, [reduced], settings, str(folder / "own.parquet"))
        write_table(folder / "queries.parquet", [queries], queries.schema)
        sidecar = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        index = open_index(paths["persons.npy"], sidecar)
        hits = search_all(index, persons, queries, k=10, same_image=False)
        write_table(folder / "hits.parquet", [hits], HITS)
        write_skipped(folder / "no_query.tsv", [Skipped(None, "x/<u>.png", "no <person> in it")])

    def files(self, annotated: bool = True) -> ResultFiles:
        path = {name: str(self.folder / name) for name in (p.name for p in self.folder.iterdir())}
        return ResultFiles(
            manifest=path["manifest.parquet"],
            skipped=path["skipped.tsv"],
            detector=path["detector.json"],
            detections=path["persons.json"],
            model=path["model.npz"],
            variance_figure=path["explained_variance.svg"],
            index=path["persons.npy"],
            persons=path["persons.parquet"],
            sidecar=path["index.json"],
            queries=path["queries.parquet"],
            hits=path["hits.parquet"],
            search_numbers=path["search.json"],
            detection_numbers=path["detections.json"] if annotated else None,
            precision_recall_figure=path["precision_recall.svg"] if annotated else None,
            skipped_queries=path["no_query.tsv"],
        )

    def config(self, **sections: dict[str, Any]) -> dict[str, Any]:
        return config_of(
            **{
                "dataset": {"source": "folder", "folder": {"path": str(self.folder / "pictures")}},
                "reduction": {"n_components": 6},
                "index": {"backend": "exact"},
                "report": {"title": "<b>Title</b> & more", "thumbnail_height": 64},
                **sections,
            }
        )

    def results(self, annotated: bool = True, **sections: dict[str, Any]) -> Results:
        folder = str(self.folder / "pictures")
        return load_results(self.files(annotated), self.config(**sections), folder)

    def report(self, out: Path, annotated: bool = True, **sections: dict[str, Any]) -> Path:
        write_report(
            self.files(annotated),
            self.config(**sections),
            str(self.folder / "pictures"),
            *(str(out / name) for name in OUTPUTS),
            str(out / "figures"),
        )
        return out


def draw_picture(color: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    x, y, w, h = map(int, BOX)
    image.paste(color, (x, y, x + w, y + h))
    return image


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.report(tmp_path_factory.mktemp("report"))


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
    assert kinds == ["application/json", "application/json", None]
    for attrs, text in page.scripts[:2]:
        assert not set("<>&") & set(text), attrs
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    digest = base64.b64encode(hashlib.sha256(page.scripts[2][1].encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
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
        run.config(),
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
    for view in (view for gallery in views for view in gallery):
        assert view["box"] == list(BOX)
        assert view["picture"] in pictures
        assert all(url.startswith("http") or not url for _, _, url in view["links"])


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
        "figures/explained_variance.svg",
        "figures/precision_recall.svg",
        "figures/query-001.jpg",
        "figures/query-002.jpg",
        "figures/query-003.jpg",
    ]
    for file in files:
        assert (report / file).read_bytes() == (other / file).read_bytes(), file


def test_report_does_not_depend_on_how_the_run_went(run: Run) -> None:
    plain = wording.configuration_yaml(run.results())
    config = run.config()
    config["shards"] = 99
    config["dataset"]["connections"] = 3
    config["detector"]["device"] = "cpu"
    changed = load_results(run.files(), config, str(run.folder / "pictures"))
    assert wording.configuration_yaml(changed) == plain
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
    text = " ".join(wording.reduction_paragraphs(run.results()))
    reduction: Reduction = run.reduction
    kept = reduction.explained_variance_ratio[:6].sum()
    ratio = np.sqrt(reduction.explained_variance[0] / reduction.explained_variance[5])
    assert "fitted on 14 persons, turned 24 values into 6 (as asked)" in text
    assert f"They keep {100 * kept:.1f} % of the variance" in text
    assert f"{ratio:,.1f} times as much" in text
    assert f"a factor of {np.sqrt(ratio):,.1f}" in text
    assert "Jégou and Chum" in text
    many = run.results(reduction={"n_components": 500})
    assert "500 were asked for" in " ".join(wording.reduction_paragraphs(many))
    share = run.results(reduction={"n_components": 0.9})
    assert "explain 90 % of the variance" in " ".join(wording.reduction_paragraphs(share))


def test_ap_says_what_it_was_measured_on(run: Run) -> None:
    def told(annotated: bool = True, **dataset: Any) -> str:
        results = run.results(annotated, dataset=dataset)
        return " ".join([wording.ap_title(results), *wording.ap_notes(results)])

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
    config = run.config(dataset={"source": "coco-minitrain"})
    results = load_results(ResultFiles(**fields), config, str(run.folder / "pictures"))
    assert "perhaps on the training set" in wording.ap_title(results)


def test_generated_people_are_called_so(run: Run) -> None:
    assert "nobody in them exists" in (
        wording.people_note(run.results(dataset={"source": "openpeople"})) or ""
    )
    assert wording.people_note(run.results()) is None


def test_label_agreement_is_set_against_chance(run: Run) -> None:
    results = run.results()
    measure = results.labels_of_hits["view"]
    sentence = wording.labels_sentence(results) or ""
    assert f"{100 * measure['precision']:.0f} % of the neighbours share" in sentence
    assert f"by chance: {100 * measure['chance']:.0f} %" in sentence
    assert measure["chance"] == pytest.approx(6 / 13, abs=1e-6)
    assert any("view" in paragraph for paragraph in wording.limits(results))


def test_markdown_keeps_its_tables_and_links(report: Path) -> None:
    text = (report / "report.md").read_text(encoding="utf-8")
    for figure in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (report / figure).is_file()
    assert text.count("](figures/") == 5
    columns = 0
    for line in text.splitlines():
        here = len(re.split(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (columns and here) or here == columns, line
        columns = here
    outside = re.sub(r"```.*?```", "", text, flags=re.S)
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
    assert wording.decimals(value) == text


def test_drawings_follow_the_page(run: Run) -> None:
    drawn = (run.folder / "precision_recall.svg").read_text(encoding="utf-8")
    # What is replaced must be what the figures are drawn with.
    for color in (figures.INK, figures.PAPER, figures.BLUE, figures.ORANGE, figures.GREEN):
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


def test_five_queries_fit_into_six_megabytes(coco_sample: Path, run: Run, tmp_path: Path) -> None:
    # 55 different pictures, and a person's usual share of each.
    images = [
        FetchedImage(ListedImage(number, path.name), *Image.open(path).size, "0" * 64)
        for number, path in enumerate(sorted((coco_sample / "images").iterdir())[:55])
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
    queries = [row | {"query": n, "reason": "", "vector": [0.0]} for n, row in enumerate(rows[:5])]
    hits = [
        row | {"query": n // 10, "rank": n % 10 + 1, "similarity": 0.5, "same_image": False}
        for n, row in enumerate(rows[5:])
    ]
    schema = with_vector(QUERIES, 1)
    write_table(tmp_path / "q.parquet", [pa.Table.from_pylist(queries, schema)], schema)
    write_table(tmp_path / "h.parquet", [pa.Table.from_pylist(hits, HITS)], HITS)
    changed = {"manifest": "manifest.parquet", "queries": "q.parquet", "hits": "h.parquet"}
    fields = run.files().__dict__ | {key: str(tmp_path / name) for key, name in changed.items()}
    write_report(
        ResultFiles(**fields),
        config_of(index={"backend": "exact"}),
        str(coco_sample / "images"),
        *(str(tmp_path / name) for name in OUTPUTS),
        str(tmp_path / "figures"),
    )
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert len(page.data("pictures")) == 55
    assert (tmp_path / "index.html").stat().st_size < 6_000_000
    # Snakemake's report makes the light page an address; Chromium opens none above 2 MiB.
    assert (tmp_path / "light.html").stat().st_size * 4 / 3 < 2**21


def test_templates_are_listed() -> None:
    assert [path.name for path in template_files()] == [
        "report.css",
        "report.html.j2",
        "report.js",
        "report.md.j2",
    ]
