"""The same bytes whatever the shards, the cores and the folder."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from running import SHORT, Workspace, demo_config, results_of, with_results_in, without_shards


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


@pytest.mark.torture
def test_real_pictures_of_hundreds_of_persons(coco_sample: Path, tmp_path: Path) -> None:
    """More than one block of a matrix product holds, so that shards move them about in theirs."""
    found = []
    for shards, cores in ((1, 1), (3, 2)):
        config = demo_config(
            dataset={"source": "folder", "folder": {"path": str(coco_sample / "images")}},
            search_set={"min_score": 0.1, "min_height": 16},
            search={"rerank": 30},
            report={"timings": False, "explorer": True},
            shards=shards,
        )
        workspace = Workspace(tmp_path / str(shards), config)
        workspace.run(cores=cores)
        found.append(without_shards(results_of(workspace)))
    assert pq.read_metadata(workspace.results / "index/persons.parquet").num_rows > 400
    assert found[0] == found[1]
