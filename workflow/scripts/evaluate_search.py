"""What the neighbours are worth: the index's recall, and agreement of labels where known."""

import json
from pathlib import Path

from visualsearch.atomic import write_json
from visualsearch.evaluation import label_precision, labels_by_image
from visualsearch.job import job
from visualsearch.tables import read_table

with job(snakemake.log[0]):
    sidecar = json.loads(Path(snakemake.input.sidecar).read_text(encoding="utf-8"))
    labels = labels_by_image(read_table(snakemake.input.manifest, ["image_id", "labels"]))
    hits = read_table(snakemake.input.hits)
    queries = read_table(snakemake.input.queries)
    numbers = {
        "index_against_exact_search": sidecar["recall"],
        "labels_of_hits": label_precision(hits, queries, labels),
    }
    write_json(snakemake.output.numbers, numbers)
