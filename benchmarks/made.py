"""Made persons: a results folder with all that a run has once it has embedded them.

The vectors are non-negative with 64 strong directions and noise. They have no identities, no
look-alikes from one picture and no dense groups, so they show what a size costs and nothing about
how good a search is; real persons, whose neighbours are nearer, tend to be easier to find. The
pictures are the demo's, each named thousands of times by the manifest.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measuring import measured
from whole_runs import Workspace, demo_config, demo_pictures

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.files import sha256_file
from visualsearch.data.images import read_image
from visualsearch.data.manifest import LISTED_SCHEMA, MANIFEST_SCHEMA, person_id, shard_of
from visualsearch.data.person_order import rows_of_shards, vectors_of_rows
from visualsearch.data.skipped import write_skipped
from visualsearch.data.tables import DETECTIONS, PERSONS, write_table
from visualsearch.data.vectors import full_length_columns, with_full_length
from visualsearch.detect.coco_files import write_coco_results
from visualsearch.embed.distortion import DISTORTED, MIRRORED, UNMIRRORED, with_both_ways
from visualsearch.fetch.walk import pictures_in

# Of a ResNet-50: the last map, and six stripes of the map before it.
LENGTHS = {"vector": 2048, "before": 6 * 1024}
LENGTH = sum(LENGTHS.values())
DIRECTIONS = 64
PERSONS_AN_IMAGE = 3
ROWS_AT_ONCE = 3000
# Persons with distorted copies, and so of evaluation.persons.
COPIES = 1000
# COCO's id of the category person.
CATEGORY = 1
# What the embedding would have said of itself: distorted copies must say the same.
METADATA = {"made": "by benchmarks/made.py"}
# What was made has no record of its code and parameters: only times may decide what runs.
BY_TIME = ("--rerun-triggers", "mtime")


def made_workspace(folder: Path, persons: int, shards: int, **sections: Any) -> Workspace:
    """A workspace in which everything up to the embeddings is made. sections: of its settings."""
    config = demo_config(
        dataset={"source": "folder", "folder": {"path": str(demo_pictures())}},
        evaluation={"persons": COPIES},
        report={"explorer": False},
        **sections,
    )
    workspace = Workspace(folder, config | {"shards": shards})
    workspace.run("results/detections/detector.json")
    measured(lambda: write_run(workspace.results, demo_pictures(), persons, shards))
    write_records(workspace)
    return workspace


def write_records(workspace: Workspace) -> None:
    """Make Snakemake believe that all jobs before the reduction ran, as they would today.

    Their records, and files that no later stage reads, are empty.
    """
    targets = ("detect", "embed", "results/evaluation/distorted.parquet")
    _, printed = workspace.run("--summary", *targets)
    for line in printed.splitlines():
        path = workspace.folder / line.partition("\t")[0]
        if workspace.results in path.parents and path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    workspace.run("--touch", *targets)


def write_run(results: Path, pictures: Path, persons: int, shards: int) -> None:
    """Write what a results folder has once its persons are embedded, detector.json aside.

    In the workflow's order, so that nothing is older than what it was made from.
    """
    real = real_pictures(pictures)
    write_manifest(results / "dataset", -(-persons // PERSONS_AN_IMAGE), shards, real)
    embeddings = [results / f"embeddings/{shard}.parquet" for shard in range(shards)]
    detections = [results / f"detections/shards/{shard}.parquet" for shard in range(shards)]
    for shard, path in enumerate(detections):
        rows = persons_table(shard_rows(persons, shard, shards), real)
        rows = rows.append_column("category_id", pa.array(np.full(len(rows), CATEGORY)))
        write_table(path, [rows.select(DETECTIONS.names).cast(DETECTIONS)], DETECTIONS)
        write_skipped(path.with_name(f"{shard}.skipped.tsv"), [])
    write_coco_results(results / "detections/persons.json", detections)
    write_skipped(results / "detections/skipped.tsv", [])
    for shard, path in enumerate(embeddings):
        write_embeddings(path, shard_rows(persons, shard, shards), real)
    write_copies(results / "evaluation/distorted.parquet", embeddings)


def real_pictures(folder: Path) -> pa.Table:
    """The pictures of a folder, with what a manifest says of each."""
    files = pictures_in(folder)
    sizes = [read_image(folder / file).size for file in files]
    return pa.table(
        {
            "file": files,
            "width": [width for width, _ in sizes],
            "height": [height for _, height in sizes],
            "sha256": [sha256_file(folder / file) for file in files],
        }
    )


def write_manifest(folder: Path, images: int, shards: int, pictures: pa.Table) -> None:
    """Write a manifest of so many pictures, whose files are those of `pictures` in turns."""
    image_id = np.arange(images)
    rows = pictures.take(image_id % len(pictures))
    columns = {name: rows[name] for name in pictures.column_names}
    columns |= {"image_id": image_id, "shard": shard_of(image_id, shards)}
    absent = pa.nulls(images)
    table = pa.table({name: columns.get(name, absent) for name in MANIFEST_SCHEMA.names})
    write_table(folder / "manifest.parquet", [table.cast(MANIFEST_SCHEMA)], MANIFEST_SCHEMA)
    # The report reads what it says of the whole data set: nothing.
    write_table(folder / "images.parquet", [LISTED_SCHEMA.empty_table()], LISTED_SCHEMA)
    write_skipped(folder / "skipped.tsv", [])


def shard_rows(persons: int, shard: int, shards: int) -> np.ndarray:
    """The persons of a shard, as rows in person order."""
    rows = np.arange(persons)
    return rows[shard_of(rows // PERSONS_AN_IMAGE, shards) == shard]


def persons_table(rows: np.ndarray, pictures: pa.Table) -> pa.Table:
    """Persons by their rows [N] in person order, with boxes inside their pictures."""
    rng = np.random.default_rng([0, rows[0]])
    image_id, det_index = np.divmod(rows, PERSONS_AN_IMAGE)
    place = image_id % len(pictures)
    width, height = (pictures[side].to_numpy()[place] for side in ("width", "height"))
    w, h = rng.uniform(0.1, 0.5, len(rows)) * width, rng.uniform(48, 0.9 * height)
    columns = {
        "person_id": person_id(image_id, det_index),
        "image_id": image_id,
        "det_index": det_index,
        # Falling within an image, as a detector's are.
        "score": rng.uniform(0.9, 1, len(rows)) - 0.1 * det_index,
        "x": rng.uniform(0, 1, len(rows)) * (width - w),
        "y": rng.uniform(0, 1, len(rows)) * (height - h),
        "w": w,
        "h": h,
    }
    return pa.table(columns).cast(PERSONS)


def write_embeddings(path: Path, rows: np.ndarray, pictures: pa.Table) -> None:
    """Write the persons of a shard with their vectors."""
    table = persons_table(rows, pictures)
    rng = np.random.default_rng([1, rows[0]])

    def tables() -> Iterator[pa.Table]:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = table.slice(start, ROWS_AT_ONCE)
            columns = full_length_columns(made_vectors(rng, len(part)), LENGTHS)
            columns |= {name: part[name] for name in PERSONS.names}
            yield pa.table({name: columns[name] for name in schema.names})

    schema = with_full_length(PERSONS, LENGTHS)
    write_table(path, tables(), schema, METADATA)


def made_vectors(rng: np.random.Generator, persons: int) -> np.ndarray:
    """Non-negative vectors with a few strong directions, float32 [persons, LENGTH]."""
    directions = np.random.default_rng(0).standard_normal((DIRECTIONS, LENGTH), np.float32)
    weights = np.geomspace(3, 0.3, DIRECTIONS, dtype=np.float32)
    vectors = (rng.standard_normal((persons, DIRECTIONS), np.float32) * weights) @ directions
    vectors += 0.5 * rng.standard_normal(vectors.shape, np.float32)
    return np.maximum(vectors, 0, out=vectors)


def write_copies(path: Path, embeddings: list[Path]) -> None:
    """Write vectors near those of some persons, in place of their moved and mirrored boxes."""
    persons = rows_of_shards(embeddings, ["person_id", "image_id", *"xywh"])
    rows = np.unique(np.linspace(0, len(persons) - 1, COPIES).astype(np.int64))
    vectors = vectors_of_rows(embeddings, rows)
    rng = np.random.default_rng(2)
    table = persons.take(rows)
    columns = {name: table[name] for name in table.column_names}
    for way in (MIRRORED, UNMIRRORED):
        near = vectors + vectors.std() * rng.standard_normal(vectors.shape, np.float32)
        columns |= full_length_columns(np.maximum(near, 0), LENGTHS, way)
    schema = with_both_ways(DISTORTED, LENGTHS)
    copies = pa.table({name: columns[name] for name in schema.names}).cast(schema)
    write_table(path, [copies], schema, METADATA)
