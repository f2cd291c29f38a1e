"""Write all shards' detections as COCO results and as a COCO data set, and what was left out."""

from visualsearch.core.job import job
from visualsearch.data.skipped import read_skipped, write_skipped
from visualsearch.detect.coco_files import write_coco_dataset, write_coco_results

with job(snakemake):
    skipped = [entry for path in snakemake.input.skipped for entry in read_skipped(path)]
    write_skipped(snakemake.output.skipped, skipped)
    write_coco_results(snakemake.output.persons, snakemake.input.detections)
    write_coco_dataset(
        snakemake.output.coco,
        snakemake.input.detections,
        snakemake.input.manifest,
        snakemake.params.settings["dataset"]["category"],
        [entry.image_id for entry in skipped],
    )
