"""Write all shards' detections as one file in COCO results format."""

from visualsearch.core.job import job
from visualsearch.data.tables import remove_other_shards
from visualsearch.detect.run import write_coco_results

with job(snakemake):
    remove_other_shards(snakemake.input.detections)
    write_coco_results(snakemake.output.persons, snakemake.input.detections)
