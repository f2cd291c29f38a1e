"""The source openpeople, from the real package."""

import importlib.resources
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coco_dataset import dataset, fetch_all, ids
from conftest import ROOT
from visualsearch.core.errors import InputError
from visualsearch.fetch import openpeople


def test_openpeople(tmp_path: Path) -> None:
    settings = dataset("openpeople")
    listed = openpeople.list_images(settings, tmp_path)
    assert ids(listed) == [10 * person + view for person in range(1, 11) for view in range(1, 7)]
    labels = [json.loads(image.labels or "") for image in listed.images]
    assert labels[1] == {"person": "P001", "view": "amateur selfie"}
    assert labels[-1] == {"person": "P010", "view": "studio posture"}
    root = tmp_path / "images"
    some = listed.images[::15]
    fetched, skipped = fetch_all(settings, some, root)
    assert sorted(fetched) == sorted(image.file for image in some) and not skipped
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*.jpg")}
    assert len(times) == 4
    spoilt = min(times)
    spoilt.write_bytes(b"spoilt")
    assert fetch_all(settings, some, root) == (fetched, {})
    assert {path for path in times if path.stat().st_mtime_ns != times[path]} == {spoilt}
    assert ids(openpeople.list_images(dataset("openpeople", max_images=3), root)) == [11, 12, 13]


def test_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openpeople, "PEOPLE", range(1, 10))
    with pytest.raises(InputError, match=r"pip install openpeople==0\.1\.2"):
        openpeople.list_images(dataset("openpeople"), tmp_path)


def list_in_another_process(preparation: str, *path: Path) -> str:
    code = (
        f"{preparation}\n"
        "from visualsearch.fetch import openpeople\n"
        "from visualsearch.settings import DatasetSettings\n"
        "openpeople.list_images(DatasetSettings('openpeople'), None)"
    )
    folders = os.pathsep.join(map(str, [*path, ROOT / "workflow/scripts"]))
    environment = os.environ | {"PYTHONPATH": folders}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    return done.stderr


def test_a_changed_picture(tmp_path: Path) -> None:
    package = importlib.resources.files("openpeople")
    shutil.copytree(str(package), tmp_path / "openpeople", copy_function=os.symlink)
    changed = tmp_path / "openpeople/data/curated/P003/assets/studio_posture.jpg"
    data = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(data[:-1] + b"x")
    said = list_in_another_process("", tmp_path)
    assert "InputError: the installed package openpeople has other pictures" in said


def test_the_package_is_absent() -> None:
    # With None in sys.modules the import fails as for a missing package.
    said = list_in_another_process("import sys; sys.modules['openpeople'] = None")
    assert "InputError: " in said and "pip install openpeople==0.1.2" in said
