"""The persons of the search set, with the names, licences and labels of their pictures."""

import logging
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from visualsearch.data.attribution import license_name, web_address
from visualsearch.data.manifest import labels_of, read_manifest, shown_name
from visualsearch.data.shown import shown_box, shown_score
from visualsearch.data.tables import BOX_COLUMNS
from visualsearch.explorer.chunks import UINT16_MAX

log = logging.getLogger(__name__)

MANIFEST_COLUMNS = [
    "image_id",
    "file",
    "license",
    "license_url",
    "source_url",
    "labels",
    "width",
    "height",
]


class License(NamedTuple):
    """A licence. url: its web address, or an empty string."""

    name: str
    url: str


class Labels(NamedTuple):
    """One kind of label. codes: uint16 [N], a person's position in `values` from 1, 0 for none."""

    kind: str
    values: list[str]
    codes: NDArray[np.uint16]


class Contents:
    """The persons of the search set, and what the manifest says about their pictures.

    persons: the rows of the index. by_file: readers know the pictures by file, not by image_id.
    """

    def __init__(self, manifest: str, persons: pa.Table, by_file: bool) -> None:
        self.persons = persons
        rows = read_manifest(manifest).select(MANIFEST_COLUMNS)
        shown = pc.is_in(rows["image_id"], persons["image_id"].combine_chunks())
        pictures = rows.filter(shown).to_pylist()
        self._names = {p["image_id"]: shown_name(p, by_file) for p in pictures}
        self._files = {p["image_id"]: "" if by_file else p["file"] for p in pictures}
        self._sizes = {p["image_id"]: (p["width"], p["height"]) for p in pictures}
        self._sources = {p["image_id"]: web_address(p["source_url"]) or "" for p in pictures}
        licenses = {p["image_id"]: _license(p) for p in pictures}
        self.licenses = sorted({one for one in licenses.values() if one})
        position: dict[License | None, int] = {one: n for n, one in enumerate(self.licenses)}
        self._licenses = {image: position.get(one, -1) for image, one in licenses.items()}
        self.labels = _labels(persons, pictures)

    def details(self, start: int, stop: int) -> list[list[Any]]:
        """Return text and numbers, as shown, of the rows from `start` to before `stop`, JSON-ready.

        Each row is person_id, image_id, the picture's name, score, the box as a list of left, top,
        width and height, the position in `licenses` or -1, the web address or an empty string, the
        picture's file or an empty string if that is its name, and its width and height in pixels.
        """
        return [
            [
                person["person_id"],
                image := person["image_id"],
                self._names[image],
                shown_score(person["score"]),
                shown_box(person[side] for side in BOX_COLUMNS),
                self._licenses[image],
                self._sources[image],
                self._files[image],
                *self._sizes[image],
            ]
            for person in self.persons.slice(start, stop - start).to_pylist()
        ]


def _license(picture: dict[str, Any]) -> License | None:
    name = license_name(picture["license"], picture["license_url"])
    return License(name, web_address(picture["license_url"]) or "") if name else None


def _labels(persons: pa.Table, pictures: list[dict[str, Any]]) -> list[Labels]:
    labels_by_image = {p["image_id"]: labels_of(p) for p in pictures}
    image_ids = persons["image_id"].to_pylist()
    kinds = []
    for kind in sorted({kind for labels in labels_by_image.values() for kind in labels}):
        values = sorted({labels[kind] for labels in labels_by_image.values() if kind in labels})
        if len(values) > UINT16_MAX:
            log.warning("the explorer leaves out the labels %r: %d values", kind, len(values))
            continue
        code_of: dict[str | None, int] = {value: code for code, value in enumerate(values, start=1)}
        codes = [code_of.get(labels_by_image[image_id].get(kind), 0) for image_id in image_ids]
        kinds.append(Labels(kind, values, np.array(codes, dtype=np.uint16)))
    return kinds
