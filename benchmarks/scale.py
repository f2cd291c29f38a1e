"""What a person costs as the set grows: bytes, build, query and memory, projected to 10^8 persons.

Five tables of measurements, and one that projects them:

1. bytes a person of each file, and of an index by its trees;
2. what vectors lose that are kept as float16 or int8: recall@10 of exact search over the rounded
   ones, of usearch's graph over them, and of int8 with its best looked at again in float32. The
   truth is exact search in float32. int8 by a scale for each person is numpy's here, and a fixed
   one usearch's;
3. growth: an Annoy forest of --trees trees, tuned to a recall@10 of 0.99. Seconds are of the
   processor, so that other work on the machine counts little. Milliseconds are medians by one
   thread, in turns with exact search over the same vectors: where there is other work, only their
   ratio holds. `own` is memory that is no page of a file;
4. memory that each job holds for every person of the whole set: between two sizes of tables whose
   vectors have one value;
5. LanceDB, where it is installed: the tables loaded, exact search, an index on disk.

The projection takes bytes as so many a person, and seconds, milliseconds and memory as powers of
the persons fitted to the sizes measured; each with the standard error of the power.

The vectors are made (see made.py): harder to search than real ones, so the queries' times are.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from made import made_embeddings, made_reduced, real_pictures
from measuring import machine, measured, table
from watching import Watch

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from threadpoolctl import threadpool_limits

from visualsearch.data.manifest import person_id
from visualsearch.data.person_order import in_person_order, rows_of_shards
from visualsearch.data.tables import (
    PERSONS,
    count_rows,
    read_table,
    vector_column,
    with_vector,
    write_table,
)
from visualsearch.index.annoy_backend import AnnoyBackend
from visualsearch.index.building import BATCH_ROWS, vectors_in_order
from visualsearch.index.exact_backend import ExactBackend
from visualsearch.index.index import Index
from visualsearch.index.recall import SampledQueries, count_hits, exact_cosines
from visualsearch.index.timing import timed
from visualsearch.index.tuning import Point

LENGTH = 2048
COMPONENTS = 256
SIZES = [25_000, 50_000, 100_000, 200_000]
QUICK = [5_000, 10_000, 20_000]
TABLES = ("bytes", "bits", "growth", "memory", "database")
TARGET = 0.99
FOR_BYTES = 10_000
FOR_BITS = 40_000
FOR_MEMORY = (1_500_000, 4_500_000)
SHARDS = 16
TREES = (10, 25, 50, 100)
QUERIES = 300
NEIGHBOURS = 10
AGAIN = 30
PROJECTED = (10**6, 10**7, 10**8)
# What fewer persons take is start-up, and says nothing of a million.
LEAST_TO_PROJECT = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--persons", type=int, nargs="+", default=SIZES)
    parser.add_argument("--trees", type=int, default=25)
    parser.add_argument("--quick", action="store_true", help=f"at most {QUICK[-1]:,} persons")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES)
    options = parser.parse_args()
    sizes = QUICK if options.quick else sorted(options.persons)
    print(machine("numpy", "annoy", "usearch", "lancedb", "pyarrow"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "bytes" in options.only:
            header = ("file", "bytes a person")
            said("bytes a person", header, bytes_a_person(folder).items())
        if "bits" in options.only:
            few = min(FOR_BITS, sizes[-1])
            header = ("vectors kept as", "bytes a person", f"recall@{NEIGHBOURS}")
            rows = kept_in_fewer_bits(made(folder, few))
            said(f"kept in fewer bits, {few:,} persons", header, rows)
        if "growth" in options.only:
            growth(sizes, options.trees, folder)
        if "memory" in options.only:
            counts = [count // 10 for count in FOR_MEMORY] if options.quick else FOR_MEMORY
            title = f"memory, between {counts[0]:,} and {counts[1]:,} persons in {SHARDS} shards"
            said(title, ("job", "bytes a person of all"), memory_a_person(folder, counts))
        # Last: LanceDB runs threads that do not outlive a fork.
        if "database" in options.only:
            rows = in_lancedb(made(folder, sizes[-1]), folder)
            header = ("LanceDB", "seconds to make", "MB", "ms a query", f"recall@{NEIGHBOURS}")
            said(f"LanceDB, {sizes[-1]:,} persons, all cores", header, rows)


def said(title: str, header: Sequence[str], rows: Any) -> None:
    """Print a table."""
    print(f"\n{title}\n\n{table(header, [tuple(row) for row in rows])}", flush=True)


def made(folder: Path, persons: int) -> list[str]:
    """A shard of reduced vectors of made persons."""
    path = folder / f"{persons}.parquet"
    if not path.exists():
        measured(lambda: made_reduced(path, persons, LENGTH, COMPONENTS))
    return [str(path)]


# Bytes.


def bytes_a_person(folder: Path) -> dict[str, float]:
    """Of each kind of file."""
    import openpeople

    rows = np.arange(FOR_BYTES)
    shards = made(folder, FOR_BYTES)
    pictures = real_pictures(Path(openpeople.__file__).parent / "data/curated")
    embeddings = folder / "embeddings.parquet"
    made_embeddings(embeddings, rows, LENGTH, pictures)
    found = {
        f"embeddings/*.parquet, {LENGTH} x float16": embeddings.stat().st_size,
        f"reduced/*.parquet, {COMPONENTS} x float32": Path(shards[0]).stat().st_size,
    }
    shape = FOR_BYTES, COMPONENTS
    path = folder / "index"
    ExactBackend().build(vectors_in_order(shards), str(path), shape, {})
    found["exact, float32"] = path.stat().st_size
    for trees in TREES:
        settings = {"n_trees": trees, "seed": 0}
        AnnoyBackend().build(vectors_in_order(shards), str(path), shape, settings)
        found[f"annoy, {trees} trees"] = path.stat().st_size
    return {name: size / FOR_BYTES for name, size in found.items()}


# Memory.


def memory_a_person(folder: Path, counts: Sequence[int]) -> list[tuple[str, float]]:
    """Bytes of own memory that every person of the whole set takes in a job."""
    few, many = (memory_of_jobs(folder, persons) for persons in counts)
    grown = counts[1] - counts[0]
    return [(job, (many[job] - own) * 2**20 / grown) for job, own in few.items()]


def memory_of_jobs(folder: Path, persons: int) -> dict[str, float]:
    """Own memory in MB of each job that sees the tables of so many persons."""
    paths = [str(folder / f"few-{shard}.parquet") for shard in range(SHARDS)]
    measured(lambda: tables_of_one_value(paths, persons))
    table = folder / "persons.parquet"
    ids = read_table(paths[0], ["person_id"])["person_id"]
    sample = np.arange(0, persons, persons // 1000)

    def passed(**which: Any) -> None:
        for _ in in_person_order(paths, BATCH_ROWS, ["vector"], **which):
            pass

    def finished() -> None:
        write_table(table, [rows_of_shards(paths, PERSONS.names)], PERSONS)

    def searched() -> None:
        rows = read_table(table, PERSONS.names)
        pc.index_in(ids[:5], value_set=rows["person_id"])
        # The images of all, by which a query leaves out its own.
        rows["image_id"].to_numpy()

    jobs: dict[str, Callable[[], None]] = {
        "build_index, its sample": lambda: passed(only=sample),
        "build_index, the vectors": passed,
        "build_index, the persons": finished,
        "search_persons": searched,
    }
    return {name: with_memory(job, folder)[1] for name, job in jobs.items()}


def tables_of_one_value(paths: list[str], persons: int) -> None:
    """Shards of persons, three a picture, whose vectors take no room."""
    schema = with_vector(PERSONS, 1)
    for shard, path in enumerate(paths):
        image_id = np.repeat(np.arange(shard, persons // 3, len(paths)), 3)
        det_index = np.tile(np.arange(3), len(image_id) // 3)
        ones = {name: np.ones(len(image_id)) for name in ("score", "x", "y", "w", "h")}
        columns = {"image_id": image_id, "det_index": det_index, **ones}
        columns["person_id"] = person_id(image_id, det_index)
        columns["vector"] = vector_column(np.ones((len(image_id), 1), np.float32))
        table = pa.table({name: columns[name] for name in schema.names})
        write_table(path, [table.cast(schema)], schema)


# Fewer bits.


def kept_in_fewer_bits(shards: list[str]) -> list[tuple]:
    """Recall of exact search and of usearch's graph where values are rounded."""
    vectors = np.concatenate(list(vectors_in_order(shards)))
    rows = np.linspace(0, len(vectors) - 1, QUERIES).astype(int)
    queries = vectors[rows]
    truth = nearest(queries, vectors)
    scale = 127 / np.abs(vectors).max(axis=1, keepdims=True)
    eighths = np.round(vectors * scale).astype(np.int8) / scale
    kept = {
        f"float32, {COMPONENTS} values": (vectors, 4 * COMPONENTS),
        "float16": (vectors.astype(np.float16).astype(np.float32), 2 * COMPONENTS),
        "int8, a scale a person": (eighths.astype(np.float32), COMPONENTS + 4),
    }
    found: list[tuple] = []
    for name, (rounded, size) in kept.items():
        found.append((name, size, recall(truth, nearest(queries, rounded))))
    # Of int8's best the float32 ones are read again, as from a disk.
    best = nearest(queries, eighths.astype(np.float32), AGAIN)
    again = np.einsum("qd,qkd->qk", queries, vectors[best])
    order = np.argsort(-again, axis=1, kind="stable")[:, :NEIGHBOURS]
    second = np.take_along_axis(best, order, axis=1)
    found.append((f"int8, best {AGAIN} again in float32", COMPONENTS + 4, recall(truth, second)))
    return found + graphs_of_fewer_bits(vectors, queries, truth)


def graphs_of_fewer_bits(
    vectors: np.ndarray, queries: np.ndarray, truth: np.ndarray
) -> list[tuple]:
    """usearch with its own storage, at an expansion at which float32 finds nearly all."""
    try:
        import usearch.index
    except ImportError:
        print("left out: usearch is not installed")
        return []
    rows = []
    for dtype in ("f32", "f16", "i8"):
        graph = usearch.index.Index(
            ndim=COMPONENTS, metric="cos", dtype=dtype, connectivity=16, expansion_add=128
        )
        graph.add(np.arange(len(vectors), dtype=np.uint64), vectors)
        graph.expansion_search = 1024
        got = graph.search(queries, NEIGHBOURS).keys.astype(np.int64)
        size = graph.serialized_length / len(vectors)
        rows.append((f"usearch graph, {dtype}, expansion 1,024", size, recall(truth, got)))
    return rows


def nearest(queries: np.ndarray, vectors: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """The k rows of largest inner product with each query, int64 [Q, k]."""
    found = []
    for start in range(0, len(queries), 50):
        cosines = queries[start : start + 50] @ vectors.T
        some = np.argpartition(-cosines, k, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(cosines, some, axis=1), axis=1, kind="stable")
        found.append(np.take_along_axis(some, order, axis=1))
    return np.concatenate(found)


def recall(truth: np.ndarray, found: np.ndarray) -> str:
    """The share of the true rows that were found."""
    return f"{float((truth[:, :, None] == found[:, None, :]).any(axis=2).mean()):.4f}"


# Growth.

HEADER = ("persons", "build s", "MB", "search_k", "compared", "recall@10", "ms", "exact ms")
HEADER = (*HEADER, "exact / it", "own MB")


@dataclass(frozen=True)
class Grown:
    """What a build took, and what its queries take."""

    persons: int
    build: float
    megabytes: float
    search_k: int
    compared: float
    recall: float
    milliseconds: float
    exact: float
    own: float

    def row(self) -> tuple:
        return (
            *(self.persons, self.build, self.megabytes, self.search_k, round(self.compared)),
            *(f"{self.recall:.4f}", self.milliseconds, self.exact),
            *(self.exact / self.milliseconds, self.own),
        )


def growth(sizes: Sequence[int], trees: int, folder: Path) -> None:
    """Print what builds and queries take at each size, the powers fitted to it, a projection."""
    runs = []
    for persons in sizes:
        runs.append(grown(made(folder, persons), trees, folder))
        # The whole takes long: what is known of it so far.
        print(table(HEADER, [runs[-1].row()]), file=sys.stderr, flush=True)
    said(f"growth, {trees} trees", HEADER, [run.row() for run in runs])
    fits = {name: fit(runs, name) for name in ("build", "compared", "milliseconds", "exact")}
    header = ("", "at the largest size", "power of the persons", "standard error")
    said("fits", header, [(name, *values) for name, values in fits.items()])
    if sizes[-1] < LEAST_TO_PROJECT:
        return
    header = ("persons", "GB", "hours to build", "ms", "exact ms")
    rows = [projected(persons, runs[-1], fits) for persons in PROJECTED]
    said("projected: one core, one thread", header, rows)


def grown(shards: list[str], trees: int, folder: Path) -> Grown:
    """Build a forest in a process of its own, and ask it."""
    shape = count_rows(shards), COMPONENTS
    path, annoy, exact = folder / "forest.ann", AnnoyBackend(), ExactBackend()
    build = {"n_trees": trees, "seed": 0}
    seconds, own = with_memory(
        lambda: annoy.build(vectors_in_order(shards), str(path), shape, build), folder
    )
    sidecar: dict[str, Any] = {"backend": "annoy", "n_items": shape[0], "dimension": COMPONENTS}
    sidecar |= {"metric": "angular", "index_bytes": path.stat().st_size, "target_reached": True}
    sidecar["tuning"] = {"curve": []}
    index = Index(sidecar, annoy, annoy.load(str(path), sidecar))
    point = reaching(index, shards, trees)
    array = folder / "exact.npy"
    exact.build(vectors_in_order(shards), str(array), shape, {})
    clock = timed(index.at(point.effort), exact.load(str(array), sidecar))
    return Grown(
        shape[0],
        seconds,
        sidecar["index_bytes"] / 1e6,
        point.effort,
        point.compared,
        point.recall,
        clock["chosen_milliseconds"],
        clock["exact_milliseconds"],
        own,
    )


def reaching(index: Index, shards: list[str], trees: int) -> Point:
    """The least effort at which the sample's recall is the target's, within a tenth."""
    rows = np.linspace(0, len(index) - 1, QUERIES).astype(int)
    vectors = np.stack([index.vector(row) for row in rows])
    truth = exact_cosines(vectors_in_order(shards), vectors, rows, NEIGHBOURS)
    sample = SampledQueries(rows, rows, vectors, truth)
    short = 1
    for effort in index.backend.efforts({"n_trees": trees}, len(index)):
        enough = point_of(index, sample, effort)
        if enough.recall >= TARGET:
            break
        short = effort
    while enough.effort > 1.1 * short:
        middle = point_of(index, sample, round(math.sqrt(short * enough.effort)))
        if middle.recall >= TARGET:
            enough = middle
        else:
            short = middle.effort
    return enough


def point_of(index: Index, sample: SampledQueries, effort: int) -> Point:
    """Recall and work of one effort."""
    hits, compared = count_hits(index.at(effort), sample)
    recalled = float(hits[NEIGHBOURS].mean()) / NEIGHBOURS
    return Point(effort, recalled, recalled, float(compared.mean()))


def with_memory(stage: Callable[[], Any], folder: Path) -> tuple[float, float]:
    """Seconds of the processor and own memory in MB of a stage by one thread, in a process of its
    own."""
    note = folder / "own"

    def watched() -> None:
        with (
            threadpool_limits(1),
            Watch(lambda process, _: "stage" if process == os.getpid() else None) as watch,
        ):
            before = time.process_time()
            stage()
            # All threads, as Annoy builds in one of its own, but the one that looks at the memory.
            watching = time.clock_gettime(time.pthread_getcpuclockid(watch._thread.ident))
            seconds = time.process_time() - before - watching
        note.write_text(f"{seconds} {watch.own['stage']}")

    measured(watched)
    seconds, own = note.read_text().split()
    return float(seconds), float(own)


# The projection.


def fit(runs: list[Grown], name: str) -> tuple[float, float, float]:
    """The largest size's value, the power b of persons**b by least squares, its standard error."""
    x = np.log([run.persons for run in runs])
    y = np.log([getattr(run, name) for run in runs])
    centred = x - x.mean()
    power = float((centred * y).sum() / (centred**2).sum())
    rest = y - y.mean() - power * centred
    free = max(len(runs) - 2, 1)
    error = math.sqrt(float((rest**2).sum()) / free / float((centred**2).sum()))
    return getattr(runs[-1], name), power, error


def projected(persons: int, last: Grown, fits: dict[str, tuple[float, float, float]]) -> tuple:
    """A row of the projection."""

    def at(name: str, size: int) -> tuple[float, float, float]:
        value, power, error = fits[name]
        times = size / last.persons
        return tuple(value * times ** (power + off * error) for off in (-2, 0, 2))

    gigabytes = persons * last.megabytes / last.persons / 1000
    return (
        f"{persons:,}",
        gigabytes,
        between([seconds / 3600 for seconds in at("build", persons)]),
        between(at("milliseconds", persons)),
        between(at("exact", persons)),
    )


def between(values: Sequence[float]) -> str:
    """A value between what two standard errors of the power make of it."""
    low, value, high = (f"{value:,.3g}" if value < 100 else f"{value:,.0f}" for value in values)
    return f"{value} ({low} to {high})"


# A vector database.


def in_lancedb(shards: list[str], folder: Path) -> list[tuple]:
    """Load the tables, search them as they are, and with an index that lies on disk."""
    try:
        import lancedb
    except ImportError:
        print("\nleft out: lancedb is not installed")
        return []
    import pyarrow.dataset as ds
    from lancedb.index import IvfPq

    vectors = np.concatenate(list(vectors_in_order(shards)))
    picked = np.linspace(0, count_rows(shards) - 1, QUERIES).astype(int)
    queries = vectors[picked]
    truth = nearest(queries, vectors)
    ids = ds.dataset(shards).to_table(columns=["person_id"])["person_id"].to_numpy()
    rows = []
    start = time.perf_counter()
    data = ds.dataset(shards)
    persons = lancedb.connect(folder / "lance").create_table(
        "persons", data.to_batches(), schema=data.schema
    )
    seconds = time.perf_counter() - start
    size = megabytes_in(folder / "lance")

    def asked(**settings: int) -> tuple[float, str]:
        times, found = [], []
        for query in queries:
            search = (
                persons.search(query).distance_type("cosine").select(["person_id", "_distance"])
            )
            for name, value in settings.items():
                search = getattr(search, name)(value)
            start = time.perf_counter()
            table = search.limit(NEIGHBOURS).to_arrow()
            times.append(1000 * (time.perf_counter() - start))
            found.append(np.searchsorted(ids, table["person_id"].to_numpy()))
        return float(np.median(times)), recall(truth, np.array(found))

    rows.append(("table loaded, exact search", seconds, size, *asked()))
    start = time.perf_counter()
    persons.create_index("vector", config=IvfPq(distance_type="cosine"))
    seconds = time.perf_counter() - start
    size = megabytes_in(folder / "lance") - size
    for probes, refine in ((20, 10), (50, 30), (100, 50)):
        name = f"IVF_PQ, nprobes {probes}, refine_factor {refine}"
        rows.append((name, seconds, size, *asked(nprobes=probes, refine_factor=refine)))
    return rows


def megabytes_in(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
