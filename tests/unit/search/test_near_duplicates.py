"""Near-duplicates of everybody, told with few full-length vectors: the same as with all."""

from pathlib import Path

import numpy as np
import pytest

from helpers import persons_table, write_shards
from visualsearch.reduce.fit_pca import fit_reduction
from visualsearch.search.everyone import exact_index, search_everyone
from visualsearch.search.full_length import FullLength
from visualsearch.search.near_duplicates import NearDuplicates
from visualsearch.settings import SearchSettings

N, LENGTH, KEPT = 200, 64, 12


@pytest.mark.parametrize("whiten_power", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("excluded", [False, True])
def test_the_same_are_marked_as_with_all_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whiten_power: float, excluded: bool
) -> None:
    rng = np.random.default_rng(6)
    full = rng.normal(size=(N, 10)) * np.geomspace(3, 0.5, 10) @ rng.normal(size=(10, LENGTH))
    full += 0.4 * rng.normal(size=full.shape)
    # Copies, from all but equal to hardly alike.
    full[1::4] = full[0::4] + np.geomspace(0.01, 10, N // 4)[:, None] * rng.normal(size=(50, 64))
    full = full.astype(np.float32)
    reduction = fit_reduction([full], N, LENGTH, KEPT, whiten_power)
    for name in ("full", "reduced"):
        (tmp_path / name).mkdir()
    embeddings = write_shards(tmp_path / "full", persons_table(full, 1), 3)
    table = persons_table(reduction.transform(full), 1)
    reduced = write_shards(tmp_path / "reduced", table, 3)
    index = exact_index(reduced)
    full_length = FullLength(embeddings, reduction.mean, full[:0])
    settings = SearchSettings(near_duplicate=0.8, exclude_near_duplicates=excluded)
    few = NearDuplicates(full_length, reduction, index, settings.near_duplicate)

    looked_at: list[int] = []
    all_cosines = FullLength.cosines

    def counted(self, queries, found):  # type: ignore[no-untyped-def]
        looked_at.append(sum(map(len, found)))
        return all_cosines(self, queries, found)

    monkeypatch.setattr(FullLength, "cosines", counted)
    tables, pairs = [], []
    for way in (full_length, few):
        looked_at.clear()
        found = [
            part.to_pylist()
            for path in reduced
            for part in search_everyone(index, table, path, settings, 30, way)
        ]
        tables.append(found)
        pairs.append(sum(looked_at))
    assert tables[0] == tables[1]
    marked = sum(sum(row["near_duplicate"]) for part in tables[0] for row in part)
    assert marked == 0 if excluded else 20 < marked < 400
    assert 0 < pairs[1] < pairs[0] / 3
