"""Settings of what is searched for, how it is measured, and how it is shown."""

from dataclasses import dataclass

from visualsearch.settings.declaring import Section, key


@dataclass(frozen=True)
class QueriesSettings(Section):
    """Which persons are searched for."""

    count: int = key(
        5,
        "How many to choose by the strategy; not used where persons are named.",
        minimum=0,
        maximum=1000,
    )
    strategy: str = key(
        "revealing",
        "revealing: five that show different things, namely a typical person, a rare one, a "
        "small or cut-off one, one in a crowd and one whose neighbours are surest; more than "
        "five go on as diverse. diverse: among clear detections that have look-alikes, the "
        "most typical, then each time the one least like those taken. random: drawn from the "
        "clear detections, of score and height at least the median.",
        choices=("revealing", "diverse", "random"),
    )
    seed: int = key(
        0,
        "Seed of the random strategy.",
        minimum=0,
    )
    persons: tuple[int, ...] = key(
        (),
        "Person ids to search for instead of chosen ones; the report and "
        "index/persons.parquet show them.",
        unique=True,
        minimum=0,
        maximum=9007199254740991,
    )
    images: tuple[str, ...] = key(
        (),
        "Your own pictures to search with, besides the others; the same detector finds the "
        "persons in them.",
        unique=True,
        min_length=1,
    )
    boxes: str = key(
        "best",
        "Of each such picture, the person of the best score, or all in it.",
        choices=("best", "all"),
    )


@dataclass(frozen=True)
class SearchSettings(Section):
    """What is shown for a query."""

    neighbours: int = key(
        10,
        "Persons to return for each query, never the query itself.",
        minimum=1,
        maximum=1000,
    )
    same_image: bool = key(
        False,
        "Whether persons from the query's own image may be returned.",
    )
    rerank: int = key(
        0,
        "Take a second look at so many of the nearest, such as 100, and sort them anew by "
        "their full-length vectors; 0 for no second look.",
        minimum=0,
        maximum=10000,
    )
    near_duplicate: float = key(
        0.9,
        "Hits of at least this cosine to the query are marked as near-duplicates.",
        maximum=1,
        above=0,
    )
    exclude_near_duplicates: bool = key(
        False,
        "Whether near-duplicates of the query are left out of its hits.",
    )


@dataclass(frozen=True)
class EvaluationSettings(Section):
    """How the search is measured."""

    persons: int = key(
        1000,
        "At most so many persons, evenly spread, are searched for to measure the neighbours.",
        minimum=1,
        maximum=10000,
    )
    resamples: int = key(
        1000,
        "Bootstrap resamples, of whole images, for the intervals.",
        minimum=100,
        maximum=10000,
    )
    seed: int = key(
        0,
        "Seed of the resamples, of the distorted crops, and of the random persons that chance "
        "is reckoned from.",
        minimum=0,
    )
    parity_images: int = key(
        200,
        "At most so many pictures, evenly spread, by which the target parity compares "
        "detector.precision with fp32.",
        minimum=1,
    )


@dataclass(frozen=True)
class ReportSettings(Section):
    """How results are shown."""

    title: str = key(
        "Reverse visual search",
        "Heading of the report.",
        min_length=1,
    )
    thumbnail_height: int = key(
        192,
        "Height of a gallery's pictures in pixels.",
        minimum=64,
        maximum=512,
    )
    timings: bool = key(
        True,
        "Whether the report shows times measured on this machine, which differ from run to "
        "run; without them the same inputs give the same bytes.",
    )
    picture_side: int = key(
        640,
        "Longer side in pixels of the whole pictures kept in the report.",
        minimum=128,
        maximum=2048,
    )
    explorer: bool = key(
        False,
        "Whether the run makes the explorer too, and the report links to it; without, "
        "`snakemake explorer` makes it.",
    )


@dataclass(frozen=True)
class ExplorerSettings(Section):
    """A page in which every person of the search set is a query."""

    neighbours: int = key(
        30,
        "Neighbours kept of each person, so that the filters of score, size and label leave some.",
        minimum=1,
        maximum=100,
    )
    thumbnail_height: int = key(
        112,
        "Height of the thumbnails in pixels; the size on disk grows with its square.",
        minimum=48,
        maximum=255,
    )
    projection: str = key(
        "tsne",
        "How the map of all persons is made: t-SNE, which keeps neighbours together, or the "
        "first two principal components, which take no time.",
        choices=("tsne", "pca"),
    )
