"""A run's results as one plain model, from which every form of the report is made."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from visualsearch.core.errors import InputError
from visualsearch.core.files import read_json
from visualsearch.data.attribution import license_name, web_address
from visualsearch.data.images import UnreadableImage, read_image
from visualsearch.data.manifest import MANIFEST_SCHEMA, Skipped, labels_of, read_skipped, shown_name
from visualsearch.data.pictures import Picture as Stored
from visualsearch.data.pictures import Places
from visualsearch.data.tables import BOX_COLUMNS, HITS, QUERIES, count_rows, open_table, read_table
from visualsearch.reduce.reduction import Reduction
from visualsearch.report.costs import Cost, read_costs
from visualsearch.settings import Settings

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ResultFiles:
    """Paths of what the stages handed on; None for what this run has not.

    benchmarks: the folder of what each job took; None where no times are to be shown.
    """

    manifest: str
    skipped: str
    detector: str
    detections: str
    model: str
    variance_figure: str
    persons: str
    sidecar: str
    queries: str
    hits: str
    search_numbers: str
    components_figure: str
    timing: str | None = None
    detection_numbers: str | None = None
    precision_recall_figure: str | None = None
    skipped_queries: str | None = None
    benchmarks: str | None = None


@dataclass(frozen=True)
class Picture:
    """A picture that the report shows. key: its name inside the report; name: what readers see."""

    key: str
    name: str
    file: str
    stored: Stored | None = None
    image_id: int | None = None
    license: str | None = None
    license_url: str | None = None
    source_url: str | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def read(self) -> Image.Image:
        """The upright RGB image; InputError where it cannot be read."""
        if self.stored is not None:
            return self.stored.read()
        try:
            return read_image(self.file)
        except UnreadableImage as error:
            raise InputError(
                f"queries.images: {self.file} was usable before and is not now ({error}); "
                "put it back, or take it out of the configuration"
            ) from error

    @property
    def license_name(self) -> str | None:
        """Short name of its licence: CC BY-NC 2.0 for one of Creative Commons."""
        return license_name(self.license, self.license_url)


@dataclass(frozen=True)
class Person:
    """A detection that the report shows. box: left, top, width, height in the picture's pixels."""

    picture: Picture
    box: Box
    score: float
    person_id: int | None = None


@dataclass(frozen=True)
class Label:
    """A label of a picture, and whether the query's picture has the same."""

    kind: str
    value: str
    agrees: bool = False


@dataclass(frozen=True)
class Hit:
    """A neighbour of a query.

    rank counts from 1; index_rank is the one before a second look. similarity, full_similarity:
    cosines of the reduced vectors, and of the full-length ones where a second look was taken.
    """

    rank: int
    person: Person
    similarity: float
    same_image: bool
    near_duplicate: bool
    index_rank: int
    full_similarity: float | None
    labels: list[Label]

    @property
    def shown_similarity(self) -> float:
        """The cosine that hits are sorted by."""
        return self.similarity if self.full_similarity is None else self.full_similarity


@dataclass(frozen=True)
class Query:
    """A query with its neighbours; number counts from 1, role is what it is to show."""

    number: int
    role: str
    reason: str
    person: Person
    labels: list[Label]
    hits: list[Hit]


@dataclass(frozen=True)
class LicenseGroup:
    """Pictures shown that have one licence."""

    name: str
    url: str | None
    pictures: list[Picture]


@dataclass(frozen=True)
class Results:
    """All that a report says.

    search: evaluation/search.json. timing: index/timing.json,
    None where no times are to be shown, or nobody was there; costs: empty without times.
    labels_of_hits: what `label_agreement` gives. boxes: by image_id, person_id and box of all of
    the search set in the pictures shown.
    """

    settings: Settings
    n_pictures: int
    n_detections: int
    n_persons: int
    queries: list[Query]
    boxes: dict[int, dict[int, Box]]
    labels_of_hits: dict[str, dict[str, float]]
    skipped_queries: list[Skipped]
    skipped: Counter[str]
    detector: dict[str, Any]
    reduction: Reduction
    sidecar: dict[str, Any]
    search: dict[str, Any]
    timing: dict[str, Any] | None
    costs: list[Cost]
    detection_numbers: dict[str, Any] | None

    @property
    def recall(self) -> dict[str, Any]:
        """How much of exact search the index finds."""
        return self.sidecar["recall"]

    def pictures_shown(self) -> list[Picture]:
        """Each picture of a query or a hit once, in the order in which they are shown."""
        return _pictures_of(self.queries)

    def licenses_shown(self) -> list[LicenseGroup]:
        """The pictures shown by licence, the most frequent first; the user's own are left out."""
        groups: dict[tuple[str, str | None], LicenseGroup] = {}
        for picture in self.pictures_shown():
            if picture.stored is not None:
                name = picture.license_name or "no licence stated"
                group = LicenseGroup(name, picture.license_url, [])
                groups.setdefault((name, picture.license_url), group).pictures.append(picture)
        return sorted(groups.values(), key=lambda group: (-len(group.pictures), group.name))


def load_results(files: ResultFiles, settings: Settings, pictures_folder: str | None) -> Results:
    """Read a run's results. pictures_folder: the user's own folder of pictures, or None."""
    asked = read_table(files.queries, QUERIES.names).to_pylist()
    found = read_table(files.hits, HITS.names).to_pylist()
    hits: dict[int, list[dict[str, Any]]] = {}
    for row in found:
        hits.setdefault(row["query"], []).append(row)
    image_ids = {row["image_id"] for row in [*asked, *found]} - {None}
    by_file = settings.dataset.source == "folder"
    n_persons = count_rows([files.persons])
    shown = _Shown(files.manifest, image_ids, pictures_folder, by_file)
    queries = [
        shown.query(number, row, hits.get(row["query"], []))
        for number, row in enumerate(asked, start=1)
    ]
    return Results(
        settings=settings,
        n_pictures=count_rows([files.manifest]),
        n_detections=_count_results(files.detections),
        n_persons=n_persons,
        queries=queries,
        boxes=_boxes_of(files.persons, _pictures_of(queries)),
        labels_of_hits=label_agreement(queries, label_counts(files.manifest)),
        skipped_queries=read_skipped(files.skipped_queries) if files.skipped_queries else [],
        skipped=Counter(entry.reason for entry in read_skipped(files.skipped)),
        detector=read_json(files.detector),
        reduction=Reduction.load(files.model),
        sidecar=read_json(files.sidecar),
        search=read_json(files.search_numbers),
        timing=read_json(files.timing) if files.timing and n_persons else None,
        costs=read_costs(files.benchmarks, settings.shards) if files.benchmarks else [],
        detection_numbers=read_json(files.detection_numbers) if files.detection_numbers else None,
    )


class _Shown:
    """Makes queries and hits out of rows, each picture once."""

    def __init__(
        self, manifest: str, image_ids: Collection[int], folder: str | None, by_file: bool
    ) -> None:
        rows = _rows_of(manifest, MANIFEST_SCHEMA.names, image_ids)
        self._rows = {row["image_id"]: row for row in rows}
        self._places = Places(manifest, folder)
        # The ids of a folder of pictures are made up; its readers know the names.
        self._by_file = by_file
        self._pictures: dict[int | str, Picture] = {}

    def picture(self, image_id: int) -> Picture:
        if image_id not in self._pictures:
            row = self._rows[image_id]
            self._pictures[image_id] = Picture(
                key=f"image-{image_id}",
                name=shown_name(row, self._by_file),
                file=row["file"],
                stored=self._places.picture(row),
                image_id=image_id,
                license=row["license"],
                license_url=web_address(row["license_url"]),
                source_url=web_address(row["source_url"]),
                labels=labels_of(row),
            )
        return self._pictures[image_id]

    def own_picture(self, file: str) -> Picture:
        if file not in self._pictures:
            own = sum(1 for key in self._pictures if isinstance(key, str))
            name = PurePosixPath(file).name
            self._pictures[file] = Picture(key=f"own-{own + 1}", name=name, file=file)
        return self._pictures[file]

    def person(self, row: dict[str, Any], picture: Picture) -> Person:
        x, y, w, h = (row[name] for name in BOX_COLUMNS)
        return Person(picture, (x, y, w, h), row["score"], row["person_id"])

    def query(self, number: int, row: dict[str, Any], hits: list[dict[str, Any]]) -> Query:
        if row["image_id"] is None:
            picture = self.own_picture(row["picture"])
        else:
            picture = self.picture(row["image_id"])
        labels = picture.labels
        return Query(
            number=number,
            role=row["role"],
            reason=row["reason"],
            person=self.person(row, picture),
            labels=[Label(kind, value) for kind, value in labels.items()],
            hits=[self.hit(hit, labels) for hit in sorted(hits, key=lambda hit: hit["rank"])],
        )

    def hit(self, row: dict[str, Any], wanted: dict[str, str]) -> Hit:
        picture = self.picture(row["image_id"])
        labels = [
            Label(kind, value, wanted.get(kind) == value) for kind, value in picture.labels.items()
        ]
        return Hit(
            rank=row["rank"],
            person=self.person(row, picture),
            similarity=row["similarity"],
            same_image=bool(row["same_image"]),
            near_duplicate=bool(row["near_duplicate"]),
            index_rank=row["index_rank"],
            full_similarity=row["full_similarity"],
            labels=labels,
        )


def _pictures_of(queries: list[Query]) -> list[Picture]:
    shown: dict[str, Picture] = {}
    for query in queries:
        for person in [query.person, *(hit.person for hit in query.hits)]:
            shown.setdefault(person.picture.key, person.picture)
    return list(shown.values())


def _boxes_of(persons: str, pictures: list[Picture]) -> dict[int, dict[int, Box]]:
    ids = [picture.image_id for picture in pictures if picture.image_id is not None]
    boxes: dict[int, dict[int, Box]] = {}
    for row in _rows_of(persons, ["person_id", "image_id", *BOX_COLUMNS], ids):
        x, y, w, h = (row[name] for name in BOX_COLUMNS)
        boxes.setdefault(row["image_id"], {})[row["person_id"]] = (x, y, w, h)
    return boxes


def _rows_of(
    path: str, columns: Sequence[str], image_ids: Collection[int]
) -> Iterator[dict[str, Any]]:
    """A table's rows of some images. It may have millions: only these are held."""
    ids = pa.array(sorted(image_ids), pa.int64())
    with open_table(path, columns) as file:
        for batch in file.iter_batches(columns=list(columns)):
            yield from batch.filter(pc.is_in(batch["image_id"], ids)).to_pylist()


def label_counts(manifest: str) -> dict[str, Counter[str]]:
    """By kind of label, how many pictures of the set carry each."""
    counts: dict[str, Counter[str]] = {}
    with open_table(manifest, ["labels"]) as file:
        for batch in file.iter_batches(columns=["labels"]):
            for row in batch.filter(pc.is_valid(batch["labels"])).to_pylist():
                for kind, value in labels_of(row).items():
                    counts.setdefault(kind, Counter())[value] += 1
    return counts


def label_agreement(
    queries: list[Query], counts: dict[str, Counter[str]]
) -> dict[str, dict[str, float]]:
    """By kind of label, the share of the hits shown that carry their query's.

    counts: what `label_counts` gives. chance: the share of all other pictures with such a label
    that carry it, as a mean over the queries.
    """
    found = {}
    for kind in sorted(counts):
        others = counts[kind].total() - 1
        asked = [(q, label) for q in queries for label in q.labels if label.kind == kind]
        hits = [hit for query, _ in asked for hit in query.hits]
        same = [label.agrees for hit in hits for label in hit.labels if label.kind == kind]
        if same and others:
            chances = [(counts[kind][label.value] - 1) / others for _, label in asked]
            found[kind] = {"precision": fmean(same), "chance": fmean(chances)}
    return found


def _count_results(path: str) -> int:
    # COCO results of a large set are a hundred megabytes; each has this key once.
    with open(path, encoding="utf-8") as file:
        return sum(line.count('"image_id"') for line in file)
