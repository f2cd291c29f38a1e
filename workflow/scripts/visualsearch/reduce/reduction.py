"""Shorten vectors: L2, minus mean, PCA, partial whitening, L2.

The order follows Jegou and Chum, "Negative evidences and co-occurences in image retrieval: the
benefit of PCA and whitening" (ECCV 2012). Dividing by sd**power with a power below 1 keeps some
of the weight that the data gives to its strongest directions.
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
from visualsearch.data.tables import PERSONS, vector_column, vectors_of, with_vector

# Rows a matrix product, as its float64 numbers take memory.
BLOCK_ROWS = 256
# Before a product, values are rounded to multiples of 2**-bits: see `whole_numbers`.
VECTOR_BITS, COMPONENT_BITS = 26, 25
# Rows read at a time: what a call of `transform` costs whatever the rows is shared by many blocks.
READ_ROWS = 16 * BLOCK_ROWS


def l2_normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows [N, D] divided by their length; rows of zeros stay zeros.

    Raises InputError where a value is no number, or was too large for float16.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise InputError(
            "a person's vector holds values that are no finite numbers, or were above 65,504; "
            "check that detector.weights are of the network that detector.name says"
        )
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)


def whole_numbers(values: NDArray[np.floating], bits: int) -> NDArray[np.float64]:
    """Values times 2**bits, rounded to whole numbers, in float64.

    Products of such numbers are exact, and so are their sums below 2**53, in whatever order a
    library sums them. Which order that is depends on the processor and on a row's place.
    Splitting numbers to make a product exact is the method of Ozaki, Ogita, Oishi and Rump,
    "Error-free transformations of matrix multiplication by using fast routines of matrix
    multiplication and its applications" (Numerical Algorithms 59, 2012); here one part is enough.
    """
    scaled = np.multiply(values, 2.0**bits, dtype=np.float64)
    return np.rint(scaled, out=scaled)


@dataclass(frozen=True)
class Reduction:
    """A fitted reduction from D to k values.

    mean: float32 [D]. components: float32 [k, D], orthonormal rows. explained_variance and
    explained_variance_ratio: float64 [m], m >= k, all that were computed, by falling variance.
    n_persons: rows it was fitted on; with fewer than two it is `unreduced`.
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
        """Whether there were persons enough to differ."""
        return self.n_persons > 1

    def deviations(self) -> NDArray[np.float64]:
        """Standard deviation along each component, float64 [k], with a floor against zero."""
        deviations = np.sqrt(self.explained_variance[: self.n_components])
        return np.maximum(deviations, deviations.max() * 1e-6)

    def transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce float32 [N, D] to float32 [N, k] of length 1. A row's bits depend on it alone.

        A row less the mean is no longer than 2 and a component no longer than 1, so that no sum,
        whole or in part, reaches 2**53. Rounding moves a value by sqrt(D) * 2**-24 at most, before
        the whitening.
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
        """Hex digest of what `transform` depends on; reduced vectors carry it."""
        parts = (self.mean, self.components, self.explained_variance[: self.n_components])
        digest = hashlib.sha256(str(self.whiten_power).encode())
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write an .npz of plain arrays, atomically; the same model gives the same bytes."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                mean=self.mean,
                components=self.components,
                explained_variance=self.explained_variance,
                explained_variance_ratio=self.explained_variance_ratio,
                whiten_power=np.float64(self.whiten_power),
                n_persons=np.int64(self.n_persons),
            )

    @classmethod
    def load(cls, path: str | Path) -> "Reduction":
        """Read what `save` wrote; InputError where the file is not that."""
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
                f"{path} is no PCA model ({error}); delete it and rerun fit_pca"
            ) from error


def unreduced(length: int, whiten_power: float, n_persons: int) -> Reduction:
    """What stands for a reduction where nothing can be fitted: vectors keep their `length`.

    A variance of 1 each changes nothing in whitening, and is no share of any.
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
    """Reduce a table of embeddings, part by part; yields rows of PERSONS with short vectors."""
    schema = with_vector(PERSONS, reduction.n_components)
    for batch in embeddings.iter_batches(batch_size=READ_ROWS):
        vectors = vector_column(reduction.transform(vectors_of(batch)))
        columns = [batch.column(name) for name in PERSONS.names]
        yield pa.table([*columns, vectors], schema=schema)


def write_explained_variance(path: str | Path, reduction: Reduction) -> None:
    """Write a TSV: component (from 1), explained variance, its share, cumulative share, kept.

    Without rows where nothing was fitted.
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
