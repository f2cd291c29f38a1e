"""Time and memory of the stages after embedding, on made vectors.

The vectors are non-negative with a few strong directions, as a backbone's are; that they are made
says nothing about how good a search is, only what it costs. Each stage runs in a process of its
own, so that its peak memory is its own.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.fitting import fit_reduction
from visualsearch.index import open_index
from visualsearch.index.building import build_index
from visualsearch.queries import Evidence, select_queries
from visualsearch.reduction import Reduction, reduced_tables
from visualsearch.sampling import evenly_spaced
from visualsearch.search import search_all
from visualsearch.search_quality import measure_search
from visualsearch.tables import (
    PERSONS,
    in_person_order,
    open_table,
    read_table,
    vector_column,
    vectors_of,
    vectors_of_rows,
    with_vector,
    write_table,
)

PERSONS_AN_IMAGE = 3
EVALUATED = 1000


def made_vectors(rng: np.random.Generator, persons: int, length: int) -> np.ndarray:
    """Non-negative vectors with 64 strong directions, float32 [persons, length]."""
    directions = np.random.default_rng(0).normal(size=(64, length))
    hidden = rng.normal(size=(persons, 64)) * np.geomspace(3, 0.3, 64)
    noise = rng.normal(scale=0.5, size=(persons, length))
    return np.maximum(hidden @ directions + noise, 0).astype(np.float32)


def made_shard(path: Path, shard: int, shards: int, persons: int, length: int) -> None:
    """Write one shard of made persons, as the workflow shards them."""
    rng = np.random.default_rng([0, shard])
    images = np.arange(persons // PERSONS_AN_IMAGE)
    images = images[images % shards == shard]

    def tables() -> Iterator[pa.Table]:
        for part in np.array_split(images, max(1, len(images) // 500)):
            image_id = np.repeat(part, PERSONS_AN_IMAGE)
            det_index = np.tile(np.arange(PERSONS_AN_IMAGE), len(part))
            vectors = made_vectors(rng, len(image_id), length)
            columns = {
                "person_id": image_id * 1000 + det_index,
                "image_id": image_id,
                "det_index": det_index,
                "score": rng.uniform(0.7, 1, len(image_id)),
                "x": np.zeros(len(image_id)),
                "y": np.zeros(len(image_id)),
                "w": np.full(len(image_id), 100),
                "h": rng.uniform(48, 400, len(image_id)),
                "vector": vector_column(vectors),
            }
            yield pa.table(columns).cast(with_vector(PERSONS, length))

    write_table(path, tables(), with_vector(PERSONS, length))


def measured(stage: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and peak memory in MB, of a stage run in a new process."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def run() -> None:
        start = time.perf_counter()
        stage()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        queue.put((time.perf_counter() - start, peak))

    process = context.Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{stage.__name__} failed")
    return queue.get()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=45_000)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--components", type=int, default=256)
    parser.add_argument("--shards", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        embeddings = [str(folder / f"e{n}.parquet") for n in range(options.shards)]
        reduced = [str(folder / f"r{n}.parquet") for n in range(options.shards)]

        def make() -> None:
            for shard, path in enumerate(embeddings):
                made_shard(Path(path), shard, options.shards, options.persons, options.length)

        def fit_pca() -> None:
            batches = (vectors_of(table) for table in in_person_order(embeddings, 1024))
            fit_reduction(batches, options.persons, options.length, options.components, 0.5).save(
                folder / "model.npz"
            )

        def reduce_vectors() -> None:
            reduction = Reduction.load(folder / "model.npz")
            for source, target in zip(embeddings, reduced, strict=True):
                with open_table(source) as table:
                    schema = with_vector(PERSONS, reduction.n_components)
                    write_table(target, reduced_tables(reduction, table), schema)

        def index() -> None:
            settings = {
                "backend": "annoy",
                "target_recall": 0.99,
                "n_trees": None,
                "search_k": None,
                "seed": 0,
            }
            paths = (folder / f for f in ("persons.ann", "persons.parquet", "index.json"))
            build_index(reduced, settings, *map(str, paths))

        def queries() -> None:
            settings = {"count": 5, "strategy": "revealing", "seed": 0, "persons": []}
            manifest = str(folder / "manifest.parquet")
            persons = read_table(folder / "persons.parquet")
            images = pa.table({"image_id": persons["image_id"].unique()})
            for side in ("width", "height"):
                images = images.append_column(side, pa.array([640] * len(images)))
            write_table(manifest, [images], images.schema)
            evidence = Evidence(manifest, embeddings, str(folder / "model.npz"))
            table = select_queries(persons, reduced, settings, evidence=evidence)
            write_table(folder / "queries.parquet", [table], table.schema)

        def search() -> None:
            sidecar = json.loads((folder / "index.json").read_text())
            search_all(
                open_index(folder / "persons.ann", sidecar),
                read_table(folder / "persons.parquet"),
                read_table(folder / "queries.parquet"),
                10,
                same_image=False,
            )

        def evaluate() -> None:
            # A person's own vector stands for its distorted copy; that costs the same.
            persons = read_table(folder / "persons.parquet")
            rows = evenly_spaced(len(persons), EVALUATED)
            own = vector_column(vectors_of_rows(embeddings, rows))
            copies = persons.take(rows).append_column("vector", own)
            copies = copies.append_column("vector_unmirrored", own)
            measure_search(
                embeddings,
                reduced,
                persons,
                Reduction.load(folder / "model.npz"),
                None,
                pd.DataFrame(),
                copies,
                {"persons": EVALUATED, "resamples": 1000, "seed": 0},
                rerank=0,
            )

        measured(make)
        print(f"{options.persons:,} x {options.length}, {options.components} components")
        print(f"{'stage':<16}{'seconds':>9}{'peak MB':>9}")
        for stage in (fit_pca, reduce_vectors, index, queries, search, evaluate):
            seconds, peak = measured(stage)
            print(f"{stage.__name__:<16}{seconds:>9.1f}{peak:>9.0f}", flush=True)
        sidecar = json.loads((folder / "index.json").read_text())
        print("chosen", sidecar["tuning"]["chosen"], "recall", sidecar["recall"])


if __name__ == "__main__":
    main()
