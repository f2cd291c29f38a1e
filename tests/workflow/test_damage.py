"""Files that stages hand on, damaged: the next stage says which file, and what to do."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from running import Workspace, demo_config

# file: the rule that reads it, and a file of the same kind that is another's.
FILES = {
    "dataset/shards/0.parquet": ("build_manifest", "search/hits.parquet"),
    "dataset/manifest.parquet": ("select_queries", "search/hits.parquet"),
    "detections/shards/0.parquet": ("gather_detections", "search/hits.parquet"),
    "detections/detector.json": ("render_report", "index/index.json"),
    "embeddings/0.parquet": ("fit_pca", "reduced/0.parquet"),
    "evaluation/distorted.parquet": ("evaluate_search", "search/hits.parquet"),
    "evaluation/search.json": ("render_report", "index/index.json"),
    "pca/model.npz": ("evaluate_search", "index/persons.parquet"),
    "pca/explained_variance.svg": ("render_report", "index/index.json"),
    "reduced/0.parquet": ("build_index", "search/hits.parquet"),
    "index/persons.ann": ("search_persons", "pca/model.npz"),
    "index/persons.parquet": ("search_persons", "dataset/manifest.parquet"),
    "index/index.json": ("search_persons", "evaluation/search.json"),
    "index/timing.json": ("render_report", "index/index.json"),
    "search/queries.parquet": ("search_persons", "dataset/manifest.parquet"),
    "search/hits.parquet": ("render_report", "search/queries.parquet"),
}


def truncated(path: Path, _: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def empty(path: Path, _: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path, _: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"\x93rubbish\0" + data[9:-9] + b"rubbish\0\xff")


def swapped(path: Path, other: Path) -> None:
    shutil.copyfile(other, path)


def incomplete(path: Path, _: Path) -> None:
    """Without its first column, or its last key."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        pq.write_table(table.drop_columns(table.column_names[:1]), path)
    elif path.suffix == ".json":
        value = json.loads(path.read_text())
        value.pop(list(value)[-1])
        path.write_text(json.dumps(value))
    else:
        pytest.skip("has neither columns nor keys")


Damage = Callable[[Path, Path], None]
DAMAGES: list[Damage] = [truncated, empty, overwritten, swapped, incomplete]


@pytest.mark.parametrize(
    ("file", "damage"),
    [(file, DAMAGES[n % len(DAMAGES)]) for n, file in enumerate(list(FILES)[::3])],
)
def test_next_stage_names_the_damaged_file(
    demo: Workspace, tmp_path: Path, file: str, damage: Damage
) -> None:
    check(demo, tmp_path, file, damage)


@pytest.mark.torture
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_every_damage_to_every_file(
    demo: Workspace, tmp_path: Path, file: str, damage: Damage
) -> None:
    check(demo, tmp_path, file, damage)


def check(demo: Workspace, tmp_path: Path, file: str, damage: Damage) -> None:
    rule, other = FILES[file]
    shutil.copytree(demo.folder, tmp_path / "damaged")
    damaged = Workspace(tmp_path / "damaged", demo_config())
    path = damaged.results / file
    # As a bad disk does it: nothing but the content tells.
    before = path.stat()
    damage(path, damaged.results / other)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = damaged.run("--allowed-rules", rule, "--forcerun", rule, fails=True)
    assert Path(file).name in said and "Traceback" not in said, said[-3000:]
