"""Finds keys that contradict each other, and files that are missing."""

import os
from collections.abc import Iterator
from dataclasses import asdict

from visualsearch.settings.computing import DetectorSettings
from visualsearch.settings.configuration import Settings
from visualsearch.settings.dataset import CocoSettings, DatasetSettings, PathvarsSettings
from visualsearch.settings.names import BUNDLED, RTDETR
from visualsearch.settings.showing import QueriesSettings
from visualsearch.settings.values import given_box, is_address, is_url, is_weights_file, without_box
from visualsearch.settings.wording import not_allowed

BOX_IN_QUOTES = (
    'a box of left, top, width and height after the path, in quotes: "me.jpg#xywh=10,20,30,40" in '
    'pixels, or "me.jpg#xywh=percent:25,0,50,100"'
)
PATTERN = (
    "a name or path within dataset.folder.path with forward slashes, such as private, 2019/private "
    "or *.png"
)
NO_ANNOTATIONS = "null, as dataset.folder.annotations is null"


def contradictions(settings: Settings) -> Iterator[str]:
    """Yield a line for each contradiction between keys, and for each missing file."""
    yield from _impossible_folders(settings.pathvars)
    yield from _folder_contradictions(settings.dataset)
    if settings.dataset.source.startswith("coco-"):
        yield from _coco_contradictions(settings.dataset.coco)
    yield from _detector_contradictions(settings.detector, settings.dataset.category)
    index, search = settings.index, settings.search
    for key, value in (("n_trees", index.n_trees), ("search_k", index.search_k)):
        if index.backend != "annoy" and value is not None:
            yield not_allowed(f"index.{key}", value, f"null, as index.backend is {index.backend}")
    if 0 < search.rerank < search.neighbours:
        expected = f"0, or {search.neighbours} or more, as search.neighbours is"
        yield not_allowed("search.rerank", search.rerank, expected)
    yield from _query_contradictions(settings.queries)
    if settings.explorer.own_pictures and settings.embedding.region != "crop":
        expected = f"false, as embedding.region is {settings.embedding.region}"
        yield not_allowed("explorer.own_pictures", True, expected)


def _folder_contradictions(dataset: DatasetSettings) -> Iterator[str]:
    source, folder = dataset.source, dataset.folder
    if source != "folder":
        expected = f"null, as dataset.source is {source!r}"
        given = {"path": folder.path, "keypoints": folder.keypoints, "category": folder.category}
        for key, value in given.items():
            if value:
                yield not_allowed(f"dataset.folder.{key}", value, expected)
        if folder.exclude:
            expected = expected.replace("null", "[]")
            yield not_allowed("dataset.folder.exclude", list(folder.exclude), expected)
        return
    if not folder.path:
        yield not_allowed("dataset.folder.path", folder.path, "a directory of pictures")
    elif not _is_folder(folder.path):
        yield not_allowed("dataset.folder.path", folder.path, "an existing directory")
    for pattern in folder.exclude:
        if not _is_within(pattern):
            yield not_allowed("dataset.folder.exclude", pattern, PATTERN)
    if folder.annotations and not _is_file(folder.annotations):
        yield not_allowed("dataset.folder.annotations", folder.annotations, "an existing file")
    if folder.keypoints and not _is_file(folder.keypoints):
        yield not_allowed("dataset.folder.keypoints", folder.keypoints, "an existing file")
    elif folder.keypoints and not folder.annotations:
        yield not_allowed("dataset.folder.keypoints", folder.keypoints, NO_ANNOTATIONS)
    if folder.category and not folder.annotations:
        yield not_allowed("dataset.folder.category", folder.category, NO_ANNOTATIONS)


def _is_within(pattern: str) -> bool:
    parts = pattern.removeprefix("./").rstrip("/").split("/")
    return "\\" not in pattern and not {"", ".", ".."} & set(parts)


def _detector_contradictions(detector: DetectorSettings, category: str) -> Iterator[str]:
    weights = detector.weights
    if detector.name == BUNDLED and category != "person":
        expected = f"person, which is all that detector {BUNDLED} knows"
        yield not_allowed("dataset.category", category, expected)
    if detector.name == BUNDLED and weights != "default":
        yield not_allowed(
            "detector.weights", weights, f"default, as detector {BUNDLED} brings its own"
        )
    if detector.name == RTDETR:
        if weights != "default" and not is_weights_file(weights):
            expected = f"default, or the path of a weights file, as detector {RTDETR} has one file"
            yield not_allowed("detector.weights", weights, expected)
        for key, value in (("min_size", detector.min_size), ("max_size", detector.max_size)):
            if value is not None:
                expected = f"null, as detector {RTDETR} takes pictures of 640 x 640 only"
                yield not_allowed(f"detector.{key}", value, expected)
    if detector.precision == "int8":
        for key, value in (
            ("name", detector.name == RTDETR),
            ("device", detector.device == "cuda"),
            ("runtime", detector.runtime == "torch"),
        ):
            if value:
                yield not_allowed(
                    "detector.precision",
                    "int8",
                    f"auto, fp32 or bf16, as detector.{key} is {getattr(detector, key)}",
                )
    if detector.runtime == "openvino" and detector.device == "cuda":
        yield not_allowed(
            "detector.runtime", "openvino", "auto or torch, as detector.device is cuda"
        )
    if detector.runtime == "openvino" and detector.precision == "fp16":
        expected = "auto, fp32, bf16 or int8, as detector.runtime is openvino"
        yield not_allowed("detector.precision", "fp16", expected)
    if is_weights_file(weights) and not _is_file(weights):
        yield not_allowed("detector.weights", weights, "an existing weights file")


def _query_contradictions(queries: QueriesSettings) -> Iterator[str]:
    if not queries.count and not queries.persons and not queries.images:
        expected = "an integer >= 1, as queries.persons and queries.images are empty"
        yield not_allowed("queries.count", 0, expected)
    for name in queries.images:
        if set("{}<>") & set(name):
            # In the name of an input these have a meaning for Snakemake.
            yield not_allowed("queries.images", name, "a path without any of { } < >")
        elif not _has_sound_box(name):
            yield not_allowed("queries.images", name, BOX_IN_QUOTES)
        elif not _is_file(without_box(name)):
            yield not_allowed("queries.images", name, "the path of an existing picture")


def _has_sound_box(picture: str) -> bool:
    try:
        given_box(picture)
    except ValueError:
        return False
    return True


def _coco_contradictions(coco: CocoSettings) -> Iterator[str]:
    for key, value in (("definition", coco.definition), ("annotations", coco.annotations)):
        if value and not is_url(value) and not _is_file(value):
            yield not_allowed(f"dataset.coco.{key}", value, "a URL, or an existing file")
    if is_url(coco.annotations) and coco.annotations_sha256 is None:
        expected = "the sha256 of the file at the URL that dataset.coco.annotations is"
        yield not_allowed("dataset.coco.annotations_sha256", None, expected)
    if coco.images and not is_url(coco.images) and not _is_folder(coco.images):
        expected = "a URL, or an existing directory"
        yield not_allowed("dataset.coco.images", coco.images, expected)
    if coco.keypoints and not _is_file(coco.keypoints):
        yield not_allowed("dataset.coco.keypoints", coco.keypoints, "an existing file")


def _impossible_folders(pathvars: PathvarsSettings) -> Iterator[str]:
    for key, value in asdict(pathvars).items():
        path = value if key == "results" else value.replace("<results>", pathvars.results)
        if set("{}<>") & set(path) or not path.isprintable():
            expected = "a path of printable characters, without any of { } < >"
            yield not_allowed(f"pathvars.{key}", value, expected)
        elif not _is_folder(_nearest_existing(path)):
            expected = "a directory, or a path where one can be made"
            yield not_allowed(f"pathvars.{key}", value, expected)
        else:
            continue
        if key == "results":
            return  # The other folders are within it.


def _nearest_existing(path: str) -> str:
    while path and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path or "."


# These use os.path, as pathlib raises for names that are too long. Snakemake checks addresses.
def _is_file(path: str) -> bool:
    return _in_bucket(path) or os.path.isfile(path)


def _is_folder(path: str) -> bool:
    return _in_bucket(path) or os.path.isdir(path)


def _in_bucket(path: str) -> bool:
    # In the name of an input, braces and angle brackets have a meaning for Snakemake.
    return is_address(path) and not set("{}<>") & set(path)
