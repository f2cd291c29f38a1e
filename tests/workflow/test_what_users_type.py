"""What people type, through the real `snakemake`: it works, or one line says what to type."""

from pathlib import Path

import pytest

from running import SHORT, Workspace


def test_results_may_lie_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    workspace = Workspace(tmp_path / "here", SHORT)
    workspace.config["pathvars"] = {"results": "~/q"}
    workspace.run("fetch_annotations")
    assert (home / "q/dataset/images.parquet").is_file() and (home / "q/logs").is_dir()
    written = {path.name for path in workspace.folder.iterdir()}
    assert written == {"config", "test.yaml", ".snakemake"}
    for results in ("~/q", "$HOME/q", "${HOME}/q"):
        workspace.config["pathvars"] = {"results": results}
        assert workspace.planned("fetch_annotations") == set(), results
