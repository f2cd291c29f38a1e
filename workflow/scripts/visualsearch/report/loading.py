"""Reads a run's results from the files of its stages."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from visualsearch.core.files import read_json
from visualsearch.data.attribution import web_address
from visualsearch.data.manifest import MANIFEST_SCHEMA, labels_of, shown_name
from visualsearch.data.pictures import Places
from visualsearch.data.skipped import read_skipped
from visualsearch.data.tables import BOX_COLUMNS, HITS, QUERIES, count_rows, open_table, read_table
from visualsearch.reduce.reduction import Reduction
from visualsearch.report.costs import read_costs
from visualsearch.report.model import Box, Hit, Label, Person, Query, Results, ShownPicture
from visualsearch.settings import DatasetSettings, Settings


@dataclass(frozen=True)
class ResultFiles:
    """Paths of what the stages wrote; None for what this run does not make.

    listed: what the source listed. benchmarks: the folder of Snakemake's benchmarks, logs: that of
    the logs; None if nothing is shown that differs from run to run.
    """

    manifest: str
    skipped: str
    detector: str
    detections: str
    model: str
    variance_figure: str
    persons: str
    sidecar: str
    queries: str
    hits: str
    search_numbers: str
    components_figure: str
    galleries: str
    by_last_map: str
    timing: str | None = None
    detection_numbers: str | None = None
    precision_recall_figure: str | None = None
    skipped_queries: str | None = None
    listed: str | None = None
    benchmarks: str | None = None
    logs: str | None = None


def load_results(files: ResultFiles, settings: Settings, pictures_folder: str | None) -> Results:
    """Read a run's results. pictures_folder: the user's own folder of pictures, or None."""
    query_rows = read_table(files.queries, QUERIES.names).to_pylist()
    hit_rows = read_table(files.hits, HITS.names).to_pylist()
    other_rows = read_table(files.by_last_map, HITS.names).to_pylist()
    image_ids = {row["image_id"] for row in [*query_rows, *hit_rows, *other_rows]} - {None}
    stored = stored_pictures(files.manifest, image_ids, pictures_folder, settings.dataset)
    alike = {entry["query"]: entry for entry in read_json(files.galleries)["galleries"]}
    queries = shown_queries(query_rows, hit_rows, stored, alike, other_rows)
    n_persons = count_rows([files.persons])
    return Results(
        settings=settings,
        n_pictures=count_rows([files.manifest]),
        n_detections=_count_detections(files.detections),
        n_persons=n_persons,
        queries=queries,
        boxes=_boxes_by_image(files.persons, image_ids),
        skipped_queries=read_skipped(files.skipped_queries) if files.skipped_queries else [],
        skipped=read_skipped(files.skipped),
        detector=read_json(files.detector),
        reduction=Reduction.load(files.model),
        sidecar=read_json(files.sidecar),
        search=read_json(files.search_numbers),
        timing=read_json(files.timing) if files.timing and n_persons else None,
        costs=read_costs(files.benchmarks, settings.shards) if files.benchmarks else [],
        detection_numbers=read_json(files.detection_numbers) if files.detection_numbers else None,
    )


def shown_queries(
    query_rows: list[dict[str, Any]],
    hit_rows: list[dict[str, Any]],
    stored: dict[int, ShownPicture],
    alike: Mapping[int, dict[str, Any]] = MappingProxyType({}),
    other_rows: Sequence[dict[str, Any]] = (),
) -> list[Query]:
    """Return queries with their hits, numbered from 1.

    query_rows, hit_rows: of tables.QUERIES and tables.HITS. stored: the pictures of the dataset,
    by image_id. alike: entries of evaluation/galleries.json by query. other_rows: hits by the last
    map alone.
    """
    own = _own_pictures(query_rows)
    hits_of, others_of = _by_query(hit_rows), _by_query(other_rows)
    queries = []
    for number, row in enumerate(query_rows, start=1):
        picture = own[row["picture"]] if row["picture"] else stored[row["image_id"]]
        hits, others = (
            [_hit(hit, stored[hit["image_id"]], picture.labels) for hit in found[row["query"]]]
            for found in (hits_of, others_of)
        )
        labels = [Label(kind, value) for kind, value in picture.labels.items()]
        person = _person(row, picture)
        found = alike.get(row["query"])
        queries.append(
            Query(number, row["role"], row["reason"], person, labels, hits, found, others)
        )
    return queries


def _by_query(rows: Sequence[dict[str, Any]]) -> defaultdict[int, list[dict[str, Any]]]:
    """Return rows of hits by the number of their query, the best first."""
    by_query = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["rank"]):
        by_query[row["query"]].append(row)
    return by_query


def stored_pictures(
    manifest: str, image_ids: Collection[int], folder: str | None, dataset: DatasetSettings
) -> dict[int, ShownPicture]:
    """Return the dataset's pictures of these ids. folder: the user's own of pictures, or None."""
    places = Places(manifest, folder)
    by_file = dataset.source == "folder"  # their ids mean nothing to readers
    return {
        row["image_id"]: ShownPicture(
            key=f"image-{row['image_id']}",
            name=shown_name(row, by_file),
            file=row["file"],
            stored=places.picture(row),
            image_id=row["image_id"],
            license=row["license"],
            license_url=web_address(row["license_url"]),
            source_url=web_address(row["source_url"]),
            labels=labels_of(row),
        )
        for row in _rows_of_images(manifest, MANIFEST_SCHEMA.names, image_ids)
    }


def _own_pictures(query_rows: list[dict[str, Any]]) -> dict[str, ShownPicture]:
    """Return the query pictures that the user gave, by file."""
    files = dict.fromkeys(row["picture"] for row in query_rows if row["picture"])
    return {
        file: ShownPicture(f"own-{number}", PurePosixPath(file).name, file)
        for number, file in enumerate(files, start=1)
    }


def _hit(row: dict[str, Any], picture: ShownPicture, query_labels: dict[str, str]) -> Hit:
    return Hit(
        rank=row["rank"],
        person=_person(row, picture),
        similarity=row["similarity"],
        same_image=bool(row["same_image"]),
        near_duplicate=bool(row["near_duplicate"]),
        index_rank=row["index_rank"],
        full_similarity=row["full_similarity"],
        labels=[
            Label(kind, value, query_labels.get(kind) == value)
            for kind, value in picture.labels.items()
        ],
    )


def _person(row: dict[str, Any], picture: ShownPicture) -> Person:
    return Person(picture, _box(row), row["score"], row["person_id"])


def _box(row: dict[str, Any]) -> Box:
    x, y, w, h = (row[name] for name in BOX_COLUMNS)
    return x, y, w, h


def _boxes_by_image(persons: str, image_ids: Collection[int]) -> dict[int, dict[int, Box]]:
    boxes: dict[int, dict[int, Box]] = {}
    for row in _rows_of_images(persons, ["person_id", "image_id", *BOX_COLUMNS], image_ids):
        boxes.setdefault(row["image_id"], {})[row["person_id"]] = _box(row)
    return boxes


def _rows_of_images(
    path: str, columns: Sequence[str], image_ids: Collection[int]
) -> Iterator[dict[str, Any]]:
    """Yield a table's rows of some images, without holding the others in memory."""
    ids = pa.array(sorted(image_ids), pa.int64())
    with open_table(path, columns) as file:
        for batch in file.iter_batches(columns=list(columns)):
            yield from batch.filter(pc.is_in(batch["image_id"], ids)).to_pylist()


def _count_detections(path: str) -> int:
    # COCO results of a large dataset are a hundred megabytes; each detection has this key once.
    with open(path, encoding="utf-8") as file:
        return sum(line.count('"image_id"') for line in file)
