"""The same bytes whatever the shards, the cores and the folder."""

from pathlib import Path

import pytest

from running import SHORT, Workspace, results_of, with_results_in


def without_shards(hashes: dict[str, str]) -> dict[str, str]:
    """What must not depend on the number of shards; the manifest says each picture's shard."""
    by_shard = ("dataset/shards/", "detections/shards/", "embeddings/", "reduced/")
    by_shard += ("dataset/manifest.parquet",)
    return {name: digest for name, digest in hashes.items() if not name.startswith(by_shard)}


@pytest.mark.torture
@pytest.mark.parametrize("results", ["results/test", "results/else where/deeper"])
@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("shards", [1, 3, 8])
def test_determinism_matrix(
    undisturbed: dict[str, str], tmp_path: Path, shards: int, cores: int, results: str
) -> None:
    workspace = with_results_in(results, Workspace(tmp_path, SHORT | {"shards": shards}))
    workspace.run(cores=cores)
    found = without_shards(results_of(workspace))
    assert len(found) > 40
    assert found == without_shards(undisturbed)
