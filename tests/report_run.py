"""A run's results for tests of the report: made vectors and pictures, computed by the library."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from report_inputs import (
    AP,
    BOX,
    DETECTOR,
    OWN,
    detections_of,
    write_benchmarks,
    write_pictures,
)
from visualsearch.core.files import read_json, write_json
from visualsearch.data.manifest import picture_sizes, read_manifest, write_manifest
from visualsearch.data.skipped import Skipped, write_skipped
from visualsearch.data.tables import (
    BOX_COLUMNS,
    DETECTIONS,
    HITS,
    PERSONS,
    QUERIES,
    read_table,
    write_table,
)
from visualsearch.data.vectors import full_length_columns, vector_column, with_vector
from visualsearch.detect.coco_files import write_coco_results
from visualsearch.detect.run import detections_table
from visualsearch.embed.distortion import DISTORTED, MIRRORED, UNMIRRORED, with_both_ways
from visualsearch.evaluate.galleries import measure_galleries
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
from visualsearch.report.writing import write_report
from visualsearch.search.full_length import FullLength
from visualsearch.search.hits import search_all
from visualsearch.search.queries import select_queries
from visualsearch.settings import (
    EvaluationSettings,
    IndexSettings,
    QueriesSettings,
    SearchSettings,
    Settings,
    checking,
)

OUTPUTS = ("index.html", "light.html", "report.md", "hits.csv", "run.json")
# So many pictures, and values of a full-length vector.
PICTURES, LENGTH = 14, 24

# The simplest way to describe a person; words for the others are tested one by one.
PLAIN = {"maps": "last", "mirrored": False}


def settings_of(**sections: dict[str, Any]) -> Settings:
    return Settings.of(checking.checked(sections))


class Run:
    """A run's results, computed and written by the library from made vectors and pictures.

    backend: of the index. rerank: search.rerank. two_persons_in_some: the first pictures show
    two persons; scores and heights differ, some persons are near-duplicates, and hits may come
    from the query's own picture. persons: how many of the first pictures show somebody.
    """

    def __init__(
        self,
        folder: Path,
        backend: str = "exact",
        rerank: int = 0,
        two_persons_in_some: bool = False,
        persons: int = PICTURES,
    ) -> None:
        self.folder = folder
        self.backend = backend
        self.rerank = rerank
        self.two_persons_in_some = two_persons_in_some
        self.persons = persons
        images = write_pictures(folder, PICTURES, two_persons_in_some)
        write_manifest(folder / "manifest.parquet", images, shards=1)
        write_skipped(folder / "skipped.tsv", [Skipped(None, "a.jpg", "empty | <file>")] * 3)
        write_json(folder / "detector.json", DETECTOR)
        self.image_ids = [image.listed.image_id for image in images]
        tables = [
            detections_table(image_id, *detections_of(image_id, persons, two_persons_in_some), 1)
            for image_id in self.image_ids
        ]
        write_table(folder / "detections.parquet", tables, DETECTIONS)
        write_coco_results(folder / "persons.json", [folder / "detections.parquet"])
        columns, vectors = self._embed(pa.concat_tables(tables))
        persons_found = self._index(columns)
        self._search(persons_found, self._own_picture(vectors))
        self._measure()
        write_benchmarks(folder / "benchmarks")
        recall = np.linspace(0, 1, 101)
        draw_precision_recall(
            folder / "precision_recall.svg",
            np.column_stack([recall, 1 - recall, (1 - recall) ** 2, (1 - recall) ** 3]),
        )

    def _measure(self) -> None:
        folder = self.folder
        labels = labels_by_image(read_manifest(folder / "manifest.parquet"))
        persons = read_table(folder / "persons.parquet")
        sizes = picture_sizes(folder / "manifest.parquet", persons["image_id"].to_numpy())
        reduced = str(folder / "reduced.parquet")
        measured = measure_search(
            [str(folder / "embeddings.parquet")],
            [reduced],
            persons,
            sizes,
            self.reduction,
            None,
            labels,
            read_table(folder / "distorted.parquet"),
            EvaluationSettings(resamples=100),
            self.rerank,
        )
        write_json(folder / "search.json", measured)
        galleries = measure_galleries(
            persons,
            read_table(folder / "queries.parquet"),
            read_table(folder / "hits.parquet"),
            sizes,
            None,
            labels,
            0,
            None,
        )
        write_json(folder / "galleries.json", {"galleries": galleries})
        write_table(folder / "by_last_map.parquet", [HITS.empty_table()], HITS)
        draw_components(folder / "components.svg", measured["by_components"])
        write_json(folder / "detections.json", AP)
        index = str(folder / "persons.index")
        time_index([reduced], index, str(folder / "index.json"), str(folder / "timing.json"))

    def _embed(self, found: pa.Table) -> tuple[dict[str, Any], np.ndarray]:
        """Embed and reduce made vectors; the reduced table's columns, and the vectors [N, 24]."""
        folder, n = self.folder, len(found)
        rng = np.random.default_rng(3)
        vectors = np.abs(rng.normal(size=(n, LENGTH))).astype(np.float32)
        if self.two_persons_in_some:
            # Rows 0, 2, 4 and 6 are the first persons of pictures 1 to 4: a pair of duplicates
            # in two pictures, and one within a picture.
            vectors[2] = vectors[0] + 0.01
            vectors[5] = vectors[4] + 0.01
        self.reduction = fit_reduction([vectors], n, LENGTH, 6, 0.5)
        self.reduction.save(folder / "model.npz")
        draw_explained_variance(folder / "explained_variance.svg", self.reduction)
        image_id, det_index = found["image_id"].to_numpy(), found["det_index"].to_numpy()
        columns = {
            "person_id": image_id * 1000 + det_index,
            **{name: found[name] for name in ("image_id", "det_index", "score", *BOX_COLUMNS)},
        }
        full = {**columns, "vector": vector_column(vectors)}
        self._write("embeddings", full, with_vector(PERSONS, LENGTH))
        moved = [vectors + noise * rng.random(vectors.shape) for noise in (0.9, 0.1)]
        lengths = {"vector": LENGTH}
        distorted = columns | full_length_columns(moved[0], lengths, MIRRORED)
        distorted |= full_length_columns(moved[1], lengths, UNMIRRORED)
        self._write("distorted", distorted, with_both_ways(DISTORTED, lengths))
        return columns | {"vector": vector_column(self.reduction.transform(vectors))}, vectors

    def _write(self, name: str, columns: dict[str, Any], schema: pa.Schema) -> None:
        table = pa.table({column: columns[column] for column in schema.names}).cast(schema)
        write_table(self.folder / f"{name}.parquet", [table], schema)

    def _index(self, columns: dict[str, Any]) -> pa.Table:
        self._write("reduced", columns, with_vector(PERSONS, self.reduction.n_components))
        names = ("persons.index", "persons.parquet", "index.json")
        paths = [str(self.folder / name) for name in names]
        reduced = str(self.folder / "reduced.parquet")
        build_index([reduced], IndexSettings(backend=self.backend), *paths)
        return read_table(self.folder / "persons.parquet")

    def _own_picture(self, vectors: np.ndarray) -> np.ndarray:
        """A query from a picture of the user's own; its full-length vector, [1, 24]."""
        vector = vectors[:1] * 0.5 if len(vectors) else np.full((1, LENGTH), 0.5, np.float32)
        query = {
            "query": [0],
            "role": ["own picture"],
            "reason": ["your own picture, person 1 of 1 in it"],
            "person_id": pa.nulls(1, pa.int64()),
            "image_id": pa.nulls(1, pa.int64()),
            "picture": [str(self.folder / OWN)],
            "score": [0.8],
            **{name: [value] for name, value in zip(BOX_COLUMNS, BOX, strict=True)},
            "vector": vector_column(self.reduction.transform(vector)),
        }
        self._write("own", query, with_vector(QUERIES, self.reduction.n_components))
        return vector

    def _search(self, persons: pa.Table, own_vector: np.ndarray) -> None:
        folder = self.folder
        named = tuple(person for person in (3000, 1000) if person <= 1000 * self.persons)
        settings, own = QueriesSettings(persons=named), str(folder / "own.parquet")
        queries = select_queries(persons, [str(folder / "reduced.parquet")], settings, own)
        write_table(folder / "queries.parquet", [queries], queries.schema)
        index = open_index(folder / "persons.index", read_json(folder / "index.json"))
        full_length = FullLength(
            [str(folder / "embeddings.parquet")], self.reduction.mean, own_vector
        )
        search = SearchSettings(
            same_image=self.two_persons_in_some, rerank=self.rerank, near_duplicate=1.0
        )
        hits = search_all(
            index,
            persons,
            queries,
            search,
            full_length,
        )
        write_table(folder / "hits.parquet", [hits], HITS)
        write_skipped(folder / "no_query.tsv", [Skipped(None, "x/<u>.png", "no <person> in it")])

    def files(
        self, annotated: bool = True, timings: bool = True, **changed: str | Path
    ) -> ResultFiles:
        """The files that the report reads; `changed` puts others in their place, by field."""
        names = {
            "manifest": "manifest.parquet",
            "skipped": "skipped.tsv",
            "detector": "detector.json",
            "detections": "persons.json",
            "model": "model.npz",
            "variance_figure": "explained_variance.svg",
            "persons": "persons.parquet",
            "sidecar": "index.json",
            "queries": "queries.parquet",
            "hits": "hits.parquet",
            "search_numbers": "search.json",
            "components_figure": "components.svg",
            "galleries": "galleries.json",
            "by_last_map": "by_last_map.parquet",
            "timing": "timing.json" if timings else None,
            "detection_numbers": "detections.json" if annotated else None,
            "precision_recall_figure": "precision_recall.svg" if annotated else None,
            "skipped_queries": "no_query.tsv",
            "benchmarks": "benchmarks" if timings else None,
        }
        paths = {field: name and str(self.folder / name) for field, name in names.items()}
        paths |= {field: str(path) for field, path in changed.items()}
        return ResultFiles(**paths)  # type: ignore[arg-type]

    def files_without_queries(self, folder: Path) -> ResultFiles:
        """The same run with no query; its two empty tables are written to `folder`."""
        paths = {name: folder / f"{name}.parquet" for name in ("queries", "hits")}
        for name, path in paths.items():
            table = read_table(self.folder / f"{name}.parquet").slice(0, 0)
            write_table(path, [table], table.schema)
        return self.files(**paths)

    def files_with_numbers(
        self, folder: Path, numbers: dict[str, Any], **which: bool
    ) -> ResultFiles:
        """The same run with other search numbers, written with their figure to `folder`."""
        write_json(folder / "search.json", numbers)
        draw_components(folder / "components.svg", numbers["by_components"])
        return dataclasses.replace(
            self.files(**which),
            search_numbers=str(folder / "search.json"),
            components_figure=str(folder / "components.svg"),
        )

    def settings(self, **sections: dict[str, Any]) -> Settings:
        return settings_of(
            **{
                "dataset": {"source": "folder", "folder": {"path": str(self.folder / "pictures")}},
                "reduction": {"n_components": 6},
                "index": {"backend": self.backend},
                "shards": 2,
                "search": {"rerank": self.rerank, "same_image": self.two_persons_in_some},
                "report": {"title": "<b>Title</b> & more", "thumbnail_height": 64},
                **sections,
                "embedding": PLAIN | sections.get("embedding", {}),
            }
        )

    def results(
        self, files: ResultFiles | None = None, settings: Settings | None = None, **sections: Any
    ) -> Results:
        """What the report's words are made from; `sections` of settings differ."""
        given = settings or self.settings(**sections)
        return load_results(files or self.files(), given, str(self.folder / "pictures"))

    def report(
        self,
        out: Path,
        annotated: bool = True,
        timings: bool = True,
        files: ResultFiles | None = None,
        pictures: Path | None = None,
        **sections: dict[str, Any],
    ) -> Path:
        """Write the report into `out`; returns `out`."""
        write_report(
            files or self.files(annotated, timings),
            self.settings(**sections),
            str(pictures or self.folder / "pictures"),
            *(str(out / name) for name in OUTPUTS),
            str(out / "figures"),
        )
        return out


def with_numbers(results: Results, **search: Any) -> Results:
    """The results with other parts of search.json."""
    return dataclasses.replace(results, search={**results.search, **search})


def with_sidecar(results: Results, **sidecar: Any) -> Results:
    """The results with other parts of the index's sidecar."""
    return dataclasses.replace(results, sidecar={**results.sidecar, **sidecar})
