"""A run's results for tests of the report: made vectors and pictures, computed by the library."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from visualsearch.core.files import write_json
from visualsearch.data.manifest import (
    FetchedImage,
    ListedImage,
    Skipped,
    read_manifest,
    write_manifest,
    write_skipped,
)
from visualsearch.data.tables import (
    BOX_COLUMNS,
    DETECTIONS,
    HITS,
    PERSONS,
    QUERIES,
    read_table,
    vector_column,
    with_vector,
    write_table,
)
from visualsearch.detect.run import detections_table, write_coco_results
from visualsearch.embed.distortion import VECTORS, with_two_vectors
from visualsearch.evaluate.person_facts import labels_by_image
from visualsearch.evaluate.search_quality import measure_search
from visualsearch.index.building import build_index
from visualsearch.index.opening import open_index
from visualsearch.index.timing import time_index
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.report.charts import (
    draw_components,
    draw_explained_variance,
    draw_precision_recall,
)
from visualsearch.report.loading import ResultFiles, load_results
from visualsearch.report.model import Results
from visualsearch.report.wording import detector
from visualsearch.report.writing import write_report
from visualsearch.search.hits import search_all
from visualsearch.search.queries import select_queries
from visualsearch.search.rerank import Reranker
from visualsearch.settings import (
    EvaluationSettings,
    IndexSettings,
    QueriesSettings,
    SearchSettings,
    Settings,
    checking,
)

OUTPUTS = ("index.html", "light.html", "report.md", "hits.csv")
SIDE = 160
# A box of a colour of its own in a grey picture; stored without loss, whatever the file's name.
BOX = (32.0, 16.0, 64.0, 96.0)
# With company, the first pictures have a second person, beside the first and smaller.
SECOND = (104.0, 40.0, 40.0, 72.0)
PICTURES, WITH_SECOND = 14, 4

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
AP = {name: 0.5 for name, _ in (*detector.PRECISION, *detector.RECALL)} | {
    "AP_small": None,
    "category": "person",
    "images": 14,
    "images_with_category": 14,
    "annotated": 20,
    "annotated_crowds": 1,
    "detections": 14,
}


# The simplest way to describe a person; words for the others are tested one by one.
PLAIN = {"fit": "stretch", "size": [256, 128], "pooling": "average", "mirrored": False}


def settings_of(**sections: dict[str, Any]) -> Settings:
    return Settings.of(checking.checked(sections))


def color_of(image_id: int) -> tuple[int, int, int]:
    return (40 + 15 * (image_id % 14), 200 - 12 * (image_id % 14), 60 + 50 * (image_id % 3))


class Run:
    """A run's results, computed and written by the library from made vectors and pictures.

    backend: of the index. rerank: search.rerank. company: some pictures have two
    persons, some of them near-duplicates, of differing scores and heights; hits may be of the
    query's own picture. persons: so many of the first pictures show somebody.
    """

    def __init__(
        self,
        folder: Path,
        backend: str = "exact",
        rerank: int = 0,
        company: bool = False,
        persons: int = PICTURES,
    ) -> None:
        self.folder = folder
        self.backend = backend
        self.rerank = rerank
        self.company = company
        self.persons = persons
        images = self._pictures(folder / "pictures")
        write_manifest(folder / "manifest.parquet", images, shards=1)
        write_skipped(folder / "skipped.tsv", [Skipped(None, "a.jpg", "empty | <file>")] * 3)
        write_json(folder / "detector.json", DETECTOR)
        self.image_ids = [image.listed.image_id for image in images]
        tables = [
            detections_table(image_id, *self._found(image_id), 1) for image_id in self.image_ids
        ]
        write_table(folder / "detections.parquet", tables, DETECTIONS)
        write_coco_results(folder / "persons.json", [folder / "detections.parquet"])
        self._search(pa.concat_tables(tables))
        self._measure()
        self._benchmarks(folder / "benchmarks")
        recall = np.linspace(0, 1, 101)
        draw_precision_recall(
            folder / "precision_recall.svg",
            np.column_stack([recall, 1 - recall, (1 - recall) ** 2, (1 - recall) ** 3]),
        )

    def _found(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes and scores of a picture's persons."""
        if image_id > self.persons:
            return np.empty((0, 4), np.float32), np.empty(0, np.float32)
        if not self.company:
            return np.array([BOX], np.float32), np.array([0.9], np.float32)
        x, y, w, h = BOX
        boxes = [(x, y, w, h - 2 * image_id)]
        scores = [0.99 - 0.02 * image_id]
        if image_id <= WITH_SECOND:
            boxes.append(SECOND)
            scores.append(0.5 + 0.01 * image_id)
        return np.array(boxes, np.float32), np.array(scores, np.float32)

    def _benchmarks(self, folder: Path) -> None:
        head = "s\th:m:s\tmax_rss\tmax_vms"
        (folder / "embed_persons").mkdir(parents=True)
        for shard, (seconds, memory) in enumerate([(71, 900.25), (80, 1000.5), (900, 9000)]):
            row = f"{seconds}\t0:01:10\t{memory}\t5000"
            (folder / f"embed_persons/{shard}.tsv").write_text(f"{head}\n{row}\n")
        (folder / "fit_pca.tsv").write_text(f"{head}\n0.41\t0:00:00\t20.5\t90\n")
        (folder / "search_persons.tsv").write_text(f"{head}\n1.5\t0:00:01\tNA\tNA\n")
        (folder / "build_index.tsv").write_text(f"{head}\n")
        (folder / "render_report.tsv").write_text(f"{head}\n4000\t1:06:40\t10\t20\n")

    def _measure(self) -> None:
        folder = self.folder
        labels = labels_by_image(read_manifest(folder / "manifest.parquet"))
        reduced = str(folder / "reduced.parquet")
        measured = measure_search(
            [str(folder / "embeddings.parquet")],
            [reduced],
            read_table(folder / "persons.parquet"),
            self.reduction,
            None,
            labels,
            read_table(folder / "distorted.parquet"),
            EvaluationSettings(resamples=100),
            self.rerank,
        )
        write_json(folder / "search.json", measured)
        draw_components(folder / "components.svg", measured["by_components"])
        write_json(folder / "detections.json", AP)
        index = str(folder / "persons.index")
        time_index([reduced], index, str(folder / "index.json"), str(folder / "timing.json"))

    def _pictures(self, folder: Path) -> list[FetchedImage]:
        images = []
        for image_id in range(1, PICTURES + 1):
            file = HOSTILE[image_id - 1] if image_id <= len(HOSTILE) else f"{image_id}.jpg"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            self._draw(image_id).save(folder / file, "PNG")
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

    def _draw(self, image_id: int) -> Image.Image:
        image = draw_picture(color_of(image_id))
        if self.company and image_id <= WITH_SECOND:
            x, y, w, h = map(int, SECOND)
            image.paste((20, 20, 60 * image_id), (x, y, x + w, y + h))
        return image

    def _search(self, found: pa.Table) -> None:
        folder, n = self.folder, len(found)
        rng = np.random.default_rng(3)
        vectors = np.abs(rng.normal(size=(n, 24))).astype(np.float32)
        if self.company:
            # Rows 0, 2, 4 and 6 are the first persons of pictures 1 to 4: a pair of duplicates
            # in two pictures, and one within a picture.
            vectors[2] = vectors[0] + 0.01
            vectors[5] = vectors[4] + 0.01
        self.reduction = fit_reduction([vectors], n, 24, 6, 0.5)
        self.reduction.save(folder / "model.npz")
        draw_explained_variance(folder / "explained_variance.svg", self.reduction)
        image_id, det_index = found["image_id"].to_numpy(), found["det_index"].to_numpy()
        columns = {
            "person_id": image_id * 1000 + det_index,
            **{name: found[name] for name in ("image_id", "det_index", "score", *BOX_COLUMNS)},
            "vector": vector_column(self.reduction.transform(vectors)),
        }
        full_schema = with_vector(PERSONS, 24)
        full = {**columns, "vector": vector_column(vectors)}
        embeddings = str(folder / "embeddings.parquet")
        write_table(embeddings, [pa.table(full).cast(full_schema)], full_schema)
        copies = with_two_vectors(24)
        moved = [vectors + noise * rng.random(vectors.shape) for noise in (0.9, 0.1)]
        made = dict(zip(VECTORS, map(vector_column, moved), strict=True))
        distorted = {**columns, **made}
        rows = pa.table({name: distorted[name] for name in copies.names}).cast(copies)
        write_table(folder / "distorted.parquet", [rows], copies)
        schema = with_vector(PERSONS, self.reduction.n_components)
        reduced = str(folder / "reduced.parquet")
        write_table(reduced, [pa.table(columns).cast(schema)], schema)
        paths = {name: str(folder / name) for name in ("persons.index", "persons.parquet")}
        build_index(
            [reduced],
            IndexSettings(backend=self.backend),
            paths["persons.index"],
            paths["persons.parquet"],
            str(folder / "index.json"),
        )
        own_vectors = vectors[:1] * 0.5 if n else np.full((1, 24), 0.5, np.float32)
        own = {
            "query": [0],
            "role": ["own picture"],
            "reason": ["your own picture, person 1 of 1 in it"],
            "person_id": pa.nulls(1, pa.int64()),
            "image_id": pa.nulls(1, pa.int64()),
            "picture": [str(folder / OWN)],
            "score": [0.8],
            **{name: [value] for name, value in zip(BOX_COLUMNS, BOX, strict=True)},
            "vector": vector_column(self.reduction.transform(own_vectors)),
        }
        own_schema = with_vector(QUERIES, self.reduction.n_components)
        write_table(folder / "own.parquet", [pa.table(own).cast(own_schema)], own_schema)
        persons = read_table(paths["persons.parquet"])
        there = [person for person in (3000, 1000) if person <= 1000 * self.persons]
        settings = QueriesSettings(persons=tuple(there))
        queries = select_queries(persons, [reduced], settings, str(folder / "own.parquet"))
        write_table(folder / "queries.parquet", [queries], queries.schema)
        sidecar = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        index = open_index(paths["persons.index"], sidecar)
        reranker = Reranker([embeddings], self.reduction.mean, own_vectors)
        search = SearchSettings(same_image=self.company, rerank=self.rerank, near_duplicate=1.0)
        hits = search_all(index, persons, queries, search, reranker if self.rerank else None)
        write_table(folder / "hits.parquet", [hits], HITS)
        write_skipped(folder / "no_query.tsv", [Skipped(None, "x/<u>.png", "no <person> in it")])

    def files(self, annotated: bool = True, timings: bool = True) -> ResultFiles:
        path = {name: str(self.folder / name) for name in (p.name for p in self.folder.iterdir())}
        return ResultFiles(
            manifest=path["manifest.parquet"],
            skipped=path["skipped.tsv"],
            detector=path["detector.json"],
            detections=path["persons.json"],
            model=path["model.npz"],
            variance_figure=path["explained_variance.svg"],
            persons=path["persons.parquet"],
            sidecar=path["index.json"],
            queries=path["queries.parquet"],
            hits=path["hits.parquet"],
            search_numbers=path["search.json"],
            components_figure=path["components.svg"],
            timing=path["timing.json"] if timings else None,
            detection_numbers=path["detections.json"] if annotated else None,
            precision_recall_figure=path["precision_recall.svg"] if annotated else None,
            skipped_queries=path["no_query.tsv"],
            benchmarks=path["benchmarks"] if timings else None,
        )

    def settings(self, **sections: dict[str, Any]) -> Settings:
        return settings_of(
            **{
                "dataset": {"source": "folder", "folder": {"path": str(self.folder / "pictures")}},
                "reduction": {"n_components": 6},
                "index": {"backend": self.backend},
                "shards": 2,
                "search": {"rerank": self.rerank, "same_image": self.company},
                "report": {"title": "<b>Title</b> & more", "thumbnail_height": 64},
                **sections,
                "embedding": PLAIN | sections.get("embedding", {}),
            }
        )

    def results(self, annotated: bool = True, **sections: dict[str, Any]) -> Results:
        folder = str(self.folder / "pictures")
        return load_results(self.files(annotated), self.settings(**sections), folder)

    def files_without_queries(self, folder: Path) -> ResultFiles:
        """The same run with no query; its two empty tables are written to `folder`."""
        changed = self.files().__dict__
        for name in ("queries", "hits"):
            table = read_table(changed[name]).slice(0, 0)
            changed = changed | {name: str(folder / f"{name}.parquet")}
            write_table(changed[name], [table], table.schema)
        return ResultFiles(**changed)

    def report(
        self,
        out: Path,
        annotated: bool = True,
        timings: bool = True,
        files: ResultFiles | None = None,
        **sections: dict[str, Any],
    ) -> Path:
        write_report(
            files or self.files(annotated, timings),
            self.settings(**sections),
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
