"""All shards' detections as one file in COCO results format."""

from visualsearch.detection import write_coco_results
from visualsearch.job import job

with job(snakemake):
    write_coco_results(snakemake.output.persons, snakemake.input.detections)
