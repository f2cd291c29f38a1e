"""The reduction against a plain loop of scikit-learn's IncrementalPCA, and against full PCA.

Makes float16 vectors in Parquet shards, as the workflow hands them on, then fits and transforms
them by the plain loop that a user would write, with the library's default threads, and as the
workflow does it: the fit on one thread, shards transformed one to a core. Full PCA, by the exact
covariance of all rows, is what the fits are compared with, on rows that none of them saw.

The vectors are made. Their variances fall off as those of 2,800 crops of real pictures by the
bundled detector do (to the power -1.2 of their rank), but they have no look-alikes, so what the
columns of neighbours say is rather too bad for real persons, and says nothing about how good a
search is.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import machine, measured, table
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.person_order import in_person_order
from visualsearch.data.tables import PERSONS, count_rows, open_table, write_table
from visualsearch.data.vectors import (
    l2_normalised,
    vector_column,
    vectors_of,
    with_full_length,
    with_vector,
)
from visualsearch.index.nearest import Nearest, share_found
from visualsearch.reduce.reduction import Reduction, reduced_tables
from visualsearch.settings.configuration import configuration_schema

REDUCTION = configuration_schema()["properties"]["reduction"]["properties"]
COMPONENTS = REDUCTION["n_components"]["default"]
POWER = REDUCTION["whiten_power"]["default"]
BATCH_SIZE = REDUCTION["batch_size"]["default"]
LENGTH = 2048
SHARDS = 64
PERSONS_AN_IMAGE = 3
HIDDEN = 512
ROWS_AT_ONCE = 2048
# scikit-learn's default, five times the length of a vector; 1,024 took half as long again.
PLAIN_BATCH = 5 * LENGTH
HELD_OUT = 20_480
QUERIES = 1000
NEIGHBOURS = 10

Vectors = NDArray[np.float32]


def made_vectors(rng: np.random.Generator, rows: int) -> Vectors:
    """Non-negative vectors whose variances fall as a power of their rank: float32 [rows, LENGTH].

    Not those of made.py, of which all beyond 64 directions is noise: 256 components of noise are
    as good as any others, and nothing could be said of their error.
    """
    fixed = np.random.default_rng(0)
    directions = fixed.standard_normal((HIDDEN, LENGTH), np.float32)
    bias = 0.5 * fixed.standard_normal(LENGTH, np.float32)
    deviations = np.arange(1, HIDDEN + 1, dtype=np.float32) ** -0.6
    vectors = (rng.standard_normal((rows, HIDDEN), np.float32) * deviations) @ directions + bias
    return np.maximum(vectors, 0, out=vectors)


def make_shard(shard: int, folder: Path, persons: int) -> None:
    images = np.arange(shard, -(-persons // PERSONS_AN_IMAGE), SHARDS)
    image_id = np.repeat(images, PERSONS_AN_IMAGE)
    det_index = np.tile(np.arange(PERSONS_AN_IMAGE), len(images))
    inside = image_id * PERSONS_AN_IMAGE + det_index < persons
    image_id, det_index = image_id[inside], det_index[inside]
    ones = np.ones(len(image_id))
    columns = [image_id * 1000 + det_index, image_id, det_index, *[ones] * 5]
    rows = pa.table(columns, PERSONS.names).cast(PERSONS)
    rng = np.random.default_rng([1, shard])
    schema = with_full_length(PERSONS, {"vector": LENGTH})

    def tables() -> Iterator[pa.Table]:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows.slice(start, ROWS_AT_ONCE)
            yield part.append_column("vector", vector_column(made_vectors(rng, len(part))))

    write_table(folder / f"{shard}.parquet", (t.cast(schema) for t in tables()), schema)


def on_all_cores(work: partial[None], items: Sequence[object]) -> None:
    """One process to a core, each with one thread, as the workflow runs the jobs of its shards."""
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(1),
        multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool,
    ):
        pool.map(work, items, chunksize=1)


def plain_batches(paths: Sequence[Path], rows: int) -> Iterator[Vectors]:
    """Rows of all files in turn, l2-normalised, `rows` at a time."""
    from sklearn.preprocessing import normalize

    held: list[Vectors] = []
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=rows, columns=["vector"]):
            values = batch.column(0).flatten().to_numpy().astype(np.float32)
            held.append(values.reshape(len(batch), LENGTH))
            if sum(map(len, held)) >= rows:
                joined = np.concatenate(held)
                yield normalize(joined[:rows])
                held = [joined[rows:]]
    if sum(map(len, held)):
        yield normalize(np.concatenate(held))


def plain_fit(paths: Sequence[Path], target: Path) -> None:
    from sklearn.decomposition import IncrementalPCA

    pca = IncrementalPCA(COMPONENTS)
    for batch in plain_batches(paths, PLAIN_BATCH):
        # IncrementalPCA refuses fewer rows than components: the loop lets the last few go.
        if len(batch) >= COMPONENTS:
            pca.partial_fit(batch)
    Reduction(
        pca.mean_,
        pca.components_,
        pca.explained_variance_,
        pca.explained_variance_ratio_,
        POWER,
        int(pca.n_samples_seen_),
    ).save(target)


def plain_transform(paths: Sequence[Path], model: Path, folder: Path) -> None:
    from sklearn.decomposition import IncrementalPCA
    from sklearn.preprocessing import normalize

    fitted = Reduction.load(model)
    pca = IncrementalPCA(COMPONENTS)
    pca.mean_, pca.components_ = fitted.mean, fitted.components
    pca.whiten = False
    for path in paths:
        reduced = [
            normalize(pca.transform(batch) / fitted.deviations() ** POWER).astype(np.float32)
            for batch in plain_batches([path], PLAIN_BATCH)
        ]
        column = vector_column(np.concatenate(reduced))
        pq.write_table(pa.table([column], ["vector"]), folder / path.name)


def fit(paths: Sequence[Path], fit_persons: int, target: Path) -> None:
    """What the script fit_pca does, its figure aside."""
    from visualsearch.reduce.fit_pca import fit_reduction

    persons = evenly_spaced(count_rows(paths), fit_persons)
    tables = in_person_order(paths, BATCH_SIZE, ["vector"], persons)
    fit_reduction(map(vectors_of, tables), len(persons), LENGTH, COMPONENTS, POWER).save(target)


def transform_shard(path: Path, model: Path, folder: Path) -> None:
    """What the script reduce_vectors does."""
    reduction = Reduction.load(model)
    with open_table(path, ["vector"]) as embeddings:
        schema = with_vector(PERSONS, reduction.n_components)
        write_table(folder / path.name, reduced_tables(reduction, embeddings), schema)


def full_pca(paths: Sequence[Path], target: Path) -> None:
    """The eigenvectors of the exact covariance of all rows, summed in float64 over small blocks."""
    total, products, rows = np.zeros(LENGTH), np.zeros((LENGTH, LENGTH)), 0
    for batch in plain_batches(paths, ROWS_AT_ONCE):
        total += batch.sum(axis=0, dtype=np.float64)
        products += batch.T @ batch
        rows += len(batch)
    mean = total / rows
    variances, directions = np.linalg.eigh(products / rows - np.outer(mean, mean))
    variances, directions = variances[::-1], directions[:, ::-1].T
    ratio = variances / variances.sum()
    Reduction(
        mean.astype(np.float32),
        directions[:COMPONENTS].astype(np.float32),
        variances,
        ratio,
        POWER,
        rows,
    ).save(target)


def nearest(vectors: Vectors) -> NDArray[np.int64]:
    """The NEIGHBOURS of the first QUERIES rows among all: int64 [QUERIES, NEIGHBOURS]."""
    found = Nearest(vectors[:QUERIES], NEIGHBOURS, np.arange(QUERIES))
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        found.add(vectors[start : start + ROWS_AT_ONCE])
    return found.neighbours


def errors(models: dict[str, Path], full: Path) -> list[list[object]]:
    """A row for each model: how its subspace and its neighbours differ from those of full PCA."""
    rng = np.random.default_rng(2)
    held_out = l2_normalised(made_vectors(rng, HELD_OUT).astype(np.float16).astype(np.float32))
    reference = Reduction.load(full)
    centred = held_out - held_out.mean(axis=0)
    by_full_length = nearest(l2_normalised(centred))
    by_full_pca = nearest(reference.transform(held_out))
    kept_by_full = float(((centred @ reference.components.T) ** 2).sum())
    rows: list[list[object]] = []
    for name, path in models.items():
        model = Reduction.load(path)
        basis = np.linalg.qr(model.components.T.astype(np.float64))[0]
        cosines = np.linalg.svd(basis.T @ reference.components.T, compute_uv=False).clip(0, 1)
        plain = l2_normalised((held_out - model.mean) @ basis.astype(np.float32))
        kept = float(((centred @ basis) ** 2).sum())
        rows.append(
            [
                name,
                kept / float((centred**2).sum()),
                float(np.sqrt(1 - cosines.min() ** 2)),
                float(np.sqrt(1 - (cosines**2).mean())),
                float(share_found(by_full_pca, nearest(model.transform(held_out))).mean()),
                float(share_found(by_full_length, nearest(plain)).mean()),
                f"{kept / kept_by_full:.4f}",
            ]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--fit-persons", type=int, default=REDUCTION["fit_persons"]["default"])
    parser.add_argument("--quick", action="store_true", help="10,240 persons, fitted on 5,120")
    options = parser.parse_args()
    persons, fit_persons = options.persons, options.fit_persons
    if options.quick:
        persons, fit_persons = PLAIN_BATCH, PLAIN_BATCH // 2
    print(machine("numpy", "scipy", "scikit-learn", "pyarrow"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [folder / f"{shard}.parquet" for shard in range(SHARDS)]
        seconds, _ = measured(
            partial(
                on_all_cores, partial(make_shard, folder=folder, persons=persons), range(SHARDS)
            )
        )
        size = sum(path.stat().st_size for path in paths) / 1e9
        print(
            f"{persons:,} made vectors of {LENGTH} float16 in {SHARDS} shards, {size:.2f} GB, "
            f"written in {seconds:.0f} s; {COMPONENTS} components"
        )
        compare(paths, persons, fit_persons, folder)


def compare(paths: Sequence[Path], persons: int, fit_persons: int, folder: Path) -> None:
    """Print time, memory and error of the plain loop and of ours."""
    reduced = folder / "reduced"
    reduced.mkdir()
    plain, ours, full = (folder / f"{name}.npz" for name in ("plain", "ours", "full"))
    names = [f"plain loop, batches of {PLAIN_BATCH:,}", f"fitted on {min(fit_persons, persons):,}"]
    fits = [
        measured(partial(plain_fit, paths, plain)),
        measured(partial(fit, paths, fit_persons, ours)),
    ]
    transforms = [
        measured(partial(plain_transform, paths, plain, reduced)),
        measured(
            partial(on_all_cores, partial(transform_shard, model=ours, folder=reduced), paths)
        ),
    ]
    lines = []
    for name, fitted, transformed in zip(names, fits, transforms, strict=True):
        both = fitted[0] + transformed[0]
        ratio = (fits[0][0] + transforms[0][0]) / both
        lines.append((name, fitted[0], transformed[0], both, fitted[1], transformed[1], ratio))
    print(f"\nFit and transform {persons:,} persons\n")
    header = ["", "fit, s", "transform, s", "both, s", "fit, MB", "transform, MB"]
    print(table([*header, "plain loop's time / this"], lines), flush=True)
    seconds, peak = measured(partial(full_pca, paths, full))
    print(f"\nError, on {HELD_OUT:,} others; full PCA took {seconds:.1f} s and {peak:.0f} MB\n")
    header = [
        "",
        "variance kept",
        "largest sine",
        "rms sine",
        f"{NEIGHBOURS} nearest as by full PCA",
        f"{NEIGHBOURS} nearest as at full length",
        "variance kept / full PCA's",
    ]
    models = {names[0]: plain, names[1]: ours, "full PCA": full}
    print(table(header, errors(models, full)))


if __name__ == "__main__":
    main()
