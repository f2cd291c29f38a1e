"""What the assignment asks for, with file, rows and section of each answer in this run."""

from visualsearch.report.blocks import Block, File, Link, Number, Paragraph, Table, section_id
from visualsearch.report.model import Results
from visualsearch.report.sections import detections
from visualsearch.report.sections.dataset import SOURCES

ASKED_LENGTH = 2048
# What a query of this role shows.
ROLES = {
    "typical": "many are much like it",
    "rare": "even its nearest are far",
    "small": "a low box",
    "cut-off": "a box at the picture's edge",
    "crowd": "overlapped by others",
    "surest": "the reduction hardly changes its neighbours",
}


def blocks(results: Results) -> list[Block]:
    """Return the table. Its files are named from the folder of results."""
    source = results.settings.dataset.source
    lengths, reduction = results.search["columns"], results.reduction
    hits = sum(len(query.hits) for query in results.queries)
    length = (
        f"column vector: {lengths['vector']:,} values for each box above the thresholds, from the "
        "last map of the detector's backbone"
    )
    if lengths["vector"] != ASKED_LENGTH:
        length += f", which is no ResNet-50 with its {ASKED_LENGTH:,}"
    reduced = (
        f"{len(reduction.mean):,} values to {reduction.n_components:,}, by PCA and whitening"
        if reduction.is_fitted
        else "none, for fewer than two persons"
    )
    roles = dict.fromkeys(query.role for query in results.queries)
    why = "; ".join(f"{role}: {ROLES[role]}" if role in ROLES else role for role in roles)
    rows = [
        (
            "images of the category",
            f"{results.settings.dataset.category}, from {SOURCES.get(source, source)}",
            "dataset/manifest.parquet",
            results.n_pictures,
            "Dataset",
        ),
        (
            "detector and its details",
            results.detector["name"],
            "detections/detector.json",
            1,
            "Detector",
        ),
        (
            "inference JSON: the boxes of all",
            "image_id, category_id, bbox, score of each detection, in COCO's results format",
            "detections/persons.json",
            results.n_detections,
            detections.title(results),
        ),
        (
            "a vector of 2,048 for each box",
            length,
            "embeddings/*.parquet",
            results.n_persons,
            "Embedding",
        ),
        ("reduction, explained", reduced, "pca/", results.n_persons, "Reduction"),
        (
            f"similarity search for {results.settings.queries.count:,} queries",
            f"{results.sidecar['backend']}, {results.settings.search.neighbours:,} neighbours each",
            "search/hits.parquet",
            hits,
            "Galleries",
        ),
        (
            "why these queries",
            why or "no query",
            "search/queries.parquet",
            len(results.queries),
            "Galleries",
        ),
        ("how to repeat it", "versions, hashes, configuration", "report/run.json", 1, "Provenance"),
    ]
    return [
        Table(
            "Answers",
            ["asked", "in this run", "file", Number("rows"), "section"],
            [
                [asked, here, File(file), f"{n:,}", Link(title, f"#{section_id(title)}")]
                for asked, here, file, n, title in rows
            ],
        ),
        Paragraph("Files are named from the folder of results. The README has the commands."),
    ]
