"""What the search is worth: what the reduction loses, and how alike neighbours are."""

from threadpoolctl import threadpool_limits

from visualsearch.core.files import read_json, write_json
from visualsearch.core.job import job
from visualsearch.data.person_order import rows_of_shards
from visualsearch.data.tables import PERSONS, common_metadata, read_table
from visualsearch.embed.distortion import DISTORTED, VECTORS
from visualsearch.evaluate.detections import labels_by_image
from visualsearch.evaluate.search_quality import measure_search, person_facts
from visualsearch.reduce.reduction import Reduction
from visualsearch.report.charts import draw_components

# A sum's last bits depend on the threads, and a choice may hang on them.
with job(snakemake), threadpool_limits(1):
    # Copies made by other settings than the embeddings would measure nothing.
    common_metadata([*snakemake.input.embeddings, snakemake.input.distorted])
    labels = labels_by_image(read_table(snakemake.input.manifest, ["image_id", "labels"]))
    # Of the reduced vectors and not of the index, which decides nothing here.
    persons = rows_of_shards(snakemake.input.reduced, PERSONS.names)
    annotations = snakemake.input.annotations
    numbers = measure_search(
        list(snakemake.input.embeddings),
        list(snakemake.input.reduced),
        persons,
        Reduction.load(snakemake.input.model),
        person_facts(read_json(annotations), persons, snakemake.params.category)
        if annotations
        else None,
        labels,
        read_table(snakemake.input.distorted, [*DISTORTED.names, *VECTORS]),
        snakemake.params.evaluation,
        snakemake.params.rerank,
    )
    write_json(snakemake.output.numbers, numbers)
    draw_components(snakemake.output.figure, numbers["by_components"])
