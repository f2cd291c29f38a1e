"""What the assignment asks for, with file, rows and section of each answer in this run."""

from visualsearch.report.blocks import Block, File, Link, Number, Paragraph, Table, section_id
from visualsearch.report.model import Results
from visualsearch.report.numbers import listed
from visualsearch.report.sections.dataset import SOURCES

ASKED_LENGTH = 2048


def blocks(results: Results) -> list[Block]:
    """Return the table. Its files are named from the folder of results."""
    source = results.settings.dataset.source
    lengths, reduction = results.search["columns"], results.reduction
    hits = sum(len(query.hits) for query in results.queries)
    length = f"{lengths['vector']:,} values a box, from the last map of the detector's backbone"
    if lengths["vector"] != ASKED_LENGTH:
        length += f", as it is no ResNet-50, which has {ASKED_LENGTH:,}"
    reduced = (
        f"{len(reduction.mean):,} values to {reduction.n_components:,}, by PCA and whitening"
        if reduction.is_fitted
        else "none, for fewer than two persons"
    )
    roles = listed([query.role for query in results.queries]) or "no query"
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
            "Dataset",
        ),
        (
            "a vector of 2,048 for each box",
            length,
            "embeddings/*.parquet, column vector",
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
        ("why these queries", roles, "search/queries.parquet", len(results.queries), "Galleries"),
        ("how to repeat it", "configuration, versions, hashes", "report/run.json", 1, "Provenance"),
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
        Paragraph("Files are named from the folder of results. README.md has the commands."),
    ]
