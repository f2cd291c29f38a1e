"""Write all shards' detections as one file in COCO results format, and the pictures left out."""

from visualsearch.core.job import job
from visualsearch.data.skipped import read_skipped, write_skipped
from visualsearch.detect.run import write_coco_results

with job(snakemake):
    write_coco_results(snakemake.output.persons, snakemake.input.detections)
    skipped = [entry for path in snakemake.input.skipped for entry in read_skipped(path)]
    write_skipped(snakemake.output.skipped, skipped)
