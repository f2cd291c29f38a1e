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
    *("image_id", "file", "width", "height", "license", "license_url", "source_url", "labels"),
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
    Pictures are those that show persons of the set, in the order of image_id. picture_of: int64
    [N], the picture of each row, counted from 0.
    """

    def __init__(self, manifest: str, persons: pa.Table, by_file: bool) -> None:
        self.persons = persons
        rows = read_manifest(manifest).select(MANIFEST_COLUMNS).sort_by("image_id")
        shown = pc.is_in(rows["image_id"], persons["image_id"].combine_chunks())
        self._pictures = rows.filter(shown).to_pylist()
        self.n_pictures = len(self._pictures)
        _, self.picture_of, self._counts = np.unique(
            persons["image_id"].to_numpy(), return_inverse=True, return_counts=True
        )
        self._by_file = by_file
        self.licenses = sorted({one for one in map(_license, self._pictures) if one})
        self._position: dict[License | None, int] = {one: n for n, one in enumerate(self.licenses)}
        self.labels = _labels(persons, self._pictures)

    def details(self, start: int, stop: int) -> list[list[Any]]:
        """Return numbers, as shown, of the persons of the rows from `start` to before `stop`.

        Each row is person_id, score, and the box as a list of left, top, width and height.
        """
        return [
            [
                person["person_id"],
                shown_score(person["score"]),
                shown_box(person[side] for side in BOX_COLUMNS),
            ]
            for person in self.persons.slice(start, stop - start).to_pylist()
        ]

    def pictures(self, start: int, stop: int) -> list[list[Any]]:
        """Return what is known of the pictures from `start` to before `stop`, JSON-ready.

        Each row is image_id, the name, the number of persons, the position in `licenses` or -1,
        the web address or an empty string, width and height in pixels, and, where that is not the
        name, the file.
        """
        rows = []
        for number, picture in enumerate(self._pictures[start:stop], start):
            name = shown_name(picture, self._by_file)
            row = [
                picture["image_id"],
                name,
                int(self._counts[number]),
                self._position.get(_license(picture), -1),
                web_address(picture["source_url"]) or "",
                picture["width"],
                picture["height"],
            ]
            rows.append(row if name == picture["file"] else [*row, picture["file"]])
        return rows


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
