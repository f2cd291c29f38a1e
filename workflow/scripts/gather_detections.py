"""Write all shards' detections as one file in COCO results format."""

from visualsearch.core.job import job
from visualsearch.detect.run import write_coco_results

with job(snakemake):
    write_coco_results(snakemake.output.persons, snakemake.input.detections)
