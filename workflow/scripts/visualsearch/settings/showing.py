"""Settings of the queries, the search, its evaluation, the report and the explorer."""

from dataclasses import dataclass

from visualsearch.settings.declaring import Section, key

# Person ids have at most 15 digits, as a spreadsheet rounds longer numbers.
MAX_PERSON_ID = 10**15 - 1


@dataclass(frozen=True)
class QueriesSettings(Section):
    """Which persons are the queries."""

    count: int = key(
        5,
        "Number of queries that the strategy chooses; not used when persons are named.",
        minimum=0,
        maximum=1000,
    )
    strategy: str = key(
        "revealing",
        "revealing: five different persons, namely a typical one, a rare one, a small or cut-off "
        "one, one in a crowd and one with the nearest neighbours; any further ones are diverse. "
        "diverse: among clear detections with similar neighbours, the most typical one, then each "
        "time the one least similar to those chosen. random: from the clear detections. Clear "
        "means that score and height are at least the median.",
        choices=("revealing", "diverse", "random"),
    )
    seed: int = key(0, "Seed of the random strategy.", minimum=0)
    persons: tuple[int, ...] = key(
        (),
        "Person ids to use as queries instead of a strategy. Ids are in the report and in "
        "index/persons.parquet.",
        unique=True,
        minimum=0,
        maximum=MAX_PERSON_ID,
    )
    images: tuple[str, ...] = key(
        (),
        "Paths of your own pictures, whose persons become queries too. The same detector detects "
        "them. A path may end in a box, for a person that the detector misses: "
        '"me.jpg#xywh=10,20,30,40" is left, top, width and height in pixels of the upright '
        'picture, "me.jpg#xywh=percent:25,0,50,100" in percent of it. In a list in brackets, such '
        "a path needs its quotes.",
        min_length=1,
        path=True,
    )
    boxes: str = key(
        "best",
        "Which persons of your own pictures: the one with the best score in each, all, or whole "
        "for whole pictures, without detection. A box that follows a path goes before this.",
        choices=("best", "all", "whole"),
    )


@dataclass(frozen=True)
class SearchSettings(Section):
    """Which persons a query returns."""

    neighbours: int = key(
        10,
        "Number of persons to return for each query; the query itself is never one of them.",
        minimum=1,
        maximum=1000,
    )
    same_image: bool = key(False, "Whether a query may return persons of its own image.")
    hits_per_image: int | None = key(
        1,
        "Most persons of one image that a query returns: the most similar ones. null for no limit.",
        minimum=1,
        maximum=1000,
    )
    rerank: int = key(
        0,
        "Rerank: sort this many of the nearest persons, such as 100, by their full-length vectors. "
        "0 turns it off.",
        minimum=0,
        maximum=10000,
    )
    near_duplicate: float = key(
        0.77,
        "Hits are marked as near-duplicates if the cosine of their full-length vector with the "
        "query's, each less the mean of all, is at least this. Measured for embedding.maps: both; "
        "last needs 0.84. Where all pictures are alike, as studio portraits are, different persons "
        "reach it too.",
        maximum=1,
        above=0,
    )
    exclude_near_duplicates: bool = key(
        False, "Leave near-duplicates of the query out of its hits."
    )


@dataclass(frozen=True)
class EvaluationSettings(Section):
    """How the search is measured."""

    persons: int = key(
        1000,
        "Most persons to search for when the neighbours are evaluated, evenly spread.",
        minimum=1,
        maximum=10000,
    )
    resamples: int = key(
        1000,
        "Number of bootstrap resamples, of whole images, for the confidence intervals.",
        minimum=100,
        maximum=10000,
    )
    seed: int = key(
        0,
        "Seed of the resamples, of the distorted crops, and of the random persons that give "
        "the chance level.",
        minimum=0,
    )
    parity_images: int = key(
        200,
        "Most pictures on which the target parity compares detector.precision with fp32, evenly "
        "spread.",
        minimum=1,
    )


@dataclass(frozen=True)
class ReportSettings(Section):
    """How the report shows the results."""

    title: str = key("Reverse visual search", "Heading of the report.", min_length=1)
    thumbnail_height: int = key(
        192, "Height of the pictures in a gallery, in pixels.", minimum=64, maximum=512
    )
    timings: bool = key(
        True,
        "Whether the report shows times measured on this machine, and the command, commit and "
        "machine of the run. They differ from run to run; without them the same inputs give the "
        "same bytes.",
    )
    picture_side: int = key(
        640,
        "Longer side, in pixels, of the whole pictures in the report.",
        minimum=128,
        maximum=2048,
    )
    explorer: bool = key(
        False,
        "Whether the run also builds the explorer, which the report links to. Otherwise "
        "`snakemake explorer` builds it.",
    )


@dataclass(frozen=True)
class ExplorerSettings(Section):
    """A page in which every person of the search set is a query."""

    neighbours: int = key(
        30,
        "Neighbours kept for each person, and the most that a search in the page shows.",
        minimum=1,
        maximum=100,
    )
    thumbnail_height: int = key(
        112,
        "Height of the thumbnails, in pixels. The size on disk grows with its square.",
        minimum=48,
        maximum=255,
    )
    projection: str = key(
        "tsne",
        "How the map of all persons is made. tsne: t-SNE, which keeps neighbours together. pca: "
        "the first two principal components, which take no time.",
        choices=("tsne", "pca"),
    )
    pictures: bool = key(
        False,
        "Whether the explorer brings the whole picture of each person, with its longer side as in "
        "report.picture_side. At 640 pixels a thousand pictures take about 50 MB.",
    )
    own_pictures: bool = key(
        False,
        "Whether the page also searches for a picture that its reader drops there. Then the "
        "networks lie beside it and run in the browser, and nothing leaves the machine: 20 MB more "
        "with the bundled detector, 75 MB with a ResNet-50. Persons are found by the bundled "
        "detector, whichever the run's own is, or a box is drawn by hand. It needs "
        "embedding.region: crop and the optional packages of requirements-onnx.txt.",
    )
