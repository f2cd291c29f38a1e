"""What a report shows: a run's results as plain values, from which every form is made."""

from dataclasses import dataclass, field
from typing import Any

from visualsearch.core.errors import InputError
from visualsearch.data.attribution import license_name
from visualsearch.data.images import Decoded, UnreadableImage, read_image
from visualsearch.data.pictures import Picture
from visualsearch.data.skipped import Skipped
from visualsearch.reduce.reduction import Reduction
from visualsearch.report.costs import Cost
from visualsearch.settings import Settings
from visualsearch.web.pages import category_nouns

Box = tuple[float, float, float, float]

# Hits of a query in the figure that compares with the last map alone.
COMPARED_HITS = 5


@dataclass(frozen=True)
class ShownPicture:
    """A picture in the report.

    key: its name inside the page. name: its name for readers. stored: the picture of the dataset;
    None for a query picture that the user gave, which is read from `file`.
    """

    key: str
    name: str
    file: str
    stored: Picture | None = None
    image_id: int | None = None
    license: str | None = None
    license_url: str | None = None
    source_url: str | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def read(self) -> Decoded:
        """Return the upright picture. Raises InputError if it cannot be read."""
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
        """Short name of the licence, such as CC BY-NC 2.0."""
        return license_name(self.license, self.license_url)


@dataclass(frozen=True)
class Person:
    """A detection in the report. box: left, top, width, height in the picture's pixels.

    score: None for a box that the user gave.
    """

    picture: ShownPicture
    box: Box
    score: float | None
    person_id: int | None = None


@dataclass(frozen=True)
class Label:
    """A label of a picture. agrees: whether the query's picture has the same label."""

    kind: str
    value: str
    agrees: bool = False


@dataclass(frozen=True)
class Hit:
    """A neighbour of a query.

    rank: from 1. index_rank: the rank before reranking. similarity: cosine of the reduced vectors.
    full_similarity: cosine of the full-length vectors, None without reranking.
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
        """The cosine by which hits are sorted."""
        return self.similarity if self.full_similarity is None else self.full_similarity


@dataclass(frozen=True)
class Query:
    """A query with its neighbours. number: from 1. role, reason: why it was chosen.

    alike: its entry of evaluation/galleries.json; None for one of the user's own pictures.
    by_last_map: its hits by the last map alone; empty if the search uses no other, and for one of
    the user's own pictures.
    """

    number: int
    role: str
    reason: str
    person: Person
    labels: list[Label]
    hits: list[Hit]
    alike: dict[str, Any] | None = None
    by_last_map: list[Hit] = field(default_factory=list)


@dataclass(frozen=True)
class LicenseGroup:
    """Shown pictures that have the same licence."""

    name: str
    url: str | None
    pictures: list[ShownPicture]


@dataclass(frozen=True)
class Results:
    """Everything a report shows.

    boxes: by image_id and person_id, every person of the search set in the pictures shown.
    search: evaluation/search.json.
    timing: index/timing.json; None if times are not shown or the search set is empty.
    costs: empty if times are not shown.
    """

    settings: Settings
    n_pictures: int
    n_detections: int
    n_persons: int
    queries: list[Query]
    boxes: dict[int, dict[int, Box]]
    skipped_queries: list[Skipped]
    skipped: list[Skipped]
    detector: dict[str, Any]
    reduction: Reduction
    sidecar: dict[str, Any]
    search: dict[str, Any]
    timing: dict[str, Any] | None
    costs: list[Cost]
    detection_numbers: dict[str, Any] | None

    @property
    def nouns(self) -> tuple[str, str]:
        """Singular and plural of what is searched for."""
        return category_nouns(self.settings.dataset.category)

    def pictures_shown(self) -> list[ShownPicture]:
        """Each picture of a query or a hit once, in the order in which they are shown."""
        shown: dict[str, ShownPicture] = {}
        for query in self.queries:
            for person in [query.person, *(hit.person for hit in query.hits)]:
                shown.setdefault(person.picture.key, person.picture)
        return list(shown.values())

    def licenses_shown(self) -> list[LicenseGroup]:
        """The dataset's pictures shown, by licence, the most frequent licence first.

        The pictures of the figure that compares with the last map alone are among them.
        """
        groups: dict[tuple[str, str | None], LicenseGroup] = {}
        shown = {picture.key: picture for picture in self.pictures_shown()}
        for query in self.queries:
            for hit in query.by_last_map[:COMPARED_HITS]:
                shown.setdefault(hit.person.picture.key, hit.person.picture)
        for picture in shown.values():
            if picture.stored is not None:
                name = picture.license_name or "no licence stated"
                group = LicenseGroup(name, picture.license_url, [])
                groups.setdefault((name, picture.license_url), group).pictures.append(picture)
        return sorted(groups.values(), key=lambda group: (-len(group.pictures), group.name))
