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
        "Number of queries that the strategy chooses. Not used if queries.persons is set.",
        minimum=0,
        maximum=1000,
    )
    strategy: str = key(
        "revealing",
        "revealing: a typical person, a rare one, a small or cut-off one, one in a crowd, and "
        "the one with the nearest neighbours; any further ones as in diverse. diverse: among "
        "clear detections that have similar neighbours, first the most typical one, then each "
        "time the one least similar to those chosen. random: random clear detections. Clear "
        "means that score and height are at least the median.",
        choices=("revealing", "diverse", "random"),
    )
    seed: int = key(0, "Seed of the strategy random.", minimum=0)
    persons: tuple[int, ...] = key(
        (),
        "Ids of persons to use as queries instead. Ids are in the report and in "
        "index/persons.parquet.",
        unique=True,
        minimum=0,
        maximum=MAX_PERSON_ID,
    )
    images: tuple[str, ...] = key(
        (),
        "Paths of your own pictures, whose persons become queries too. To give a box by hand, "
        'append it: "me.jpg#xywh=10,20,30,40" (left, top, width and height in pixels of the '
        'upright picture) or "me.jpg#xywh=percent:25,0,50,100". Such a path needs quotes in a '
        "list in brackets.",
        min_length=1,
        path=True,
    )
    boxes: str = key(
        "best",
        "Which persons of your own pictures become queries. best: the one with the highest "
        "score in each. all: every person. whole: the whole picture, without detection. A box "
        "appended to a path takes precedence.",
        choices=("best", "all", "whole"),
    )


@dataclass(frozen=True)
class SearchSettings(Section):
    """Which persons a query returns."""

    neighbours: int = key(
        10,
        "Number of persons to return for each query. The query itself is never returned.",
        minimum=1,
        maximum=1000,
    )
    same_image: bool = key(False, "Whether a query may return other persons of its own image.")
    hits_per_image: int | None = key(
        1,
        "Return at most this many persons of one image, the most similar ones. null: no limit.",
        minimum=1,
        maximum=1000,
    )
    rerank: int = key(
        0,
        "Sort this many of the nearest persons again by their full-length vectors, such as 100. "
        "0 turns it off.",
        minimum=0,
        maximum=10000,
    )
    near_duplicate: float = key(
        0.77,
        "Mark a hit as a near-duplicate if its cosine to the query is at least this, both "
        "as full-length vectors less the mean of all. The default was measured for embedding.maps: "
        "both; use 0.84 for last. If all pictures look alike, as studio portraits do, different "
        "persons reach it too.",
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
        "Evaluate the neighbours of at most this many persons, evenly spread over the search set.",
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
        "Seed of the resamples, of the distorted crops, and of the random persons for the "
        "chance level.",
        minimum=0,
    )
    parity_images: int = key(
        200,
        "`snakemake parity` compares detector.precision with fp32 on at most this many pictures, "
        "evenly spread.",
        minimum=1,
    )


@dataclass(frozen=True)
class ReportSettings(Section):
    """How the report shows the results."""

    title: str = key("Reverse visual search", "Title of the report.", min_length=1)
    thumbnail_height: int = key(
        192, "Height of the pictures in a gallery, in pixels.", minimum=64, maximum=512
    )
    timings: bool = key(
        True,
        "Whether the report shows measured times, and the command, commit and machine of the run. "
        "They differ between runs; without them the same inputs give the same bytes.",
    )
    picture_side: int = key(
        640,
        "Longer side of the whole pictures in the report, in pixels.",
        minimum=128,
        maximum=2048,
    )
    explorer: bool = key(
        False,
        "Whether each run also builds the explorer and links to it from the report. If false, "
        "`snakemake explorer` builds it.",
    )


@dataclass(frozen=True)
class ExplorerSettings(Section):
    """A page in which every person of the search set is a query."""

    neighbours: int = key(
        30,
        "Number of neighbours stored for each person, and the most that a search in the page "
        "shows.",
        minimum=1,
        maximum=100,
    )
    thumbnail_height: int = key(
        112,
        "Height of the thumbnails, in pixels. Their size on disk grows with its square.",
        minimum=48,
        maximum=255,
    )
    projection: str = key(
        "tsne",
        "How the map of all persons is made. tsne: t-SNE, which keeps neighbours together. pca: "
        "the first two principal components, which takes no time.",
        choices=("tsne", "pca"),
    )
    pictures: bool = key(
        False,
        "Whether the explorer includes the whole picture of each person, resized to "
        "report.picture_side. A thousand pictures of 640 pixels take about 50 MB.",
    )
    own_pictures: bool = key(
        False,
        "Whether the page can search for a picture that its reader drops on it. The networks "
        "then run in the browser, and the picture does not leave the machine. It adds 20 MB "
        "with the bundled detector, 75 MB with a ResNet-50. Persons are always found by the "
        "bundled detector, or you draw a box. Needs embedding.region: crop; first run pip "
        "install -r requirements-onnx.txt.",
    )
