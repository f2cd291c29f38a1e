"""Files that stages hand on, damaged: the next stage says which file, and what to do."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from running import Workspace, demo_config
from visualsearch.core.files import read_json, write_json

# file: the rule that reads it, and a file of the same kind that is another's.
FILES = {
    "dataset/shards/0.parquet": ("build_manifest", "search/hits.parquet"),
    "dataset/manifest.parquet": ("select_queries", "search/hits.parquet"),
    "detections/shards/0.parquet": ("gather_detections", "search/hits.parquet"),
    "detections/detector.json": ("render_report", "index/index.json"),
    "embeddings/0.parquet": ("fit_pca", "reduced/0.parquet"),
    "evaluation/distorted.parquet": ("evaluate_search", "search/hits.parquet"),
    "evaluation/search.json": ("render_report", "index/index.json"),
    "evaluation/galleries.json": ("render_report", "index/index.json"),
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


def altered(path: Path, _: Path) -> None:
    """Whole and well formed, and not what this run wrote."""
    if path.suffix == ".parquet":
        pq.write_table(pq.read_table(path).slice(1), path)
    else:
        value = read_json(path)
        value["persons_measured"] = 7
        write_json(path, value)


def foreign(path: Path, other: Path) -> None:
    """The same file of another run, of the same pictures."""
    shutil.copyfile(other, path)


Damage = Callable[[Path, Path], None]
DAMAGES: list[Damage] = [truncated, empty, overwritten, swapped, incomplete]


def content_tells(file: str, damage: Damage) -> bool:
    """Whether the damage is known without checksums, as in object storage."""
    if file.endswith(".json"):
        return damage not in (swapped, incomplete)
    return not (file.endswith(".ann") and damage == overwritten)


@pytest.mark.parametrize(
    ("file", "damage"),
    [(file, DAMAGES[n % len(DAMAGES)]) for n, file in enumerate(list(FILES)[::3])],
)
def test_next_stage_names_the_damaged_file(
    demo: Workspace, tmp_path: Path, file: str, damage: Damage
) -> None:
    check(demo, tmp_path, file, damage, checksums=not content_tells(file, damage))


@pytest.mark.torture
@pytest.mark.parametrize("checksums", [True, False], ids=["checksums", "content alone"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_every_damage_to_every_file(
    demo: Workspace, tmp_path: Path, file: str, damage: Damage, checksums: bool
) -> None:
    if not checksums and not content_tells(file, damage):
        pytest.skip("only the checksum tells")
    check(demo, tmp_path, file, damage, checksums)


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A run that differs from the demo in every result."""
    config = demo_config(
        dataset={"max_images": 24},
        search_set={"min_height": 60},
        embedding={"margin": 0.1},
        queries={"count": 4},
        search={"neighbours": 9},
    )
    workspace = Workspace(tmp_path_factory.mktemp("another"), config)
    workspace.run()
    return workspace


# Their own contents would not tell.
@pytest.mark.parametrize("file", ["detections/shards/0.parquet", "evaluation/search.json"])
def test_a_file_as_of_another_run_is_known(demo: Workspace, tmp_path: Path, file: str) -> None:
    check(demo, tmp_path, file, altered, checksums=True)


@pytest.mark.torture
@pytest.mark.parametrize("file", sorted(set(FILES) - {"detections/detector.json"}))
def test_every_file_of_another_run_is_known(
    demo: Workspace, another: Workspace, tmp_path: Path, file: str
) -> None:
    check(demo, tmp_path, file, foreign, checksums=True, other=another.results / file)


def check(
    demo: Workspace,
    tmp_path: Path,
    file: str,
    damage: Damage,
    checksums: bool,
    other: Path | None = None,
) -> None:
    """Damage a file of a finished run, and let the next stage meet it.

    checksums: whether those of the run are there, or got lost, so that the content alone tells.
    """
    rule, kindred = FILES[file]
    shutil.copytree(demo.folder, tmp_path / "damaged")
    damaged = Workspace(tmp_path / "damaged", demo_config())
    path = damaged.results / file
    # As a bad disk does it: nothing but the content tells.
    before = path.stat()
    damage(path, other or damaged.results / kindred)
    assert path.read_bytes() != (demo.results / file).read_bytes()
    if not checksums:
        for checksum in damaged.results.rglob(".*.sha256"):
            checksum.unlink()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = damaged.run("--allowed-rules", rule, "--forcerun", rule, fails=True)
    assert Path(file).name in said and "Traceback" not in said, said[-3000:]
