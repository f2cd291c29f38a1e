"""What must hold for any input: configuration, shards, boxes, COCO JSON. Inputs by hypothesis.

`make test` tries the same ones every time, `make torture` others, and more; see conftest.py.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from jsonschema import Draft202012Validator
from pycocotools.coco import COCO

from coco_dataset import in_folder
from visualsearch.core.errors import InputError
from visualsearch.core.files import write_json
from visualsearch.data.boxes import (
    clip_to_image,
    grow,
    grow_to_aspect,
    iou,
    mirror,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from visualsearch.data.manifest import (
    MAX_IMAGE_ID,
    FetchedImage,
    ListedImage,
    Skipped,
    merge_manifests,
    person_id,
    read_listed,
    read_manifest,
    read_skipped,
    shard_of,
    split_person_id,
    write_listed,
    write_manifest,
    write_skipped,
)
from visualsearch.evaluate.detections import evaluate_detections
from visualsearch.fetch import folder
from visualsearch.fetch.folder import id_of_name
from visualsearch.fetch.instances import read_instances
from visualsearch.fetch.keypoints import add_keypoints
from visualsearch.settings.checking import checked
from visualsearch.settings.configuration import configuration_schema
from wrong_configurations import WRONG

SCHEMA = configuration_schema()

# Text as hostile files have it: control characters, half characters, other scripts.
texts = st.text(max_size=12) | st.sampled_from(["", "\0", "\ud800", "a\nb", "../a", "~x", "null"])
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**31, 2**63, 10**400])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars, inner, max_size=4),
    max_leaves=8,
)


def keys(schema: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every section and key of the schema."""
    found = []
    for key, part in schema.get("properties", {}).items():
        found += [(*above, key), *keys(part, (*above, key))]
    return found


def part_of(schema: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for key in path:
        schema = schema["properties"][key]
    return schema


def value_for(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values near what a key allows, on both sides of its limits."""
    part = schema.get("anyOf", [schema])[0]
    near: list[Any] = [schema.get("default"), *part.get("enum", ())]
    for limit in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if limit in part:
            near += [part[limit] + step for step in (-1, -0.5, 0, 0.5, 1)]
    return st.sampled_from(near + [str(value) for value in near]) | values


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    config: dict[Any, Any] = {}
    for path in draw(st.lists(st.sampled_from(keys(SCHEMA)), max_size=5)):
        section = config
        for key in path[:-1]:
            if not isinstance(section.get(key), dict):
                section[key] = {}
            section = section[key]
        section[path[-1]] = draw(value_for(part_of(SCHEMA, path)))
    return config | draw(st.just({}) | st.dictionaries(scalars, values, max_size=1))


def held(config: Any) -> Any:
    """Lists and sections as JSON has them, so that jsonschema's own validator can say its word."""
    return json.loads(json.dumps(config))


@given(configurations())
@example({"shards": "!!bool x"})
@example({"shards": "9" * 5000})
@example({"shards": "2026-13-45"})
@example({"shards": "[" * 5000})
@example({"pathvars": {"results": "a" * 5000}})
@example({"queries": {"images": ["~x/" + "a" * 5000]}})
@example({"reduction": {"n_components": float("nan")}})
@example({"queries": {"persons": [10**5000]}})
@example({"dataset": {"source": 5}})
def test_a_configuration_is_right_or_a_line_for_each_problem(config: dict[str, Any]) -> None:
    try:
        right = checked(config)
    except InputError as error:
        heading, *lines = str(error).split("\n")
        assert heading == "the configuration is wrong:" and lines
        assert all(line.startswith("  ") and line.isprintable() for line in lines)
        assert len(set(lines)) == len(lines) and max(map(len, lines)) < 2000
        return
    assert list(Draft202012Validator(SCHEMA).iter_errors(held(right))) == []
    assert checked(right) == right
    # As jobs and reports get it.
    assert yaml.safe_load(yaml.safe_dump(right, allow_unicode=True)) == right


@given(st.sampled_from(sorted(WRONG)), st.sampled_from(sorted(WRONG)))
def test_two_wrongs_are_never_right(first: str, second: str) -> None:
    one, two = yaml.safe_load(first), yaml.safe_load(second)
    with pytest.raises(InputError):
        checked({**one, **two})


# Shards.

image_ids = st.integers(0, MAX_IMAGE_ID)
shards = st.integers(1, 512)


@given(st.lists(image_ids, unique=True, max_size=60), shards, st.randoms())
def test_every_picture_is_in_one_shard_whatever_the_order(
    ids: list[int], count: int, random: Any
) -> None:
    of = {i: shard_of(i, count) for i in ids}
    assert all(0 <= shard < count for shard in of.values())
    random.shuffle(ids)
    assert {i: shard_of(i, count) for i in ids} == of
    assert shard_of(np.array(ids, dtype=np.int64), count).tolist() == [of[i] for i in ids]


@given(st.lists(image_ids, unique=True, max_size=12), st.integers(1, 4), st.randoms())
def test_a_manifest_is_the_same_whatever_the_shards(
    ids: list[int], count: int, random: Any
) -> None:
    images = [FetchedImage(ListedImage(i, f"{i}.jpg"), 3, 2, "0" * 64) for i in ids]
    random.shuffle(images)
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{shard}.parquet" for shard in range(count)]
        for shard, path in enumerate(paths):
            own = [image for image in images if shard_of(image.listed.image_id, count) == shard]
            write_manifest(path, own, count)
        assert merge_manifests(paths, Path(name) / "whole.parquet") == len(ids)
        assert read_manifest(Path(name) / "whole.parquet")["image_id"].to_pylist() == sorted(ids)


@given(st.integers(0, MAX_IMAGE_ID - 2000), st.integers(1, 2000), shards)
def test_numbered_pictures_fill_shards_evenly(first: int, n: int, count: int) -> None:
    sizes = np.bincount(shard_of(np.arange(first, first + n), count), minlength=count)
    assert sizes.max() - sizes.min() <= 1


@given(texts.filter(str.isprintable), st.integers(2, 64))
def test_pictures_of_a_folder_fill_shards_evenly(prefix: str, count: int) -> None:
    n = 50 * count
    ids = np.array([id_of_name(f"{prefix}{number}.jpg") for number in range(n)])
    sizes = np.bincount(shard_of(ids, count), minlength=count)
    # Of a fair draw a shard lies six standard deviations off once in a thousand million.
    assert np.abs(sizes - 50).max() <= 6 * np.sqrt(50)


@given(image_ids, st.integers(0, 999))
def test_a_person_id_is_image_and_number(image: int, number: int) -> None:
    person = int(person_id(image, number))
    assert person < 2**53 and [int(part) for part in split_person_id(person)] == [image, number]


# Boxes. Coordinates as pictures have them: float32 is then exact to 1/128 of a pixel, and to a
# relative 2^-23 after each step.

LARGEST = 2.0**15
STEP = LARGEST * 2.0**-23
coordinates = st.floats(-LARGEST, LARGEST, width=32)
rows = st.integers(0, 6)
anywhere = arrays.arrays(np.float32, st.tuples(rows, st.just(4)), elements=coordinates)


@st.composite
def corners(draw: st.DrawFn) -> np.ndarray:
    """Boxes whose sides are not negative."""
    boxes = draw(anywhere)
    return np.concatenate(
        [np.minimum(*np.split(boxes, 2, 1)), np.maximum(*np.split(boxes, 2, 1))], 1
    )


@given(anywhere)
def test_the_two_layouts_are_inverses(boxes: np.ndarray) -> None:
    assert np.allclose(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes, rtol=0, atol=4 * STEP)
    assert np.allclose(xyxy_to_xywh(xywh_to_xyxy(boxes)), boxes, rtol=0, atol=4 * STEP)


sides = st.integers(1, 20_000)


@given(anywhere, sides, sides)
def test_a_clipped_box_is_inside_and_stays(boxes: np.ndarray, width: int, height: int) -> None:
    clipped = clip_to_image(boxes, width, height)
    assert (clipped[:, :2] >= 0).all() and (clipped[:, 2:] <= [width, height]).all()
    assert (clipped[:, 2:] - clipped[:, :2] >= 1 - STEP).all()
    assert np.array_equal(clip_to_image(clipped, width, height), clipped)


@given(anywhere, sides)
def test_a_mirror_of_a_mirror_is_the_box(boxes: np.ndarray, width: int) -> None:
    twice = mirror(mirror(boxes, width), width)
    assert np.allclose(twice, boxes, rtol=0, atol=4 * STEP)


@given(corners(), sides)
def test_a_mirrored_box_is_as_large_and_as_far_in(boxes: np.ndarray, width: int) -> None:
    mirrored = mirror(boxes, width)
    assert np.allclose(
        xyxy_to_xywh(mirrored)[:, 2:], xyxy_to_xywh(boxes)[:, 2:], rtol=0, atol=4 * STEP
    )
    assert np.allclose(mirrored[:, 2], width - boxes[:, 0], rtol=0, atol=STEP)


@given(corners(), st.floats(0, 1))
def test_a_grown_box_holds_the_box(boxes: np.ndarray, margin: float) -> None:
    grown = grow(boxes, margin)
    assert (grown[:, :2] <= boxes[:, :2]).all() and (grown[:, 2:] >= boxes[:, 2:]).all()


@given(corners(), st.floats(1 / 32, 32))
def test_a_box_grown_to_an_aspect_has_it_and_holds_the_box(
    boxes: np.ndarray, aspect: float
) -> None:
    grown = grow_to_aspect(boxes, aspect)
    assert (grown[:, :2] <= boxes[:, :2] + STEP).all()
    assert (grown[:, 2:] >= boxes[:, 2:] - STEP).all()
    width, height = xyxy_to_xywh(grown)[:, 2:].T.astype(np.float64)
    # A side may be off by a few steps of the coordinates, whatever its length.
    assert (np.abs(width - aspect * height) <= 64 * STEP * (1 + aspect)).all()
    centres = [(b[:, :2].astype(np.float64) + b[:, 2:]) / 2 for b in (boxes, grown)]
    assert np.allclose(*centres, rtol=1e-6, atol=64 * STEP)


@given(anywhere, anywhere)
def test_iou_is_a_share_and_the_same_both_ways(first: np.ndarray, second: np.ndarray) -> None:
    overlaps = iou(first, second)
    assert overlaps.shape == (len(first), len(second))
    assert (overlaps >= 0).all() and (overlaps <= 1 + 1e-6).all()
    assert np.array_equal(overlaps, iou(second, first).T)


@given(corners())
def test_iou_of_a_box_with_itself_is_one(boxes: np.ndarray) -> None:
    # Products of tiny sides vanish in float32.
    solid = boxes[(boxes[:, 2:] - boxes[:, :2] >= 2**-10).all(axis=1)]
    assert np.allclose(np.diagonal(iou(solid, solid)), 1, rtol=1e-6)


# COCO JSON.

# What UTF-8 can write: a category of another name is refused.
writable = st.text(st.characters(codec="utf-8"), max_size=20)
names = st.sampled_from(["a.jpg", "b/c.png", "人.webp", "../out.jpg", "/etc/x.jpg", "x" * 300])
places = st.floats(-10, 500, width=32)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A right instances file, as sparse and as odd as tools write them."""
    ids = draw(st.lists(st.integers(0, 50) | image_ids, unique=True, max_size=4))
    categories = [
        {"id": 1, "name": "person"},
        {"id": 7, "name": draw(writable.map(lambda t: t + "!"))},
    ]
    images: list[dict[str, Any]] = [{"id": i, "file_name": draw(names)} for i in ids]
    for image in images:
        image |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "width": st.none() | st.integers(1, 20_000),
                    "height": st.none() | st.integers(1, 20_000),
                    "license": scalars,
                    "flickr_url": texts | st.just("http://a.example/\ud800"),
                    "date_captured": values,
                },
            )
        )
    annotations = [] if not ids else draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "image_id": st.sampled_from(ids),
                    "category_id": st.sampled_from([1, 7]),
                    "bbox": st.lists(places, min_size=4, max_size=4),
                },
                optional={
                    "id": st.integers(0, 5) | texts,
                    "iscrowd": st.sampled_from([0, 1]),
                    "area": st.floats(0, 1e6),
                    "segmentation": values,
                    "keypoints": values,
                    "score": scalars,
                },
            ),
            max_size=5,
        )
    )  # fmt: skip
    document = {"images": images, "annotations": annotations, "categories": categories}
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
    """As Python writes it, with what JSON does not know: nan, and keys that are numbers."""
    return json.dumps(value, default=str, skipkeys=True)


def in_file(document: str | bytes, use: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "instances.json"
        path.write_bytes(document.encode() if isinstance(document, str) else document)
        use(path)


def used(path: Path) -> None:
    """What the jobs do with an annotations file: list its pictures, evaluate detections in them."""
    (path.parent / "a.jpg").touch()
    found = folder.list_images(in_folder(path.parent, path), path.parent)
    write_listed(path.parent / "listed.parquet", found.images)
    assert len(read_listed(path.parent / "listed.parquet")) == len(found.images)
    annotations, results = path.parent / "annotations.json", path.parent / "results.json"
    write_json(annotations, found.annotations, indent=None, ascii=True)
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
        write_json(written, found, indent=None, ascii=True)
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
    """Run it; nothing may be raised but an InputError of one line."""
    try:
        use(path)
    except InputError as error:
        assert str(error).isprintable()


def instances_with(**image: Any) -> dict[str, Any]:
    """A right file of one picture, with some keys of it changed."""
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


@given(documents().map(as_json), st.binary(min_size=1, max_size=4), st.data())
def test_a_file_with_bytes_overwritten_is_an_input_error(
    document: str, noise: bytes, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(document)))
    content = document.encode()
    content = content[:place] + noise + content[place + len(noise) :]
    in_file(content, lambda path: one_line(used, path))


# Persons 1 to 3 of one picture, and what a file of keypoints says of them.
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
        add_keypoints({"annotations": persons}, 1, path)
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
        add_keypoints({"annotations": persons}, 1, path)
        for person in persons:
            points = person.get("keypoints", [0] * 51)
            assert len(points) == 51 and np.isfinite(np.array(points, dtype=float)).all()

    in_file(as_json(broken), lambda path: one_line(use, path))


@given(st.lists(writable, min_size=1, max_size=4))
@example(["\ud7fc", "\u200d\xa0", "\U000e0001", "\\x1b", "\\u2028", "\\U", "=1", "\r\n\t"])
def test_what_is_left_out_is_read_as_it_was_written(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "skipped.tsv"
        skipped = [Skipped(number, f"{number}{text}", text) for number, text in enumerate(texts)]
        write_skipped(path, skipped)
        assert read_skipped(path) == skipped
        written = path.read_text(encoding="utf-8")
        assert all(char.isprintable() for char in written if char not in "\n\t")
