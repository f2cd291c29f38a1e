"""Any COCO JSON file, right or broken: read, or refused in one line. Inputs by hypothesis."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from any_values import scalars, texts, values, writable
from coco_dataset import in_folder
from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json
from visualsearch.data.manifest import MAX_IMAGE_ID, read_listed, write_listed
from visualsearch.evaluate.detections import evaluate_detections
from visualsearch.fetch import folder
from visualsearch.fetch.instances import read_instances
from visualsearch.fetch.keypoints import add_keypoints

image_ids = st.integers(0, MAX_IMAGE_ID)
# Of the names that tools give, some mean the picture a.jpg, and some the same one twice.
NAMES = ("a.jpg", "b/c.png", "人.webp", "../out.jpg", "/etc/x.jpg", "x" * 300, "./a.jpg", "%00")
OF_TOOLS = ("images/A.JPG", "C:\\x\\a.jpg", "https://h/a.jpg?x", "a%2Ejpg", "0a1b2c3d-a.jpg", "\\")
names = st.sampled_from([*NAMES, *OF_TOOLS, "a_jpg.rf.0f.jpg"])
places = st.floats(-10, 500, width=32)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A right instances file, as sparse and as odd as tools write them."""
    ids = draw(st.lists(st.integers(0, 50) | image_ids, unique=True, max_size=4))
    size = st.none() | st.integers(1, 20_000)
    more_of_image = {
        "width": size,
        "height": size,
        "license": scalars,
        "flickr_url": texts | st.just("http://a.example/\ud800"),
        "date_captured": values,
    }
    annotation = {
        "image_id": st.sampled_from(ids or [0]),
        "category_id": st.sampled_from([1, 7]),
        "bbox": st.lists(places, min_size=4, max_size=4),
    }
    more_of_annotation = {
        "id": st.integers(0, 5) | texts,
        "iscrowd": st.sampled_from([0, 1]),
        "area": st.floats(0, 1e6),
        "segmentation": values,
        "keypoints": values,
        "score": scalars,
    }
    annotations = st.fixed_dictionaries(annotation, optional=more_of_annotation)
    document = {
        "images": [
            {"id": i, "file_name": draw(names)}
            | draw(st.fixed_dictionaries({}, optional=more_of_image))
            for i in ids
        ],
        "annotations": draw(st.lists(annotations, max_size=5)) if ids else [],
        "categories": [{"id": 1, "name": "person"}, {"id": 7, "name": draw(writable) + "!"}],
    }
    extra = {"info": values, "licenses": st.lists(values, max_size=2) | values, "more": values}
    return document | draw(st.fixed_dictionaries({}, optional=extra))


def mutated(draw: st.DrawFn, document: Any) -> Any:
    """The document with one value, at any depth, replaced, removed or doubled."""
    spots: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        value = waiting.pop()
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in list(inner):
            spots.append((value, key))
            if isinstance(part, dict | list):
                waiting.append(part)
    holder, key = draw(st.sampled_from(spots))
    how = draw(st.sampled_from(["replace", "remove", "double"]))
    if how == "replace":
        holder[key] = draw(values)
    elif how == "remove":
        del holder[key]
    elif isinstance(holder, list):
        holder.append(holder[key])
    return document


@st.composite
def broken_documents(draw: st.DrawFn) -> Any:
    document = json.loads(as_json(draw(documents())))
    for _ in range(draw(st.integers(1, 3))):
        document = mutated(draw, document)
    return document


def as_json(value: Any) -> str:
    """JSON as Python writes it, with NaN and keys that are numbers."""
    return json.dumps(value, default=str, skipkeys=True)


def in_file(document: str, use: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "instances.json"
        path.write_text(document)
        use(path)


def used(path: Path) -> None:
    """Do what the jobs do with an annotations file: list its pictures, evaluate detections."""
    (path.parent / "a.jpg").touch()
    found = folder.list_images(in_folder(path.parent, path), path.parent)
    files = [image.file for image in found.images]
    assert len(set(files)) == len(files) and set(files) <= {"a.jpg"}
    write_listed(path.parent / "listed.parquet", found.images)
    assert len(read_listed(path.parent / "listed.parquet")) == len(found.images)
    annotations, results = path.parent / "annotations.json", path.parent / "results.json"
    write_json(annotations, found.annotations, indent=None, ascii_only=True)
    ids = [image.image_id for image in found.images]
    if ids:
        row = {"category_id": 1, "bbox": [1, 1, 20, 30], "score": 0.5}
        results.write_text(json.dumps([{"image_id": image, **row} for image in ids]))
        said, curve = evaluate_detections(annotations, results, "person", ids)
        assert said["detections"] == len(ids) and curve.shape == (101, 4)


def is_finite(document: Any) -> bool:
    try:
        json.dumps(document, allow_nan=False, default=str, skipkeys=True)
    except ValueError:
        return False
    return True


@given(documents())
def test_instances_go_through_pycocotools_and_back(document: dict[str, Any]) -> None:
    assume(is_finite(document))

    def use(path: Path) -> None:
        found = read_instances(path)
        boxes = [entry["bbox"] for entry in document["annotations"]]
        assert [entry["bbox"] for entry in found["annotations"]] == boxes
        images = sorted(image["id"] for image in document["images"])
        written = path.with_name("annotations.json")
        write_json(written, found, indent=None, ascii_only=True)
        coco = COCO(str(written))
        assert sorted(coco.getImgIds()) == images
        assert len(coco.getAnnIds()) == len(boxes)
        assert sorted(coco.getCatIds()) == [1, 7]
        for image in images:
            own = [e["bbox"] for e in document["annotations"] if e["image_id"] == image]
            assert sorted(e["bbox"] for e in coco.loadAnns(coco.getAnnIds([image]))) == sorted(own)
        used(path)

    in_file(as_json(document), use)


def one_line(use: Callable[[Path], None], path: Path) -> None:
    """Call `use`, which may raise only an InputError of one line."""
    try:
        use(path)
    except InputError as error:
        assert str(error).isprintable()


def instances_with(**image: Any) -> dict[str, Any]:
    """A right instances file of one picture, some keys of which are changed."""
    licence = {"id": 1, "name": "\ud800", "url": "https://a.example/\ud800"}
    return {
        "images": [{"id": 1, "file_name": "a.jpg", **image}],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}],
        "licenses": [licence],
    }


@given(broken_documents())
@example(instances_with(file_name="x" * 300))
@example(instances_with(width=2**31))
@example(instances_with(license=1))
@example(instances_with(flickr_url="https://a.example/\ud800"))
@example(instances_with(note="\ud800"))
@example(instances_with() | {"categories": [{"id": 1, "name": "a\nb"}]})
@example(instances_with() | {"categories": [{"id": 7, "name": "\ud800!"}]})
@example(instances_with() | {"categories": 2 * [{"id": 1, "name": "person"}]})
def test_a_broken_file_of_instances_is_an_input_error(document: Any) -> None:
    in_file(as_json(document), lambda path: one_line(used, path))


# Persons 1 to 3 of one picture, for files of keypoints.
PERSONS = [{"id": n, "image_id": 5, "category_id": 1, "bbox": [0, 0, 9, 9]} for n in (1, 2, 3)]
triple = st.tuples(st.floats(-5, 600), st.integers(-5, 600), st.integers(0, 2))
skeleton = st.lists(triple, min_size=17, max_size=17).map(lambda t: [v for xyv in t for v in xyv])


@st.composite
def keypoint_files(draw: st.DrawFn) -> dict[str, Any]:
    ids = draw(st.lists(st.integers(1, 6), unique=True))
    entries = [
        {
            "id": n,
            "image_id": 5,
            "category_id": 1,
            "keypoints": draw(skeleton),
            "more": draw(values),
        }
        for n in ids
    ]
    return {"annotations": entries, "images": draw(values)}


@given(keypoint_files())
def test_keypoints_come_to_their_persons(document: dict[str, Any]) -> None:
    wanted = {entry["id"]: entry["keypoints"] for entry in document["annotations"]}

    def use(path: Path) -> None:
        persons = [dict(person) for person in PERSONS]
        add_keypoints({"annotations": persons}, {1}, path)
        for person in persons:
            assert person.get("keypoints") == wanted.get(person["id"])
            if "keypoints" in person:
                assert person["num_keypoints"] == sum(v > 0 for v in person["keypoints"][2::3])

    assume(is_finite(document))
    in_file(as_json(document), use)


@given(keypoint_files(), st.data())
def test_a_broken_file_of_keypoints_is_an_input_error(
    document: dict[str, Any], data: st.DataObject
) -> None:
    broken = mutated(data.draw, json.loads(as_json(document)))

    def use(path: Path) -> None:
        persons = [dict(person) for person in PERSONS]
        add_keypoints({"annotations": persons}, {1}, path)
        for person in persons:
            points = person.get("keypoints", [0] * 51)
            assert len(points) == 51 and np.isfinite(np.array(points, dtype=float)).all()

    in_file(as_json(broken), lambda path: one_line(use, path))
