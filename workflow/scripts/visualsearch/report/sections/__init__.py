"""The sections of a report: what a run did and found, as blocks."""

from visualsearch.report.blocks import Part, Section
from visualsearch.report.model import Results
from visualsearch.report.provenance import Provenance
from visualsearch.report.sections import (
    asked,
    components,
    costs,
    dataset,
    detections,
    detector,
    embedding,
    galleries,
    in_common,
    index,
    limits,
    losses,
    provenance,
    reduction,
    reranking,
    summary,
)

GALLERIES = "Galleries"


def document(results: Results, made_with: Provenance) -> list[Section]:
    """Return the whole report, its summary first."""
    how_good = [
        Part(detections.title(results), detections.blocks(results)),
        Part("What index and reduction lose", losses.blocks(results)),
        Part("What neighbours have in common", in_common.blocks(results)),
        Part("Components and whitening", components.blocks(results)),
        Part("Re-ranking", reranking.blocks(results)),
    ]
    how_made = [
        Part("Dataset", dataset.blocks(results)),
        Part("Detector", detector.blocks(results)),
        Part("Embedding", embedding.blocks(results)),
        Part("Reduction", reduction.blocks(results)),
        Part("Index", index.blocks(results)),
    ]
    sections = [
        Section("Summary", summary.blocks(results)),
        Section(GALLERIES, galleries.blocks(results)),
        Section("What was asked, and where it is", asked.blocks(results)),
        Section("How good it is", [part for part in how_good if part.blocks]),
        Section("How it was made", how_made),
        Section("What it does not show", limits.blocks(results)),
        Section("Licences of the pictures", dataset.licences(results)),
        Section("Provenance", [*provenance.blocks(results, made_with), *costs.blocks(results)]),
    ]
    return [section for section in sections if section.blocks]
