"""Results on a file system without locks, links and modes, as a mounted Google Drive is."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from deploying import NAME, git, publish
from mounted_drive import MountedDrive
from running import SHORT, Workspace, results_of, without_pictures

PACKED = SHORT | {"dataset": SHORT["dataset"] | {"packed": True}}


def cloned(folder: Path, name: str) -> Path:
    """A new clone, whose files are newer than all results."""
    git(folder, "clone", "--quiet", f"host/{NAME}.git", name)
    return folder / name


@pytest.fixture
def drive(tmp_path: Path) -> MountedDrive:
    return MountedDrive(tmp_path)


def packed_results(workspace: Workspace) -> dict[str, str]:
    """Hashes of the results, without the archives."""
    hashes = results_of(workspace)
    assert not [name for name in hashes if name.startswith("dataset/images/")]
    assert hashes.pop("dataset/pictures/0.zip") and hashes.pop("dataset/pictures/1.zip")
    return hashes


@pytest.mark.beyond
def test_pictures_are_kept_in_archives(
    drive: MountedDrive, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    workspace = drive.workspace(tmp_path / "machine", PACKED)
    with drive.mounted():
        workspace.run("fetch")
    # The run's lock is passed over; nothing else was asked for that a Drive has not.
    assert drive.refused() == {"flock": 1}
    expected = without_pictures(undisturbed)
    found = packed_results(workspace)
    assert found == {name: expected[name] for name in found}
    # Whether pictures are packed is no reason to fetch, detect or describe them again.
    assert drive.workspace(workspace.folder, SHORT).planned("fetch") == set()


@pytest.mark.beyond
def test_a_new_machine_goes_on(drive: MountedDrive, short_run: Workspace, tmp_path: Path) -> None:
    """The old one was taken away after it had described the persons of one of two shards."""
    shutil.copytree(short_run.results, drive.folder / "results")
    for gone in ("embeddings/1.parquet", "pca", "reduced", "index", "search", "evaluation"):
        path = drive.folder / "results" / gone
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(drive.folder / "results/report")
    machine = drive.workspace(tmp_path / "new", PACKED)
    publish(tmp_path)
    machine.root = cloned(tmp_path, "clone")
    with drive.mounted():
        planned = machine.planned()
    assert {"embed_persons", "fit_pca", "build_index", "render_report"} <= planned
    assert not planned & {"fetch_annotations", "fetch_images", "build_manifest"}
    assert not planned & {"fetch_weights", "detect_persons", "gather_detections"}


@pytest.mark.torture
def test_machines_are_taken_away(
    drive: MountedDrive, undisturbed: dict[str, str], tmp_path: Path
) -> None:
    """Each machine is a new clone with an empty working directory, killed within some stage."""
    publish(tmp_path)
    done: set[str] = set()
    for within in ("Fetching", "Detecting", "Embedding, shard", "Building the index", ""):
        machine = drive.workspace(tmp_path / f"before {within}", PACKED)
        machine.root = cloned(tmp_path, f"clone before {within}")
        with drive.mounted():
            assert not machine.planned() & done
            run = machine.start()
        assert run.stdout is not None
        for line in run.stdout:
            if within and line.startswith("Job ") and within in line:
                os.killpg(run.pid, signal.SIGKILL)
        assert run.wait() == (-signal.SIGKILL if within else 0)
        shutil.rmtree(machine.folder)
        done = {rule for rule, made in MADE.items() if (drive.folder / "results" / made).exists()}
    assert drive.refused().keys() == {"flock"}
    assert packed_results(machine) == without_pictures(undisturbed)


# A rule's last output shows that it need not run again.
MADE = {
    "fetch_annotations": "dataset/listed_skipped.tsv",
    "build_manifest": "dataset/skipped.tsv",
    "fetch_weights": "detections/detector.json",
    "gather_detections": "detections/persons.json",
    "fit_pca": "pca/explained_variance.svg",
}
