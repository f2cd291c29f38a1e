"""What the neighbours are worth: the index's recall, and agreement of labels where known."""

from visualsearch.atomic import read_json, write_json
from visualsearch.evaluation import label_precision, labels_by_image
from visualsearch.job import job
from visualsearch.tables import read_table

with job(snakemake.log[0]):
    sidecar = read_json(snakemake.input.sidecar)
    labels = labels_by_image(read_table(snakemake.input.manifest, ["image_id", "labels"]))
    hits = read_table(snakemake.input.hits)
    queries = read_table(snakemake.input.queries)
    numbers = {
        "index_against_exact_search": sidecar["recall"],
        "labels_of_hits": label_precision(hits, queries, labels),
    }
    write_json(snakemake.output.numbers, numbers)
