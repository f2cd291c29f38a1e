"""Person keypoints: joined to the instances of the same ids, or refused in one line."""

import copy
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coco_dataset import as_file, changed, dataset, ids, in_folder, minitrain
from coco_server import ANNOTATIONS, DEFINITION, CocoServer
from visualsearch.core.errors import InputError
from visualsearch.data.manifest import ImageList
from visualsearch.fetch import coco, folder
from visualsearch.settings import DatasetSettings


def pose(seed: int, labelled: int = 17) -> list[float]:
    """17 keypoints x, y, v; only the first `labelled` are, half of those hidden."""
    rng = np.random.default_rng(seed)
    points = np.zeros((17, 3))
    points[:labelled] = np.c_[rng.integers(0, 30, (labelled, 2)), 1 + np.arange(labelled) % 2]
    return [int(value) for value in points.ravel()]


@pytest.fixture
def keypoints(instances: dict[str, Any]) -> dict[str, Any]:
    """Of persons 1, 3 and 6 (a crowd, without any); 4 is left out, 2 and 5 are dogs."""
    entries = [
        {key: annotation[key] for key in ("id", "image_id", "category_id", "bbox", "segmentation")}
        | {"keypoints": pose(annotation["id"], labelled), "num_keypoints": labelled}
        for annotation in instances["annotations"]
        for labelled in [{1: 17, 3: 5, 6: 0}.get(annotation["id"])]
        if labelled is not None
    ]
    return {
        "images": instances["images"],
        "annotations": entries,
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose"], "skeleton": [[1, 2]]}],
    }


def poses(listed: ImageList) -> dict[int, tuple[list[float], int]]:
    """By annotation id; each annotation must have both keys or neither."""
    assert listed.annotations is not None
    annotations = listed.annotations["annotations"]
    assert all(("keypoints" in a) == ("num_keypoints" in a) for a in annotations)
    return {a["id"]: (a["keypoints"], a["num_keypoints"]) for a in annotations if "keypoints" in a}


def annotated_folder(
    pictures: Path, tmp_path: Path, instances: Any, keypoints: Any
) -> DatasetSettings:
    path = as_file(tmp_path / "person_keypoints.json", keypoints)
    settings = in_folder(pictures, as_file(tmp_path / "instances.json", instances))
    return changed(settings, folder={"keypoints": str(path)})


POSES = {1: (pose(1), 17), 3: (pose(3, 5), 5), 6: (pose(6, 0), 0)}


@pytest.fixture
def server(
    pictures: Path,
    instances: dict[str, Any],
    keypoints: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CocoServer]:
    """A server whose archive has keypoints."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with CocoServer(pictures, instances, keypoints) as running:
        yield running


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_keypoints_come_with_the_archive(
    pictures: Path, instances: dict[str, Any], server: CocoServer, tmp_path: Path, split: str
) -> None:
    source = {"train2017": "coco-minitrain", "val2017": "coco-val2017"}[split]
    settings = dataset(source, coco=server.dataset(split))
    listed = coco.list_images(settings, tmp_path / "download")
    assert server.asked() == [DEFINITION, ANNOTATIONS]
    assert poses(listed) == POSES
    first = coco.list_images(changed(settings, max_images=1), tmp_path / "download")
    assert poses(first) == {1: POSES[1]}
    dogs = coco.list_images(changed(settings, category="dog"), tmp_path / "download")
    assert poses(dogs) == {}
    # All else is as without keypoints.
    with CocoServer(pictures, instances) as plain:
        settings = dataset(source, coco=plain.dataset(split))
        without = coco.list_images(settings, tmp_path / "other")
    assert without.annotations is not None and listed.annotations is not None
    assert poses(without) == {}
    for annotation in listed.annotations["annotations"]:
        annotation.pop("keypoints", None)
        annotation.pop("num_keypoints", None)
    assert listed.annotations == without.annotations


def test_no_keypoints_in_the_archive_is_logged(
    pictures: Path,
    instances: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with CocoServer(pictures, instances) as plain, caplog.at_level(logging.INFO):
        coco.list_images(minitrain(plain), tmp_path)
    assert "has no annotations/person_keypoints_train2017.json" in caplog.text


def test_a_named_keypoints_file_is_read_instead(
    keypoints: dict[str, Any], server: CocoServer, tmp_path: Path
) -> None:
    own = copy.deepcopy(keypoints)
    own["annotations"] = [{**own["annotations"][0], "keypoints": pose(99)}]
    path = as_file(tmp_path / "own.json", own)
    settings = minitrain(server, coco={"keypoints": str(path)})
    assert poses(coco.list_images(settings, tmp_path / "download")) == {1: (pose(99), 17)}
    # The official archive may also be named as the keypoints file.
    (archive,) = (tmp_path / "download").glob("*.zip")
    settings = changed(settings, coco={"keypoints": str(archive)})
    assert poses(coco.list_images(settings, tmp_path / "download")) == POSES
    settings = changed(settings, coco={"keypoints": str(tmp_path / "absent.json")})
    before = server.asked()
    with pytest.raises(InputError, match=r"coco\.keypoints: .*absent\.json is not a file; name"):
        coco.list_images(settings, tmp_path / "new download")
    assert server.asked() == before


def test_folder_with_keypoints(
    pictures: Path,
    instances: dict[str, Any],
    keypoints: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = annotated_folder(pictures, tmp_path, instances, keypoints)
    with caplog.at_level(logging.INFO):
        assert poses(folder.list_images(settings, tmp_path)) == POSES
    assert "has keypoints of 3 of 4 persons" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    with pytest.raises(InputError, match=r"keypoints: needs dataset\.folder\.annotations"):
        folder.list_images(changed(settings, folder={"annotations": None}), tmp_path)
    (tmp_path / "person_keypoints.json").unlink()
    with pytest.raises(InputError, match=r"folder\.keypoints: .*is not a file"):
        folder.list_images(settings, tmp_path)
    # A search for dogs needs no keypoints, so it does not look for the file.
    assert poses(folder.list_images(changed(settings, category="dog"), tmp_path)) == {}


def test_keypoints_in_an_instances_file_are_ignored(
    pictures: Path, instances: dict[str, Any], tmp_path: Path
) -> None:
    instances["annotations"][0] |= {"keypoints": "anything", "num_keypoints": None}
    instances["annotations"][2] |= {"keypoints": pose(3), "num_keypoints": 17}
    path = as_file(tmp_path / "instances.json", instances)
    settings = in_folder(pictures, path)
    assert poses(folder.list_images(settings, tmp_path)) == {}
    # One file may be named as both, and is then checked.
    settings = changed(settings, folder={"keypoints": str(path)})
    with pytest.raises(InputError, match=r"instances\.json: annotation 1 has no 'keypoints'"):
        folder.list_images(settings, tmp_path)
    del instances["annotations"][0]["keypoints"]
    as_file(path, instances)
    assert poses(folder.list_images(settings, tmp_path)) == {3: (pose(3), 17)}


@pytest.fixture
def poses_in_folder(
    pictures: Path, instances: dict[str, Any], tmp_path: Path
) -> Callable[[Any], dict[int, tuple[list[float], int]]]:
    """Lists the folder with `instances` and a keypoints file, and returns its poses."""

    def found(keypoints: Any) -> dict[int, tuple[list[float], int]]:
        settings = annotated_folder(pictures, tmp_path, instances, keypoints)
        return poses(folder.list_images(settings, tmp_path))

    return found


@pytest.mark.parametrize("field", ["id", "image_id", "category_id"])
def test_keypoints_of_another_file_are_not_taken(
    poses_in_folder: Any, keypoints: dict[str, Any], caplog: pytest.LogCaptureFixture, field: str
) -> None:
    entries = keypoints["annotations"]
    entries[0][field] += 1000
    assert poses_in_folder(keypoints) == {3: POSES[3], 6: POSES[6]}
    mismatch = "ignored 1 entries with the id of a person but another image or category"
    assert (mismatch in caplog.text) == (field != "id")
    assert "another annotation file" not in caplog.text
    for entry in entries[1:]:
        entry[field] += 1000
    assert poses_in_folder(keypoints) == {}
    (record,) = [r for r in caplog.records if "another annotation file" in r.getMessage()]
    assert record.levelno == logging.WARNING
    assert "category of any of the 4 persons" in record.getMessage()


def test_keypoints_need_the_files_own_annotation_ids(
    pictures: Path, instances: dict[str, Any], keypoints: dict[str, Any], tmp_path: Path
) -> None:
    for number in (0, 3, "1", None):
        instances["annotations"][0]["id"] = number
        settings = annotated_folder(pictures, tmp_path, instances, keypoints)
        with pytest.raises(InputError, match=r"instances\.json: its annotations' ids") as caught:
            folder.list_images(settings, tmp_path)
        assert "\n" not in str(caught.value)
        settings = changed(settings, folder={"keypoints": None})
        assert poses(folder.list_images(settings, tmp_path)) == {}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, "51 numbers"),
        ({}, "51 numbers"),
        ([], "51 numbers"),
        (pose(1)[:-1], "51 numbers"),
        ([*pose(1), 1, 1, 1], "51 numbers"),
        ([[1, 2, 3]] * 51, "finite"),
        (["1", *pose(1)[1:]], "finite"),
        ([True, *pose(1)[1:]], "finite"),
        ([None, *pose(1)[1:]], "finite"),
        ([10**400, *pose(1)[1:]], "finite"),
        ([*pose(1)[:-1], 3], "visibility"),
        ([*pose(1)[:-1], -1], "visibility"),
        ([*pose(1)[:-1], 0.5], "visibility"),
        ([*pose(1)[:-1], True], "finite"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_broken_keypoints_are_one_clear_line(
    poses_in_folder: Any, keypoints: dict[str, Any], value: Any, complaint: str
) -> None:
    keypoints["annotations"][1]["keypoints"] = value
    message = rf"person_keypoints\.json: annotation 3 has .*{complaint}"
    with pytest.raises(InputError, match=message) as caught:
        poses_in_folder(keypoints)
    assert "\n" not in str(caught.value)


NOT_KEYPOINTS = "give a COCO person_keypoints file"
NOT_A_NUMBER = '{"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": [%s]}]}'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        *(
            (text, NOT_KEYPOINTS)
            for text in ("", "[]", "7", "{}", '{"annotations": 3}', '{"annotations": [3]}')
        ),
        ("[" * 100_000, NOT_KEYPOINTS),
        ("PK", NOT_KEYPOINTS),
        *((NOT_A_NUMBER % name, "holds") for name in ("NaN", "Infinity", "-Infinity")),
        (NOT_A_NUMBER % ", ".join(["1e999"] * 51), "finite"),
    ],
    ids=lambda text: text[:20],
)
def test_files_that_are_no_keypoints(poses_in_folder: Any, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=rf"person_keypoints\.json: .*{complaint}") as caught:
        poses_in_folder(text)
    assert "\n" not in str(caught.value)


def test_an_annotation_that_has_keypoints_twice(
    poses_in_folder: Any, keypoints: dict[str, Any]
) -> None:
    keypoints["annotations"] += keypoints["annotations"][:1]
    with pytest.raises(InputError, match="annotation 1 is there twice"):
        poses_in_folder(keypoints)


def test_real_coco_keypoints(coco_sample: Path, tmp_path: Path) -> None:
    path = coco_sample / "person_keypoints.json"
    settings = in_folder(coco_sample / "images", coco_sample / "instances.json")
    settings = changed(settings, folder={"keypoints": str(path)})
    found = poses(folder.list_images(settings, tmp_path))
    document = json.loads(path.read_text())
    given = {a["id"]: (a["keypoints"], a["num_keypoints"]) for a in document["annotations"]}
    assert found == given and len(found) == 347
    some = folder.list_images(changed(settings, max_images=20), tmp_path)
    images = set(ids(some))
    expected = {a["id"] for a in document["annotations"] if a["image_id"] in images}
    assert poses(some) == {number: given[number] for number in expected}
    assert 0 < len(expected) < 347
