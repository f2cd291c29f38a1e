"""What the search is worth: what the index and the reduction lose, and how alike neighbours are."""

from visualsearch.atomic import read_json, write_json
from visualsearch.evaluation import label_precision, labels_by_image
from visualsearch.figures import draw_components
from visualsearch.job import job
from visualsearch.reduction import Reduction
from visualsearch.search_quality import measure_search, person_facts
from visualsearch.tables import common_metadata, read_table

with job(snakemake.log[0]):
    # Copies made by other settings than the embeddings would measure nothing.
    common_metadata([*snakemake.input.embeddings, snakemake.input.distorted])
    labels = labels_by_image(read_table(snakemake.input.manifest, ["image_id", "labels"]))
    persons = read_table(snakemake.input.persons)
    annotations = snakemake.input.get("annotations")
    numbers = measure_search(
        list(snakemake.input.embeddings),
        list(snakemake.input.reduced),
        persons,
        Reduction.load(snakemake.input.model),
        person_facts(read_json(annotations), persons, snakemake.params.category)
        if annotations
        else None,
        labels,
        read_table(snakemake.input.distorted),
        snakemake.params.evaluation,
        snakemake.params.rerank,
    )
    numbers["index_against_exact_search"] = read_json(snakemake.input.sidecar)["recall"]
    numbers["labels_of_hits"] = label_precision(
        read_table(snakemake.input.hits), read_table(snakemake.input.queries), labels
    )
    write_json(snakemake.output.numbers, numbers)
    draw_components(snakemake.output.figure, numbers["by_components"])
