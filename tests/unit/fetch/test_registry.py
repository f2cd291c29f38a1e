"""What the workflow asks about sources before any job runs."""

import os
from pathlib import Path

import pytest
from PIL import Image

from coco_dataset import dataset, in_folder
from visualsearch import fetch


def test_questions_at_parse_time(pictures: Path) -> None:
    settings = dataset("coco-minitrain")
    assert fetch.has_annotations(settings)
    assert fetch.image_root(settings, "results/x") == "results/x/dataset/images"
    assert fetch.fingerprint(settings) == ""
    settings = in_folder(pictures)
    assert not fetch.has_annotations(settings)
    assert fetch.image_root(settings, "results/x") == str(pictures)
    settings = dataset("openpeople")
    assert not fetch.has_annotations(settings)
    assert fetch.image_root(settings, "results/x") == "results/x/dataset/images"


def test_fingerprint_notices_changes(pictures: Path, tmp_path: Path) -> None:
    annotations = tmp_path / "instances.json"
    settings = in_folder(pictures, annotations)
    seen = [fetch.fingerprint(settings)]

    def changed() -> bool:
        seen.append(fetch.fingerprint(settings))
        return seen[-1] not in seen[:-1]

    assert fetch.fingerprint(settings) == seen[0]
    (pictures / "notes.txt").write_text("no picture")
    assert not changed()
    annotations.write_text("{}")
    assert changed()
    Image.new("RGB", (5, 4)).save(pictures / "new.png")
    assert changed()
    os.utime(pictures / "new.png", ns=(1, 1))
    assert changed()
    (pictures / "new.png").rename(pictures / "newer.png")
    assert changed()
    assert fetch.fingerprint(in_folder(tmp_path / "absent")) != ""


@pytest.mark.parametrize(("source", "section"), [("coco-val2017", "coco"), ("folder", "folder")])
def test_fingerprint_notices_changed_keypoints(source: str, section: str, tmp_path: Path) -> None:
    path = tmp_path / "person_keypoints.json"
    settings = dataset(source, **{section: {"keypoints": str(path)}})
    absent = fetch.fingerprint(settings)
    path.write_text("{}")
    first = fetch.fingerprint(settings)
    path.write_text('{"annotations": []}')
    second, without = fetch.fingerprint(settings), fetch.fingerprint(dataset(source))
    assert len({absent, first, second, without}) == 4


def test_local_files_are_those_of_this_machine() -> None:
    settings = in_folder("s3://bucket/pictures", annotations="/here/instances.json")
    assert fetch.local_files(settings) == ["/here/instances.json"]
    assert fetch.local_files(in_folder("/here")) == ["/here"]
