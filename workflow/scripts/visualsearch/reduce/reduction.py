"""Reduces vectors: L2 norm, subtract the mean, PCA, partial whitening, L2 norm.

The order follows Jegou and Chum, "Negative evidences and co-occurences in image retrieval: the
benefit of PCA and whitening" (ECCV 2012). Each component is divided by its standard deviation to
the power whiten_power: 0 does not whiten, 1 whitens fully.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from visualsearch.core.errors import InputError
from visualsearch.core.files import replacing, write_text
from visualsearch.data.tables import PERSONS
from visualsearch.data.vectors import l2_normalised, vector_column, vectors_of, with_vector

# Rows in a matrix product; more would take more memory, in float64.
BLOCK_ROWS = 256
# Before a product, values are rounded to multiples of 2**-bits: see `whole_numbers`.
VECTOR_BITS, COMPONENT_BITS = 26, 25
# Rows read at a time. Each call of `transform` first prepares the components; many blocks share it.
READ_ROWS = 16 * BLOCK_ROWS


def whole_numbers(values: NDArray[np.floating], bits: int) -> NDArray[np.float64]:
    """Return values times 2**bits, rounded to whole numbers, in float64.

    float64 holds products of such numbers exactly, and their sums below 2**53. So the order in
    which a library sums, which depends on the processor and on the row, does not change a result.
    Ozaki, Ogita, Oishi and Rump split numbers into several such parts: "Error-free transformations
    of matrix multiplication by using fast routines of matrix multiplication and its applications"
    (Numerical Algorithms 59, 2012). One part is enough here.
    """
    scaled = np.multiply(values, 2.0**bits, dtype=np.float64)
    return np.rint(scaled, out=scaled)


@dataclass(frozen=True)
class Reduction:
    """A fitted reduction from D to k values.

    mean: float32 [D]. components: float32 [k, D], orthonormal rows. explained_variance and
    explained_variance_ratio: float64 [m], m >= k, of all fitted components, by falling variance.
    n_persons: number of rows it was fitted on; with fewer than two it is an `identity_reduction`.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    explained_variance: NDArray[np.float64]
    explained_variance_ratio: NDArray[np.float64]
    whiten_power: float
    n_persons: int

    @property
    def n_components(self) -> int:
        """k, the length of a reduced vector."""
        return len(self.components)

    @property
    def is_fitted(self) -> bool:
        """Whether there were at least two persons to fit a PCA on."""
        return self.n_persons > 1

    def deviations(self) -> NDArray[np.float64]:
        """Return the standard deviation along each component, float64 [k], above 0."""
        deviations = np.sqrt(self.explained_variance[: self.n_components])
        return np.maximum(deviations, deviations.max() * 1e-6)

    def transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce float32 [N, D] to float32 [N, k] of length 1; a row's bits depend on it only.

        A row minus the mean has at most length 2, and a component length 1, so no partial sum
        reaches 2**53. Rounding changes a value before whitening by at most sqrt(D) * 2**-24.
        Raises InputError if a value is not finite.
        """
        projection = whole_numbers(self.components, COMPONENT_BITS).T
        scale = self.deviations() ** -self.whiten_power * 2.0 ** -(VECTOR_BITS + COMPONENT_BITS)
        reduced = np.empty((len(vectors), self.n_components), dtype=np.float32)
        with threadpool_limits(1):
            for start in range(0, len(vectors), BLOCK_ROWS):
                rows = slice(start, start + BLOCK_ROWS)
                block = l2_normalised(vectors[rows]) - self.mean
                reduced[rows] = whole_numbers(block, VECTOR_BITS) @ projection * scale
        return l2_normalised(reduced)

    def fingerprint(self) -> str:
        """Return a hex digest of all that `transform` uses; tables of reduced vectors hold it."""
        parts = (self.mean, self.components, self.explained_variance[: self.n_components])
        digest = hashlib.sha256(str(self.whiten_power).encode())
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write an .npz of plain arrays, atomically. The same model gives the same bytes."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                mean=self.mean,
                # SciPy 1.17 gives these column by column, 1.18 row by row.
                components=np.ascontiguousarray(self.components),
                explained_variance=self.explained_variance,
                explained_variance_ratio=self.explained_variance_ratio,
                whiten_power=np.float64(self.whiten_power),
                n_persons=np.int64(self.n_persons),
            )

    @classmethod
    def load(cls, path: str | Path) -> "Reduction":
        """Read a file that `save` wrote. Raises InputError if it is not one."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(
                    file["mean"],
                    file["components"],
                    file["explained_variance"],
                    file["explained_variance_ratio"],
                    float(file["whiten_power"]),
                    int(file["n_persons"]),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} is not a PCA model ({error}); delete it and rerun fit_pca"
            ) from error


def identity_reduction(length: int, whiten_power: float, n_persons: int) -> Reduction:
    """Return a reduction that only scales vectors to length 1, for fewer than two persons.

    Its variances are 1, so whitening changes nothing.
    """
    return Reduction(
        np.zeros(length, dtype=np.float32),
        np.eye(length, dtype=np.float32),
        np.ones(length),
        np.zeros(length),
        whiten_power,
        n_persons,
    )


def reduced_tables(reduction: Reduction, embeddings: pq.ParquetFile) -> Iterator[pa.Table]:
    """Reduce a table of embeddings in parts; yields rows of tables.PERSONS with reduced vectors."""
    schema = with_vector(PERSONS, reduction.n_components)
    for batch in embeddings.iter_batches(batch_size=READ_ROWS):
        vectors = vector_column(reduction.transform(vectors_of(batch)))
        columns = [batch.column(name) for name in PERSONS.names]
        yield pa.table([*columns, vectors], schema=schema)


def write_explained_variance(path: str | Path, reduction: Reduction) -> None:
    """Write a TSV: component (from 1), explained variance, its share, cumulative share, kept.

    Writes the header only if no PCA was fitted.
    """
    lines = ["component\texplained_variance\tratio\tcumulative_ratio\tkept"]
    cumulative = np.cumsum(reduction.explained_variance_ratio)
    if not reduction.is_fitted:
        write_text(path, lines[0])
        return
    rows = zip(
        reduction.explained_variance, reduction.explained_variance_ratio, cumulative, strict=True
    )
    for number, (variance, ratio, total) in enumerate(rows, start=1):
        kept = "yes" if number <= reduction.n_components else "no"
        lines.append(f"{number}\t{variance:.8g}\t{ratio:.8g}\t{total:.8g}\t{kept}")
    write_text(path, "\n".join(lines))
