"""The reduction against scikit-learn's PCA on the same data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA

from helpers import persons_table, write_shards
from visualsearch.core.errors import InputError
from visualsearch.core.statistics import evenly_spaced
from visualsearch.data.person_order import in_person_order
from visualsearch.data.tables import PERSONS, open_table, write_table
from visualsearch.data.vectors import l2_normalised, vectors_of, with_full_length, with_vector
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.reduce.reduction import (
    COMPONENT_BITS,
    VECTOR_BITS,
    Reduction,
    reduced_tables,
    write_explained_variance,
)
from visualsearch.report.charts import draw_explained_variance


def relu_features(n: int = 400, length: int = 40, seed: int = 0) -> np.ndarray:
    """Non-negative vectors with a few strong directions, like those of a backbone."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 8)) * np.geomspace(4, 0.5, 8)
    return np.maximum(hidden @ rng.normal(size=(8, length)) + 1, 0).astype(np.float32)


def batches(vectors: np.ndarray, rows: int = 100) -> list[np.ndarray]:
    return [vectors[start : start + rows] for start in range(0, len(vectors), rows)]


@pytest.mark.parametrize("power", [0, 0.5, 1])
def test_single_batch_is_the_pca_of_scikit_learn(power: float) -> None:
    vectors = relu_features()
    reduction = fit_reduction([vectors], 400, 40, 6, whiten_power=power)
    pca = PCA(6, svd_solver="full").fit(l2_normalised(vectors))
    assert reduction.explained_variance[:6] == pytest.approx(pca.explained_variance_, rel=1e-4)
    assert np.abs(np.sum(reduction.components * pca.components_, axis=1)) == pytest.approx(
        np.ones(6), abs=1e-4
    )
    projected = pca.transform(l2_normalised(vectors)) / np.sqrt(pca.explained_variance_) ** power
    signs = np.sign(np.sum(reduction.components * pca.components_, axis=1))
    expected = l2_normalised(projected * signs)
    assert reduction.transform(vectors) == pytest.approx(expected, abs=2e-3)


def test_streamed_subspace_is_close_to_full_pca() -> None:
    vectors = relu_features(n=1000)
    reduction = fit_reduction(batches(vectors), 1000, 40, 6, whiten_power=0)
    pca = PCA(6, svd_solver="full").fit(l2_normalised(vectors))
    # Cosines of the principal angles between the two subspaces.
    cosines = np.linalg.svd(reduction.components @ pca.components_.T, compute_uv=False)
    assert cosines.min() > 0.98
    assert reduction.explained_variance_ratio.sum() == pytest.approx(
        pca.explained_variance_ratio_.sum(), abs=0.01
    )


def falling_features(n: int, length: int, seed: int) -> np.ndarray:
    """Non-negative vectors whose variances fall as a power of their rank, like a backbone's."""
    directions = np.random.default_rng(0).normal(size=(length, length))
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, length)) * np.arange(1, length + 1) ** -0.6
    return np.maximum(hidden @ directions + 1, 0).astype(np.float32)


def streamed(paths: list[str], persons: int, most: int, rows: int, kept: int = 16) -> Reduction:
    """Fit as the workflow does: on at most `most` persons, `rows` at a time."""
    chosen = evenly_spaced(persons, most)
    tables = in_person_order(paths, rows, ["vector"], chosen)
    return fit_reduction(map(vectors_of, tables), len(chosen), 64, kept, 0.5)


@pytest.mark.parametrize("most", [2_048, 6_000])
def test_sample_keeps_the_variance_that_full_pca_keeps(tmp_path: Path, most: int) -> None:
    persons, kept = 6_000, 16
    table = persons_table(falling_features(persons, 64, seed=1))
    paths = write_shards(tmp_path, table.cast(with_full_length(PERSONS, {"vector": 64})), 4)
    reduction = streamed(paths, persons, most, 32, kept)
    assert reduction.n_persons == most
    full = PCA(kept, svd_solver="full").fit(l2_normalised(vectors_of(table)))
    others = l2_normalised(falling_features(2_000, 64, seed=2)) - full.mean_
    of_full = np.sum((others @ full.components_.T) ** 2)
    lost = (of_full - np.sum((others @ reduction.components.T) ** 2)) / np.sum(others**2)
    # The first bound holds for the mean over samples, and is wide. The second was measured.
    assert lost < np.sqrt(2 * kept / most)
    assert lost < 0.01
    # The subspace holds the strong directions.
    cosines = np.linalg.svd(reduction.components @ full.components_[:4].T, compute_uv=False)
    assert np.sqrt(1 - cosines.min() ** 2) < 0.1


def test_shards_leave_no_trace_in_the_model(tmp_path: Path) -> None:
    table = persons_table(falling_features(3_000, 64, seed=3))
    table = table.cast(with_full_length(PERSONS, {"vector": 64}))
    models, reduced = set(), set()
    for shards in (1, 2, 7):
        folder = tmp_path / str(shards)
        folder.mkdir()
        paths = write_shards(folder, table, shards)
        reduction = streamed(paths, 3_000, 1_000, 48)
        reduction.save(folder / "model.npz")
        models.add((folder / "model.npz").read_bytes())
        short = [str(folder / f"short{number}.parquet") for number in range(shards)]
        for source, target in zip(paths, short, strict=True):
            with open_table(source) as embeddings:
                write_table(target, reduced_tables(reduction, embeddings), with_vector(PERSONS, 16))
        merged = pa.concat_tables(in_person_order(short, 500))
        assert merged["person_id"].equals(table["person_id"])
        assert np.array_equal(vectors_of(merged), reduction.transform(vectors_of(table)))
        reduced.add(vectors_of(merged).tobytes())
    assert len(models) == len(reduced) == 1


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_values_that_are_not_finite_are_one_clear_line(value: float) -> None:
    vectors = relu_features(n=50)
    reduction = fit_reduction([vectors], 50, 40, 6, 0.5)
    vectors[7, 3] = value
    with pytest.raises(InputError, match="not finite or above 65,504"):
        reduction.transform(vectors)
    with pytest.raises(InputError, match="not finite or above 65,504"):
        fit_reduction([vectors], 50, 40, 6, 0.5)


def test_reduced_vectors_have_length_one_and_depend_on_their_row_only() -> None:
    vectors = relu_features(n=600)
    reduction = fit_reduction(batches(vectors), 600, 40, 6, whiten_power=0.5)
    whole = reduction.transform(vectors)
    assert np.linalg.norm(whole, axis=1) == pytest.approx(np.ones(600), abs=1e-6)
    for start, stop in ((0, 1), (5, 8), (255, 600), (300, 301)):
        assert np.array_equal(reduction.transform(vectors[start:stop]), whole[start:stop])


def test_products_are_exact_on_every_processor() -> None:
    """Equal to Python's whole numbers, so the order in which a library sums does not matter."""
    vectors = relu_features(n=300, length=512)
    reduction = fit_reduction(batches(vectors), 300, 512, 6, whiten_power=0.5)
    # The longest possible row: opposite to the mean, and along a component.
    mean = -l2_normalised(vectors[:1])[0]
    components = np.concatenate([-mean[None], reduction.components[1:]])
    reduction = replace(reduction, mean=mean, components=components)
    block = l2_normalised(vectors) - mean
    assert np.linalg.norm(block[0]) == pytest.approx(2)
    whole = [
        np.array([[round(float(value) * 2**bits) for value in row] for row in rows], dtype=object)
        for rows, bits in ((block, VECTOR_BITS), (components, COMPONENT_BITS))
    ]
    product = whole[0] @ whole[1].T
    assert 2**51 < product.max() < 2**53
    scale = reduction.deviations() ** -0.5 / 2 ** (VECTOR_BITS + COMPONENT_BITS)
    expected = l2_normalised((product.astype(np.float64) * scale).astype(np.float32))
    assert np.array_equal(reduction.transform(vectors), expected)


def test_rounding_to_whole_numbers_is_as_small_as_float32s() -> None:
    vectors = relu_features(n=600, length=2048)
    reduction = fit_reduction(batches(vectors), 600, 2048, 64, whiten_power=0.5)
    wide = vectors.astype(np.float64)
    wide = wide / np.linalg.norm(wide, axis=1, keepdims=True) - reduction.mean
    expected = wide @ reduction.components.astype(np.float64).T * reduction.deviations() ** -0.5
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(reduction.transform(vectors) - expected).max() < 5e-7


def test_share_of_variance_chooses_the_components(tmp_path: Path) -> None:
    vectors = relu_features()
    reduction = fit_reduction([vectors], 400, 40, 0.9, whiten_power=0.5)
    cumulative = np.cumsum(reduction.explained_variance_ratio)
    kept = reduction.n_components
    assert cumulative[kept - 1] >= 0.9 > cumulative[kept - 2]
    write_explained_variance(tmp_path / "v.tsv", reduction)
    lines = [line.split("\t") for line in (tmp_path / "v.tsv").read_text().splitlines()]
    assert len(lines) == 1 + len(reduction.explained_variance) == 41
    assert float(lines[-1][3]) == pytest.approx(1)
    assert [line[4] for line in lines[1:]] == ["yes"] * kept + ["no"] * (40 - kept)


@pytest.mark.parametrize(
    ("persons", "kept"), [(2, 1), (10, 9), (31, 30), (50, 30), (61, 30), (70, 35), (90, 40)]
)
@pytest.mark.parametrize("asked", [256, 0.9999999])
def test_no_more_components_than_persons_allow(persons: int, kept: int, asked: float) -> None:
    """Half as many as persons, or 30 in smaller sets; 40 is the vectors' length."""
    reduction = fit_reduction([relu_features(n=persons)], persons, 40, asked, 0.5)
    assert reduction.n_components == kept


def test_last_small_batch_counts() -> None:
    vectors = relu_features(n=203)
    reduction = fit_reduction(batches(vectors), 203, 40, 20, 0.5)
    assert reduction.mean == pytest.approx(l2_normalised(vectors).mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("persons", [0, 1])
def test_too_few_persons_keep_their_vectors(
    persons: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reduction = fit_reduction([], persons, 40, 10, 0.5)
    (record,) = caplog.records
    assert "a search needs at least 2; lower search_set.min_score" in record.getMessage()
    reduction.save(tmp_path / "model.npz")
    write_explained_variance(tmp_path / "variance.tsv", reduction)
    draw_explained_variance(tmp_path / "variance.svg", reduction)
    assert (tmp_path / "variance.tsv").read_text().splitlines()[1:] == []
    loaded = Reduction.load(tmp_path / "model.npz")
    assert not loaded.is_fitted and loaded.fingerprint() == reduction.fingerprint()
    vectors = relu_features(n=3)
    assert loaded.transform(vectors) == pytest.approx(l2_normalised(vectors), abs=1e-6)


@pytest.mark.parametrize("persons", [2, 3])
def test_persons_all_the_same_are_one_clear_line(persons: int) -> None:
    same = np.repeat(relu_features(n=1), persons, axis=0)
    with pytest.raises(InputError, match="all persons of the search set have the same vector"):
        fit_reduction([same], persons, 40, 10, 0.5)


def test_zero_vectors_give_finite_values() -> None:
    vectors = relu_features(n=50)
    vectors[7] = 0
    reduced = fit_reduction([vectors], 50, 40, 5, 0.5).transform(vectors)
    assert np.isfinite(reduced).all()


def test_saved_model_is_the_same_and_its_bytes_too(tmp_path: Path) -> None:
    reduction = fit_reduction([relu_features()], 400, 40, 6, 0.5)
    reduction.save(tmp_path / "a.npz")
    # As other versions of SciPy lay them out.
    by_column = np.asfortranarray(reduction.components)
    replace(reduction, components=by_column).save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = Reduction.load(tmp_path / "a.npz")
    assert loaded.fingerprint() == reduction.fingerprint()
    (tmp_path / "a.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:500])
    with pytest.raises(InputError, match="is not a PCA model"):
        Reduction.load(tmp_path / "a.npz")
