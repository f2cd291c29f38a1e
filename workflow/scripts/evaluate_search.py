"""Measure what the reduction loses, and what neighbours have in common."""

from threadpoolctl import threadpool_limits

from visualsearch.core.files import read_json, write_json
from visualsearch.core.job import job
from visualsearch.data.manifest import picture_sizes
from visualsearch.data.person_order import rows_of_shards
from visualsearch.data.tables import PERSONS, common_metadata, read_table
from visualsearch.evaluate.person_facts import labels_by_image, person_facts
from visualsearch.evaluate.search_quality import measure_search
from visualsearch.reduce.reduction import Reduction
from visualsearch.report.charts import draw_components
from visualsearch.settings import EvaluationSettings

# The last bits of a sum depend on the threads.
with job(snakemake), threadpool_limits(1):
    settings = snakemake.params.settings
    # Copies embedded with other settings could not be compared.
    common_metadata([*snakemake.input.embeddings, snakemake.input.distorted])
    labels = labels_by_image(read_table(snakemake.input.manifest, ["image_id", "labels"]))
    # Not from the index, so that a change of it does not rerun this.
    persons = rows_of_shards(snakemake.input.reduced, PERSONS.names)
    annotations = snakemake.input.annotations
    numbers = measure_search(
        list(snakemake.input.embeddings),
        list(snakemake.input.reduced),
        persons,
        picture_sizes(snakemake.input.manifest, persons["image_id"].to_numpy()),
        Reduction.load(snakemake.input.model),
        person_facts(read_json(annotations), persons, settings["dataset"]["category"])
        if annotations
        else None,
        labels,
        read_table(snakemake.input.distorted),
        EvaluationSettings.of(settings["evaluation"]),
        settings["search"]["rerank"],
    )
    write_json(snakemake.output.numbers, numbers)
    draw_components(snakemake.output.figure, numbers["by_components"])
