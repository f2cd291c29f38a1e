"""Shorten vectors: L2, minus mean, PCA, partial whitening, L2.

The order follows Jegou and Chum, "Negative evidences and co-occurences in image retrieval: the
benefit of PCA and whitening" (ECCV 2012). Dividing by sd**power with a power below 1 keeps some
of the weight that the data gives to its strongest directions.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.decomposition import IncrementalPCA
from threadpoolctl import threadpool_limits

from visualsearch.atomic import replacing, write_text
from visualsearch.errors import InputError
from visualsearch.tables import PERSONS, vector_column, vectors_of, with_vector

# Rows a matrix product. Always this many, padded with zeros: a product's low bits depend on its
# shape, and a person's vector must not depend on who else is in the shard.
BLOCK_ROWS = 256
# Of vectors of length 1: what rounding alone leaves between equal ones is below.
NO_VARIANCE = 1e-10


def l2_normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows [N, D] divided by their length; rows of zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Reduction:
    """A fitted reduction from D to k values.

    mean: float32 [D]. components: float32 [k, D], orthonormal rows. explained_variance and
    explained_variance_ratio: float64 [m], m >= k, all that were computed, by falling variance.
    n_persons: rows it was fitted on.
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

    def transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce float32 [N, D] to float32 [N, k] of length 1. A row's bits depend on it alone."""
        deviation = np.sqrt(self.explained_variance[: self.n_components])
        scale = np.maximum(deviation, deviation.max() * 1e-6) ** -self.whiten_power
        projection = np.ascontiguousarray((self.components * scale[:, None]).T, dtype=np.float32)
        reduced = np.empty((len(vectors), self.n_components), dtype=np.float32)
        block = np.zeros((BLOCK_ROWS, vectors.shape[1]), dtype=np.float32)
        with threadpool_limits(1):
            for start in range(0, len(vectors), BLOCK_ROWS):
                part = l2_normalised(vectors[start : start + BLOCK_ROWS]) - self.mean
                block[: len(part)] = part
                reduced[start : start + len(part)] = (block @ projection)[: len(part)]
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


def fit_reduction(
    batches: Iterable[NDArray[np.float32]],
    n_persons: int,
    length: int,
    n_components: float,
    whiten_power: float,
) -> Reduction:
    """Fit the reduction in one pass with scikit-learn's IncrementalPCA.

    batches: float32 [rows, length], n_persons rows together; memory grows with the batch and not
    with n_persons. n_components: a number of components, or below 1 the share of the variance
    they must explain together. Fewer persons than components give as many as there can be.
    Raises InputError for fewer than two persons, and where all are the same.
    https://scikit-learn.org/stable/modules/generated/sklearn.decomposition.IncrementalPCA.html
    """
    if n_persons < 2:
        raise InputError(
            f"the search set holds {n_persons} person(s) and a search needs at least 2; "
            "lower search_set.min_score or search_set.min_height, or give more pictures"
        )
    most = min(n_persons - 1, length)
    asked = most if n_components < 1 else min(int(n_components), most)
    pca = IncrementalPCA(n_components=asked)
    with threadpool_limits(1):
        for batch in _of_at_least(asked, batches):
            pca.partial_fit(l2_normalised(batch))
    if not pca.explained_variance_.sum() > NO_VARIANCE:
        raise InputError(
            "all persons of the search set have the same vector, so none is more alike than "
            "another; give more pictures, or pictures that differ"
        )
    kept = asked
    if n_components < 1:
        cumulative = np.cumsum(pca.explained_variance_ratio_)
        kept = min(int(np.searchsorted(cumulative, n_components - 1e-12)) + 1, asked)
    return Reduction(
        pca.mean_.astype(np.float32),
        pca.components_[:kept].astype(np.float32),
        pca.explained_variance_,
        pca.explained_variance_ratio_,
        whiten_power,
        n_persons,
    )


def _of_at_least(
    rows: int, batches: Iterable[NDArray[np.float32]]
) -> Iterable[NDArray[np.float32]]:
    """Join batches until each has `rows` rows or more, which IncrementalPCA asks for."""
    held: NDArray[np.float32] | None = None
    ready: NDArray[np.float32] | None = None
    for batch in batches:
        held = batch if held is None else np.concatenate([held, batch])
        if len(held) >= rows:
            if ready is not None:
                yield ready
            ready, held = held, None
    parts = [part for part in (ready, held) if part is not None]
    if parts:
        yield np.concatenate(parts)


def reduced_tables(reduction: Reduction, embeddings: pq.ParquetFile) -> Iterator[pa.Table]:
    """Reduce a table of embeddings, block by block; yields rows of PERSONS with short vectors."""
    schema = with_vector(PERSONS, reduction.n_components)
    for batch in embeddings.iter_batches(batch_size=BLOCK_ROWS):
        vectors = vector_column(reduction.transform(vectors_of(batch)))
        columns = [batch.column(name) for name in PERSONS.names]
        yield pa.table([*columns, vectors], schema=schema)


def write_explained_variance(path: str | Path, reduction: Reduction) -> None:
    """Write a TSV: component (from 1), explained variance, its share, cumulative share, kept."""
    lines = ["component\texplained_variance\tratio\tcumulative_ratio\tkept"]
    cumulative = np.cumsum(reduction.explained_variance_ratio)
    rows = zip(
        reduction.explained_variance, reduction.explained_variance_ratio, cumulative, strict=True
    )
    for number, (variance, ratio, total) in enumerate(rows, start=1):
        kept = "yes" if number <= reduction.n_components else "no"
        lines.append(f"{number}\t{variance:.8g}\t{ratio:.8g}\t{total:.8g}\t{kept}")
    write_text(path, "\n".join(lines))
