"""Join the shards' tables; fail when too many pictures were skipped."""

import logging

from visualsearch.core.job import job
from visualsearch.data.manifest import check_skipped, merge_manifests, read_skipped, write_skipped

log = logging.getLogger("build_manifest")

with job(snakemake):
    skipped = [
        entry
        for path in [snakemake.input.listed_skipped, *snakemake.input.skipped]
        for entry in read_skipped(path)
    ]
    # Snakemake deletes the outputs of a failed job, but not its log.
    for entry in skipped:
        log.info("left out: %s %s: %s", entry.image_id or "", entry.file, entry.reason)
    kept = merge_manifests(snakemake.input.rows, snakemake.output.manifest)
    write_skipped(snakemake.output.skipped, skipped)
    check_skipped(
        kept, skipped, snakemake.config["dataset"]["max_skipped_fraction"], snakemake.log[0]
    )
    log.info("%d pictures, %d left out", kept, len(skipped))
